# SPDX-License-Identifier: GPL-3.0-or-later
"""The day after, of files: nothing has changed, 1 % has changed; and how much memory a million entries take.

Each contender has a tree and a first backup of its own. That backup is put in place before every run, together with what the
contender remembers of it.
"""

from __future__ import annotations

import os
import sys
import typing as t

from comparisons import BORG, HERE, MIB, OURS, RESTIC, Comparison, Contender, Place
from measuring import Step

LISTED = "tar --listed-incremental | zstd -3 -T2"


class _Days:
    """A contender's tree, and what it keeps of the first day: all that is in its output folder then."""

    def __init__(self, place: Place, name: str) -> None:
        self.folder = place.folder(name)
        self.tree = os.path.join(self.folder, "tree")
        self.output = os.path.join(self.folder, "output")
        self._data = place.data

    def contender(
        self, name: str, change: bool, day_one: t.Sequence[Step], day_two: t.Sequence[Step], needs: t.Tuple[str, ...] = ()
    ) -> Contender:
        kept = os.path.join(self.folder, "kept")
        # Nobody trusts the times of a file that was just written.
        once = [Step([["cp", "-a", self._data, self.tree]]), Step([["sleep", "2.1"]]), *day_one]
        once.append(Step([["cp", "-a", self.output, kept]]))
        if change:
            once.append(Step([[sys.executable, os.path.join(HERE, "data.py"), "--change", self.tree]]))
        before = [Step([["cp", "-a", kept + "/.", self.output]])]
        return Contender(name, self.folder, day_two, before=before, once=once, needs=needs, slow=name in (RESTIC, BORG))


def _ours(place: Place, change: bool) -> Contender:
    days = _Days(place, OURS)
    config = place.config(days.folder, days.output, {"files": {"paths": [days.tree]}})
    full, second = place.call(config, "run", "bench"), place.call(config, "run", "bench", "--kind", "incremental")
    return days.contender(OURS, change, [full], [second])


def _listed(place: Place, change: bool) -> Contender:
    days = _Days(place, "tar-listed")
    snapshot = os.path.join(days.output, "snapshot")

    def backup(name: str) -> t.List[Step]:
        target = os.path.join(days.output, name)
        pack = ["tar", "--listed-incremental", snapshot, "-C", days.tree, "-cf", "-", "."]
        return [Step([pack, ["zstd", "-q", "-3", "-T2"]], target), Step([["sync", "-f", target]])]

    return days.contender(LISTED, change, backup("one"), backup("two"), needs=("tar", "zstd"))


def _restic(place: Place, change: bool) -> Contender:
    days = _Days(place, RESTIC)
    password = os.path.join(days.folder, "password")
    with open(password, "w") as file:
        file.write("benchmark")
    command = ["restic", "-q", "-r", days.output + "/repo", "--cache-dir", days.output + "/cache", "-p", password]
    backup = Step([[*command, "backup", days.tree]])
    return days.contender(RESTIC, change, [Step([[*command, "init"]]), backup], [backup], needs=(RESTIC,))


def _borg(place: Place, change: bool) -> Contender:
    days = _Days(place, BORG)
    repo = os.path.join(days.output, "repo")
    environment = {"BORG_BASE_DIR": days.output + "/base", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    init = Step([["borg", "init", "--encryption", "none", repo]], environment=environment)
    one = Step([["borg", "create", repo + "::one", days.tree]], environment=environment)
    two = Step([["borg", "create", repo + "::two", days.tree]], environment=environment)
    return days.contender(BORG, change, [init, one], [two], needs=("borg",))


def _second(place: Place, change: bool, limits: t.Dict[str, float]) -> Comparison:
    contenders = [make(place, change) for make in (_ours, _listed, _restic, _borg)]
    return Comparison(place.data, contenders, limits, rss=128 * MIB)


def unchanged(place: Place) -> Comparison:
    return _second(place, False, {LISTED: 2.0, RESTIC: 0.2, BORG: 0.2})


def changed(place: Place) -> Comparison:
    return _second(place, True, {LISTED: 2.0, RESTIC: 0.2})


def _million(place: Place, second: bool) -> Comparison:
    folder = place.folder(OURS)
    store = os.path.join(folder, "store" if second else "output")
    config = place.config(folder, store, {"files": {"paths": [place.data]}})
    full, increment = place.call(config, "run", "bench"), place.call(config, "run", "bench", "--kind", "incremental")
    ours = Contender(OURS, folder, [increment], once=[full]) if second else Contender(OURS, folder, [full])
    return Comparison(place.data, [ours], {}, rss=128 * MIB)


def million_full(place: Place) -> Comparison:
    return _million(place, False)


def million_second(place: Place) -> Comparison:
    return _million(place, True)


def _million_kept(place: Place, *arguments: str) -> Comparison:
    folder = place.folder(OURS)
    config = place.config(folder, os.path.join(folder, "store"), {"files": {"paths": [place.data]}})
    ours = Contender(OURS, folder, [place.call(config, *arguments)], once=[place.call(config, "run", "bench")])
    return Comparison(place.data, [ours], {}, rss=128 * MIB)


def million_verify(place: Place) -> Comparison:
    return _million_kept(place, "verify", "bench")


def million_restore(place: Place) -> Comparison:
    return _million_kept(place, "restore", "bench", "--to", os.path.join(place.folder(OURS), "output"), "--yes")


#: name: (data set, what makes the comparison)
INCREMENTS: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "unchanged": ("small", unchanged),
    "changed": ("small", changed),
    "million-full": ("million", million_full),
    "million-second": ("million", million_second),
    "million-verify": ("million", million_verify),
    "million-restore": ("million", million_restore),
}
