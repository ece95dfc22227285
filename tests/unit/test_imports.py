# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain backup imports little: a module is compiled anew in every task, because Ansible's payloads hold no byte code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ENGINE = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from _engine.job import parse_config
from _engine.operations.backup import backup
config = parse_config(json.loads(sys.argv[2]))
result = backup(config, config.jobs[0])
print(json.dumps({"error": result.error, "modules": sorted(sys.modules)}))
"""

#: What other jobs and other verbs need.
NOT_NEEDED = (
    "_engine.age",
    "_engine.archive.checking",
    "_engine.archive.delta",
    "_engine.archive.file_deltas",
    "_engine.archive.index_update",
    "_engine.archive.reader",
    "_engine.archive.references",
    "_engine.archive.scout",
    "_engine.bases",
    "_engine.cli",
    "_engine.job_files",
    "_engine.operations.completing",
    "_engine.process",
    "_engine.retention",
    "_engine.schedules.calendar",
    "_engine.schedules.planned",
    "_engine.signing",
    "_engine.spool",
    "_engine.sqlite",
    "_engine.stores.read_back",
    "_engine.telling",
    "_engine.tree.restore",
    "argparse",
    "asyncio",
    "cryptography",
    "email",
    "http",
    "sqlite3",
    "ssl",
    "unittest",
    "urllib",
    "zoneinfo",
)


def test_a_plain_backup_imports_nothing_that_it_does_not_need(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "store").mkdir()
    config = {
        "host": "here",
        "state_dir": str(tmp_path / "state"),
        "stores": [{"name": "disk", "local": {"path": str(tmp_path / "store")}}],
        "jobs": [
            {"name": "job", "sources": [{"name": "data", "files": {"paths": [str(tmp_path / "data")]}}], "stores": ["disk"]},
        ],
    }
    command = [sys.executable, "-I", "-c", SCRIPT, str(ENGINE), json.dumps(config)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert found["error"] is None
    imported = set(found["modules"])
    assert "_engine.sources.files" in imported
    assert sorted(imported & set(NOT_NEEDED)) == []
