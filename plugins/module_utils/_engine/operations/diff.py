# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two backups of a job: their indexes, merged as they are read. No content is read, only its hashes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..archive.index import Entry, entry_path, sort_key
from ..archive.reader import open_component
from ..catalog import Catalog
from ..errors import FleetBackupError, NotFoundError
from ..job import Config
from ..keyring import Keyring
from .finding import Found, chosen_components, find_backup, places_of
from .streamed import Row, StreamedResult

# What a difference is called, and the keys of an entry that tell of it. Which backup holds the bytes makes no difference,
# nor do inode and ctime, which no restore brings back.
_ASPECTS = {
    "type": ("type",),
    "content": ("size", "sha256"),
    "target": ("target", "target_b64"),
    "mode": ("mode",),
    "owner": ("uid", "gid", "user", "group"),
    "time": ("mtime",),
    "device": ("rdev",),
    "xattrs": ("xattrs",),
}


@dataclass
class DiffResult(StreamedResult):
    """It lists the differences: ``component``, ``path`` (or ``path_b64``), ``change`` (``added``, ``removed`` or ``changed``),
    ``what`` (of a changed one: type, content, target, mode, owner, time, device, xattrs), and the entry ``before`` and ``after``.

    ``before`` and ``after``: the ids; ``added``, ``removed``, ``changed_entries``: how many, so far while it is listed.
    """

    LISTED: t.ClassVar[str] = "differences"

    before: t.Optional[str] = None
    after: t.Optional[str] = None
    added: int = 0
    removed: int = 0
    changed_entries: int = 0


def diff(
    config: t.Optional[Config],
    before: str,
    after: str,
    *,
    job: t.Optional[str] = None,
    store: t.Optional[str] = None,
    component: t.Optional[str] = None,
    catalog: t.Optional[Catalog] = None,
    keyring: t.Optional[Keyring] = None,
) -> DiffResult:
    """Compare the backup ``before`` with the backup ``after`` of the same job, on any of its stores (or on ``store``)."""
    result = DiffResult("diff", config.host if config else None, job)
    result.begin()
    try:
        places = [catalog] if catalog else places_of(config, job, store, keyring)
        old, new = find_backup(places, before, result), find_backup(places, after, result)
        result.before, result.after = old.manifest.id, new.manifest.id
        if (old.manifest.host, old.manifest.job) != (new.manifest.host, new.manifest.job):
            raise NotFoundError(
                "%s is of job %s and %s of job %s: only backups of one job can be compared"
                % (old.manifest.id, old.manifest.job, new.manifest.id, new.manifest.job)
            )
        result.host, result.job = new.manifest.host, new.manifest.job
        names = _components(old, new, component)
        result.list_rows(lambda: _differences(result, old, new, names))
    except FleetBackupError as error:
        result.fail(error)
    result.end()
    return result


def _components(old: Found, new: Found, wanted: t.Optional[str]) -> t.List[str]:
    if wanted is not None and new.manifest.component(wanted) is None:
        chosen_components(old.manifest, wanted)
        return [wanted]
    names = [component.name for component in chosen_components(new.manifest, wanted)]
    gone = [c.name for c in old.manifest.components if wanted is None and c.name not in names]
    return names + gone


def _differences(result: DiffResult, old: Found, new: Found, names: t.Sequence[str]) -> t.Iterator[Row]:
    result.added = result.removed = result.changed_entries = 0
    for name in names:
        for before, after in _merge(_entries(old, name), _entries(new, name)):
            row = _difference(before, after)
            if row is not None:
                result.added += row["change"] == "added"
                result.removed += row["change"] == "removed"
                result.changed_entries += row["change"] == "changed"
                yield {"component": name, **row}


def _entries(found: Found, name: str) -> t.Iterator[Entry]:
    if found.manifest.component(name) is not None:
        yield from open_component(found.catalog, found.manifest, name).entries()


def _merge(
    old: t.Iterator[Entry], new: t.Iterator[Entry]
) -> t.Iterator[t.Tuple[t.Optional[Entry], t.Optional[Entry]]]:  # fmt: skip
    """Pairs of entries with the same path; None where one side has none. Both come in the order of the index."""
    before, after = next(old, None), next(new, None)
    while before is not None or after is not None:
        if before is None or after is None:
            order = 1 if before is None else -1
        else:
            keys = sort_key(entry_path(before)), sort_key(entry_path(after))
            order = (keys[0] > keys[1]) - (keys[0] < keys[1])
        yield before if order <= 0 else None, after if order >= 0 else None
        if order <= 0:
            before = next(old, None)
        if order >= 0:
            after = next(new, None)


def _difference(before: t.Optional[Entry], after: t.Optional[Entry]) -> t.Optional[Row]:
    entry = t.cast(Entry, after or before)
    path: Row = {key: entry[key] for key in ("path", "path_b64") if key in entry}
    if before is None:
        return {**path, "change": "added", "after": after}
    if after is None:
        return {**path, "change": "removed", "before": before}
    what = [name for name, keys in _ASPECTS.items() if any(before.get(key) != after.get(key) for key in keys)]
    return {**path, "change": "changed", "what": what, "before": before, "after": after} if what else None
