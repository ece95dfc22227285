# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of what was lost: found, kept, told, and holding back retention until somebody accepts them. And pins."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import typing as t
from pathlib import Path

import jobs
import pytest

from _engine.job import Config
from _engine.operations.backup_result import BackupResult
from _engine.operations.listing import list_backups
from _engine.operations.marking import MarkResult, mark_backup
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.options import ConfigurationError
from _engine.signing import host_key, signer_line


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    fill(folder)
    return folder


def fill(folder: Path) -> None:
    for n in range(20):
        (folder / ("file%02d" % n)).write_bytes(b"x" * 1000)


def lose(folder: Path, left: int = 2) -> None:
    for path in sorted(folder.iterdir())[left:]:
        path.unlink()


def suspicious(result: BackupResult) -> bool:
    return any(w.code == "suspicious" for w in result.warnings)


def kept(config: Config) -> t.List[str]:
    result = prune(config, config.jobs[0])
    assert result.error is None
    return jobs.catalog(config).scan().complete


def mark(config: Config, verb: str, backup_id: t.Optional[str], **more: t.Any) -> MarkResult:
    result = mark_backup(config, verb, str(backup_id), **more)
    assert result.error is None, result.error
    return result


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_a_backup_of_what_was_lost_holds_back_retention_until_it_is_accepted(tmp_path: Path, tree: Path, kind: str) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree), retention={"keep_last": 1}, max_age="1d")
    before = [jobs.take(config).id for _ in range(2)]
    lose(tree)
    result = jobs.take(config, kind=kind)
    (notice,) = result.warnings
    assert (notice.code, notice.component, result.outcome) == ("suspicious", "files", "warning")
    assert "3 entries, 21 before, usually 21" in notice.message and "2000 bytes" in notice.message
    told = jobs.catalog(config).manifest(str(result.id))
    assert told.outcome == "warning" and [w["code"] for w in told.warnings] == ["suspicious"]

    listing = list_backups(config)
    row = listing.jobs[0].backups[0]
    assert (row.id, row.suspicious, listing.jobs[0].newest) == (result.id, True, before[1])
    assert [w.code for w in listing.warnings] == ["suspicious"]
    assert kept(config) == [*before, result.id]
    pruned = prune(config, config.jobs[0])
    assert [w.code for w in pruned.warnings] == ["suspicious"] and not pruned.deleted

    accepted = mark(config, "accept", result.id, note="moved to the other disk")
    assert accepted.changed and accepted.stores == ["disk"]
    assert not mark(config, "accept", result.id).changed
    listing = list_backups(config)
    assert listing.jobs[0].newest == result.id and not listing.warnings
    # The newest without warnings stays; the increment needs the one that it was made against.
    assert kept(config) == [before[1], result.id]
    assert not suspicious(jobs.take(config)), "what was accepted is what is usual from now on"


def test_it_is_not_fresh(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    good = jobs.take(config).id
    lose(tree)
    bad = jobs.take(config).id
    assert jobs.take(config, unless_newer_than=3600).newer == good
    mark(config, "accept", bad)
    assert jobs.take(config, unless_newer_than=3600).newer == bad


def test_only_suspicious_ones_are_no_reason_to_wait(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    good = jobs.take(config).id
    lose(tree)
    jobs.take(config)
    jobs.catalog(config).delete(str(good))
    assert jobs.take(config, unless_newer_than=3600).id is not None


def test_again_it_is_compared_with_what_was_good(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    jobs.take(config)
    lose(tree)
    assert suspicious(jobs.take(config)) and suspicious(jobs.take(config))
    fill(tree)
    assert not suspicious(jobs.take(config))


def test_a_restore_of_it_says_so(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    jobs.take(config)
    lose(tree)
    jobs.take(config)
    result = restore(config, "app", RestoreRequest(to=str(tmp_path / "out")))
    assert result.error is None and [w.code for w in result.warnings] == ["suspicious"]


def test_what_a_restore_saves_is_not_judged(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    jobs.take(config)
    lose(tree)
    assert not suspicious(jobs.take(config, tag="pre-restore"))


def test_it_can_be_tuned_and_switched_off(tmp_path: Path, tree: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree))
    jobs.take(config)
    lose(tree, 9)
    assert not suspicious(jobs.take(config))
    assert suspicious(jobs.take(jobs.configure(tmp_path, jobs.files(tree), guard={"shrink": "10%"})))
    lose(tree, 0)
    assert suspicious(jobs.take(jobs.configure(tmp_path, jobs.files(tree), guard={"shrink": "100%"}))), "it is empty"
    assert not suspicious(jobs.take(jobs.configure(tmp_path, jobs.files(tree), guard={"enabled": False})))
    with pytest.raises(ConfigurationError, match="guard.shrink"):
        jobs.configure(tmp_path, jobs.files(tree), guard={"shrink": "most"})


def test_a_database_that_lost_a_table_or_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cars (name TEXT)")
        connection.execute("CREATE TABLE users (name TEXT)")
        connection.executemany("INSERT INTO users VALUES (?)", [("u%d" % n,) for n in range(150)])
    connection.close()
    config = jobs.configure(tmp_path, {"name": "database", "sqlite": {"path": str(path)}})
    jobs.take(config)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM users")
    (notice,) = jobs.take(config).warnings
    assert notice.code == "suspicious" and "users (150 before)" in notice.message
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE cars")
    connection.close()
    (notice,) = jobs.take(config).warnings
    assert notice.count == 2 and "1 of 2 tables are gone: cars" in notice.message


def test_encrypted_backups_are_judged_by_numbers_and_tell_no_more(tmp_path: Path, tree: Path) -> None:
    recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    config = jobs.configure(tmp_path, jobs.files(tree), encryption={"recipients": [recipient]})
    jobs.take(config)
    lose(tree)
    result = jobs.take(config)
    assert suspicious(result)
    (warning,) = jobs.catalog(config).manifest(str(result.id)).warnings
    assert warning == {"code": "suspicious", "component": "files", "count": 2}


class TestMarks:
    @pytest.fixture
    def bad(self, tmp_path: Path, tree: Path) -> t.Tuple[Config, str]:
        """A host that signs and trusts itself, with a good backup and a suspicious one."""
        description = {**jobs.describe(tmp_path, jobs.files(tree), retention={"keep_last": 1}), "sign": True}
        from _engine.job import parse_config

        config = parse_config(description)
        line = signer_line("web1", host_key(config.state_dir, None).public)
        config = dataclasses.replace(config, trusted_hosts=(line,))
        jobs.take(config)
        lose(tree)
        return config, str(jobs.take(config).id)

    def path(self, config: Config, backup_id: str, what: str = "accepted") -> Path:
        folder = jobs.backup_folder(config, backup_id)
        return folder.with_name("%s.mark-%s.json" % (backup_id, what))

    def accepted(self, config: Config) -> bool:
        return not list_backups(config).jobs[0].backups[0].suspicious

    def test_it_is_signed_and_believed(self, bad: t.Tuple[Config, str]) -> None:
        config, backup_id = bad
        mark(config, "accept", backup_id, note="yes")
        told = json.loads(self.path(config, backup_id).read_text())
        manifest_sha256 = jobs.catalog(config).manifest_sha256(backup_id)
        assert list(told) == ["format", "id", "sha256", "mark", "by", "at", "note"]
        assert (told["id"], told["sha256"], told["mark"], told["note"]) == (backup_id, manifest_sha256, "accepted", "yes")
        assert self.accepted(config)

    @pytest.mark.parametrize("forgery", ["unsigned", "changed", "of another backup", "no JSON"])
    def test_a_forged_one_accepts_nothing(self, bad: t.Tuple[Config, str], forgery: str) -> None:
        config, backup_id = bad
        mark(config, "accept", backup_id)
        path = self.path(config, backup_id)
        if forgery == "unsigned":
            Path(str(path) + ".sig").unlink()
        elif forgery == "changed":
            path.write_text(path.read_text().replace('"note": ""', '"note": "x"'))
        elif forgery == "of another backup":
            path.write_text(path.read_text().replace(backup_id[:8], "20200101"))
        else:
            path.write_text("yes")
        assert not self.accepted(config)
        result = prune(config, config.jobs[0])
        assert {w.code for w in result.warnings} == {"suspicious", "mark"} and not result.deleted
        assert mark(config, "accept", backup_id).changed, "accepting puts a good one in its place"
        assert self.accepted(config)

    def test_without_a_key_nobody_would_believe_it(self, bad: t.Tuple[Config, str]) -> None:
        config, backup_id = bad
        result = mark_backup(dataclasses.replace(config, sign=False), "accept", backup_id)
        assert result.error and result.error["code"] == "configuration" and not self.path(config, backup_id).exists()

    def test_only_what_is_suspicious_can_be_accepted(self, bad: t.Tuple[Config, str]) -> None:
        config, _backup_id = bad
        good = jobs.catalog(config).scan().complete[0]
        result = mark_backup(config, "accept", good)
        assert result.error and "not suspicious" in result.error["message"]
        assert mark_backup(config, "accept", "2019").exit_code == 12

    def test_marks_go_with_their_backup(self, bad: t.Tuple[Config, str]) -> None:
        config, backup_id = bad
        mark(config, "accept", backup_id)
        jobs.catalog(config).delete(backup_id)
        assert not list(self.path(config, backup_id).parent.glob(backup_id + "*"))


def test_a_pinned_backup_stays_with_what_it_needs_until_it_is_unpinned(tmp_path: Path, tree: Path, ahead: None) -> None:
    config = jobs.configure(tmp_path, jobs.files(tree), retention={"keep_last": 1})
    full = jobs.take(config).id
    pinned = jobs.take(config, kind="incremental").id
    jobs.take(config)
    newest = jobs.take(config).id
    result = mark(config, "pin", pinned, note="before the migration")
    assert result.changed and not mark(config, "pin", pinned).changed
    assert kept(config) == [full, pinned, newest]
    assert [row.id for row in list_backups(config).jobs[0].backups if row.pinned] == [pinned]
    assert mark(config, "unpin", pinned).changed and not mark(config, "unpin", pinned).changed
    assert kept(config) == [newest]
