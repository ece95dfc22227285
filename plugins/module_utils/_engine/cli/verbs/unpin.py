# SPDX-License-Identifier: GPL-3.0-or-later
"""Leave a backup that was pinned to the retention rules again."""

from __future__ import annotations

import typing as t

from ...result import Result
from ..marking import add_mark_arguments, carry_out, show, subject

if t.TYPE_CHECKING:
    import argparse

    from ..session import Session

__all__ = ["add_arguments", "run", "show", "subject"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_mark_arguments(parser, note=False)


def run(session: Session) -> Result:
    return carry_out(session, "unpin")
