# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test of the contract is given: one fresh, empty place for one driver."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_proxy import FaultProxy

from _engine.options import check
from _engine.stores import Store, Upload, load

Address = t.Tuple[str, int]
Options = t.Dict[str, t.Any]

MIB = 1 << 20

#: Objects in a place that lists as another one does, which is tried with many.
FEW = 60


class Place:
    """A fresh, empty place on a real server. One file a driver; README.md tells the rest."""

    #: The driver's name in the registry of stores.
    driver = ""
    #: What this place can show: see README.md.
    features: t.FrozenSet[str] = frozenset()
    #: The size of an object that goes in many parts or packets.
    huge = 24 * MIB
    #: More objects than the usual page of a listing holds.
    many = 1050
    #: The server itself throws away what comes of an upload whose client dies.
    forgets = False
    #: Options that make the driver give up soon on a server that does not answer.
    impatient: Options = {}
    #: The share of connections that fail in a test of whole backups: so that some backups arrive, and some do not.
    fault_share = 0.7
    #: Odd names that a server of this kind cannot hold at all, whatever the driver does.
    impossible_names: t.FrozenSet[str] = frozenset()

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self.folder = folder

    def options(self) -> Options:
        """The options of the driver for this place, as a user writes them."""
        raise NotImplementedError

    def objects(self) -> t.Dict[str, bytes]:
        """Every committed object by its key, read without the driver."""
        raise NotImplementedError

    def leftovers(self) -> t.List[str]:
        """What else is there: temporary names, uploads that were begun, seen without the driver."""
        raise NotImplementedError

    def close(self) -> None:
        """Forget the place."""

    # with the feature "network"

    @property
    def address(self) -> Address:
        """Where the server listens."""
        raise NotImplementedError

    def via(self, address: Address) -> Options:
        """The changes to options() that reach the server at another address."""
        raise NotImplementedError

    @contextlib.contextmanager
    def proxied(self) -> t.Iterator[t.List[FaultProxy]]:
        """Proxies through which all goes to the server; via() wants the address of the first."""
        with FaultProxy(self.address) as proxy:
            yield [proxy]

    # with the other features

    def wrong_credentials(self) -> t.Tuple[Options, str]:
        """The changes to options() for somebody who is refused, and the secret that they hold."""
        raise NotImplementedError

    def missing_container(self) -> Options:
        """The changes to options() for a bucket, share or base folder that does not exist."""
        raise NotImplementedError

    def full(self) -> contextlib.AbstractContextManager[None]:
        """Meanwhile there is no room for an object of ``huge`` bytes."""
        raise NotImplementedError

    # for all

    def description(self, name: str = "place", **changes: t.Any) -> Options:
        """This place as one of the ``stores`` of a job file; a change to None takes an option away."""
        options = {**self.options(), **changes}
        return {"name": name, self.driver: {key: value for key, value in options.items() if value is not None}}

    def store(self, **changes: t.Any) -> Store:
        """Open the store as the engine would."""
        driver = load(self.driver)
        return driver("place", check(self.description(**changes)[self.driver], driver.OPTIONS, self.driver))


@contextlib.contextmanager
def small_disk(path: Path) -> t.Iterator[None]:
    """A folder, with all that is in it, is a file system of 4 MiB meanwhile."""
    moved = path.with_name(path.name + "-moved")
    path.mkdir(exist_ok=True)
    path.rename(moved)
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], check=False, stderr=subprocess.PIPE)
    if made.returncode != 0:
        pytest.skip("a small file system cannot be mounted here: %s" % made.stderr.decode())
    try:
        subprocess.run(["cp", "-a", "%s/." % moved, path], check=True)
        yield
        shutil.rmtree(moved)
        subprocess.run(["cp", "-a", path, moved], check=True)
    finally:
        subprocess.run(["umount", "-l", path], check=True)
    path.rmdir()
    moved.rename(path)


def write(store: Store, key: str, data: bytes, step: int = 1 << 20) -> Upload:
    """Begin an object and write all of it, without committing it. A failure takes it back."""
    upload = store.put(key)
    try:
        for begin in range(0, len(data), step):
            upload.write(data[begin : begin + step])
    except BaseException:
        upload.abort()
        raise
    return upload


def put(store: Store, key: str, data: bytes, step: int = 1 << 20) -> None:
    """Store an object."""
    upload = write(store, key, data, step)
    try:
        upload.commit()
    finally:
        upload.abort()


def put_all(store: Store, objects: t.Mapping[str, bytes]) -> None:
    """Store many small objects, several at once."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: put(store, *item), objects.items()))


def get(store: Store, key: str, offset: int = 0, size: t.Optional[int] = None) -> bytes:
    """Read an object, or a range of it, to its end."""
    file = store.open(key, offset, size)
    try:
        parts = []
        while True:
            part = file.read(1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        file.close()


def keys(store: Store, folder: str = "") -> t.List[str]:
    """The keys of the objects directly in a folder."""
    return [stored.key for stored in store.list(folder)[0]]
