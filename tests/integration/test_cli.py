# SPDX-License-Identifier: GPL-3.0-or-later
"""The built command as people and programs use it: real processes, a real configuration, real data."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")


# Taking a backup


def test_run_says_what_it_did_and_leaves_status_audit_and_log(cli):
    shown = cli("run", "notes", "--tag", "daily").stdout
    (backup_id,) = cli.backups("notes")
    assert shown.startswith("backup %s: " % backup_id)
    assert "-full-daily-" in backup_id
    status = json.loads((cli.state / "notes.json").read_text())
    assert status["operations"]["backup"]["last_success"]["id"] == backup_id
    line = json.loads((cli.state / "audit.log").read_text().splitlines()[-1])
    assert (line["operation"], line["job"], line["what"], line["outcome"]) == ("backup", "notes", backup_id, "success")
    assert backup_id in next((cli.state / "logs" / "notes").iterdir()).name


def test_run_as_json_is_one_document(cli):
    document = cli.json("run", "notes")
    assert (document["operation"], document["outcome"], document["changed"]) == ("backup", "success", True)
    assert [document["id"]] == cli.backups("notes")


def test_a_dry_run_takes_nothing(cli):
    shown = cli("run", "app", "--dry-run").stdout
    assert "database" in shown
    assert "uploads" in shown
    assert cli.backups("app") == []
    assert not cli.store.exists() or not any(cli.store.rglob("*.json"))


def test_all_jobs_have_their_turn_whatever_became_of_the_others(cli):
    cli.config["jobs"][0]["sources"][2]["files"]["paths"] = [str(cli.folder / "gone")]
    cli.save()
    ended = cli("run", "--all", exit=5)
    assert "job app: " in ended.stderr
    assert "1 of 2 jobs failed: app" in ended.stderr
    assert (len(cli.backups("app")), len(cli.backups("notes"))) == (0, 1)
    document = cli.json("run", "--all", exit=5)
    assert [(r["job"], r["outcome"]) for r in document["results"]] == [("app", "failure"), ("notes", "success")]
    assert (document["outcome"], document["error"]["code"]) == ("failure", "source")


def test_quiet_is_silent_when_all_went_well_and_tells_warnings_and_errors(cli):
    """So that cron sends a mail when there is something to read, and only then."""
    ended = cli("run", "notes", "--quiet")
    assert (ended.stdout, ended.stderr) == ("", "")
    assert cli.backups("notes")[0] in cli("list", "-q").stdout
    assert "no job 'nothing'" in cli("run", "nothing", "-q", exit=12).stderr
    cli.config["jobs"][1]["hooks"] = {"after": [{"command": ["false"]}]}
    cli.save()
    assert "warning: " in cli("run", "notes", "-q", exit=3).stderr


def test_verbose_tells_each_step_on_stderr(cli):
    ended = cli("-v", "run", "notes")
    assert "source notes (files): begins" in ended.stderr
    assert "begins" not in ended.stdout


# What goes wrong


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "fleet-backup --help"),
        (["rnu", "app"], 2, "did you mean run?"),
        (["run"], 2, "the jobs are: app, notes"),
        (["run", "app", "--all"], 2, "the jobs are: app, notes"),
        (["run", "app", "--kind", "everything"], 2, "everything"),
        (["run", "app", "--tag", "Not A Tag"], 2, "tag"),
        (["run", "nothing"], 12, "the jobs are: app, notes"),
        (["run", "app", "--config", "/nowhere/jobs.json"], 2, "/nowhere/jobs.json"),
        (["run", "app", "--query", "a["], 2, "--query"),
        (["menu"], 2, "terminal"),
    ],
)
def test_errors_have_their_exit_codes_for_people_and_for_programs(cli, words, code, told):
    ended = cli(*words, exit=code)
    assert (ended.stdout == "") == ("--query" not in words)
    assert told in ended.stderr
    assert ended.stderr.startswith("fleet-backup: ")
    ended = cli(*words, "--json", exit=code)
    document = json.loads(ended.stdout)
    assert document["outcome"] == "failure"
    assert told in document["error"]["message"]
    assert told in ended.stderr
    assert cli.backups("app") == []


def test_a_wrong_configuration_names_every_place(cli):
    cli.config["jobs"][0]["sources"][1]["files"]["pahts"] = []
    cli.config["jobs"][1]["stores"] = ["dsik"]
    cli.save()
    ended = cli("run", "app", exit=2)
    assert "jobs[0].sources[1].files.pahts" in ended.stderr


def test_a_store_that_may_not_be_written_to(cli):
    if os.geteuid() == 0:
        cli.store.parent.joinpath("file").write_text("not a folder")
        cli.config["stores"][0]["local"]["path"] = str(cli.store.parent / "file")
    else:
        cli.store.mkdir(mode=0o500)
    cli.save()
    assert cli.json("run", "notes", exit=6)["error"]["code"] == "store-refused"


def test_a_failing_hook(cli):
    cli.config["jobs"][1]["hooks"] = {"before": [{"command": ["false"]}]}
    cli.save()
    assert cli.json("run", "notes", exit=13)["error"]["code"] == "hook"


def test_a_source_that_is_no_database(cli):
    (cli.folder / "app" / "market.db").write_text("not a database")
    assert cli.json("run", "app", exit=5)["error"]["code"] == "source"


def test_warnings_are_told_and_are_not_success(cli):
    cli.config["jobs"][1]["hooks"] = {"after": [{"command": ["false"]}]}
    cli.save()
    ended = cli("run", "notes", exit=3)
    assert "warning: " in ended.stderr
    assert len(cli.backups("notes")) == 1


@posix
def test_a_second_run_of_the_same_job_is_refused_and_says_who_has_it(cli):
    ready, go = cli.folder / "ready", cli.folder / "go"
    os.mkfifo(ready)
    os.mkfifo(go)
    script = 'echo > "%s"; read x < "%s"' % (ready, go)
    cli.config["jobs"][1]["hooks"] = {"before": [{"command": ["sh", "-c", script]}]}
    cli.save()
    first = subprocess.Popen(cli.argv("run", "notes"), env=cli.environment(), stdout=subprocess.DEVNULL)
    ready.read_text()
    document = cli.json("run", "notes", exit=10)
    assert document["error"]["code"] == "locked"
    assert str(first.pid) in document["error"]["message"]
    go.write_text("\n")
    assert first.wait(60) == 0


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_cleanly(cli, number):
    ready = cli.folder / "ready"
    os.mkfifo(ready)
    (cli.folder / "never").mkdir()
    os.mkfifo(cli.folder / "never" / "x")
    script = 'echo > "%s"; read x < "%s"' % (ready, cli.folder / "never" / "x")
    cli.config["jobs"][1]["hooks"] = {"before": [{"command": ["sh", "-c", script]}]}
    cli.save()
    run = subprocess.Popen(
        cli.argv("run", "notes", "--json"), env=cli.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ready.read_text()
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, json.loads(out)["error"]["code"]) == (15, "interrupted")
    assert signal.Signals(number).name in err
    assert cli.backups("notes") == []
    del cli.config["jobs"][1]["hooks"]
    cli.save()
    cli("run", "notes")


# Streams


def test_query_chooses_from_the_document(cli):
    pytest.importorskip("jmespath")
    ended = cli("run", "app", "--query", "components[].[name, entries]")
    names = [name for name, _entries in json.loads(ended.stdout)]
    assert names == ["database", "uploads", "config"]


def test_a_query_that_does_not_fit_is_an_error_but_says_that_the_backup_was_taken(cli):
    pytest.importorskip("jmespath")
    ended = cli("run", "notes", "--query", "length(nothing)", exit=2)
    document = json.loads(ended.stdout)
    assert document["error"]["code"] == "configuration"
    assert "ended with: success" in document["error"]["message"]
    assert [document["id"]] == cli.backups("notes")


def test_without_jmespath_only_query_fails(cli):
    ended = cli("run", "notes", "--query", "id", exit=4, env={"PYTHONPATH": _without("jmespath", cli.folder)})
    assert json.loads(ended.stdout)["error"]["code"] == "missing-dependency"
    assert cli.backups("notes") == []
    assert cli("run", "notes", "--json", env={"PYTHONPATH": _without("jmespath", cli.folder)}).returncode == 0


def _without(library, folder):
    """A folder for PYTHONPATH in which importing a library fails."""
    place = folder / "without"
    place.mkdir(exist_ok=True)
    (place / ("%s.py" % library)).write_text("raise ImportError('not here')\n")
    return str(place)


@posix
def test_a_reader_that_has_seen_enough_is_no_error(cli):
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        cli.argv("version", "-v"), check=False, stdout=write, stderr=subprocess.PIPE, text=True, env=cli.environment()
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["version"], ["version", "--json"], ["run", "notes"], ["run", "notes", "--json"]])
def test_a_result_that_cannot_be_written_is_no_success(cli, words):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            cli.argv(*words), check=False, stdout=full, stderr=subprocess.PIPE, text=True, env=cli.environment()
        )
    assert ended.returncode == 1
    assert "stdout" in ended.stderr


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_do_not_matter(cli, closed):
    script = 'exec "$@" %s' % closed
    ended = subprocess.run(["sh", "-c", script, "sh", *cli.argv("run", "notes")], check=False, env=cli.environment())
    assert ended.returncode == 0
    assert len(cli.backups("notes")) == 1
    cli("run", "notes")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_that_the_console_cannot_show(cli, encoding):
    (cli.folder / "\u4e2d\u00e9").mkdir()
    cli.config["jobs"][1]["sources"][0]["files"]["paths"] = [str(cli.folder / "\u4e2d\u00e9" / "gone")]
    cli.save()
    ended = subprocess.run(
        cli.argv("run", "notes"), check=False, capture_output=True, env=cli.environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    )
    assert ended.returncode == 5
    assert b"does not exist" in ended.stderr
    ended = subprocess.run(
        cli.argv("run", "notes", "--json"), check=False, capture_output=True, env=cli.environment(PYTHONIOENCODING=encoding)
    )
    assert "\u4e2d\u00e9" in json.loads(ended.stdout)["error"]["message"]


def test_a_defect_says_what_to_report_and_the_whole_story_on_request(cli, tmp_path):
    """The engine is broken on purpose, in a copy of the command."""
    import zipfile

    broken = tmp_path / "broken.pyz"
    with zipfile.ZipFile(cli.program) as whole, zipfile.ZipFile(broken, "w") as copy:
        for name in whole.namelist():
            if name.endswith(".pyc"):
                continue
            text = whole.read(name)
            if name.endswith("/cli/verbs/version.py"):
                text = text.replace(b"result.begin()", b"result.begin(1)")
            copy.writestr(name, text)
    cli.program = str(broken)
    ended = cli("version", exit=1)
    assert re.match(r"fleet-backup: this is a defect .* please report it: TypeError: .*\n\Z", ended.stderr)
    assert "Traceback" in cli("version", "-v", exit=1).stderr
    assert cli.json("version", exit=1)["error"]["code"] == "error"


def test_help_needs_no_configuration(cli):
    cli.path.unlink()
    assert "restore" in cli("--help").stdout
    assert "--dry-run" in cli("run", "--help").stdout
    assert cli("help").stdout == cli("-h").stdout == cli("--help").stdout
    assert cli("help", "run").stdout == cli("run", "-h").stdout
    assert "did you mean run?" in cli("help", "rnu", exit=2).stderr
    assert cli("--version").stdout == cli("version").stdout


# Looking


def test_list_for_people_and_for_programs(cli):
    pytest.importorskip("jmespath")
    cli("run", "app", "--tag", "daily")
    cli("run", "app")
    cli("run", "notes")
    shown = cli("list", "app").stdout.splitlines()
    assert shown[0].startswith("app: 2 backups, the newest ")
    assert [line.split()[0] for line in shown[2:]] == cli.backups("app")[::-1]
    ended = cli("list", "--json", "--query", "jobs[?job=='app'].backups[] | [?tag=='daily'].id")
    assert json.loads(ended.stdout) == cli.backups("app")[:1]
    assert [job["job"] for job in cli.json("list")["jobs"]] == ["app", "notes"]
    assert "OUTCOME" in cli("list").stdout


def test_list_names_failed_and_damaged_ones(cli):
    cli("run", "notes")
    (whole,) = cli.backups("notes")
    cli.config["jobs"][1]["sources"][0]["files"]["paths"] = [str(cli.folder / "gone")]
    cli.save()
    cli("run", "notes", exit=5)
    shown = cli("list", "notes").stdout
    assert re.search(r"^\S+ +failed +disk$", shown, re.MULTILINE)
    manifest = cli.store / "web1" / "notes" / ("%s.json" % whole)
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes().replace(b"manual", b"mamual"))
    ended = cli("list", "notes", exit=3)
    assert re.search(r"^%s +damaged +disk$" % whole, ended.stdout, re.MULTILINE)
    assert "is damaged" in ended.stderr


def test_list_when_the_store_is_away(cli):
    cli("run", "notes")
    cli.store.rename(cli.folder / "away")
    cli.store.write_text("something else")
    assert cli.json("list", exit=6)["error"]["code"] == "store-refused"


def test_show_tells_facts_and_files(cli):
    cli("run", "app")
    (backup_id,) = cli.backups("app")
    shown = cli("show", backup_id[:16]).stdout
    assert backup_id in shown
    assert "vehicle" in shown
    files = cli("show", "latest", "--job", "app", "--files", "--component", "uploads").stdout
    assert len(re.findall(r"picture-\d\d\.jpg$", files, re.MULTILINE)) == 20
    document = cli.json("show", backup_id, "--files")
    assert document["backup"]["id"] == backup_id
    assert {e["component"] for e in document["entries"]} == {"database", "uploads", "config"}
    assert cli.json("show", "20200101T000000Z-full-x-0000", exit=12)["error"]["code"] == "not-found"
    audit = [json.loads(line) for line in (cli.state / "audit.log").read_text().splitlines()]
    assert (audit[-2]["operation"], audit[-2]["what"]) == ("show", backup_id)


def test_show_needs_no_configuration_for_a_plain_folder(cli):
    cli("run", "notes")
    (backup_id,) = cli.backups("notes")
    cli.path.unlink()
    assert backup_id in cli("show", "latest", "--from", str(cli.store / "web1" / "notes")).stdout


def test_show_of_a_damaged_index_is_told_while_it_is_read(cli):
    cli("run", "notes")
    (backup_id,) = cli.backups("notes")
    (index,) = (cli.store / "web1" / "notes" / backup_id).glob("notes.index*")
    index.chmod(0o600)
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 0xFF
    index.write_bytes(data)
    ended = cli("show", backup_id, "--files", exit=9)
    assert "notes.index" in ended.stderr
    assert cli.json("show", backup_id, "--files", exit=9)["error"]["code"] == "integrity"


def test_check_finds_what_would_fail(cli):
    shown = cli("check").stdout
    assert "disk" in shown
    (cli.folder / "notes" / "a.txt").unlink()
    (cli.folder / "notes").rmdir()
    ended = cli("check", exit=5)
    assert re.search(r"^source +notes +notes +failure", ended.stdout, re.MULTILINE)
    assert cli.json("check", "app")["outcome"] == "success"


def test_prune_says_why_and_a_dry_run_removes_nothing(cli):
    cli.config["jobs"][1]["retention"] = {"keep_last": 2}
    cli.save()
    for _ in range(4):
        cli("run", "notes")
    before = cli.backups("notes")
    shown = cli("prune", "notes", "--dry-run").stdout
    assert shown.startswith("notes on disk: would remove 2 of 4 backups")
    assert cli.backups("notes") == before
    document = cli.json("prune", "notes")
    assert document["deleted"] == before[:2]
    assert cli.backups("notes") == before[2:]
    assert [r["job"] for r in cli.json("prune")["results"]] == ["app", "notes"]


def test_what_prune_is_asked_besides(cli):
    cli.config["jobs"][1]["retention"] = {"keep_last": 1, "max_delete": "50%"}
    cli.save()
    for _ in range(3):
        cli("run", "notes")
    left = cli.folder / "store" / cli.config["host"] / "notes" / "20200101T000000Z-full-manual-0000"
    left.mkdir()
    (left / "notes.tar.zst").write_bytes(b"x" * 10)
    refused = cli("prune", "notes", exit=11)
    assert "left over, never finished: %s" % left.name in refused.stdout and "2 of 3 backups" in refused.stderr
    assert "--max-delete: an amount is" in cli("prune", "notes", "--max-delete", "many", exit=2).stderr
    done = cli.json("prune", "notes", "--max-delete", "2", "--orphans")
    assert len(done["deleted"]) == 2 and done["stores"][0]["leftovers"][0]["deleted"] and not left.exists()


def test_a_suspicious_backup_is_told_and_accepted_and_a_backup_pinned(cli):
    for n in range(9):
        (cli.folder / "notes" / ("%d.txt" % n)).write_text("x" * 100)
    cli("run", "notes")
    for n in range(9):
        (cli.folder / "notes" / ("%d.txt" % n)).unlink()
    assert "may be of what was lost" in cli("run", "notes", exit=3).stderr
    newest = cli.backups("notes")[-1]
    assert re.search(r"^%s .* suspicious" % newest, cli("list", "notes", exit=3).stdout, re.MULTILINE)
    assert cli("accept", newest, "--note", "tidied up").stdout == "%s is accepted on disk\n" % newest
    assert "already" in cli("accept", newest).stdout
    assert "disk, pinned" not in cli("list", "notes").stdout
    assert cli("pin", newest).stdout == "%s is pinned on disk\n" % newest
    assert "disk, pinned" in cli("list", "notes").stdout
    assert cli("unpin", newest).stdout == "%s is no longer pinned on disk\n" % newest
    assert "nothing to accept" in cli("accept", cli.backups("notes")[0], exit=2).stderr


def test_verifying_a_share_tells_how_far_it_came(cli):
    cli("run", "notes")
    shown = [cli("verify", "notes", "--sample", "60%").stdout.splitlines()[-1] for _ in range(3)]
    assert re.match(r"notes on disk, every byte of every entry: .* of .* now; \d+ % since ", shown[0])
    assert "all since" in shown[1] and "; all from " in shown[2]
    assert "--sample" in cli("verify", "notes", "--sample", "lots", exit=2).stderr


# Restoring


def wreck(cli):
    """Lose the application's data."""
    app = cli.folder / "app"
    (app / "market.db").unlink()
    (app / "config.ini").write_text("nonsense")
    shutil.rmtree(app / "static")
    (app / "static" / "uploads").mkdir(parents=True)
    (app / "static" / "uploads" / "picture-00.jpg").write_text("not a picture")


def contents(cli):
    """The application as it is: every file, and every row."""
    app = cli.folder / "app"
    files = {str(p.relative_to(app)): p.read_bytes() for p in app.rglob("*") if p.is_file() and p.suffix != ".db"}
    with sqlite3.connect(app / "market.db") as database:
        rows = database.execute("SELECT id, name FROM vehicle ORDER BY id").fetchall()
    database.close()
    return files, rows


def test_what_was_lost_comes_back(cli):
    before = contents(cli)
    cli("run", "app")
    wreck(cli)
    shown = cli("restore", "app", "--yes").stdout
    assert contents(cli) == before
    (backup_id, safety_id) = cli.backups("app")
    assert shown.startswith("restored %s of app from disk in " % backup_id)
    assert "what was there before is in the backup %s" % safety_id in shown
    assert "-pre-restore-" in safety_id
    status = json.loads((cli.state / "app.json").read_text())
    assert status["operations"]["restore"]["last_success"]["id"] == backup_id
    line = json.loads((cli.state / "audit.log").read_text().splitlines()[-1])
    assert (line["operation"], line["what"], line["outcome"]) == ("restore", backup_id, "success")


def test_overwriting_without_a_confirmation_is_refused_and_touches_nothing(cli):
    cli("run", "app")
    wreck(cli)
    (cli.folder / "app" / "market.db").write_text("other")
    ended = cli("restore", "app", exit=11)
    assert "--yes" in ended.stderr
    assert cli.json("restore", "app", exit=11)["error"]["code"] == "confirmation-needed"
    assert (cli.folder / "app" / "config.ini").read_text() == "nonsense"
    assert (cli.folder / "app" / "market.db").read_text() == "other"
    assert len(cli.backups("app")) == 1


def test_a_dry_run_shows_what_would_be_overwritten(cli):
    cli("run", "app")
    wreck(cli)
    shown = cli("restore", "app", "--dry-run").stdout
    assert "overwrite %s" % (cli.folder / "app" / "config.ini") in shown
    plan = {c["name"]: c["plan"] for c in cli.json("restore", "app", "--dry-run")["components"]}
    assert plan["config"]["overwrite"] == [str(cli.folder / "app" / "config.ini")]
    assert (plan["uploads"]["create_count"], plan["uploads"]["overwrite_count"]) == (19, 1)
    assert (cli.folder / "app" / "config.ini").read_text() == "nonsense"


def test_one_component_one_pattern_elsewhere(cli):
    cli("run", "app")
    place = cli.folder / "elsewhere"
    cli("restore", "app", "--component", "uploads", "--include", "picture-0[12].jpg", "--to", str(place))
    found = sorted(p.name for p in place.rglob("*") if p.is_file())
    assert found == ["picture-01.jpg", "picture-02.jpg"]


def test_the_folder_of_to_may_be_relative(cli):
    cli("run", "notes")
    cli("restore", "notes", "--to", "here", cwd=cli.folder)
    assert [p.read_text() for p in (cli.folder / "here").rglob("a.txt")] == ["a note"]


def test_at_chooses_the_backup_that_had_finished(cli):
    note = cli.folder / "notes" / "a.txt"
    cli("run", "notes")
    first = cli.json("list", "notes")["jobs"][0]["backups"][0]
    note.write_text("changed")
    cli("run", "notes")
    cli("restore", "notes", "--at", first["finished"], "--yes")
    assert note.read_text() == "a note"
    assert cli.json("restore", "notes", "--at", "2020-01-01", "--dry-run", exit=12)["error"]["code"] == "not-found"
    assert "yesterday" in cli("restore", "notes", "--at", "soon", exit=2).stderr


def test_restore_without_a_configuration_from_a_plain_folder(cli):
    cli("run", "notes")
    copy = cli.folder / "copy"
    shutil.copytree(cli.store / "web1" / "notes", copy)
    shutil.rmtree(cli.store)
    (cli.folder / "notes" / "a.txt").unlink()
    cli.path.unlink()
    environment = {k: v for k, v in cli.environment().items() if k != "FLEET_BACKUP_CONFIG"}
    ended = subprocess.run(
        cli.argv("restore", "--from", str(copy), "--to", str(cli.folder / "new"), "--json"),
        check=False, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert [p.read_text() for p in (cli.folder / "new").rglob("a.txt")] == ["a note"]


def test_a_damaged_backup_is_refused_before_anything_is_touched(cli):
    cli("run", "notes")
    (backup_id,) = cli.backups("notes")
    (volume,) = (cli.store / "web1" / "notes" / backup_id).glob("notes.tar*")
    volume.chmod(0o600)
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 0xFF
    volume.write_bytes(data)
    (cli.folder / "notes" / "a.txt").write_text("newer")
    document = cli.json("restore", "notes", "--yes", exit=9)
    assert document["error"]["code"] == "integrity"
    assert (cli.folder / "notes" / "a.txt").read_text() == "newer"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["restore"], 2),
        (["restore", "nothing"], 12),
        (["restore", "notes", "--backup", "2020"], 12),
        (["restore", "notes", "--component", "nothing"], 12),
        (["restore", "notes", "--store", "nothing"], 12),
        (["restore", "--from", "/nowhere"], 12),
        (["restore", "notes", "--backup", "2020", "--at", "today"], 12),
    ],
)
def test_what_cannot_be_restored(cli, words, code):
    cli("run", "notes")
    document = cli.json(*words, exit=code)
    assert document["outcome"] == "failure"


# Verifying


def flip(path):
    """Damage one byte in the middle of a file."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def test_verify_a_job_a_backup_and_everything(cli):
    cli("run", "app")
    cli("run", "notes")
    (app_id,), (notes_id,) = cli.backups("app"), cli.backups("notes")
    assert "every byte of every entry" in cli("verify", "app").stdout
    assert [b["id"] for b in cli.json("verify", "app")["backups"]] == [app_id]
    assert notes_id in {b["id"] for b in cli.json("verify", notes_id)["backups"]}
    assert [b["id"] for b in cli.json("verify")["backups"]] == [app_id, notes_id]
    assert cli.json("verify", "app", "--quick")["level"] == "quick"
    assert cli.json("verify", "app", "--backup", "latest", "--hashes")["level"] == "hashes"
    assert cli.json("verify", "app", "--quick", "--hashes", exit=2)["error"]["code"] == "configuration"
    assert "the jobs are: app, notes" in cli("verify", "nothing", exit=12).stderr
    assert cli.json("verify", "20200101", exit=12)["error"]["code"] == "not-found"
    line = json.loads((cli.state / "audit.log").read_text().splitlines()[-1])
    assert line["operation"] == "verify"


def test_verify_names_what_is_damaged(cli):
    cli("run", "notes")
    (backup_id,) = cli.backups("notes")
    (volume,) = (cli.store / "web1" / "notes" / backup_id).glob("notes.tar*")
    flip(volume)
    ended = cli("verify", "notes", exit=9)
    assert re.search(r"^%s .* damaged$" % backup_id, ended.stdout, re.MULTILINE)
    assert volume.name in ended.stderr
    document = cli.json("verify", "notes", exit=9)
    assert document["error"]["objects"] == [volume.name]
    assert cli.json("verify", "notes", "--quick")["outcome"] == "success"


def test_verify_a_plain_folder(cli):
    cli("run", "notes")
    cli.path.unlink()
    environment = {k: v for k, v in cli.environment().items() if k != "FLEET_BACKUP_CONFIG"}
    ended = subprocess.run(
        cli.argv("verify", "--from", str(cli.store / "web1" / "notes")),
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert ended.returncode == 0, ended.stderr
