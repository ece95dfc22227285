# SPDX-License-Identifier: GPL-3.0-or-later
"""A database in use, into which restored tables are swapped, and from which they can be taken back."""

from __future__ import annotations

import typing as t

from ..errors import RestoreError
from .naming import literal, quoted, shown
from .server import LEFT_BEHIND, Server

# What can be made anew from text: where it is listed, and how it is dropped.
_OBJECTS = (
    ("VIEW", "SELECT table_name FROM information_schema.views WHERE table_schema = %s"),
    ("TRIGGER", "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s"),
    ("FUNCTION", "SELECT routine_name FROM information_schema.routines WHERE routine_type = 'FUNCTION' AND routine_schema = %s"),
    (
        "PROCEDURE",
        "SELECT routine_name FROM information_schema.routines WHERE routine_type = 'PROCEDURE' AND routine_schema = %s",
    ),
    ("EVENT", "SELECT event_name FROM information_schema.events WHERE event_schema = %s"),
)
_PLAIN = ["--skip-lock-tables", "--default-character-set=utf8mb4", "--no-data", "--skip-comments"]


class Live:
    """``aside``: the name of a database that keeps the old tables. ``delete``: also take away what is not restored."""

    def __init__(self, server: Server, name: str, aside: str, delete: bool) -> None:
        self._server = server
        self._name = name
        self.aside = aside
        self._delete = delete
        self._made = False
        #: Of the database before the restore, as SQL, if they were changed.
        self._properties = ""
        self._moved: t.List[str] = []
        self._added: t.List[str] = []
        self._swapped = False
        self._drops: t.List[str] = []
        self._out: t.List[str] = []
        self._in: t.List[str] = []
        self._saved: t.List[bytes] = []
        self._before: t.Set[t.Tuple[str, str]] = set()

    def make(self, properties: bytes, whole: bool) -> None:
        """Make the database if there is none; give one that is there the ``properties`` if it is restored as a ``whole``."""
        text = properties.decode("utf-8", "surrogateescape")
        if not self._ask("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s" % literal(self._name)):  # noqa: S608
            self._ask("CREATE DATABASE %s%s" % (quoted(self._name), text))
            self._made = True
        elif whole and text:
            now = self._ask("SHOW CREATE DATABASE %s" % quoted(self._name))[0][-1]
            self._properties = now[now.rindex("`") + 1 :]
            self._ask("ALTER DATABASE %s%s" % (quoted(self._name), text))
        self._ask("CREATE DATABASE %s%s" % (quoted(self.aside), text))

    def prepare(self, stage: str, tables: t.Sequence[str], views: t.Sequence[str]) -> None:
        """Find out what makes room for the tables of ``stage``, and for the ``views``; keep the text of what is dropped."""
        present = {row[1]: row[2] for row in self._server.tables([self._name])}
        wanted = [name for name in present if self._delete or name in tables or name in views]
        self._moved = [name for name in wanted if present[name] != "VIEW"]
        self._added = list(tables)
        self._save([name for name in present if present[name] == "VIEW"])
        replaced = [name for name in wanted if present[name] == "VIEW" and (name in tables or self._delete)]
        self._drops = ["DROP VIEW %s" % self._of(name) for name in replaced]
        self._drops += ["DROP TRIGGER %s" % self._of(name) for name in self._triggers(self._name, self._moved)]
        self._out = ["%s TO %s.%s" % (self._of(name), quoted(self.aside), quoted(name)) for name in self._moved]
        self._in = ["%s.%s TO %s" % (quoted(stage), quoted(name), self._of(name)) for name in tables]

    def put_back(self) -> None:
        """The state before make()."""
        if self._made:
            self._ask("SET foreign_key_checks = 0", "DROP DATABASE %s" % quoted(self._name))
            self._made = False
            return
        statements = ["SET foreign_key_checks = 0"]
        if self._properties:
            statements.append("ALTER DATABASE %s%s" % (quoted(self._name), self._properties))
        if self._saved:
            now = self._objects()
            statements += ["DROP %s IF EXISTS %s" % (kind, self._of(name)) for kind, name in sorted(now - self._before)]
        if self._swapped:
            statements += ["DROP TRIGGER IF EXISTS %s" % self._of(name) for name in self._triggers(self._name, self._added)]
            # In the place of what was there; dropping and moving back cannot be one step.
            statements += ["DROP TABLE %s" % self._of(name) for name in self._added]
            renames = ["%s.%s TO %s" % (quoted(self.aside), quoted(name), self._of(name)) for name in self._moved]
            if renames:
                statements.append("RENAME TABLE %s" % ", ".join(renames))
        self._ask(*statements)
        self._swapped = False
        if self._saved:
            with self._server.feed() as client:
                for text in [("USE %s;\n" % quoted(self._name)).encode("utf-8", "surrogateescape"), *self._saved]:
                    client.write(text)
                client.finish("putting back views, triggers, routines and events of %s" % shown(self._name), RestoreError)
            self._saved = []

    def _save(self, views: t.Sequence[str]) -> None:
        """Keep the text of what cannot be moved aside."""
        self._before = self._objects()
        saved = []
        if self._triggers(self._name, self._moved):
            saved.append(self._dump("--no-create-info", "--triggers", "--add-drop-trigger", tables=self._moved))
        if views:
            saved.append(self._dump("--skip-triggers", tables=views))
        if any(kind in ("FUNCTION", "PROCEDURE", "EVENT") for kind, _name in self._before):
            saved.append(self._dump("--no-create-info", "--skip-triggers", "--routines", "--events", tables=()))
        self._saved = saved or [b""]

    def _dump(self, *arguments: str, tables: t.Sequence[str]) -> bytes:
        parts = []
        with self._server.dump([*_PLAIN, *arguments, "--", self._name, *tables]) as dump:
            while True:
                part = dump.read(1 << 20)
                if not part:
                    break
                parts.append(part)
            dump.finish("keeping what is there now", RestoreError)
        text = b"".join(parts)
        # The mark of the sandbox, which not every client knows.
        return text[text.index(b"\n") + 1 :] if text.startswith(b"/*M!999999") else text

    def _references(self) -> t.List[t.Tuple[str, str, str, str]]:
        """Foreign keys to tables that are moved aside: schema and table of each, and those that it refers to."""
        rows = self._ask(
            "SELECT DISTINCT table_schema, table_name, referenced_table_name FROM information_schema.key_column_usage"  # noqa: S608
            " WHERE referenced_table_schema = %s AND referenced_table_name IS NOT NULL" % literal(self._name)
        )
        return [(schema, table, self._name, parent) for schema, table, parent in rows if parent in self._moved]

    def _objects(self) -> t.Set[t.Tuple[str, str]]:
        found: t.Set[t.Tuple[str, str]] = set()
        for kind, query in _OBJECTS:
            found.update((kind, row[0]) for row in self._ask(query % literal(self._name)))
        return found

    def _triggers(self, database: str, tables: t.Sequence[str]) -> t.List[str]:
        if not tables:
            return []
        rows = self._ask(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = %s AND event_object_table IN (%s)"  # noqa: S608
            % (literal(database), ", ".join(map(literal, tables)))
        )
        return [row[0] for row in rows]

    def _of(self, name: str) -> str:
        return "%s.%s" % (quoted(self._name), quoted(name))

    def _ask(self, *statements: str) -> t.List[t.List[str]]:
        return self._server.ask(*statements, error=RestoreError, what="restoring database %s" % shown(self._name))


def swap(server: Server, lives: t.Sequence[Live]) -> None:
    """Move the prepared tables of all databases aside and in, in one step."""
    _refuse_references(lives)
    statements = ["SET foreign_key_checks = 0", "SET lock_wait_timeout = 60"]
    statements += [statement for live in lives for statement in live._drops]
    renames = [rename for live in lives for rename in live._out] + [rename for live in lives for rename in live._in]
    if renames:
        statements.append("RENAME TABLE %s" % ", ".join(renames))
    server.ask(*statements, error=RestoreError, what="moving tables")
    for live in lives:
        live._swapped = True


def _refuse_references(lives: t.Sequence[Live]) -> None:
    """Tables that stay must not refer to tables that go: their foreign keys would follow the old ones."""
    moved = {(live._name, name) for live in lives for name in live._moved}
    outside = [
        "%s.%s (to %s)" % (shown(schema), shown(table), shown(parent))
        for live in lives
        for schema, table, _name, parent in live._references()
        if (schema, table) not in moved and not schema.startswith(LEFT_BEHIND)
    ]
    if outside:
        raise RestoreError(
            "tables that are not restored refer by foreign keys to tables that are: %s; restore them together, or restore the"
            " database under another name (restore_as)" % ", ".join(outside[:10])
        )
