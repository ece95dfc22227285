# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal in the middle of I/O is no failure of a store, and does not keep what comes next from being left undone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent differently there")

# Runs the command, and sends it a signal before its n-th call of an event on a path with a word in it.
RUNNER = """
import runpy, signal, sys
program, event, word, number, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
seen = 0
def hook(name, arguments):
    global seen
    if name == event and word in str(arguments):
        seen += 1
        if seen == count:
            signal.raise_signal(number)
sys.argv = [program, *sys.argv[6:]]
sys.addaudithook(hook)
runpy.run_path(program, run_name="__main__")
"""


def run(cli, event, word, count, *words, number=signal.SIGTERM):
    return subprocess.run(
        [sys.executable, "-c", RUNNER, cli.program, event, word, str(int(number)), str(count), *words, "--json"],
        check=False,
        capture_output=True,
        text=True,
        env=cli.environment(),
        stdin=subprocess.DEVNULL,
    )


def second_store(cli):
    cli.config["stores"].append({"name": "other", "local": {"path": str(cli.folder / "other")}})
    cli.config["jobs"][1]["stores"].append("other")
    cli.save()


@pytest.mark.parametrize("count", [1, 2, 4, 6])
@pytest.mark.parametrize("store", ["store/web1", "other/web1"])
def test_in_the_middle_of_writing_to_one_store_of_two(cli, store, count):
    second_store(cli)
    ended = run(cli, "os.link", store, count, "run", "notes")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["error"]["code"], document["id"]) == (15, "interrupted", None)
    assert cli.backups("notes") == []
    left = [p.name for folder in ("store", "other") for p in (cli.folder / folder).rglob("*") if p.is_file()]
    assert [name for name in left if not name.endswith(".failed.json")] == []
    cli("run", "notes")


def test_after_the_last_manifest_it_comes_too_late(cli):
    ended = run(cli, "os.rename", "state/notes.json", 2, "run", "notes")
    document = json.loads(ended.stdout)
    assert (ended.returncode, [document["id"]]) == (0, cli.backups("notes"))
    status = json.loads((cli.state / "notes.json").read_text())
    assert status["operations"]["backup"]["last_success"]["id"] == document["id"]


def test_too_late_for_one_job_is_early_enough_for_the_next(cli):
    cli.config["jobs"].reverse()
    cli.save()
    ended = run(cli, "os.rename", "state/notes.json", 2, "run", "--all")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["error"]["code"]) == (15, "interrupted")
    assert document["error"]["message"] == "these were not done: app"
    assert [r["outcome"] for r in document["results"]] == ["success"]
    assert (len(cli.backups("notes")), len(cli.backups("app"))) == (1, 0)


def test_a_prune_ends_after_the_backup_that_it_is_deleting(cli):
    cli.config["jobs"][1]["retention"] = {"keep_last": 1}
    cli.save()
    for _ in range(4):
        cli("run", "notes")
    before = cli.backups("notes")
    ended = run(cli, "os.remove", "web1/notes", 2, "prune", "notes")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["error"]["code"]) == (15, "interrupted")
    assert document["deleted"] == [before[2]]
    assert cli.backups("notes") == [*before[:2], before[3]]
    assert not (cli.store / "web1" / "notes" / before[2]).exists()
    assert cli.json("prune", "notes")["deleted"] == before[:2]


def test_a_verification_does_not_go_on_with_the_next_backup(cli):
    for _ in range(3):
        cli("run", "notes")
    ended = run(cli, "open", cli.backups("notes")[0] + "/notes.tar", 1, "verify", "notes")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["error"]["code"]) == (15, "interrupted")
    assert [b["id"] for b in document["backups"]] == cli.backups("notes")[:1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_listing_can_be_stopped(cli, number):
    cli("run", "notes")
    ended = run(cli, "open", "store/web1/notes", 1, "list", number=number)
    assert ended.returncode == 15
    assert json.loads(ended.stdout)["error"]["code"] == "interrupted"
