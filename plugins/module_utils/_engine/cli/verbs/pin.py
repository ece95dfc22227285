# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a backup, and what it needs, whatever the retention rules say."""

from __future__ import annotations

import typing as t

from ...result import Result
from ..marking import add_mark_arguments, carry_out, show, subject

if t.TYPE_CHECKING:
    import argparse

    from ..session import Session

__all__ = ["add_arguments", "run", "show", "subject"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_mark_arguments(parser)


def run(session: Session) -> Result:
    return carry_out(session, "pin")
