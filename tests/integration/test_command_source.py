# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command of the user's writes, and another that reads it back: real programs, without a shell of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jobs
import pytest
from command import Command, write_agent
from volumes import Playground

from _engine.errors import ConfigurationError
from _engine.job import parse_config
from _engine.operations.restore import RestoreRequest, restore

CANARY = 'c4nary-"\\ %ñ'


def python(code, *arguments):
    return [sys.executable, "-I", "-c", code, *map(str, arguments)]


def source(command, **options):
    return {"name": "dump", "command": {"command": command, **options}}


def put_back(config, **options):
    return restore(config, "app", RestoreRequest(confirm=True, **options))


def failed(config):
    result = jobs.backup(config, config.jobs[0])
    assert result.outcome == "failure" and result.id is None
    left = [path for path in (jobs.catalog(config).store.local_path(),) for path in os.walk(path)]
    names = [name for _folder, _folders, files in left for name in files if not name.endswith(".failed.json")]
    assert names == [], "something was left on the store"
    return result.error


def test_what_it_writes_comes_back(tmp_path):
    data = tmp_path / "data"
    data.write_bytes(os.urandom(5 << 20) + b"\0\n")
    config = jobs.configure(
        tmp_path,
        source(["cat", str(data)], restore_command=["dd", "of=%s" % (tmp_path / "back"), "status=none"], ending="bin"),
    )
    taken = jobs.take(config)
    assert taken.components[0].facts == {"program": "cat"}
    assert (jobs.backup_folder(config, taken.id) / "dump.bin.zst").exists()
    restored = put_back(config, safety_backup=False)
    assert (restored.error, restored.outcome) == (None, "success")
    assert (tmp_path / "back").read_bytes() == data.read_bytes()
    assert put_back(config, to=str(tmp_path / "there")).error is None
    assert (tmp_path / "there" / "dump.bin").read_bytes() == data.read_bytes()


def test_a_restore_must_be_confirmed_and_needs_a_command(tmp_path):
    marker = tmp_path / "marker"
    config = jobs.configure(tmp_path, source(["echo", "1"], restore_command=["touch", str(marker)]))
    jobs.take(config)
    refused = restore(config, "app", RestoreRequest())
    assert refused.error["code"] == "confirmation-needed"
    assert not marker.exists()
    without = jobs.configure(tmp_path, source(["echo", "1"]))
    assert "has no restore_command" in put_back(without).error["message"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import sys; sys.stdout.write('x' * 100000); sys.stderr.write('disk on fire'); sys.exit(3)",
            "exit code 3: disk on fire",
        ),
        ("import os, sys; sys.stdout.write('x' * 100000); sys.stdout.flush(); os.kill(os.getpid(), 9)", "signal 9"),
        ("pass", "wrote nothing"),
    ],
)
def test_a_command_that_fails_leaves_no_backup(tmp_path, code, told):
    error = failed(jobs.configure(tmp_path, source(python(code))))
    assert error["code"] == "source" and told in error["message"]


def test_a_program_that_is_missing(tmp_path):
    config = jobs.configure(tmp_path, source(["/nowhere/program"]))
    assert failed(config)["code"] == "missing-dependency"
    assert jobs.backup(config, config.jobs[0], dry_run=True).error["code"] == "missing-dependency"


def test_a_command_that_hangs_is_ended(tmp_path):
    code = "import time, sys; sys.stdout.write('1'); sys.stdout.flush(); time.sleep(1000)"
    error = failed(jobs.configure(tmp_path, source(python(code), timeout="1s")))
    assert "did not finish in time" in error["message"]


def test_nothing_may_be_what_there_is(tmp_path):
    config = jobs.configure(tmp_path, source(["true"], on_empty="ignore"))
    assert jobs.take(config).outcome == "success"
    config = jobs.configure(tmp_path, source(["true"], on_empty="warning"))
    assert [notice.code for notice in jobs.take(config).warnings] == ["output-empty"]


def test_a_restore_command_that_fails_is_told(tmp_path):
    config = jobs.configure(tmp_path, source(["echo", "data"], restore_command=python("import sys; sys.exit('no such thing')")))
    jobs.take(config)
    restored = put_back(config, safety_backup=False)
    assert restored.error["code"] == "restore"
    assert "no such thing" in restored.error["message"] and "cannot be undone" in restored.error["message"]


def test_damage_is_found_before_the_command_runs(tmp_path):
    marker = tmp_path / "marker"
    config = jobs.configure(tmp_path, source(["echo", "data" * 1000], restore_command=["touch", str(marker)]))
    taken = jobs.take(config)
    volume = next(jobs.backup_folder(config, taken.id).glob("dump.out*"))
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    assert put_back(config, safety_backup=False).error["code"] == "integrity"
    assert not marker.exists()


def test_secrets_are_only_in_the_environment(tmp_path):
    """As a real process, so that its arguments can be seen by the command itself."""
    code = (
        "import glob, os, sys\n"
        "seen = b''\n"
        "for name in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: seen += open(name, 'rb').read()\n"
        "    except OSError: pass\n"
        "sys.stdout.write('%s %d' % (os.environ['PASSWORD'] == sys.argv[1][::-1], os.environ['PASSWORD'].encode() in seen))"
    )
    (tmp_path / "secret").write_text(CANARY + "\n")
    write_agent(str(tmp_path / "fleet-backup.pyz"))
    program = Command(tmp_path / "fleet-backup.pyz", tmp_path)
    program.add_job(
        "app",
        source(
            python(code, CANARY[::-1]),
            environment=[{"name": "PASSWORD", "value_file": str(tmp_path / "secret")}, {"name": "OTHER", "value_env": "GIVEN"}],
        ),
        compression={"algorithm": "none"},
    )
    told = program("run", "app", "--json", env={"GIVEN": CANARY})
    backup_id = json.loads(told.stdout)["id"]
    assert (program.store / "web1" / "app" / backup_id / "dump.out").read_text() == "True 0"
    (tmp_path / "secret").unlink()
    shapes = [CANARY, json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1]]
    everything = [told.stdout.encode("utf-8"), told.stderr.encode("utf-8")]
    everything += [path.read_bytes() for folder in (program.store, program.state) for path in folder.rglob("*") if path.is_file()]
    assert not [shape for shape in shapes for part in everything if shape.encode("utf-8") in part]


def test_in_a_container(tmp_path, restore_image):
    playground = Playground()
    try:
        playground.volume("one")
        container = playground.container("app", "one")
        name = playground.name("app")
        config = jobs.configure(
            tmp_path,
            source(
                ["sh", "-c", 'cat /etc/debian_version; echo "$WORD"'], container=name,
                environment=[{"name": "WORD", "value": "hidden"}], restore_command=["dd", "of=/data/back", "status=none"],
            ),
        )  # fmt: skip
        taken = jobs.take(config)
        assert taken.components[0].facts == {"program": "sh", "container": name}
        assert put_back(config, safety_backup=False).error is None
        assert (playground.path("one") / "back").read_text().endswith("\nhidden\n")
        failing = jobs.configure(tmp_path, source(["sh", "-c", "echo 1; echo wrong >&2; exit 4"], container=name))
        assert "exit code 4: wrong" in jobs.backup(failing, failing.jobs[0]).error["message"]
        container.remove(force=True)
        assert "there is no container" in jobs.backup(config, config.jobs[0]).error["message"]
    finally:
        playground.close()


def test_a_container_that_is_removed_meanwhile(tmp_path, restore_image):
    playground = Playground()
    try:
        playground.volume("one")
        playground.container("app", "one")
        name = playground.name("app")
        # It removes itself, so to speak: its first process ends while the command writes.
        code = "head -c 3000000 /dev/urandom; kill -9 -1; kill 1; sleep 1000"
        error = failed(jobs.configure(tmp_path, source(["sh", "-c", code], container=name)))
        assert error["code"] == "source"
    finally:
        playground.close()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ending": "../x"}, "ending"),
        ({"ending": "zst"}, "ending"),
        ({"environment": [{"name": "A=B", "value": "1"}]}, "environment[0].name"),
        ({"environment": [{"name": "A"}]}, "environment[0].value: is missing"),
        ({"environment": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "environment[1].name"),
        ({"docker_host": "unix:///x"}, "docker_host"),
    ],
)
def test_wrong_options_are_told(tmp_path, options, told):
    with pytest.raises(ConfigurationError) as error:
        parse_config(jobs.describe(tmp_path, source(["true"], **options)))
    assert told in str(error.value)


def test_the_commands_of_restore_txt(tmp_path):
    config = jobs.configure(tmp_path, source(["printf", "a\\0b"], ending="bin"))
    folder = jobs.backup_folder(config, jobs.take(config).id)
    commands = [line for line in (folder / "RESTORE.txt").read_text().splitlines() if line.startswith("    ")]
    subprocess.run(["sh", "-e"], input="\n".join(commands), text=True, cwd=folder, check=True, capture_output=True)
    assert (folder / "restored" / "dump" / "dump.bin").read_bytes() == b"a\0b"
