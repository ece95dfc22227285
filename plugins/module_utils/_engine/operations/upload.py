# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one file to a store, confirmed as the store can; what is there already, and is the same, is left alone."""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationError, FleetBackupError, NotFoundError, SourceError, StoreRefusedError, StoreUnavailableError
from ..options import Option, check
from ..progress import SILENT, Progress
from ..result import Result
from ..stores import Store, load

_PIECE = 1 << 20

OPTIONS: t.Tuple[Option, ...] = (
    Option("src", "path", "The file to send.", required=True),
    Option("store", "dict", "The store that it goes to.", required=True, drivers="stores"),
    Option(
        "key", "str", "Its name on the store, with C(/) between folders. Default: the name of the file.",
        example="exports/2026/shop.sql.zst",
    ),
    Option("replace", "bool", "Replace another file that has this name. Without it that is an error.", default=False),
)  # fmt: skip


@dataclass
class UploadResult(Result):
    """``confirms``: how the store confirmed it, as in a manifest."""

    src: str = ""
    store: str = ""
    key: str = ""
    size: int = 0
    sha256: t.Optional[str] = None
    confirms: str = ""


def upload(description: t.Mapping[str, t.Any], *, dry_run: bool = False, progress: Progress = SILENT) -> UploadResult:
    """Send the file that ``description`` names (OPTIONS). A dry run reads the file and asks the store, and sends nothing."""
    result = UploadResult("upload", dry_run=dry_run)
    result.begin()
    try:
        options = check(dict(description), OPTIONS, "")
        chosen = options["store"]
        store = load(chosen["driver"])("store", chosen["options"])
        result.src, result.store, result.confirms = options["src"], chosen["driver"], store.confirms
        result.key = _key(options["key"] or os.path.basename(options["src"]))
        _upload(store, result, options["replace"], progress)
    except FleetBackupError as error:
        result.fail(error)
    progress.close()
    result.end()
    return result


def _key(text: str) -> str:
    parts = text.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise ConfigurationError(
            "key: %r must be names with single slashes between; none may be empty or begin with a dot" % text
        )
    return text


def _upload(store: Store, result: UploadResult, replace: bool, progress: Progress) -> None:
    digest, size = _read(result.src, lambda _data: None)
    result.size, result.sha256 = size, digest
    there = _on_store(store, result.key, size)
    if there == digest:
        return
    if there is not None and not replace:
        raise StoreRefusedError(
            "store %s: %s is there already and is another file; replace: true replaces it" % (store.name, result.key)
        )
    result.changed = True
    if result.dry_run:
        return
    progress.phase("upload %s" % result.key, size)
    if there is not None:
        store.delete(result.key)
    sending = store.put(result.key)
    try:

        def send(data: memoryview) -> None:
            sending.write(data)
            progress.advance(len(data))

        if _read(result.src, send) != (digest, size):
            raise SourceError("%s: changed while it was sent; nothing was stored" % result.src)
        sending.commit()
    finally:
        # Harmless after commit().
        sending.abort()


def _read(path: str, use: t.Callable[[memoryview], t.Any]) -> t.Tuple[str, int]:
    """Give a file's bytes to ``use``; return their SHA-256 and how many they are."""
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_PIECE))
    try:
        with open(path, "rb", buffering=0) as file:
            while True:
                count = file.readinto(buffer)
                if not count:
                    return digest.hexdigest(), size
                digest.update(buffer[:count])
                use(buffer[:count])
                size += count
    except OSError as error:
        raise SourceError("%s: cannot be read: %s" % (path, error.strerror)) from None


def _on_store(store: Store, key: str, size: int) -> t.Optional[str]:
    """The SHA-256 of what has this name there; ``other`` when its size differs; None when there is nothing."""
    try:
        if store.size(key) != size:
            return "other"
        file = store.open(key)
    except NotFoundError:
        return None
    digest = hashlib.sha256()
    try:
        while True:
            data = file.read(_PIECE)
            if not data:
                return digest.hexdigest()
            digest.update(data)
    except OSError as error:
        raise StoreUnavailableError("store %s: %s: %s" % (store.name, key, error)) from None
    finally:
        file.close()
