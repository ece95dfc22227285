# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups made by older programs restore for ever."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import typing as t
from pathlib import Path

import pytest

from _engine.archive.reader import open_component
from _engine.keyring import open_keyring
from _engine.operations.place import bare_catalog
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))

from make import describe  # noqa: E402

CASES = [
    pytest.param(version, backup_id, id="%s-%s-%s" % (version.name, case["job"], backup_id.split("-")[1]))
    for version in sorted(GOLDEN.glob("format-*"))
    for backup_id, case in json.loads((version / "expected.json").read_text()).items()
]


def copied(version: Path, backup_id: str, tmp_path: Path) -> t.Tuple[t.Dict[str, t.Any], Path]:
    """What is expected of a backup, and a copy of the folder of its job."""
    expected = json.loads((version / "expected.json").read_text())[backup_id]
    folder = tmp_path / "copy"
    shutil.copytree(version / "store/web1" / expected["job"], folder)
    return expected, folder


@pytest.mark.parametrize(("version", "backup_id"), CASES)
def test_a_golden_backup_restores(version: Path, backup_id: str, tmp_path: Path) -> None:
    expected, folder = copied(version, backup_id, tmp_path)
    if expected["job"] == "encrypted":
        keyring = open_keyring([str(version / "identity.txt")])
        catalog = bare_catalog(str(folder))
        catalog.keyring = keyring
        manifest = catalog.manifest(backup_id)
        for component in manifest.components:
            reader = open_component(catalog, manifest, component.name)
            assert sum(len(view) for entry in reader.entries() for view in reader.read(entry))
        return
    out = tmp_path / "out"
    result = restore(None, None, RestoreRequest(backup=backup_id, from_dir=str(folder), to=str(out)))
    assert result.error is None, result.error
    state = describe(out / "srv/golden/tree")
    assert state == expected["tree"]
    with sqlite3.connect(out / "app.db") as database:
        rows = database.execute("SELECT count(*) FROM vehicles").fetchone()[0]
    database.close()
    assert rows == expected["rows"]


@pytest.mark.parametrize(("version", "backup_id"), CASES)
def test_a_golden_backup_verifies(version: Path, backup_id: str, tmp_path: Path) -> None:
    expected, folder = copied(version, backup_id, tmp_path)
    level = "hashes" if expected["job"] == "encrypted" else "data"
    result = verify(None, [], [backup_id], level=level, from_dir=str(folder))
    assert result.outcome == "success", result


def test_there_is_a_golden_backup_of_each_shape() -> None:
    for version in ("format-1", "format-1-volumes"):
        jobs = {case["job"] for case in json.loads((GOLDEN / version / "expected.json").read_text()).values()}
        assert jobs == {"tar-zstd", "tar-gzip", "tar-none", "zip", "encrypted"}
    for job in ("tar-zstd", "encrypted"):
        assert list((GOLDEN / "format-1-file-deltas/store/web1" / job).glob("*/files.files.zst-delta*"))
    assert all(list((GOLDEN / "format-1-volumes/store/web1" / job).glob("*/files.0002.*")) for job in jobs)
