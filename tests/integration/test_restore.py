# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores through real backups of real jobs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import jobs
import pytest
import trees

from _engine.operations.restore import RestoreRequest, restore
from _engine.progress import Progress
from _engine.result import iso, utc_now

PREFIX = ".fleet-backup-restore-"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application: a folder of files and a database."""
    folder = tmp_path / "app"
    (folder / "uploads" / "2026").mkdir(parents=True)
    for n in range(10):
        (folder / "uploads" / "2026" / ("%d.jpg" % n)).write_bytes(os.urandom(1000 + n))
    (folder / "uploads" / "index.txt").write_text("all of them")
    with sqlite3.connect(folder / "market.db") as database:
        database.execute("CREATE TABLE vehicle (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        database.executemany("INSERT INTO vehicle (name) VALUES (?)", [("vehicle %d" % n,) for n in range(100)])
    database.close()
    return folder


def configure(tmp_path: Path, app: Path, **job):
    sources = [
        {"name": "database", "sqlite": {"path": str(app / "market.db")}},
        {"name": "uploads", "files": {"paths": [str(app / "uploads")], "exclude": ["*.tmp"]}},
    ]
    return jobs.configure(tmp_path, *sources, **job)


def rows(app: Path) -> int:
    with sqlite3.connect(app / "market.db") as database:
        (count,) = database.execute("SELECT count(*) FROM vehicle").fetchone()
    database.close()
    return count


def hook(script: str):
    return [{"command": [sys.executable, "-I", "-c", script]}]


def leftovers(folder: Path):
    return [name for _, folders, _ in os.walk(folder) for name in folders if name.startswith(PREFIX)]


def test_after_a_disaster(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    taken = jobs.take(config)
    before = trees.snapshot(app / "uploads")
    shutil.rmtree(app)
    result = restore(config, "app", RestoreRequest())
    assert (result.outcome, result.error, result.exit_code) == ("success", None, 0)
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []
    assert rows(app) == 100
    # Nothing was there to be saved.
    assert (result.id, result.store, result.safety_backup, result.changed) == (taken.id, "disk", None, True)
    assert {c.name: c.plan.create_count for c in result.components} == {"database": 1, "uploads": len(before)}
    assert json.loads(json.dumps(result.to_dict()))["components"][1]["plan"]["create_count"] == len(before)


@pytest.mark.parametrize("archive_format", ("tar", "zip"))
def test_times_that_no_clock_shows(tmp_path: Path, app: Path, archive_format: str) -> None:
    """Cameras and copies across systems leave files from before 1970 and from after 2262, where 64 bits of nanoseconds end."""
    for name, year in (("then", -9_000_000_000), ("2200", 7_258_118_400), ("2299", 10_382_256_000)):
        (app / "uploads" / name).write_text(name)
        os.utime(app / "uploads" / name, (year, year))
    config = configure(tmp_path, app, format=archive_format)
    jobs.take(config)
    jobs.take(config, kind="incremental")
    before = trees.snapshot(app / "uploads")
    shutil.rmtree(app)
    assert restore(config, "app", RestoreRequest()).outcome == "success"
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []


def test_over_what_is_there_with_a_safety_backup_that_leads_back(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    taken = jobs.take(config)
    before = trees.snapshot(app / "uploads")
    (app / "uploads" / "index.txt").write_text("changed since")
    (app / "uploads" / "new.txt").write_text("new since")
    with sqlite3.connect(app / "market.db") as database:
        database.execute("DELETE FROM vehicle")
    database.close()
    changed = trees.snapshot(app / "uploads")
    result = restore(config, "app", RestoreRequest(confirm=True, delete=True))
    assert result.outcome == "success"
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []
    assert rows(app) == 100
    assert result.safety_backup is not None
    assert "-pre-restore-" in result.safety_backup
    # "latest" goes on meaning the last regular backup; the safety backup is there by its id.
    assert restore(config, "app", RestoreRequest(dry_run=True)).id == taken.id
    back = restore(config, "app", RestoreRequest(backup=result.safety_backup, confirm=True, delete=True))
    assert back.outcome == "success"
    assert trees.differences(changed, trees.snapshot(app / "uploads")) == []
    assert rows(app) == 0


def test_a_dry_run_tells_what_the_restore_then_does(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    (app / "uploads" / "index.txt").unlink()
    (app / "uploads" / "2026" / "3.jpg").write_bytes(b"changed")
    (app / "uploads" / "new").write_bytes(b"new")
    everything = trees.snapshot(tmp_path)
    request = RestoreRequest(components=("uploads",), delete=True)
    planned = restore(config, "app", dataclasses.replace(request, dry_run=True))
    assert trees.differences(everything, trees.snapshot(tmp_path)) == []
    assert (planned.outcome, planned.changed, planned.safety_backup) == ("success", True, None)
    plan = planned.components[0].plan
    assert plan.create == [str(app / "uploads" / "index.txt")]
    assert plan.overwrite == [str(app / "uploads" / "2026" / "3.jpg")]
    assert plan.remove == [str(app / "uploads" / "new")]
    done = restore(config, "app", dataclasses.replace(request, confirm=True))
    assert done.components[0].plan == plan
    again = restore(config, "app", dataclasses.replace(request, dry_run=True))
    assert (again.changed, again.components[0].plan.unchanged_count) == (False, 13)


def test_nothing_is_overwritten_unless_somebody_confirms(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    (app / "uploads" / "index.txt").write_text("changed since")
    request = RestoreRequest(components=("uploads",))
    result = restore(config, "app", request)
    assert (result.outcome, result.error["code"], result.exit_code) == ("failure", "confirmation-needed", 11)
    asked = []
    result = restore(config, "app", dataclasses.replace(request, confirm=lambda r: asked.append(r.overwrites)))
    assert (result.error["code"], asked) == ("confirmation-needed", [1])
    assert (app / "uploads" / "index.txt").read_text() == "changed since"
    result = restore(config, "app", dataclasses.replace(request, confirm=lambda r: True))
    assert (result.outcome, (app / "uploads" / "index.txt").read_text()) == ("success", "all of them")


def test_elsewhere_needs_no_confirmation_and_runs_no_hooks(tmp_path: Path, app: Path) -> None:
    mark = tmp_path / "mark"
    config = configure(tmp_path, app, hooks={"before_restore": hook("open(%r, 'w')" % str(mark))})
    jobs.take(config)
    before = trees.snapshot(app / "uploads")
    result = restore(config, "app", RestoreRequest(to=str(tmp_path / "copy")))
    assert (result.outcome, result.safety_backup, mark.exists()) == ("success", None, False)
    assert trees.differences(before, trees.snapshot(str(tmp_path / "copy") + str(app / "uploads"))) == []


def test_a_part_by_patterns(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    shutil.rmtree(app / "uploads")
    result = restore(config, "app", RestoreRequest(components=("uploads",), include=("3.jpg",)))
    assert result.outcome == "success"
    assert [str(p.relative_to(app)) for p in app.rglob("*.jpg")] == ["uploads/2026/3.jpg"]
    wrong = restore(config, "app", RestoreRequest(include=("[x",)))
    assert (wrong.error["code"], wrong.exit_code) == ("configuration", 2)


def test_from_a_bare_folder_without_configuration(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    taken = jobs.take(config)
    before = trees.snapshot(app / "uploads")
    plain = tmp_path / "usb-stick"
    shutil.copytree(jobs.backup_folder(config, taken.id).parent, plain)
    for n, place in enumerate([plain, plain / taken.id, plain / (taken.id + ".json")]):
        to = tmp_path / ("to-%d" % n)
        result = restore(None, None, RestoreRequest(from_dir=str(place), to=str(to)))
        assert (result.outcome, result.id, result.job) == ("success", taken.id, "app")
        assert trees.differences(before, trees.snapshot(str(to) + str(app / "uploads"))) == []
    missing = restore(None, None, RestoreRequest(from_dir=str(tmp_path / "nowhere")))
    assert missing.error["code"] == "not-found"


def test_a_time_means_the_newest_backup_that_had_finished_by_then(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    first = jobs.take(config)
    moment = utc_now()
    second = jobs.take(config)
    assert restore(config, "app", RestoreRequest(dry_run=True, at=moment)).id == first.id
    assert restore(config, "app", RestoreRequest(dry_run=True, at=utc_now())).id == second.id
    long_ago = restore(config, "app", RestoreRequest(dry_run=True, at=moment - datetime.timedelta(days=1)))
    assert long_ago.error["code"] == "not-found"
    assert iso(moment - datetime.timedelta(days=1)) in long_ago.error["message"]


def test_a_damaged_backup_is_found_before_anything_is_touched(tmp_path: Path, app: Path) -> None:
    mark = tmp_path / "mark"
    config = configure(tmp_path, app, hooks={"before_restore": hook("open(%r, 'w')" % str(mark))})
    taken = jobs.take(config)
    (volume,) = [p for p in jobs.backup_folder(config, taken.id).iterdir() if p.name.startswith("uploads.tar")]
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    (app / "uploads" / "index.txt").write_text("changed since")
    everything = trees.snapshot(app)
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert (result.error["code"], result.error["objects"]) == ("integrity", [volume.name])
    assert (result.safety_backup, mark.exists(), result.undone) == (None, False, False)
    assert trees.differences(everything, trees.snapshot(app)) == []
    # A part is checked entry by entry.
    result = restore(config, "app", RestoreRequest(confirm=True, components=("uploads",), include=("*.jpg", "*.txt")))
    assert result.error["code"] == "integrity"
    assert trees.differences(everything, trees.snapshot(app)) == []


def test_the_first_store_that_has_it_intact(tmp_path: Path, app: Path) -> None:
    stores = [{"name": n, "local": {"path": str(tmp_path / n)}} for n in ("near", "far")]
    description = jobs.describe(tmp_path, {"name": "uploads", "files": {"paths": [str(app / "uploads")]}}, stores=["near", "far"])
    config = jobs.parse_config({**description, "stores": stores})
    taken = jobs.take(config)
    before = trees.snapshot(app / "uploads")
    for volume in (tmp_path / "near" / "web1" / "app" / taken.id).glob("uploads.tar*"):
        os.truncate(volume, 100)
    shutil.rmtree(app)
    result = restore(config, "app", RestoreRequest())
    assert (result.outcome, result.store, [w.code for w in result.warnings]) == ("warning", "far", ["store-unusable"])
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []
    shutil.rmtree(tmp_path / "far")
    result = restore(config, "app", RestoreRequest())
    assert result.error["code"] == "integrity"
    result = restore(config, "app", RestoreRequest(store="far"))
    assert result.error["code"] == "not-found"


def test_hooks_frame_the_restore(tmp_path: Path, app: Path) -> None:
    log = tmp_path / "hooks.log"
    script = (
        "import os; open(%r, 'a').write(' '.join(os.environ['FLEET_BACKUP_' + k] for k in ('POINT', 'ID', 'OUTCOME')) + '\\n')"
    )
    note = hook(script % str(log))
    config = configure(tmp_path, app, hooks={"before_restore": note, "after_restore": note, "before": note})
    taken = jobs.take(config)
    log.unlink()
    (app / "uploads" / "index.txt").write_text("changed since")
    restore(config, "app", RestoreRequest(confirm=True))
    assert log.read_text().splitlines() == ["before_restore %s " % taken.id, "after_restore %s success" % taken.id]


def test_a_hook_that_fails_before_stops_everything_and_those_after_run(tmp_path: Path, app: Path) -> None:
    mark = tmp_path / "mark"
    hooks = {"before_restore": hook("raise SystemExit(3)"), "after_restore": hook("open(%r, 'w')" % str(mark))}
    config = configure(tmp_path, app, hooks=hooks)
    jobs.take(config)
    (app / "uploads" / "index.txt").write_text("changed since")
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert (result.error["code"], result.safety_backup, mark.exists()) == ("hook", None, True)
    assert (app / "uploads" / "index.txt").read_text() == "changed since"


def test_a_hook_that_fails_after_is_told(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app, hooks={"after_restore": hook("raise SystemExit(3)")})
    jobs.take(config)
    shutil.rmtree(app)
    result = restore(config, "app", RestoreRequest())
    assert (result.outcome, [w.code for w in result.warnings], result.exit_code) == ("warning", ["hook"], 3)


def test_a_safety_backup_that_fails_stops_the_restore(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    (app / "uploads" / "index.txt").write_text("changed since")
    (app / "market.db").write_bytes(b"no database any more" * 500)
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert result.error["code"] == "restore"
    assert "safety backup" in result.error["message"]
    assert (app / "uploads" / "index.txt").read_text() == "changed since"
    result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
    assert result.outcome == "warning"  # what was no database was set aside
    assert rows(app) == 100


def test_what_is_only_partly_gone_is_saved_as_far_as_it_is_there(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    (app / "market.db").unlink()
    (app / "uploads" / "index.txt").write_text("changed since")
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert result.outcome == "success"
    saved = jobs.catalog(config).manifest(result.safety_backup)
    assert [c.name for c in saved.components] == ["uploads"]


def test_a_failure_of_the_second_component_undoes_the_first(tmp_path: Path, app: Path) -> None:
    """The last component cannot be put in place: something takes its place between staging and swapping, by a hook's hand."""
    stop = tmp_path / "late"
    config = jobs.configure(
        tmp_path,
        {"name": "one", "files": {"paths": [str(app / "uploads")]}},
        {"name": "two", "files": {"paths": [str(stop)]}},
    )
    stop.mkdir()
    (stop / "file").write_text("x")
    jobs.take(config)
    shutil.rmtree(stop)
    (app / "uploads" / "index.txt").write_text("changed since")
    before = trees.snapshot(app)

    class Meddler(Progress):
        """Told of the phases, as a person at a terminal is."""

        def phase(self, name, total=None):
            if name == "put in place":
                stop.mkdir()

    result = restore(config, "app", RestoreRequest(confirm=True), progress=Meddler())
    assert (result.outcome, result.error["code"], result.undone) == ("failure", "restore", True)
    assert "appeared" in result.error["message"]
    assert trees.differences(before, trees.snapshot(app)) == []
    assert os.listdir(stop) == []
    assert leftovers(tmp_path) == []


def test_a_job_that_is_running_is_not_disturbed(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    jobs.take(config)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD % (str(Path(__file__).parents[2] / "plugins" / "module_utils"), config.state_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert held.stdout.readline() == b"held\n"
        result = restore(config, "app", RestoreRequest(confirm=True))
        assert (result.error["code"], result.exit_code) == ("locked", 10)
        # A dry run only looks.
        assert restore(config, "app", RestoreRequest(dry_run=True)).outcome == "success"
    finally:
        held.communicate(b"\n")


HOLD = """
import sys
sys.path.insert(0, %r)
from _engine.lock import JobLock
with JobLock(%r, "app", 0):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_names_that_do_not_exist(tmp_path: Path, app: Path) -> None:
    config = configure(tmp_path, app)
    taken = jobs.take(config)
    for request, word in [
        (RestoreRequest(backup="2001"), "2001"),
        (RestoreRequest(components=("nothing",)), "database, uploads"),
        (RestoreRequest(store="nothing"), "disk"),
    ]:
        result = restore(config, "app", request)
        assert (result.error["code"], word in result.error["message"]) == ("not-found", True)
    assert restore(config, "other", RestoreRequest()).error["code"] == "not-found"
    assert restore(config, "app", RestoreRequest(to="relative")).error["code"] == "configuration"
    assert restore(config, "app", RestoreRequest(backup=taken.id[:20], dry_run=True)).id == taken.id


@pytest.mark.usefixtures("ahead")
def test_an_increment_restores_like_a_full_backup(tmp_path: Path, app: Path) -> None:
    config = jobs.configure(tmp_path, {"name": "uploads", "files": {"paths": [str(app / "uploads")]}})
    full = jobs.take(config)
    (app / "uploads" / "index.txt").write_text("changed since")
    (app / "uploads" / "2026" / "7.jpg").unlink()
    increment = jobs.take(config, kind="incremental")
    before = trees.snapshot(app / "uploads")
    manifest = jobs.catalog(config).manifest(increment.id)
    assert [reference["id"] for reference in manifest.references] == [full.id]
    shutil.rmtree(app)
    result = restore(config, "app", RestoreRequest())
    assert (result.outcome, result.id) == ("success", increment.id)
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []


@pytest.mark.usefixtures("ahead")
@pytest.mark.parametrize("spoil", ["volume", "manifest", "all"])
def test_damage_in_a_backup_that_an_increment_needs(tmp_path: Path, app: Path, spoil: str) -> None:
    config = jobs.configure(tmp_path, {"name": "uploads", "files": {"paths": [str(app / "uploads")]}})
    full = jobs.take(config)
    (app / "uploads" / "index.txt").write_text("changed since")
    jobs.take(config, kind="incremental")
    before = trees.snapshot(app / "uploads")
    folder = jobs.backup_folder(config, full.id)
    manifest = folder.parent / (full.id + ".json")
    if spoil == "volume":
        (damaged,) = folder.glob("uploads.tar*")
        data = bytearray(damaged.read_bytes())
        data[100] ^= 1
        damaged.write_bytes(data)
    elif spoil == "manifest":
        # A manifest of another backup, valid in itself, is not the one that was meant.
        damaged = manifest
        other = jobs.catalog(config).manifest(full.id)
        other.timezone = "Europe/Madrid"
        manifest.write_bytes(other.to_bytes())
    else:
        damaged = manifest
        manifest.unlink()
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert result.error["code"] == "integrity"
    assert result.error["objects"][0].endswith(damaged.name)
    assert trees.differences(before, trees.snapshot(app / "uploads")) == []


def test_components_that_share_a_folder_that_is_missing(tmp_path: Path) -> None:
    """Whatever their order, and whether one lies in the other, to another place and to the original one."""
    app = tmp_path / "srv/app"
    (app / "uploads").mkdir(parents=True)
    (app / "code").mkdir()
    (app / "uploads/picture").write_text("picture")
    (app / "code/main").write_text("main")
    with sqlite3.connect(app / "app.db") as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    config = jobs.configure(
        tmp_path,
        jobs.files(app, "all", exclude=["app.db", "uploads/"]),
        jobs.files(app / "uploads", "uploads"),
        {"name": "database", "sqlite": {"path": str(app / "app.db")}},
    )
    jobs.take(config)
    before = trees.snapshot(app)
    out = tmp_path / "out"
    assert restore(config, "app", RestoreRequest(to=str(out))).error is None
    assert set(trees.snapshot(os.path.join(out, str(app).lstrip("/")))) | {b"app.db"} == set(before)
    shutil.rmtree(tmp_path / "srv")
    result = restore(config, "app", RestoreRequest(confirm=True))
    assert result.error is None, result.error
    # The database is a file of its own time; the folder that holds it has its own again.
    assert [d for d in trees.differences(before, trees.snapshot(app)) if "app.db" not in d] == []


def test_delete_leaves_alone_what_another_component_has_staged(tmp_path: Path, app: Path) -> None:
    config = jobs.configure(
        tmp_path,
        {"name": "inner", "files": {"paths": [str(app / "uploads")]}},
        {"name": "outer", "files": {"paths": [str(app)], "exclude": ["*.txt", "*.jpg"]}},
    )
    jobs.take(config)
    before = trees.snapshot(app)
    (app / "uploads" / "index.txt").write_text("changed since")
    (app / "uploads" / "new").write_text("new since")
    result = restore(config, "app", RestoreRequest(confirm=True, delete=True))
    assert (result.outcome, result.error) == ("success", None)
    assert [c.plan.remove for c in result.components] == [[str(app / "uploads" / "new")]] * 2
    assert trees.differences(before, trees.snapshot(app)) == []
    assert leftovers(app) == []
