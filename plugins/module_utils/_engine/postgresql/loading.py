# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling an empty database from its dump: the schema, then rows and indexes side by side, the rest in order.

pg_dump writes objects in an order in which psql can make them. That order is kept but for two runs of things that do not need one
another: the rows of tables, and indexes with the constraints that need them (no two at once on one table if one of them
locks it). Where the first run is followed by the second, an index need only wait for the rows of its own table.
"""

from __future__ import annotations

import os
import re
import threading
import typing as t
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ..archive.frames import cores
from ..errors import IntegrityError, RestoreError
from ..streaming import Streaming
from .client import Client
from .items import Item, settings_text
from .lexer import Name

if t.TYPE_CHECKING:
    from ..archive.index import Entry
    from ..archive.reader import ComponentReader

_MOST_JOBS = 8
_TAG = re.compile(rb"COPY (\d+)\Z")

#: Types of items that need no order among themselves. Those of the first kind may work on one table at the same time.
_SHARING = (b"INDEX",)
_EXCLUSIVE = (b"CONSTRAINT",)

# Needs no rows, and stands between these and the indexes.
_SEQUENCE_VALUE = b"SEQUENCE SET"


def default_jobs() -> int:
    return min(cores(), _MOST_JOBS)


@dataclass
class Rows:
    """The rows of one table: its section, how many there should be, and its schema and name."""

    entry: Entry
    expected: t.Optional[int]
    table: Name

    @property
    def what(self) -> str:
        return b".".join(self.table).decode("utf-8", "replace")


@dataclass
class Content:
    """What a database, or a part of it, is made of. ``prologue``: the settings of every session that loads it."""

    prologue: bytes = b""
    before: t.List[Item] = field(default_factory=list)
    rows: t.List[Rows] = field(default_factory=list)
    large_objects: t.List[Entry] = field(default_factory=list)
    after: t.List[Item] = field(default_factory=list)


class Worker:
    """A psql that is told one thing after the other and says when each is done."""

    def __init__(self, client: Client, child: Streaming, prologue: bytes) -> None:
        self._child = child
        self._settings: t.Dict[bytes, bytes] = {}
        self._rest = b""
        child.write(client.guard() + prologue)

    def item(self, item: Item) -> None:
        """Make one object."""
        if item.settings != self._settings:
            self._child.write(settings_text(item.settings))
            self._settings = dict(item.settings)
        self._child.write(item.text)
        self.done("%s %s" % (item.type.decode("ascii", "replace").lower(), item.name.decode("utf-8", "replace")))

    def rows(self, parts: t.Iterable[memoryview], what: str, progress: t.Callable[[int], None]) -> t.Optional[int]:
        """Load the rows of a table; return how many psql says there were."""
        for part in parts:
            self._child.write(part)
            progress(len(part))
        for line in reversed(self.done(what)):
            found = _TAG.match(line)
            if found is not None:
                return int(found.group(1))
        return None

    def done(self, what: str) -> t.List[bytes]:
        """Wait until all is done; return the lines that psql printed. Raises RestoreError when something failed."""
        mark = os.urandom(12).hex().encode("ascii")
        self._child.write(b"\nSELECT '%s';\n" % mark)
        while True:
            found = self._rest.find(mark)
            if found >= 0:
                lines = self._rest[:found].splitlines()
                self._rest = self._rest[found + len(mark) :].lstrip(b"\n")
                return lines
            part = self._child.read(1 << 16)
            if not part:
                self._child.finish(what, RestoreError)
                raise RestoreError("%s: psql ended before it was done" % what)
            self._rest += part

    def end(self, what: str) -> None:
        self._child.finish(what, RestoreError)


class Loader:
    """Loads into one database with ``jobs`` sessions. ``open_reader``: another reader of the component, for another thread."""

    def __init__(
        self, client: Client, database: str, open_reader: t.Callable[[], ComponentReader], jobs: int,
        progress: t.Callable[[int], None],
    ) -> None:  # fmt: skip
        self._client = client
        self._database = database
        self._open_reader = open_reader
        self._jobs = jobs
        self._progress = progress
        self._telling = threading.Lock()
        self._children: t.Set[t.Any] = set()
        self._failed = False

    def load(self, content: Content) -> None:
        """Load everything. Raises RestoreError, IntegrityError; nothing of this is then running any more."""
        after = list(content.after)
        count = next((n for n, item in enumerate(after) if item.type != _SEQUENCE_VALUE), len(after))
        self.in_order(content, [*content.before, *after[:count]])
        del after[:count]
        count = _run_length(after)
        self._side_by_side(content, content.rows, content.large_objects, after[:count])
        del after[:count]
        while after:
            count = _run_length(after)
            if count > 1 and self._jobs > 1:
                self._side_by_side(content, (), (), after[:count])
            else:
                count = count or next((n for n, item in enumerate(after) if _run_length(after[n:]) > 1), len(after))
                self.in_order(content, after[:count])
            del after[:count]

    def in_order(self, content: Content, items: t.Sequence[Item]) -> None:
        """Make objects one after the other."""
        if not items:
            return
        with self._client.script(self._database) as child:
            child.write(self._client.guard() + content.prologue)
            settings: t.Dict[bytes, bytes] = {}
            for item in items:
                if item.settings != settings:
                    child.write(settings_text(item.settings))
                    settings = dict(item.settings)
                child.write(item.text)
            child.finish("database %s" % self._database, RestoreError)

    def _side_by_side(
        self, content: Content, rows: t.Sequence[Rows], large_objects: t.Sequence[Entry], items: t.Sequence[Item]
    ) -> None:  # fmt: skip
        if not rows and not large_objects and not items:
            return
        # The largest first, so that none of them is alone at the end.
        tables = _Queue(sorted(rows, key=lambda one: -int(one.entry["size"])))
        large = _Queue(large_objects)
        schedule = Schedule(items, [one.table for one in rows])
        pool = ThreadPoolExecutor(self._jobs, "load")
        futures: t.List[Future[None]] = []
        try:
            futures = [pool.submit(self._work, content, tables, large, schedule) for _number in range(self._jobs)]
            wait(futures, return_when=FIRST_EXCEPTION)
            self._failed = any(future.done() and future.exception() for future in futures)
        except BaseException:
            self._failed = True
            raise
        finally:
            if self._failed:
                self._end_children()
                schedule.stop()
            pool.shutdown()
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        if errors:
            # Damage explains what else went wrong.
            raise next((error for error in errors if isinstance(error, IntegrityError)), errors[0])

    def _work(self, content: Content, tables: _Queue[Rows], large_objects: _Queue[Entry], schedule: Schedule) -> None:
        """What one session of several does until nothing is left: rows, then indexes of tables that have theirs."""
        reader = self._open_reader()
        try:
            for entry in large_objects:
                self._load_large_objects(content, reader, entry)
            with self._client.worker(self._database) as child:
                self._children.add(child)
                worker = Worker(self._client, child, content.prologue)
                for rows in tables:
                    if self._failed:
                        return
                    self._load_rows(worker, reader, rows)
                    schedule.loaded(rows.table)
                while not self._failed:
                    item = schedule.take()
                    if item is None:
                        break
                    worker.item(item)
                    schedule.done(item)
                worker.end("database %s" % self._database)
                self._children.discard(child)
        except BaseException:
            # Others may wait for what is not going to happen.
            schedule.stop()
            raise
        finally:
            reader.close()

    def _load_large_objects(self, content: Content, reader: ComponentReader, entry: Entry) -> None:
        with self._client.script(self._database) as child:
            self._children.add(child)
            child.write(self._client.guard() + content.prologue)
            for part in reader.read(entry):
                child.write(part)
                self._tell(len(part))
            child.finish("large objects of %s" % self._database, RestoreError)
            self._children.discard(child)

    def _load_rows(self, worker: Worker, reader: ComponentReader, rows: Rows) -> None:
        found = worker.rows(reader.read(rows.entry), "rows of %s" % rows.what, self._tell)
        if rows.expected is not None and found != rows.expected:
            raise RestoreError(
                "table %s has %s rows after the restore, not the %d that were recorded" % (rows.what, found, rows.expected)
            )

    def _tell(self, count: int) -> None:
        with self._telling:
            self._progress(count)

    def _end_children(self) -> None:
        for child in list(self._children):
            child.__exit__(None, None, None)


_T = t.TypeVar("_T")


class _Queue(t.Generic[_T]):
    """A list that several threads take from."""

    def __init__(self, items: t.Sequence[_T]) -> None:
        self._items = list(items)
        self._lock = threading.Lock()

    def __iter__(self) -> t.Iterator[_T]:
        while True:
            with self._lock:
                if not self._items:
                    return
                item = self._items.pop(0)
            yield item


class Schedule:
    """Items for several threads: no two at once on one table unless both share it, and of one table in their order.

    Those of a table that is being filled (one of ``loading``) wait for its rows; those of any other, which may be one of
    partitions, wait for all rows.
    """

    def __init__(self, items: t.Sequence[Item], loading: t.Collection[Name]) -> None:
        self._left = [(item, item.relation() or (item.name,)) for item in items]
        self._filled = frozenset(loading)
        self._loading = set(loading)
        self._busy: t.List[t.Tuple[Item, t.Any]] = []
        self._changed = threading.Condition()
        self._stopped = False

    def take(self) -> t.Optional[Item]:
        """The next item that can be made; None when there are no more."""
        with self._changed:
            while not self._stopped and self._left:
                passed: t.Set[t.Any] = set()
                for place, (item, table) in enumerate(self._left):
                    if self._is_free(item, table) and table not in passed:
                        self._busy.append(self._left.pop(place))
                        return item
                    passed.add(table)
                self._changed.wait()
            return None

    def loaded(self, table: Name) -> None:
        with self._changed:
            self._loading.discard(table)
            self._changed.notify_all()

    def done(self, item: Item) -> None:
        with self._changed:
            self._busy = [busy for busy in self._busy if busy[0] is not item]
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _is_free(self, item: Item, table: t.Any) -> bool:
        if self._loading and (table in self._loading or table not in self._filled):
            return False
        return all(other != table or (busy.type in _SHARING and item.type in _SHARING) for busy, other in self._busy)


def _run_length(items: t.Sequence[Item]) -> int:
    """How many of the first items can be made side by side."""
    for place, item in enumerate(items):
        if item.type not in _SHARING + _EXCLUSIVE:
            return place
    return len(items)
