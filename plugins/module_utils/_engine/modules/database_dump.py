# SPDX-License-Identifier: GPL-3.0-or-later
"""Dump a database into a file."""

from __future__ import annotations

from ..operations.database_dump import (
    DumpResult,
    database_dump,
)
from . import Params

KEY = "dump"


def run(params: Params, check_mode: bool) -> DumpResult:
    return database_dump(params, dry_run=check_mode)
