# SPDX-License-Identifier: GPL-3.0-or-later
"""The person at a terminal, whom an operation asks. What they leave raises choose.Left."""

from __future__ import annotations

import os
import sys
import typing as t

from ..system import IS_WINDOWS
from .choose import Left, needed, pick
from .console import Console, EndOfInput
from .output import safe


class TerminalPerson:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.has_browser = _has_browser()

    def tell(self, text: str = "") -> None:
        self._console.tell(safe(text))

    def ask(self, question: str) -> str:
        return needed(self._console, safe(question))

    def ask_secret(self, question: str) -> str:
        while True:
            try:
                answer = self._console.ask_secret(safe(question)).strip()
            except EndOfInput:
                raise Left from None
            if answer:
                return answer

    def choose(self, title: str, items: t.Sequence[str]) -> int:
        return pick(self._console, title, items, 0)

    def show_page(self, url: str) -> None:
        import webbrowser

        webbrowser.open(url)


def _has_browser() -> bool:
    """Whether there is one with windows: one in this terminal would be in the way."""
    if IS_WINDOWS or sys.platform == "darwin":
        return True
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        return False
    import webbrowser

    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
