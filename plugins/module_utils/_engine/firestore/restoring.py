# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting documents back into Firestore: those that differ from what is there now, in batches that each are written whole or not.

What is overwritten is kept in a private folder of this host until all is done, so that it can be put back.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import tempfile
import typing as t

from ..archive.index import entry_path
from ..errors import RestoreError
from ..interruption import uninterrupted
from ..result import Notice
from ..scratch import Scratch
from ..sources import RestorePlan, RestoreTarget
from ..tree.select import Selection
from .client import Firestore, Json
from .lines import from_line, lines_of, moved

if t.TYPE_CHECKING:
    from ..archive.reader import ComponentReader

# What Firestore takes in one request: 500 writes, 10 MiB.
_WRITES = 250
_BYTES = 4 << 20

_DEFAULTS: Json = {"database": "(default)", "service_account": None, "emulator_host": None, "timeout": 60}


class Change(t.NamedTuple):
    """A document that is to be written: ``new`` are its fields to be, None when it is to go; ``old`` those that it has now."""

    path: str
    new: t.Optional[Json]
    old: t.Optional[Json]


def plan(component: ComponentReader, target: RestoreTarget) -> RestorePlan:
    """What restoring would do."""
    comparison = _Comparison(component, target)
    try:
        for _change in comparison.changes(lambda _count: None):
            continue
    finally:
        comparison.close()
    return comparison.plan


class FirestoreRestoring:
    """See sources.Restoring."""

    sets_times = False

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self._comparison = _Comparison(component, target)
        self.plan = self._comparison.plan
        self._scratch: t.Optional[Scratch] = None
        #: How many changes have been written, or may have been.
        self._begun = 0

    def stage(self, progress: t.Callable[[int], None]) -> None:
        try:
            self._scratch = Scratch(tempfile.gettempdir())
            with open(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                for change in self._comparison.changes(progress):
                    file.write(json.dumps(change) + "\n")
        except OSError as error:
            raise RestoreError("what is to be written cannot be kept on this host meanwhile: %s" % error) from None

    def commit(self) -> t.List[Notice]:
        for batch in _batches(self._changes(), lambda change: change.new):
            self._begun += len(batch)
            self._comparison.firestore.commit([(change.path, change.new) for change in batch])
        return []

    def undo(self) -> None:
        begun, self._begun = self._begun, 0
        for batch in _batches(itertools.islice(self._changes(), begun), lambda change: change.old):
            self._comparison.firestore.commit([(change.path, change.old) for change in batch])

    def finish(self) -> None:
        with uninterrupted():
            self._comparison.close()
            if self._scratch is not None:
                self._scratch.close()

    @property
    def _file(self) -> str:
        return t.cast(Scratch, self._scratch).file("changes")

    def _changes(self) -> t.Iterator[Change]:
        if self._scratch is not None:
            with open(self._file, encoding="utf-8") as file:
                for line in file:
                    yield Change(*json.loads(line))


class _Comparison:
    """The documents of a component that are asked for, compared with those that are there now."""

    def __init__(self, component: ComponentReader, target: RestoreTarget) -> None:
        self.plan = RestorePlan()
        self._component = component
        self._selection = Selection(target.include)
        self._only = _only(target.include)
        self._delete = target.delete
        facts = component.facts
        options: Json = dict(_DEFAULTS)
        options.update((key, facts[key]) for key in ("project", "database") if key in facts)
        options.update(target.options or {})
        if not options.get("project"):
            raise RestoreError("component %s does not say of which project it is" % component.component.name)
        self._old_root = "projects/%s/databases/%s/documents" % (facts.get("project"), facts.get("database"))
        self.firestore = Firestore.of(options, RestoreError)

    def close(self) -> None:
        self.firestore.close()

    def changes(self, progress: t.Callable[[int], None]) -> t.Iterator[Change]:
        """Yield what is to be written; ``plan`` is complete afterwards."""
        for entry in self._component.in_stream_order():
            collection = entry_path(entry).decode("utf-8")
            if self._only is not None and collection not in self._only:
                continue
            known: t.Set[bytes] = set()
            for batch in _batches(self._wanted(entry, known, progress), lambda item: item[1]):
                yield from self._compare(batch)
            if self._delete:
                yield from self._extra(collection, known)

    def _wanted(
        self, entry: Json, known: t.Set[bytes], progress: t.Callable[[int], None]
    ) -> t.Iterator[t.Tuple[str, Json]]:  # fmt: skip
        for line in lines_of(self._component.read(entry)):
            progress(len(line) + 1)
            document = from_line(line, self._component.component.name)
            if self._delete:
                known.add(_digest(document.path))
            if self._selection.means(document.path.encode("utf-8", "surrogatepass"), False):
                yield document.path, moved(document.fields, self._old_root, self.firestore.root)

    def _compare(self, batch: t.Sequence[t.Tuple[str, Json]]) -> t.Iterator[Change]:
        there = self.firestore.get([path for path, _fields in batch])
        plan = self.plan
        for path, fields in batch:
            if path not in there:
                plan.create_count += 1
                _list(plan.create, path)
                yield Change(path, fields, None)
            elif there[path].fields != fields:
                plan.overwrite_count += 1
                _list(plan.overwrite, path)
                yield Change(path, fields, there[path].fields)
            else:
                plan.unchanged_count += 1

    def _extra(self, collection: str, known: t.Set[bytes]) -> t.Iterator[Change]:
        """Those of a collection, and below it, that the backup does not have."""
        for document in self.firestore.documents(collection):
            wanted = self._selection.means(document.path.encode("utf-8", "surrogatepass"), False)
            if wanted and _digest(document.path) not in known:
                self.plan.remove_count += 1
                _list(self.plan.remove, document.path)
                yield Change(document.path, None, document.fields)


def _batches(items: t.Iterable[t.Any], content: t.Callable[[t.Any], t.Optional[Json]]) -> t.Iterator[t.List[t.Any]]:
    """The items in runs that one request can take."""
    batch: t.List[t.Any] = []
    size = 0
    for item in items:
        length = len(json.dumps(content(item)))
        if batch and (len(batch) >= _WRITES or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _only(include: t.Sequence[str]) -> t.Optional[t.Set[str]]:
    """The only collections in which the patterns can mean anything; None: any."""
    found = set()
    for pattern in include:
        name = pattern.lstrip("/").split("/")[0]
        if not pattern.startswith("/") or not name or set(name) & set("*?[\\"):
            return None
        found.add(name)
    return found or None


def _digest(path: str) -> bytes:
    # Should two paths ever have the same, a document stays that could have gone.
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()[:10]


def _list(paths: t.List[str], path: str) -> None:
    if len(paths) < RestorePlan.LIMIT:
        paths.append(path)
