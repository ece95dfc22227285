# SPDX-License-Identifier: GPL-3.0-or-later
"""The day after: what a dump or a database that has changed a little costs, in bytes and time.

Each contender has kept the first day, which is put in place before every run; what is added to it then counts as stored.
"""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t

from comparisons import BORG, HERE, MIB, OURS, PROJECT, RESTIC, Comparison, Contender, Place
from measuring import Step


def second_day(
    name: str, folder: str, day_one: t.Sequence[Step], change: Step, day_two: Step, needs: t.Tuple[str, ...] = ()
) -> Contender:
    """Of a contender whose whole first day is in its output folder."""
    output, kept = os.path.join(folder, "output"), os.path.join(folder, "kept")
    once = [*day_one, Step([["cp", "-a", output, kept]]), change]
    before = [Step([["cp", "-a", kept + "/.", output]])]
    return Contender(name, folder, [day_two], before=before, once=once, needs=needs, slow=bool(needs))


class _Days:
    """A contender's file, which is ``first`` on the first day and ``second`` on the next."""

    def __init__(self, place: Place, name: str, first: str, second: str) -> None:
        self.folder = place.folder(name)
        self.file = os.path.join(self.folder, "live" + os.path.splitext(first)[1])
        self.output = os.path.join(self.folder, "output")
        self.first = Step([["cp", os.path.join(place.data, first), self.file]])
        self._second = Step([["cp", os.path.join(place.data, second), self.file]])

    def contender(self, name: str, day_one: t.Sequence[Step], day_two: Step, needs: t.Tuple[str, ...] = ()) -> Contender:
        return second_day(name, self.folder, [self.first, *day_one], self._second, day_two, needs)


def _restic(place: Place, first: str, second: str) -> Contender:
    days = _Days(place, RESTIC, first, second)
    password = os.path.join(days.folder, "password")
    with open(password, "w") as file:
        file.write("benchmark")
    command = ["restic", "-q", "-r", days.output + "/repo", "--cache-dir", days.folder + "/cache", "-p", password]
    backup = Step([[*command, "backup", days.file]])
    return days.contender(RESTIC, [Step([[*command, "init"]]), backup], backup, needs=(RESTIC,))


def _borg(place: Place, first: str, second: str) -> Contender:
    days = _Days(place, BORG, first, second)
    repo = os.path.join(days.output, "repo")
    environment = {"BORG_BASE_DIR": days.output + "/base", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    init = Step([["borg", "init", "--encryption", "none", repo]], environment=environment)
    one = Step([["borg", "create", repo + "::one", days.file]], environment=environment)
    two = Step([["borg", "create", repo + "::two", days.file]], environment=environment)
    return days.contender(BORG, [init, one], two, needs=("borg",))


def _our_database(place: Place) -> t.Tuple[_Days, str]:
    days = _Days(place, OURS, "first.db", "changed.db")
    return days, place.config(days.folder, days.output, {"sqlite": {"path": days.file}})


def delta_sqlite(place: Place) -> Comparison:
    days, config = _our_database(place)
    full, increment = place.call(config, "run", "bench"), place.call(config, "run", "bench", "--kind", "incremental")
    ours = days.contender(OURS, [full], increment)
    others = [make(place, "first.db", "changed.db") for make in (_restic, _borg)]
    stored = _share(place, "changed.db")
    return Comparison(place.data, [ours, *others], {}, rss=128 * MIB, stored=stored)


def _share(place: Place, name: str) -> int:
    """1 MB for a file of 275 MB; there is a little that does not become less."""
    return max(os.path.getsize(os.path.join(place.data, name)) // 275, 50_000)


def _dump(place: Place, second: str, stored: int) -> Comparison:
    # No source reads a file of SQL; what the sources of databases write into does the work.
    days = _Days(place, OURS, "first.sql", second)
    call = [sys.executable, "-I", os.path.join(HERE, "stream.py"), os.path.join(PROJECT, "plugins", "module_utils"), days.output]
    state = os.path.join(days.folder, "state")
    ours = days.contender(OURS, [Step([[*call, state, "full", days.file]])], Step([[*call, state, "incremental", days.file]]))
    others = [make(place, "first.sql", second) for make in (_restic, _borg)]
    size = os.path.getsize(os.path.join(place.data, second))
    return Comparison(
        place.data, [ours, *others], {}, rss=128 * MIB, stored=stored, seconds=max(size / 100e6, 1.0)
    )  # fmt: skip


def delta_dump(place: Place) -> Comparison:
    return _dump(place, "changed.sql", _share(place, "changed.sql"))


def delta_grown(place: Place) -> Comparison:
    new_rows = os.path.join(place.data, "new-rows.sql")
    alone = len(subprocess.run(["zstd", "-q", "-3", "-c", new_rows], check=True, capture_output=True).stdout)
    return _dump(place, "grown.sql", int(1.3 * alone) + 2 * _share(place, "grown.sql"))


def delta_restore(place: Place) -> Comparison:
    """Restoring the increment, and the same state from a full backup."""
    contenders = []
    for name, kind in ((OURS, "incremental"), ("the same in full", "full")):
        folder = place.folder(name)
        live, store = os.path.join(folder, "live.db"), os.path.join(folder, "store")
        config = place.config(folder, store, {"sqlite": {"path": live}})
        copies = [Step([["cp", os.path.join(place.data, day), live]]) for day in ("first.db", "changed.db")]
        runs = [place.call(config, "run", "bench"), place.call(config, "run", "bench", "--kind", kind)]
        once = [copies[0], runs[0], copies[1], runs[1]]
        restore = place.call(config, "restore", "bench", "--to", os.path.join(folder, "output"), "--yes")
        contenders.append(Contender(name, folder, [restore], once=once))
    return Comparison(place.data, contenders, {"the same in full": 2.0}, rss=128 * MIB)


#: name: (data set, what makes the comparison)
DELTAS: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "delta-dump": ("dumps", delta_dump),
    "delta-grown": ("dumps", delta_grown),
    "delta-sqlite": ("databases", delta_sqlite),
    "delta-restore": ("databases", delta_restore),
}
