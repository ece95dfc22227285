# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the entries of a component by patterns, for a restore of a part."""

from __future__ import annotations

import typing as t

from .patterns import Patterns

Entry = t.Dict[str, t.Any]


class Chosen(t.NamedTuple):
    """An entry, its archive path, and whether it is only there because something below it was chosen."""

    path: bytes
    entry: Entry
    is_parent: bool


def choose(entries: t.Iterable[t.Tuple[bytes, Entry]], include: t.Sequence[str]) -> t.Iterator[Chosen]:
    """The entries that ``include`` means, with the folders above them, in the order of the index.

    The patterns see the archive path, so a leading ``/`` stands for the root of the file system. A folder that matches brings
    all that is below it, but for what a later pattern with ``!`` takes out. Raises ValueError for a wrong pattern.
    """
    if not include:
        for path, entry in entries:
            yield Chosen(path, entry, False)
        return
    patterns = Patterns(include)
    # The folders above the entry at hand: path with a slash, chosen?, and the entry while it has not been told.
    above: t.List[t.Tuple[bytes, bool, t.Optional[Entry]]] = []
    for path, entry in entries:
        while above and not path.startswith(above[-1][0]):
            above.pop()
        is_dir = entry["type"] == "directory"
        verdict = patterns.match(path, is_dir)
        if verdict is None:
            verdict = above[-1][1] if above else False
        if verdict:
            for n, (folder, chosen, untold) in enumerate(above):
                if untold is not None:
                    yield Chosen(folder[:-1], untold, True)
                    above[n] = (folder, chosen, None)
            yield Chosen(path, entry, False)
        if is_dir:
            above.append((path + b"/", verdict, None if verdict else entry))
