# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a component is to be restored: its databases, each whole or some tables of it, sorted as they lie in the dump."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ..archive.index import Entry, entry_path
from ..errors import RestoreError
from ..tree.select import Selection
from .items import Item, split_items
from .lexer import Name
from .loading import Content, Rows

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

GLOBALS = b"globals.sql"


@dataclass
class Part:
    """One database of a component. ``chosen``: the paths that were asked for; ``whole``: whether that is all of them."""

    name: str
    folder: bytes
    schemas: t.List[Entry] = field(default_factory=list)
    tables: t.List[Entry] = field(default_factory=list)
    large_objects: t.List[Entry] = field(default_factory=list)
    chosen: t.Set[bytes] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        return len(self.chosen) == len(self.schemas) + len(self.tables) + len(self.large_objects)

    @property
    def chosen_tables(self) -> t.List[Entry]:
        return [entry for entry in self.tables if entry_path(entry) in self.chosen]


def parts_of(component: ComponentReader, include: t.Sequence[str]) -> t.Tuple[t.List[Part], t.Optional[Entry]]:
    """The databases of which something is chosen, and the entry of the roles if it is.

    An entry that lies in no database but in a schema of one (``shop/public/``) is chosen by its folder too.
    """
    selection = Selection(include)
    parts: t.Dict[bytes, Part] = {}
    roles = None
    for entry in component.entries():
        path = entry_path(entry)
        if path == GLOBALS:
            roles = entry if selection.means(path, False) else None
            continue
        folder, _slash, rest = path.partition(b"/")
        part = parts.setdefault(folder, Part(unquote_to_bytes(folder).decode("utf-8", "surrogateescape"), folder))
        if entry["type"] == "table":
            part.tables.append(entry)
        elif rest.startswith(b"large-objects."):
            part.large_objects.append(entry)
        else:
            part.schemas.append(entry)
        if selection.means(path, False):
            part.chosen.add(path)
    return [part for part in parts.values() if part.chosen], roles


def table_name(entry: Entry) -> Name:
    """The schema and the name of the table that an entry holds the rows of."""
    return tuple(unquote_to_bytes(word) for word in entry_path(entry).split(b"/")[1:])


def content_of(component: ComponentReader, part: Part, facts: t.Mapping[str, t.Any]) -> Content:
    """Everything of a database, as it is loaded. The part of it that is no rows is read now."""
    recorded = facts.get("tables")
    recorded = recorded if isinstance(recorded, dict) else {}
    data = [*part.tables, *part.large_objects]
    first = min((_place(entry) for entry in data), default=None)
    items: t.List[Item] = []
    content = Content()
    for entry in sorted(part.schemas, key=_place):
        settings = items[-1].settings if items else None
        items = split_items(b"".join(bytes(part) for part in component.read(entry)), settings)
        # The settings that hold at the end of this section go on in the next.
        (content.before if first is None or _place(entry) < first else content.after).extend(items)
    for entry in part.tables:
        path = entry_path(entry).decode("utf-8", "backslashreplace")
        content.rows.append(Rows(entry, recorded.get(path), table_name(entry)))
    content.large_objects = list(part.large_objects)
    prologues = [item.text for item in content.before if not item.type and b"SET client_encoding" in item.text]
    if not prologues:
        raise RestoreError("the dump of database %s does not begin as pg_dump begins one" % part.name)
    content.prologue = prologues[-1]
    return content


def database_items(content: Content) -> t.List[Item]:
    """Take the items that are about the database itself out of its content and return them."""
    found = [item for item in [*content.before, *content.after] if item.of_database]
    content.before = [item for item in content.before if item.type and not item.of_database]
    content.after = [item for item in content.after if item.type and not item.of_database]
    return found


def _place(entry: Entry) -> t.Tuple[int, int]:
    """Where an entry lies in the dump; one that is empty lies nowhere."""
    where = entry.get("bytes")
    return (where[1], where[2]) if where else (1 << 60, 0)
