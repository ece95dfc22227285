# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb works with: its arguments, the console, the configuration."""

from __future__ import annotations

import typing as t

from ..job import Config
from ..job_files import load_config
from ..progress import Progress
from ..result import Result
from .config_path import config_path

if t.TYPE_CHECKING:
    import argparse

    from .console import Console
    from .signals import Signals


class Session:
    """One command line being carried out. ``progress`` is closed when the verb returns, and may be closed before questions."""

    def __init__(self, arguments: argparse.Namespace, console: Console, signals: Signals) -> None:
        self.arguments = arguments
        self.console = console
        self.signals = signals
        self.progress: Progress = console.progress()
        self._config: t.Optional[Config] = None

    @property
    def config_path(self) -> str:
        return config_path(self.arguments.config)

    @property
    def config(self) -> Config:
        """The checked configuration, read when it is first asked for. Raises ConfigurationError."""
        if self._config is None:
            self._config = load_config(self.config_path)
        return self._config

    def read_again(self) -> None:
        """Read the configuration anew when it is next asked for: a command may have changed it."""
        self._config = None

    def audit(self, result: Result, what: str) -> None:
        """Append to the audit log who did what. A log that cannot be written to is told, but undoes nothing."""
        if self._config is None:
            return
        from ..state import State

        state = State(self._config.state_dir)
        state.audit(result, what)
        for notice in state.notices:
            result.warn(notice.code, notice.message)
