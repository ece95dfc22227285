# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup goes round with every Python of this machine, as bare as it comes: the oldest, the newest, without any library."""

from __future__ import annotations

import json
import subprocess

import pytest
import trees
from command import Command, write_agent
from interpreters import pythons


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    target = tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"
    write_agent(str(target))
    return target


@pytest.mark.parametrize("python", list(pythons()))
@pytest.mark.parametrize("archive", ["tar", "zip"])
def test_a_backup_goes_round(tmp_path, program, python, archive):
    command = Command(program, tmp_path)
    command.store.mkdir()
    source = tmp_path / "source"
    trees.make_tree(source, seed=5, entries=40)
    command.add_job("all", {"name": "tree", "files": {"paths": [str(source)]}}, format=archive)

    def run(*words, expect=(0, 3)):
        argv = [python, "-I", str(program), *words, "--json"]
        ended = subprocess.run(argv, env=command.environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert ended.returncode in expect, (words, ended.stdout, ended.stderr)
        return json.loads(ended.stdout)

    taken = run("run", "all")
    # zstd is a library (or Python 3.14); without it gzip is used, with a warning.
    assert [warning["code"] for warning in taken["warnings"]] in ([], ["no-zstd"])
    assert run("verify", "all", expect=(0,))["backups"][0]["ok"]
    run("restore", "all", "--to", str(tmp_path / "out"), expect=(0, 3))
    restored = tmp_path / "out" / str(source).lstrip("/")
    ignored = ("mode",)  # set-id bits and devices come back only when asked for
    before = {path: node for path, node in trees.snapshot(source).items() if node.type not in ("character", "block")}
    assert trees.differences(before, trees.snapshot(restored), ignore=ignored) == []
