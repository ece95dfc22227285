# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the fault tests."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest

pytest.register_assert_rewrite("faults.promises")


@pytest.fixture
def folder(tmp_path: Path) -> t.Iterator[Path]:
    """A folder in memory where there is one: fsync costs nothing there, and a killed process loses nothing either."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="fleet-backup-test-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)
