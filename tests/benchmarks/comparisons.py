# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared with what, and how fast fleet.backup must be.

Each comparison is a list of contenders, ours first. A contender's output lies in a folder of its own, which is emptied
before every run.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import typing as t
from dataclasses import dataclass

from measuring import Step, Usage, run

MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))

OURS = "fleet-backup"
TAR_ZSTD, PIGZ, RESTIC, BORG = "tar | zstd -3 -T2", "tar | pigz -p2", "restic", "borg"


@dataclass(frozen=True)
class Contender:
    """``steps`` are measured. ``once`` is run before the first run, ``before`` before each; ``slow`` ones run fewer times."""

    name: str
    folder: str
    steps: t.Sequence[Step]
    before: t.Sequence[Step] = ()
    once: t.Sequence[Step] = ()
    needs: t.Tuple[str, ...] = ()
    slow: bool = False
    repeat: int = 1
    measure: t.Optional[t.Callable[[], Usage]] = None

    @property
    def output(self) -> str:
        return os.path.join(self.folder, "output")

    def run(self) -> Usage:
        if self.measure:
            return self.measure()
        used = run(list(self.steps) * self.repeat)
        return Usage(used.wall / self.repeat, used.cpu / self.repeat, used.rss)


@dataclass(frozen=True)
class Comparison:
    """``limits``: our wall time at most this many times that of the contender; ``slowest``: of the slowest of them.

    ``own``: so many of the contenders, from the first, are ours.

    The most that we may need: ``rss`` bytes of memory, ``stored`` bytes of output, ``seconds``, ``read`` bytes of the store.
    """

    data: str
    contenders: t.List[Contender]
    limits: t.Dict[str, float]
    rss: t.Optional[int] = None
    stored: t.Optional[int] = None
    seconds: t.Optional[float] = None
    read: t.Optional[int] = None
    own: int = 1
    slowest: t.Optional[float] = None


class Place:
    """Where a comparison finds its data and puts its files, and how the engine is called."""

    def __init__(self, data: str, work: str, engine: t.Sequence[str]) -> None:
        self.data = data
        self.work = work
        self.engine = list(engine)

    def folder(self, contender: str) -> str:
        folder = os.path.join(self.work, "".join(c for c in contender if c.isalnum() or c == "-"))
        os.makedirs(os.path.join(folder, "output"), exist_ok=True)
        return folder

    def config(self, folder: str, store: str, source: t.Dict[str, t.Any], **job: t.Any) -> str:
        """Write a job file with one job ``bench`` that backs up ``source`` into the folder ``store``."""
        return self.config_of_stores(folder, {"disk": {"local": {"path": store}}}, source, **job)

    def config_of_stores(
        self, folder: str, stores: t.Mapping[str, t.Dict[str, t.Any]], source: t.Dict[str, t.Any], **job: t.Any
    ) -> str:
        """The same for ``stores``, by name."""
        names = list(stores)
        description = {
            "host": "bench",
            "state_dir": os.path.join(folder, "state"),
            "stores": [dict({"name": name}, **store) for name, store in stores.items()],
            "jobs": [dict({"name": "bench", "sources": [dict({"name": "data"}, **source)], "stores": names}, **job)],
        }
        path = os.path.join(folder, "job.json")
        with open(path, "w") as file:
            json.dump(description, file)
        return path

    def call(self, config: str, *arguments: str) -> Step:
        return Step([[*self.engine, "--config", config, "--quiet", *arguments]])


def files(place: Place) -> t.Dict[str, t.Any]:
    """A source: all of the data."""
    return {"files": {"paths": [place.data]}}


def _our_backup(place: Place, source: t.Dict[str, t.Any], **job: t.Any) -> Contender:
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "output"), source, **job)
    return Contender(OURS, folder, [place.call(config, "run", "bench")])


def _tar(place: Place, name: str, packer: t.Sequence[str]) -> Contender:
    folder = place.folder(name)
    target = os.path.join(folder, "output", "f")
    steps = [Step([["tar", "-C", place.data, "-cf", "-", "."], packer], target), Step([["sync", "-f", target]])]
    return Contender(name, folder, steps, needs=("tar", packer[0]))


def _restic(place: Place, kept: bool) -> t.Tuple[str, t.List[str], t.List[Step], Step]:
    """Its folder, the beginning of its command line, and the steps that make a repository and a backup."""
    folder = place.folder(RESTIC)
    password = os.path.join(folder, "password")
    with open(password, "w") as file:
        file.write("benchmark")
    where = os.path.join(folder, "kept" if kept else "output")
    command = ["restic", "-q", "-r", where + "/repo", "--cache-dir", where + "/cache", "-p", password]
    return folder, command, [Step([[*command, "init"]])], Step([[*command, "backup", place.data]])


def _restic_backup(place: Place) -> Contender:
    folder, _command, init, backup = _restic(place, kept=False)
    return Contender(RESTIC, folder, [backup], before=init, needs=(RESTIC,), slow=True)


def _restic_restore(place: Place) -> Contender:
    folder, command, init, backup = _restic(place, kept=True)
    restore = Step([[*command, "restore", "latest", "--target", os.path.join(folder, "output", "tree")]])
    return Contender(RESTIC, folder, [restore], once=[*init, backup], needs=(RESTIC,), slow=True)


def _borg_backup(place: Place) -> Contender:
    folder = place.folder(BORG)
    repo = os.path.join(folder, "output", "repo")
    environment = {
        "BORG_BASE_DIR": os.path.join(folder, "output", "base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    init = Step([["borg", "init", "--encryption", "none", repo]], environment=environment)
    create = Step([["borg", "create", repo + "::first", place.data]], environment=environment)
    return Contender(BORG, folder, [create], before=[init], needs=("borg",), slow=True)


def _backup(place: Place, limit: float, others: t.Dict[str, float]) -> Comparison:
    contenders = [_our_backup(place, files(place)), _tar(place, TAR_ZSTD, ["zstd", "-q", "-3", "-T2"])]
    if RESTIC in others:
        contenders += [_restic_backup(place), _borg_backup(place)]
    return Comparison(place.data, contenders, {TAR_ZSTD: limit, **others}, rss=128 * MIB)


def backup_uploads(place: Place) -> Comparison:
    return _backup(place, 1.2, {RESTIC: 1.0, BORG: 1.0})


def backup_small(place: Place) -> Comparison:
    return _backup(place, 1.6, {RESTIC: 0.35, BORG: 0.35})


def backup_sql(place: Place) -> Comparison:
    return _backup(place, 1.3, {})


def _gzip(place: Place) -> Comparison:
    # As a host without zstd does it.
    ours = _our_backup(place, files(place), compression={"algorithm": "gzip", "level": 4})
    return Comparison(place.data, [ours, _tar(place, PIGZ, ["pigz", "-6", "-p2"])], {PIGZ: 1.0}, rss=128 * MIB)


def gzip_uploads(place: Place) -> Comparison:
    return _gzip(place)


def gzip_small(place: Place) -> Comparison:
    return _gzip(place)


def _kept(place: Place) -> t.Tuple[str, str, t.List[Step], t.List[Step]]:
    """Our job file and tar's archive, both of data that stays for all runs, and the steps that make them."""
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "store"), files(place))
    archive = os.path.join(place.folder(TAR_ZSTD), "f.tar.zst")
    pack = Step([["tar", "-C", place.data, "-cf", "-", "."], ["zstd", "-q", "-3", "-T2"]], archive)
    return config, archive, [place.call(config, "run", "bench")], [pack]


def _restore(place: Place, others: t.Dict[str, float]) -> Comparison:
    config, archive, our_backup, pack = _kept(place)
    name = "zstd -dc | tar -x"
    ours, theirs = place.folder(OURS), place.folder(TAR_ZSTD)
    restore = place.call(config, "restore", "bench", "--to", os.path.join(ours, "output"), "--yes")
    unpack = Step([["zstd", "-q", "-dc", archive], ["tar", "-C", os.path.join(theirs, "output"), "-xf", "-"]])
    contenders = [
        Contender(OURS, ours, [restore], once=our_backup),
        Contender(name, theirs, [unpack], once=pack, needs=("zstd", "tar")),
    ]
    if RESTIC in others:
        contenders.append(_restic_restore(place))
    return Comparison(place.data, contenders, {name: 1.5, **others}, rss=128 * MIB)


def restore_uploads(place: Place) -> Comparison:
    return _restore(place, {})


def restore_small(place: Place) -> Comparison:
    return _restore(place, {RESTIC: 0.35})


def _verify(place: Place) -> Comparison:
    config, archive, our_backup, pack = _kept(place)
    name = "zstd -dc | sha256sum"
    contenders = [
        Contender(OURS, place.folder(OURS), [place.call(config, "verify", "bench")], once=our_backup),
        Contender(
            name, place.folder(TAR_ZSTD), [Step([["zstd", "-q", "-dc", archive], ["sha256sum"]])], once=pack, needs=("zstd",)
        ),
    ]
    return Comparison(place.data, contenders, {name: 1.3}, rss=128 * MIB)


def verify_uploads(place: Place) -> Comparison:
    return _verify(place)


def verify_small(place: Place) -> Comparison:
    return _verify(place)


def sqlite(place: Place) -> Comparison:
    """sqlite3 and zstd check nothing: comparing a random index with its table takes as long as all the rest."""
    return _sqlite(place)


def sqlite_quick(place: Place) -> Comparison:
    return _sqlite(place, integrity_check="quick")


def _sqlite(place: Place, **options: str) -> Comparison:
    database = os.path.join(place.data, "shop.db")
    name = "sqlite3 .backup; zstd -3 -T2"
    folder = place.folder(name)
    copy, packed = os.path.join(folder, "output", "f"), os.path.join(folder, "output", "f.zst")
    steps = [
        Step([["sqlite3", database, ".backup '%s'" % copy]]),
        Step([["zstd", "-q", "-3", "-T2", "--rm", copy, "-o", packed]]),
        Step([["sync", "-f", packed]]),
    ]
    ours = _our_backup(place, {"sqlite": {"path": database, **options}})
    return Comparison(place.data, [ours, Contender(name, folder, steps, needs=("sqlite3", "zstd"))], {name: 1.3}, rss=128 * MIB)


def help_text(place: Place) -> Comparison:
    name = "python3 -I -c pass"
    contenders = [
        Contender(OURS, place.folder(OURS), [Step([[*place.engine, "--help"]])], repeat=20),
        Contender(name, place.folder("python"), [Step([[place.engine[0], "-I", "-c", "pass"]])], repeat=20),
    ]
    return Comparison(place.data, contenders, {name: 6.0})


def module(place: Place) -> Comparison:
    folder = place.folder("module")
    collections = os.path.join(folder, "ansible_collections", "fleet")
    os.makedirs(collections, exist_ok=True)
    link = os.path.join(collections, "backup")
    if not os.path.islink(link):
        os.symlink(PROJECT, link)
    store = os.path.join(place.folder(OURS), "output")
    job = {"name": "bench", "sources": [dict({"name": "data"}, **files(place))], "stores": ["disk"]}
    backup = {
        "host": "bench",
        "state_dir": os.path.join(folder, "state"),
        "stores": [{"name": "disk", "local": {"path": store}}],
        "job": job,
    }
    name = "ansible.builtin.ping"
    contenders = [
        _tasks(place.folder(OURS), "fleet.backup.backup", backup, "module fleet.backup.backup"),
        _tasks(place.folder("ping"), name, {}, name),
    ]
    return Comparison(place.data, contenders, {name: 2.0})


def _tasks(folder: str, action: str, arguments: t.Dict[str, t.Any], name: str) -> Contender:
    """Tasks of one play; the first is not counted, because it starts workers and warms caches."""
    play = os.path.join(folder, "play.json")
    tasks = [{"name": "Task %d" % n, action: arguments} for n in range(7)]
    with open(play, "w") as file:
        json.dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}], file)
    seconds = os.path.join(folder, "output", "seconds")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": os.path.join(os.path.dirname(folder), "module"),
        "ANSIBLE_CALLBACK_PLUGINS": os.path.join(HERE, "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "task_seconds",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "TASK_SECONDS_FILE": seconds,
    }
    program = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    step = Step([[program, "-i", "localhost,", play]], environment=environment)

    def measure() -> Usage:
        used = run([step])
        with open(seconds) as file:
            each = [float(line) for line in file][1:]
        return Usage(statistics.mean(each), used.cpu / len(tasks), used.rss)

    return Contender(name, folder, [], needs=(program,), measure=measure)


#: name: (data set, what makes the comparison)
ALL: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "backup-uploads": ("uploads", backup_uploads),
    "backup-small": ("small", backup_small),
    "backup-sql": ("sql", backup_sql),
    "restore-uploads": ("uploads", restore_uploads),
    "restore-small": ("small", restore_small),
    "verify-uploads": ("uploads", verify_uploads),
    "verify-small": ("small", verify_small),
    "gzip-uploads": ("uploads", gzip_uploads),
    "gzip-small": ("small", gzip_small),
    "sqlite": ("sqlite", sqlite),
    "sqlite-quick": ("sqlite", sqlite_quick),
    "help": ("tiny", help_text),
    "module": ("tiny", module),
}
