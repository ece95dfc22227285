# SPDX-License-Identifier: GPL-3.0-or-later
"""Any remote of a configuration of rclone (OneDrive, Azure, B2, WebDAV, ...), through the program C(rclone)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import typing as t
from subprocess import DEVNULL, PIPE

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError
from ..options import Option
from ..process import Finished, Tail, end, last_lines, run, start
from . import Meant, Readable, Store, StoredObject, Upload, is_left, whatever

_UPLOADING = ".uploading-"

#: Checksums that a remote may know of what it holds, the best one first, and what hashlib calls them.
_HASHES = ("sha256", "sha1", "md5")

#: Exit codes of rclone: no such folder, no such file.
_MISSING = (3, 4)

_FULL = re.compile(r"no space|quota|insufficient ?storage|\b507\b|storage ?limit|not enough space", re.IGNORECASE)
_REFUSED = re.compile(
    r"\b40[135]\b|unauthori[sz]ed|forbidden|access ?denied|permission denied|invalid_grant|couldn't decrypt|wrong password"
    r"|didn't find section|couldn't find|not supported|certificate|unknown (flag|command)",
    re.IGNORECASE,
)


class RcloneStore(Store):
    """Objects are files of the remote: temporary name, then moved. Each request is a run of the program."""

    OPTIONS = (
        Option(
            "remote",
            "str",
            "The remote and the folder in it. The remote stands in the configuration of rclone, or in its environment. What it"
            " needs does not belong here: every user of the host would see it.",
            required=True,
            example="onedrive:backups",
        ),
        Option(
            "config", "path", "The configuration of rclone. Default: that of the user.", example="/etc/fleet-backup/rclone.conf"
        ),
        Option("config_password", "str", "What the configuration is encrypted with.", secret=True),
        Option("program", "str", "The program, if it is not called rclone or not on the path.", default="rclone"),
        Option("timeout", "duration", "How long to wait for an answer that does not come.", default="5m"),
    )
    readers = 4

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        super().__init__(name, options)
        self._options = options
        self._remote: str = options["remote"].rstrip("/")
        self._known_hash: t.Optional[str] = None
        #: rclone cannot refuse to overwrite; so of this process one looks and moves at a time.
        self.committing = threading.Lock()

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        name, colon, _path = (options["remote"] or "").partition(":")
        if not colon or not re.fullmatch(r"[\w.+@ -]+", name) or name.startswith("-"):
            return ["remote: must be the name of a configured remote, a colon and a folder, such as onedrive:backups"]
        return []

    @property
    def hash(self) -> str:
        """The checksum by which the remote can be asked what it holds, "" when it has none. Raises when it cannot be reached."""
        if self._known_hash is None:
            finished = self.call("backend", "features", self.place(""))
            known = json.loads(finished.stdout).get("Hashes") or []
            self._known_hash = next((name for name in _HASHES if name in known), "")
        return self._known_hash

    @property
    def confirms(self) -> str:  # type: ignore[override]
        return "checksum" if self._known_hash else "size"

    def put(self, key: str) -> Upload:
        return RcloneUpload(self, key)

    def open(self, key: str, offset: int = 0, size: t.Optional[int] = None) -> Readable:
        if size == 0:
            self.size(key)
            return _Nothing()
        arguments = ["--offset", str(offset)] if offset else []
        if size is not None:
            arguments += ["--count", str(size)]
        try:
            return _Reader(self, key, self.argv("cat", *arguments, self.place(key)), self.environment())
        except StoreUnavailableError:
            # Some remotes refuse a range that begins at the end (RFC 9110, 416), where there is nothing left to read.
            if offset and self.size(key) <= offset:
                return _Nothing()
            raise

    def size(self, key: str) -> int:
        found = self.stat(key)
        if found is None:
            raise NotFoundError("store %s: %s: does not exist" % (self.name, self.place(key)))
        return int(found["Size"])

    def list(self, folder: str) -> t.Tuple[t.List[StoredObject], t.List[str]]:
        prefix = folder + "/" if folder else ""
        objects, folders = [], []
        for found in self._entries(folder):
            if found["Name"].startswith("."):
                continue
            if found["IsDir"]:
                folders.append(found["Name"])
            else:
                objects.append(StoredObject(prefix + found["Name"], int(found["Size"]), found.get("ModTime", "")))
        return sorted(objects, key=lambda o: o.key), sorted(folders)

    def delete(self, key: str) -> None:
        try:
            self.call("deletefile", self.place(key))
        except NotFoundError:
            return

    def leftover_bytes(self, folder: str, meant: Meant = whatever) -> int:
        return sum(max(int(found["Size"]), 0) for found in self._leftovers(folder, meant))

    def remove_leftovers(self, folder: str, meant: Meant = whatever) -> int:
        left = self._leftovers(folder, meant)
        for found in left:
            self.delete("%s/%s" % (folder, found["Name"]) if folder else found["Name"])
        if folder and self.list(folder) == ([], []):
            try:
                self.call("rmdir", self.place(folder))
            except FleetBackupError:
                # It is gone already, or somebody puts something into it just now.
                return len(left)
        return len(left)

    def free_space(self) -> t.Optional[int]:
        finished = self.run("about", "--json", self.place(""))
        if not finished.succeeded:
            return None
        free = json.loads(finished.stdout).get("free")
        return None if free is None else int(free)

    def check(self) -> None:
        upload = self.put(".check-%s" % os.urandom(4).hex())
        try:
            upload.write(b"fleet.backup")
            upload.commit()
        finally:
            upload.abort()
        self.delete(t.cast(RcloneUpload, upload).key)

    def remarks(self) -> t.List[str]:
        return [] if self._known_hash else ["the remote knows no checksum: only sizes can be compared"]

    def url(self, key: str) -> t.Optional[str]:
        return self.place(key)

    def place(self, key: str) -> str:
        """An object as the program names it."""
        if not key:
            return self._remote
        return self._remote + ("" if self._remote.endswith(":") else "/") + key

    def stat(self, key: str, *arguments: str) -> t.Optional[t.Dict[str, t.Any]]:
        """What the remote says of an object; None when it does not exist."""
        try:
            finished = self.call("lsjson", "--stat", "--no-modtime", "--no-mimetype", *arguments, self.place(key))
        except NotFoundError:
            return None
        found = self._json(finished.stdout, key)
        return None if not isinstance(found, dict) or found.get("IsDir") else found

    def call(self, *arguments: str) -> Finished:
        """Run the program to its end. Raises the engine's errors."""
        finished = self.run(*arguments)
        if not finished.succeeded:
            raise self.error(finished.returncode, finished.stderr, arguments[-1], finished.timed_out)
        return finished

    def run(self, *arguments: str) -> Finished:
        return run(self.argv(*arguments), env=self.environment(), timeout=10 * self._options["timeout"])

    def argv(self, *arguments: str) -> t.List[str]:
        seconds = "%ds" % self._options["timeout"]
        fixed = ["--retries", "1", "--low-level-retries", "3", "--timeout", seconds, "--contimeout", seconds]
        fixed += ["--ask-password=false", "--stats", "0"]
        if self._options["config"]:
            fixed += ["--config", self._options["config"]]
        return [self._options["program"], arguments[0], *fixed, *arguments[1:]]

    def environment(self) -> t.Dict[str, str]:
        password = self._options["config_password"]
        return {} if password is None else {"RCLONE_CONFIG_PASS": password.reveal()}

    def error(self, code: int, output: bytes, place: str, timed_out: bool = False) -> FleetBackupError:
        """What the end of a run of the program means."""
        words = " | ".join(last_lines(output, 3)) or "rclone ended with exit code %d" % code
        text = "store %s: %s: %s" % (self.name, place, "no answer in time" if timed_out else words)
        if timed_out:
            return StoreUnavailableError(text)
        if _FULL.search(words):
            return StoreFullError(text)
        if code in _MISSING:
            return NotFoundError(text)
        if code in (2, 6, 7) or _REFUSED.search(words):
            return StoreRefusedError(text)
        return StoreUnavailableError(text)

    def _leftovers(self, folder: str, meant: Meant) -> t.List[t.Dict[str, t.Any]]:
        return [found for found in self._entries(folder) if not found["IsDir"] and is_left(found["Name"], _UPLOADING, meant)]

    def _entries(self, folder: str) -> t.List[t.Dict[str, t.Any]]:
        child = start(
            # Some remotes keep the time of the file that an object was made of, which would cost a request for each.
            self.argv("lsjson", "--use-server-modtime", "--no-mimetype", self.place(folder)),
            self.environment(),
            DEVNULL,
        )
        errors = Tail(child.stderr)
        try:
            with t.cast(t.BinaryIO, child.stdout) as output:
                text = output.read()
            code = child.wait()
        except BaseException:
            end(child, 0)
            raise
        if code in _MISSING:
            return []  # a store that was never written to has no folder yet
        if code != 0:
            raise self.error(code, errors.result()[0], self.place(folder))
        return t.cast("t.List[t.Dict[str, t.Any]]", self._json(text, folder))

    def _json(self, text: bytes, key: str) -> t.Any:
        try:
            return json.loads(text)
        except ValueError:
            raise StoreUnavailableError("store %s: %s: rclone's answer is no JSON" % (self.name, self.place(key))) from None


class RcloneUpload(Upload):
    def __init__(self, store: RcloneStore, key: str) -> None:
        self.key = key
        self._store = store
        folder, slash, name = key.rpartition("/")
        self._temporary = "%s%s%s%s-%s" % (folder, slash, _UPLOADING, os.urandom(4).hex(), name)
        self._size = 0
        self._moved = False
        self._digest = hashlib.new(store.hash, usedforsecurity=False) if store.hash else None
        self._child = start(store.argv("rcat", store.place(self._temporary)), store.environment(), PIPE)
        self._output, self._errors = Tail(self._child.stdout), Tail(self._child.stderr)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        if self._digest is not None:
            self._digest.update(data)
        self._size += len(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[t.cast(t.BinaryIO, self._child.stdin).write(rest) or 0 :]
        except (OSError, ValueError):
            # The program ended before it had everything: it says why.
            self._finish()
            raise StoreUnavailableError(
                "store %s: %s: rclone ended early" % (self._store.name, self._store.place(self.key))
            ) from None

    def commit(self) -> None:
        store = self._store
        self._finish()
        self._compare()
        with store.committing:
            if store.stat(self.key) is not None:
                raise StoreRefusedError(
                    "store %s: %s: exists already, and nothing is overwritten" % (store.name, store.place(self.key))
                )
            store.call("moveto", store.place(self._temporary), store.place(self.key))
        self._moved = True

    def abort(self) -> None:
        if self._child.poll() is None:
            end(self._child, 0)
        self._close_input()
        if not self._moved:
            self._moved = True
            try:
                self._store.delete(self._temporary)
            except FleetBackupError:
                # remove_leftovers() finds it by its name.
                return

    def _finish(self) -> None:
        self._close_input()
        code = self._child.wait()
        errors = self._errors.result()[0]
        self._output.result()
        if code != 0:
            error = self._store.error(code, errors, self._store.place(self.key))
            # Where a folder is missing while something is put, it is the store that cannot be reached.
            raise StoreRefusedError(str(error)) if isinstance(error, NotFoundError) else error

    def _compare(self) -> None:
        store = self._store
        arguments = ["--hash", "--hash-type", store.hash] if store.hash else []
        found = store.stat(self._temporary, *arguments)
        said = ((found or {}).get("Hashes") or {}).get(store.hash)
        if found is None or int(found["Size"]) != self._size or (self._digest and said and said != self._digest.hexdigest()):
            raise StoreUnavailableError(
                "store %s: %s: the remote holds something else than what was sent" % (store.name, store.place(self.key))
            )
        if self._digest and not said:
            raise StoreUnavailableError(
                "store %s: %s: the remote does not tell the checksum of what it holds" % (store.name, store.place(self.key))
            )

    def _close_input(self) -> None:
        try:
            t.cast(t.BinaryIO, self._child.stdin).close()
        except OSError:
            return


class _Reader:
    """The output of the program. It never ends early without an error."""

    def __init__(self, store: RcloneStore, key: str, argv: t.Sequence[str], environment: t.Mapping[str, str]) -> None:
        self._store = store
        self._key = key
        self._child = start(argv, environment, DEVNULL)
        self._errors = Tail(self._child.stderr)
        self._first = b""
        # So that an object that does not exist is known at once.
        self._first = self.read(1 << 16)

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            parts = list(iter(lambda: self.read(1 << 20), b""))
            return b"".join(parts)
        if self._first:
            data, self._first = self._first[:size], self._first[size:]
            return data
        data = t.cast(t.BinaryIO, self._child.stdout).read(size) if size else b""
        if not data and size:
            code = self._child.wait()
            if code != 0:
                raise self._store.error(code, self._errors.result()[0], self._store.place(self._key))
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._child.poll() is None:
            end(self._child, 0)
        t.cast(t.BinaryIO, self._child.stdout).close()


class _Nothing:
    """A range in which there is nothing."""

    def read(self, size: int = -1) -> bytes:
        return b""

    def readinto(self, buffer: memoryview) -> int:
        return 0

    def close(self) -> None:
        return
