# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the entries of a component by patterns, for a restore of a part."""

from __future__ import annotations

import typing as t

from ..archive.index import Entry
from ..errors import ConfigurationError
from .patterns import Patterns


class Chosen(t.NamedTuple):
    """An entry, its archive path, and whether it is only there because something below it was chosen."""

    path: bytes
    entry: Entry
    is_parent: bool


class Selection:
    """What ``include`` means; everything when it is empty. Raises ConfigurationError for a wrong pattern.

    The patterns see the archive path, so a leading ``/`` stands for the root of the file system. A folder that matches brings
    all that is below it, but for what a later pattern with ``!`` takes out.
    """

    def __init__(self, include: t.Sequence[str]) -> None:
        try:
            self._patterns = Patterns(include)
        except ValueError as error:
            raise ConfigurationError("include: %s" % error) from None

    @property
    def is_all(self) -> bool:
        """Whether everything is chosen."""
        return not self._patterns

    def means(self, path: bytes, is_dir: bool) -> bool:
        """Whether this archive path is chosen."""
        if not self._patterns:
            return True
        while path:
            verdict = self._patterns.match(path, is_dir)
            if verdict is not None:
                return verdict
            path, is_dir = path.rpartition(b"/")[0], True
        return False

    def of(self, entries: t.Iterable[t.Tuple[bytes, Entry]]) -> t.Iterator[Chosen]:
        """The chosen ones of ``entries``, with the folders above them, in the same order (that of the index)."""
        if not self._patterns:
            for path, entry in entries:
                yield Chosen(path, entry, False)
            return
        # The folders above the entry at hand: path with a slash, chosen?, and the entry while it has not been told.
        above: t.List[t.Tuple[bytes, bool, t.Optional[Entry]]] = []
        for path, entry in entries:
            while above and not path.startswith(above[-1][0]):
                above.pop()
            is_dir = entry["type"] == "directory"
            verdict = self._patterns.match(path, is_dir)
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
