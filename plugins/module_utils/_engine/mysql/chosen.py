# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of a dump that are to be restored, and their bytes."""

from __future__ import annotations

import re
import typing as t

from ..archive.index import Entry, entry_path
from ..errors import IntegrityError
from .naming import Section, quoted, section

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

_CREATE = re.compile(rb"CREATE DATABASE [^`]*`(?:[^`]|``)*`([^;]*);")
_FOREIGN_KEY = re.compile(
    rb"(\n  CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY \((?:`(?:[^`]|``)+`(?:, )?)+\) REFERENCES )"
    rb"(?:`((?:[^`]|``)+)`\.)?`((?:[^`]|``)+)`(?= \()"
)
_ROWS_BEGIN = b"\nLOCK TABLES "
#: Kinds that become tables: what can be staged and swapped.
TABLES = ("tables", "sequences")


class Chosen(t.NamedTuple):
    """A section and its entry in the index."""

    section: Section
    entry: Entry


class Sections:
    """Those that ``include`` means, in the order of the dump."""

    def __init__(self, component: ComponentReader, include: t.Sequence[str]) -> None:
        from ..tree.select import Selection

        self._component = component
        selection = Selection(include)
        self.all = not include

        def means(entry: Entry) -> bool:
            path = entry_path(entry)
            if selection.means(path, False):
                return True
            # A table is not whole without its triggers.
            one = section(path)
            return one.kind == "triggers" and selection.means(one._replace(kind="tables").path, False)

        self.chosen = [Chosen(section(entry_path(entry)), entry) for entry in component.in_stream_order(means)]

    def of(self, database: str, *kinds: str) -> t.List[Chosen]:
        return [chosen for chosen in self.chosen if chosen.section.database == database and chosen.section.kind in kinds]

    def names(self, database: str, *kinds: str) -> t.List[str]:
        return [chosen.section.name for chosen in self.of(database, *kinds)]

    @property
    def databases(self) -> t.List[str]:
        return list(dict.fromkeys(chosen.section.database for chosen in self.chosen if chosen.section.database))

    @property
    def accounts(self) -> t.Optional[bytes]:
        """The SQL of the accounts, if it is chosen."""
        found = [chosen.entry for chosen in self.chosen if chosen.section == Section("", "accounts")]
        return self.whole(found[0]) if found else None

    def read(self, entry: Entry) -> t.Iterator[memoryview]:
        return self._component.read(entry)

    def whole(self, entry: Entry) -> bytes:
        """The bytes of a small section."""
        return b"".join(bytes(data) for data in self.read(entry))

    def header(self) -> bytes:
        """What every client must be told first: character set, time zone, checks."""
        entry = self._component.find(b"header")
        if entry is None:
            raise IntegrityError("component %s has no header; it is no dump of this kind" % self._component.component.name)
        return self.whole(entry)

    def properties(self, database: str) -> bytes:
        """Character set and collation of a database, as CREATE DATABASE wants them; nothing when they are not known."""
        entry = self._component.find(Section(database, "database").path)
        found = _CREATE.search(self.whole(entry)) if entry is not None else None
        return found.group(1) if found else b""

    def table(
        self, chosen: Chosen, lives: t.Mapping[str, str], stages: t.Mapping[str, str]
    ) -> t.Iterator[t.Union[bytes, memoryview]]:  # fmt: skip
        """The bytes of a table that is staged. Its foreign keys point to what is staged too (``stages``: the databases that the
        databases of the dump are staged in), and where they leave that, to the databases in use (``lives``).
        """

        def qualify(found: t.Match[bytes]) -> bytes:
            before, database, parent = found.groups()
            name = _text(database) if database else chosen.section.database
            staged = _text(parent) in self.names(name, *TABLES)
            place = (stages if staged else lives).get(name, name)
            return b"%s%s.`%s`" % (before, quoted(place).encode("utf-8", "surrogateescape"), parent)

        head: t.Optional[bytearray] = bytearray()
        for data in self.read(chosen.entry):
            if head is None:
                yield data
                continue
            head += data
            place = head.find(_ROWS_BEGIN)
            if place >= 0:
                yield _FOREIGN_KEY.sub(qualify, bytes(head[:place])) + bytes(head[place:])
                head = None
        if head is not None:
            yield _FOREIGN_KEY.sub(qualify, bytes(head))


def _text(name: bytes) -> str:
    return name.replace(b"``", b"`").decode("utf-8", "surrogateescape")
