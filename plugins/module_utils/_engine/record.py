# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host knows of its backups on stores that it may only write to: the manifests, kept privately.

``<state_dir>/record/<host>/<job>/<id>.json``. Which store confirmed which backup is in the status of the job (state.py). Losing
it costs a full backup, nothing else.
"""

from __future__ import annotations

import os
import typing as t

from .catalog import Catalog, Scan
from .errors import FleetBackupError
from .names import is_safety
from .private import private_folder
from .replacement import Replacement
from .stores import Store
from .stores.local import LocalStore

#: How many of the newest manifests are kept, besides those that they refer to.
KEPT = 30


class RecordCatalog(Catalog):
    """The backups that ``store`` confirmed, as this host recorded them: nothing of the store itself is looked at."""

    def __init__(self, state_dir: str, store: Store, folder: str, confirmed: t.Iterable[str]) -> None:
        super().__init__(LocalStore(store.name, {"path": os.path.join(state_dir, "record")}), folder)
        self._confirmed = frozenset(confirmed)

    def scan(self) -> Scan:
        names = {o.key.rpartition("/")[2] for o in self.store.list(self.folder)[0]}
        return Scan(complete=sorted(i for i in self._confirmed if i + ".json" in names))


def keep_manifest(state_dir: str, folder: str, backup_id: str, data: bytes) -> None:
    """Record the manifest of a backup, and forget those that no run can need any more. Raises OSError, FleetBackupError."""
    path = os.path.join(state_dir, "record", *folder.split("/"))
    private_folder(path)
    with Replacement(os.path.join(path, backup_id + ".json"), 0o600) as new:
        new.write(data)
        new.commit()
    catalog = Catalog(LocalStore("record", {"path": os.path.join(state_dir, "record")}), folder)
    ids = sorted(name[: -len(".json")] for name in os.listdir(path) if name.endswith(".json"))
    fulls = [i for i in ids if i.split("-")[1] == "full" and not is_safety(i)]
    kept = {*ids[-KEPT:], *fulls[-1:]}
    for newest in list(kept):
        try:
            kept.update(reference["id"] for reference in catalog.manifest(newest).references)
        except FleetBackupError:
            continue  # damaged: nothing can be built upon it, and nothing is lost but what it would have kept
    for unwanted in set(ids) - kept:
        os.unlink(os.path.join(path, unwanted + ".json"))
