# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker volumes: whole after a restore, and the containers that use them go on whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading

import jobs
import pytest
import trees
from command import Command, write_agent
from playing import Ansible
from volumes import Playground

from _engine.containers.daemon import Daemon, Volume
from _engine.containers.hold import LABEL, Hold
from _engine.operations.restore import RestoreRequest, restore
from _engine.sources.docker_volume import DockerVolumeSource, described

# Seconds that the slowest machine may take for what takes a moment.
PATIENCE = 120


@pytest.fixture
def docker(restore_image):
    playground = Playground()
    with contextlib.closing(playground):
        yield playground


def source(docker, *words, **options):
    return {"name": "data", "docker_volume": {"volumes": [docker.name(word) for word in words], **options}}


def put_back(config, **options):
    return restore(config, "app", RestoreRequest(confirm=True, set_ids=True, devices=True, **options))


def codes(result):
    return [notice.code for notice in result.warnings]


def test_a_volume_comes_back_whole(tmp_path, docker, ahead):
    docker.volume("one", entries=60)
    docker.volume("two", entries=5)
    before = [trees.snapshot(docker.path(word)) for word in ("one", "two")]
    config = jobs.configure(tmp_path, source(docker, "two", "one"))
    taken = jobs.take(config)
    facts = taken.components[0].facts
    assert sorted(facts["volumes"]) == [docker.name("one"), docker.name("two")]
    assert facts["files"]["files"] > 20
    docker.destroy("one")
    (docker.path("two") / "tree").chmod(0o700)
    restored = put_back(config)
    assert (restored.error, restored.outcome) == (None, "success")
    after = [trees.snapshot(docker.path(word)) for word in ("one", "two")]
    assert [trees.differences(*states) for states in zip(before, after)] == [[], []]


def test_an_increment_stores_what_is_new(tmp_path, docker, ahead):
    docker.volume("one", entries=40)
    (docker.path("one") / "old").write_bytes(os.urandom(1 << 20))
    config = jobs.configure(tmp_path, source(docker, "one"))
    jobs.take(config)
    (docker.path("one") / "new").write_bytes(b"new" * 1000)
    taken = jobs.take(config, kind="incremental")
    component = jobs.reader(config, taken.id, "data").component
    assert (taken.kind, component.kind) == ("incremental", "incremental")
    assert component.raw < 100_000 < 1_000_000 < component.bytes
    before = trees.snapshot(docker.path("one"))
    docker.destroy("one")
    assert put_back(config).error is None
    assert trees.differences(before, trees.snapshot(docker.path("one"))) == []


def test_a_missing_volume_is_made_as_it_was(tmp_path, docker, ahead):
    docker.volume("one", entries=20, labels={"tier": "gold"})
    docker.volume("two", entries=2)
    before = trees.snapshot(docker.path("one"))
    config = jobs.configure(tmp_path, source(docker, "one", "two"))
    jobs.take(config)
    for word in ("one", "two"):
        docker.client.volumes.get(docker.name(word)).remove()
    planned = restore(config, "app", RestoreRequest(dry_run=True))
    assert planned.components[0].plan.create_count > 20
    assert not docker.exists("one")
    restored = put_back(config, include=("/%s/" % docker.name("one"),))
    assert (restored.error, restored.outcome) == (None, "success")
    assert trees.differences(before, trees.snapshot(docker.path("one"))) == []
    assert docker.client.volumes.get(docker.name("one")).attrs["Labels"] == {"tier": "gold"}
    assert not docker.exists("two"), "nothing of it was asked for"
    # As another one, beside it.
    beside = {"include": ("/%s/" % docker.name("one"),), "move": {docker.name("one"): docker.name("copy")}}
    copied = put_back(config, **beside)
    assert (copied.error, copied.outcome) == (None, "success")
    assert trees.differences(before, trees.snapshot(docker.path("copy"))) == []


def test_a_volume_bound_to_a_folder_of_the_host(tmp_path, docker, ahead):
    folder = tmp_path / "bound"
    folder.mkdir()
    options = {"type": "none", "o": "bind", "device": str(folder)}
    docker.volume("one", driver_opts=options)
    trees.make_tree(folder / "tree", seed=2, entries=20, odd=False)
    before = trees.snapshot(folder)
    docker.container("app", "one")
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    taken = jobs.take(config)
    assert taken.components[0].facts["volumes"][docker.name("one")]["options"] == options
    (folder / "tree").rename(folder / "elsewhere")
    assert put_back(config, delete=True).error is None
    assert trees.differences(before, trees.snapshot(folder)) == []


def test_an_own_file_system_is_read_only_while_it_is_mounted(tmp_path, docker):
    """A stopped container would leave an empty folder, and an empty backup."""
    docker.volume("one", driver_opts={"type": "tmpfs", "device": "tmpfs"})
    docker.container("app", "one", ["sh", "-c", "echo 1 >/data/file; sleep infinity"])
    stopping = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    failed = jobs.backup(stopping, stopping.jobs[0])
    assert "mounted only while a container uses it" in failed.error["message"]
    assert docker.state("app")[0] == "running"
    config = jobs.configure(tmp_path, source(docker, "one", containers="pause"))
    assert jobs.take(config).components[0].facts["files"]["files"] == 1
    assert docker.state("app")[0] == "running"


def test_a_restore_elsewhere_touches_no_volume(tmp_path, docker, ahead):
    docker.volume("one", entries=20)
    docker.container("app", "one")
    before, started = trees.snapshot(docker.path("one")), docker.state("app")
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    jobs.take(config)
    stopped = docker.state("app")
    assert stopped[0] == "running" and stopped != started
    assert put_back(config, to=str(tmp_path / "there")).error is None
    assert trees.differences(before, trees.snapshot(tmp_path / "there" / docker.name("one"))) == []
    assert docker.state("app") == stopped


def test_containers_are_held_as_the_option_and_their_labels_say(tmp_path, docker):
    docker.volume("one", entries=5)
    for word, label in (("a", {}), ("b", {LABEL: "pause"}), ("c", {LABEL: "leave"})):
        docker.container(word, "one", labels=label)
    paused = docker.container("d", "one")
    paused.pause()
    before = {word: docker.state(word)[1] for word in "abcd"}
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    with recorded(docker) as events:
        facts = jobs.take(config).components[0].facts
    assert [(c["name"], c["action"]) for c in facts["containers"]] == [
        (docker.name(word), action) for word, action in zip("abcd", ("stop", "pause", "leave", "stop"))
    ]  # fmt: skip
    assert {word: events.of(docker.name(word)) for word in "abcd"} == {
        "a": ["stop", "start"], "b": ["pause", "unpause"], "c": [], "d": [],
    }  # fmt: skip
    assert [docker.state(word)[0] for word in "abcd"] == ["running", "running", "running", "paused"]
    assert [word for word in "abcd" if docker.state(word)[1] != before[word]] == ["a"]


def test_a_restore_holds_them_too(tmp_path, docker, ahead):
    docker.volume("one", entries=5)
    docker.container("app", "one")
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    jobs.take(config)
    docker.destroy("one")
    with recorded(docker) as events:
        assert put_back(config, safety_backup=False).error is None
    assert events.of(docker.name("app")) == ["stop", "start"]
    assert docker.state("app")[0] == "running"


def test_a_failed_restore_leaves_everything_as_it_was(tmp_path, docker, ahead):
    docker.volume("one", entries=5)
    docker.volume("two", entries=5)
    docker.container("app", "one")
    config = jobs.configure(tmp_path, source(docker, "one", "two", containers="pause"))
    taken = jobs.take(config)
    docker.client.volumes.get(docker.name("two")).remove()
    (docker.path("one") / "tree").rename(docker.path("one") / "other")
    before = trees.snapshot(docker.path("one"))
    volume = next(jobs.backup_folder(config, taken.id).glob("data.tar*"))
    data = bytearray(volume.read_bytes())
    data[len(data) // 2] ^= 1
    volume.write_bytes(data)
    assert put_back(config, safety_backup=False).error["code"] == "integrity"
    assert trees.differences(before, trees.snapshot(docker.path("one"))) == []
    assert not docker.exists("two")
    assert docker.state("app")[0] == "running"


def test_dependents_stop_first_and_start_last(tmp_path, docker):
    docker.volume("one", entries=1)
    compose = "com.docker.compose."
    docker.container("a-db", "one", labels={compose + "service": "db"})
    docker.container(
        "b-web", "one", labels={compose + "service": "web", compose + "depends_on": "db:service_started:false"}
    )  # fmt: skip
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    with recorded(docker) as events:
        jobs.take(config)
    short = [(name.replace(docker.prefix, ""), what) for name, what in events.all()]
    assert short == [("b-web", "stop"), ("a-db", "stop"), ("a-db", "start"), ("b-web", "start")]


def test_a_container_that_would_not_come_back_is_not_stopped(tmp_path, docker):
    docker.volume("one", entries=1)
    docker.container("app", "one", auto_remove=True)
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    failed = jobs.backup(config, config.jobs[0])
    assert "removed when it stops" in failed.error["message"]
    assert docker.state("app")[0] == "running"


def test_a_container_that_is_removed_meanwhile_is_told(docker):
    docker.volume("one", entries=1)
    container = docker.container("app", "one")
    with Daemon() as daemon:
        hold = Hold(daemon, daemon.users([docker.name("one")]), "stop", 1)
        hold.begin()
        container.remove(force=True)
        problems = hold.release()
    assert len(problems) == 1 and docker.name("app") in problems[0] and "do it by hand" in problems[0]


def test_an_interrupted_stop_is_finished_first(docker, monkeypatch):
    """The daemon goes on stopping a container when nobody waits for it any more."""
    docker.volume("one", entries=1)
    docker.container("app", "one", ["sh", "-c", "trap 'sleep 2; exit' TERM; while :; do sleep 0.1; done"])
    started = docker.state("app")[1]
    with Daemon() as daemon:
        hold = Hold(daemon, daemon.users([docker.name("one")]), "stop", 30)
        container = hold._plan[0][0]
        stop = container.stop

        def interrupted(timeout):
            threading.Thread(target=stop, kwargs={"timeout": timeout}).start()
            raise KeyboardInterrupt

        with recorded(docker) as events:
            monkeypatch.setattr(container, "stop", interrupted)
            with pytest.raises(KeyboardInterrupt):
                hold.begin()
            monkeypatch.setattr(container, "stop", stop)
            assert hold.release() == []
    state = docker.state("app")
    assert state[0] == "running" and state[1] != started, events.all()


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_containers_go_on_after_a_kill(tmp_path, docker, action):
    command = slow_command(tmp_path, docker, action)
    docker.container("app", "one")
    with recorded(docker) as events:
        run = subprocess.Popen(
            command.argv("run", "app"), env=command.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        events.wait_for(docker.name("app"), action)
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait(PATIENCE) == -signal.SIGKILL, "the backup was faster than the kill"
        events.wait_for(docker.name("app"), {"stop": "start", "pause": "unpause"}[action])
    assert docker.state("app")[0] == "running"
    assert json.loads(command("list", "app", "--json").stdout)["jobs"][0]["backups"] == []


def test_containers_go_on_after_the_kill_of_a_module(tmp_path, docker):
    """The engine's files are gone by then."""
    fill(docker)
    docker.container("app", "one")
    ansible = Ansible(tmp_path / "ansible")
    ansible.environment["ANSIBLE_PIPELINING"] = "false"  # a file, by whose name it is found
    options = jobs.describe(tmp_path, source(docker, "one", containers="stop"), **SLOW)
    options["job"] = options.pop("jobs")[0]
    answers = []
    with recorded(docker) as events:
        play = threading.Thread(target=lambda: answers.extend(ansible.tasks({"fleet.backup.backup": options})))
        play.start()
        events.wait_for(docker.name("app"), "stop")
        killed = [pid for pid in processes_below(os.getpid()) if b"AnsiballZ_backup" in command_line(pid)]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        events.wait_for(docker.name("app"), "start")
        play.join(PATIENCE)
    assert killed and answers[0]["failed"]
    assert docker.state("app")[0] == "running"


def test_nothing_is_stopped_without_the_process_that_outlives_the_run(tmp_path, docker, monkeypatch):
    docker.volume("one", entries=1)
    docker.container("app", "one")
    before = docker.state("app")
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    monkeypatch.setattr("_engine.containers.hold.sys.executable", "/bin/false")
    failed = jobs.backup(config, config.jobs[0])
    assert "nothing was stopped" in failed.error["message"] or "was left alone" in failed.error["message"]
    assert docker.state("app") == before


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["PG_VERSION", "global/"], "PostgreSQL"),
        (["db/ibdata1"], "MySQL or MariaDB"),
        (["dump.rdb"], "Redis"),
        (["mongo/WiredTiger"], "MongoDB"),
    ],
)
def test_the_files_of_a_live_database_are_told(tmp_path, docker, names, kind):
    docker.volume("one")
    for name in names:
        place = docker.path("one") / name
        place.parent.mkdir(exist_ok=True)
        place.mkdir() if name.endswith("/") else place.write_text("15")
    config = jobs.configure(tmp_path, source(docker, "one"))
    quiet = jobs.take(config)
    assert (codes(quiet), quiet.components[0].facts["databases"][0]["kind"]) == ([], kind)
    docker.container("app", "one")
    assert codes(jobs.take(config)) == ["live-database"]
    stopped = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    assert codes(jobs.take(stopped)) == []


def test_the_volumes_of_a_project_and_those_with_labels(tmp_path, docker):
    labels = {"com.docker.compose.project": docker.name("shop"), "tier": "gold"}
    docker.volume("one", entries=1, labels=labels)
    docker.volume("two", entries=1, labels={**labels, "tier": "tin"})
    docker.volume("three", entries=1, labels={"tier": docker.name("x")})

    def volumes(**options):
        config = jobs.configure(tmp_path, {"name": "data", "docker_volume": options})
        return sorted(name.replace(docker.prefix, "") for name in jobs.take(config).components[0].facts["volumes"])

    assert volumes(project=docker.name("shop")) == ["one", "two"]
    assert volumes(project=docker.name("shop"), labels=["tier=tin"]) == ["two"]
    assert volumes(labels=["tier=" + docker.name("x")]) == ["three"]
    config = jobs.configure(tmp_path, {"name": "data", "docker_volume": {"project": docker.name("none")}})
    assert "there is no volume" in jobs.backup(config, config.jobs[0]).error["message"]


def test_a_dry_run_touches_no_container(tmp_path, docker):
    docker.volume("one", entries=10)
    docker.container("app", "one")
    before = docker.state("app")
    config = jobs.configure(tmp_path, source(docker, "one", containers="stop"))
    planned = jobs.take(config, dry_run=True).components[0]
    assert planned.entries > 10
    assert [c["action"] for c in planned.facts["containers"]] == ["stop"]
    assert docker.state("app") == before


def test_what_cannot_be_is_told(tmp_path, docker):
    config = jobs.configure(tmp_path, source(docker, "none"))
    assert "there is no Docker volume %s" % docker.name("none") in jobs.backup(config, config.jobs[0]).error["message"]
    far = jobs.configure(tmp_path, source(docker, "none", docker_host="tcp://192.0.2.1:2376"))
    assert "run the job on that host" in jobs.backup(far, far.jobs[0]).error["message"]
    dead = jobs.configure(tmp_path, source(docker, "none", docker_host="unix://%s/no.sock" % tmp_path))
    assert jobs.backup(dead, dead.jobs[0]).error["code"] == "source"


def test_wrong_options_are_told():
    options = {"volumes": [], "project": None, "labels": [], "include": [], "exclude": [], "exclude_if_present": []}
    check = DockerVolumeSource.check_options
    assert check(options) == ["volumes: is missing; name volumes, or a project, or labels"]
    assert "cannot be combined" in check({**options, "volumes": ["a"], "project": "b"})[0]
    assert "no name of a volume" in check({**options, "volumes": ["../a"]})[0]
    assert "named twice" in check({**options, "volumes": ["a", "a"]})[0]


def test_options_that_may_hold_a_secret_are_not_recorded():
    mount = {"type": "cifs", "device": "//nas/x", "o": "username=app,password=c4nary"}
    facts = described(Volume("v", "local", "/v", mount, {"a": "b"}))
    assert facts == {
        "driver": "local", "options": {"type": "cifs", "device": "//nas/x"}, "labels": {"a": "b"}, "withheld": ["o"],
    }  # fmt: skip


# What a backup needs seconds for: as much as does not compress, slowly.
SLOW = {"compression": {"algorithm": "zstd", "level": 19}}


def fill(docker):
    docker.volume("one")
    (docker.path("one") / "big").write_bytes(os.urandom(96 << 20))


def slow_command(tmp_path, docker, action):
    fill(docker)
    write_agent(str(tmp_path / "fleet-backup.pyz"))
    command = Command(tmp_path / "fleet-backup.pyz", tmp_path)
    command.add_job("app", source(docker, "one", containers=action), **SLOW)
    return command


class Events:
    """What happened to the containers of a playground, as the daemon tells."""

    _SHOWN = ("stop", "start", "pause", "unpause")

    def __init__(self, stream, prefix):
        self._stream = stream
        self._prefix = prefix
        self._seen = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def all(self):
        return [(name, what) for name, what in self._seen if what in self._SHOWN and name.startswith(self._prefix)]

    def of(self, name):
        return [what for container, what in self.all() if container == name]

    def wait_for(self, name, what):
        with self._changed:
            assert self._changed.wait_for(lambda: (name, what) in self._seen, PATIENCE), (name, what, self._seen)

    def _read(self):
        for event in self._stream:
            with self._changed:
                self._seen.append((event["Actor"]["Attributes"].get("name", ""), event["Action"]))
                self._changed.notify_all()


@contextlib.contextmanager
def recorded(docker):
    """Events of the containers of a playground from here on; complete at the end."""
    stream = docker.client.events(decode=True, filters={"type": "container"})
    events = Events(stream, docker.prefix)
    try:
        yield events
        # What the daemon tells comes in order: once this one is seen, all are.
        marker = docker.client.containers.create("fleet-backup/restore:bookworm", "true", name=docker.name("marker"))
        try:
            events.wait_for(marker.name, "create")
        finally:
            marker.remove()
    finally:
        stream.close()


def processes_below(pid):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
                if parent == pid:
                    found += [int(name), *processes_below(int(name))]
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read()
    except OSError:
        return b""
