# SPDX-License-Identifier: GPL-3.0-or-later
"""What encryption costs, and a little out of a lot that is encrypted."""

from __future__ import annotations

import os
import re
import subprocess
import typing as t

from comparisons import MIB, OURS, Comparison, Contender, Place, files
from data import WANTED
from measuring import Usage, run_reading

PLAIN = "the same in plain"


def _encryption(place: Place, folder: str) -> t.Tuple[str, t.Dict[str, t.Any]]:
    """A new identity's file, and the ``encryption`` of a job for it."""
    identity = os.path.join(folder, "identity")
    if not os.path.exists(identity):
        subprocess.run([*place.engine, "--quiet", "keygen", identity], check=True, stdout=subprocess.DEVNULL)
    with open(identity) as file:
        found = re.search(r"\bage1[0-9a-z]+", file.read())
    if found is None:
        raise RuntimeError("keygen does not write the recipient down any more")
    return identity, {"recipients": [found.group()]}


def _full(place: Place) -> Comparison:
    contenders = []
    for name in (OURS, PLAIN):
        folder = place.folder(name)
        job = {"encryption": _encryption(place, folder)[1]} if name == OURS else {}
        config = place.config(folder, os.path.join(folder, "output"), files(place), **job)
        contenders.append(Contender(name, folder, [place.call(config, "run", "bench")]))
    return Comparison(place.data, contenders, {PLAIN: 1.4}, rss=128 * MIB)


def sealed_uploads(place: Place) -> Comparison:
    return _full(place)


def sealed_small(place: Place) -> Comparison:
    return _full(place)


def _one_file(place: Place, *arguments: str) -> Comparison:
    """One file of 1 MB out of an encrypted backup: its time, and what is read of the store."""
    folder = place.folder(OURS)
    identity, encryption = _encryption(place, folder)
    store = os.path.join(folder, "store")
    config = place.config(folder, store, files(place), encryption=encryption)
    call = place.call(config, *arguments, "--identity", identity).pipeline[0]

    def measure() -> Usage:
        return run_reading(call, store)

    ours = Contender(OURS, folder, [], once=[place.call(config, "run", "bench")], needs=("strace",), measure=measure)
    return Comparison(place.data, [ours], {}, rss=128 * MIB, seconds=1.0, read=10 * 10**6)


def one_file_cat(place: Place) -> Comparison:
    return _one_file(place, "cat", "latest", os.path.join(place.data, WANTED))


def one_file_restore(place: Place) -> Comparison:
    to = os.path.join(place.folder(OURS), "output")
    return _one_file(place, "restore", "bench", "--include", os.path.join(place.data, WANTED), "--to", to, "--yes")


#: name: (data set, what makes the comparison)
SEALED: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "sealed-uploads": ("uploads", sealed_uploads),
    "sealed-small": ("small", sealed_small),
    "one-file-cat": ("many", one_file_cat),
    "one-file-restore": ("many", one_file_restore),
}
