# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host has backed up, restored onto another: production's data onto testing."""

from __future__ import annotations

import dataclasses
import sqlite3
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.job import Config, parse_config
from _engine.operations.restore import RestoreRequest, RestoreResult, restore


class Pair(t.NamedTuple):
    """Two hosts with the same job, on one store, each with a folder of its own."""

    production: Config
    testing: Config
    here: Path
    there: Path

    def restore(self, **request: t.Any) -> RestoreResult:
        return restore(self.testing, "app", RestoreRequest(from_host="production", confirm=True, **request))

    @property
    def moves(self) -> t.Dict[str, str]:
        return {str(self.there): str(self.here)}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    configs = {}
    for host, text in (("production", "bought"), ("testing", "made up")):
        app = tmp_path / host / "app"
        (app / "uploads").mkdir(parents=True)
        (app / "uploads" / "order.txt").write_text(text)
        (app / "uploads" / host).write_text("only here")
        with sqlite3.connect(app / "shop.db") as database:
            database.execute("CREATE TABLE orders AS SELECT '%s' AS what" % text)
        database.close()
        sources = [
            {"name": "database", "sqlite": {"path": str(app / "shop.db")}},
            jobs.files(app / "uploads", "uploads"),
        ]
        description = jobs.describe(tmp_path, *sources)
        configs[host] = parse_config({**description, "host": host, "state_dir": str(tmp_path / host / "state")})
    jobs.take(configs["production"])
    return Pair(configs["production"], configs["testing"], tmp_path / "testing/app", tmp_path / "production/app")


def orders(app: Path) -> t.Tuple[str, str]:
    with sqlite3.connect(app / "shop.db") as database:
        ((row,),) = database.execute("SELECT what FROM orders").fetchall()
    database.close()
    return row, (app / "uploads" / "order.txt").read_text()


def test_it_goes_where_the_job_of_this_host_has_it(pair: Pair, tmp_path: Path) -> None:
    theirs = trees.snapshot(pair.there)
    backups = trees.snapshot(tmp_path / "store" / "production")
    result = pair.restore(move=pair.moves)
    assert result.error is None, result.error
    assert orders(pair.here) == ("bought", "bought")
    # Nothing was asked to be deleted.
    assert sorted(path.name for path in (pair.here / "uploads").iterdir()) == ["order.txt", "production", "testing"]
    assert trees.differences(theirs, trees.snapshot(pair.there)) == []
    assert trees.differences(backups, trees.snapshot(tmp_path / "store" / "production")) == []
    # The safety backup is this host's, and leads back.
    assert result.host == "testing" and result.safety_backup
    back = restore(pair.testing, "app", RestoreRequest(backup=result.safety_backup, confirm=True, delete=True))
    assert back.error is None, back.error
    assert orders(pair.here) == ("made up", "made up")
    assert sorted(path.name for path in (pair.here / "uploads").iterdir()) == ["order.txt", "testing"]


def test_what_no_safety_backup_would_have_is_refused(pair: Pair) -> None:
    before, theirs = trees.snapshot(pair.here), trees.snapshot(pair.there)
    refused = pair.restore()
    assert refused.error and refused.error["code"] == "configuration"
    assert str(pair.there / "uploads") in refused.error["message"] and str(pair.here / "uploads") in refused.error["message"]
    (job,) = pair.testing.jobs
    unknown = dataclasses.replace(pair.testing, jobs=(dataclasses.replace(job, sources=job.sources[:1]),))
    partly = restore(unknown, "app", RestoreRequest(from_host="production", confirm=True, move=pair.moves))
    assert partly.error and "no source uploads (files)" in partly.error["message"]
    relative = pair.restore(move={str(pair.there): "app"})
    assert relative.error and "'app' is not absolute" in relative.error["message"]
    for name, code in (("../production", "configuration"), ("staging", "not-found")):
        wrong = restore(pair.testing, "app", RestoreRequest(from_host=name, confirm=True, move=pair.moves))
        assert wrong.error and wrong.error["code"] == code
    assert trees.differences(before, trees.snapshot(pair.here)) == []
    assert trees.differences(theirs, trees.snapshot(pair.there)) == []


def test_beside_it_can_be_looked_at_without_moves(pair: Pair, tmp_path: Path) -> None:
    result = pair.restore(to=str(tmp_path / "look"))
    assert result.error is None, result.error
    (order,) = (tmp_path / "look").rglob("order.txt")
    assert order.read_text() == "bought"


def test_a_tree_of_this_host_may_go_elsewhere_too(pair: Pair, tmp_path: Path) -> None:
    """Roots move with what lies above them, and only with that."""
    uploads = str(pair.there / "uploads")
    request = RestoreRequest(components=("uploads",), move={uploads[:-1]: "/nowhere", uploads: str(tmp_path / "copy")})
    result = restore(pair.production, "app", request)
    assert result.error is None, result.error
    assert (tmp_path / "copy" / "order.txt").read_text() == "bought"
