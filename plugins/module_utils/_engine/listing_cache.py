# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier listings read, kept privately on the host, so that each manifest is read once.

``<state_dir>/listing/<host>/<job>.json``. A thing counts as long as the store lists the objects that it came from as the same
ones: by their sizes and, where a store's listing tells such a thing, their hashes or times. It is for telling people only:
nothing is chosen, restored or removed by it. Losing it costs time, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from .errors import FleetBackupError
from .private import private_folder
from .replacement import Replacement

_VERSION = 1

#: What was read, with what the listing told of the objects that it was read of.
_Known = t.Dict[str, t.List[t.Any]]


class ListingCache:
    """Of one job of a host. ``trust``: who is trusted; with another one nothing counts that was found trustworthy before.

    Raises nothing: what cannot be read is not known, what cannot be written is read again next time.
    """

    def __init__(self, state_dir: str, host: str, job: str, trust: str) -> None:
        self._path = os.path.join(state_dir, "listing", host, job + ".json")
        self._trust = trust
        self._stores = self._load()
        self._used: t.Dict[str, _Known] = {}

    def get(self, store: str, name: str, seen: str) -> t.Optional[t.Dict[str, t.Any]]:
        """What is known of ``name``, if the store still lists the same (Scan.seen())."""
        found = self._stores.get(store, {}).get(name)
        if not isinstance(found, list) or len(found) != 2 or found[0] != seen or not isinstance(found[1], dict):
            return None
        self._used.setdefault(store, {})[name] = found
        return t.cast(t.Dict[str, t.Any], found[1])

    def put(self, store: str, name: str, seen: str, value: t.Dict[str, t.Any]) -> None:
        self._used.setdefault(store, {})[name] = [seen, value]

    def save(self, stores: t.Iterable[str]) -> None:
        """Write it when it has changed. Of ``stores`` all is forgotten that was neither asked for nor put."""
        new = {**self._stores, **{store: self._used.get(store, {}) for store in stores}}
        if new == self._stores:
            return
        with contextlib.suppress(OSError, FleetBackupError):
            private_folder(os.path.dirname(self._path))
            with Replacement(self._path, 0o600) as file:
                document = {"version": _VERSION, "trust": self._trust, "stores": new}
                file.write(json.dumps(document, separators=(",", ":")).encode("ascii"))
                file.commit()

    def _load(self) -> t.Dict[str, _Known]:
        try:
            with open(self._path, "rb") as file:
                value = json.loads(file.read())
            if (value["version"], value["trust"]) == (_VERSION, self._trust):
                return {store: known for store, known in value["stores"].items() if isinstance(known, dict)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return {}
