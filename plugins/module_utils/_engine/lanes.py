# SPDX-License-Identifier: GPL-3.0-or-later
"""One run's objects to several stores, or to one that is far away: each in a thread of its own, fed by a bounded spool.

The source is read once and may be ahead of the fastest store by a part of the spool. A store that falls more than the spool
behind is left out of the run, unless the run is to wait for it. An upload that broke goes on where the store can do that; else,
as long as the beginning of an object is in the spool, it is sent again when that is worth it.
"""

from __future__ import annotations

import functools
import hashlib
import random
import threading
import time
import typing as t

from .delivery import Way
from .errors import FleetBackupError, StoreFullError, StoreUnavailableError
from .manifest import StoredFile
from .spool import MEMORY, Spool, late_file
from .stores import Store, Upload

#: How far the source may be ahead of the fastest store, as a part of the spool.
_AHEAD = 4

# What is given to a store at a time.
_PIECE = 1 << 20

# Seconds before an object is sent again: doubled each time, a random part of it taken off.
_PAUSE, _LONGEST_PAUSE = 1.0, 60.0

# What an upload that goes on after a lost connection may want again of what was written: nobody can say of it that it arrived.
# More than protocols and systems have under way.
_UNDER_WAY = 32 << 20

# How often it is looked whether a store still moves.
_LOOK = 1.0


class Manner(t.NamedTuple):
    """How a store is written to: ``retries`` of one object at most; left out when it takes nothing for ``stall_timeout``
    seconds; ``wait``: the run waits for it instead of leaving it behind; ``write_only``: nothing is deleted there."""

    retries: int = 5
    stall_timeout: float = 900
    wait: bool = False
    write_only: bool = False


class _Object(t.NamedTuple):
    """Where an object begins in the spool, and, once it is complete, where it ends."""

    key: str
    start: int
    end: t.List[int]


class _Stopped(Exception):
    """The run goes on without the store, or has failed."""


class _Lane(threading.Thread):
    """Takes the objects to one store. What it shares with others is changed under ``delivery.changed``."""

    def __init__(self, delivery: LaneDelivery, store: Store, manner: Manner) -> None:
        super().__init__(name="store %s" % store.name, daemon=True)
        self._delivery = delivery
        self.store = store
        self.manner = manner
        #: The next byte to read, and the first that may be needed again.
        self.position = self.keep = 0
        #: The upload under way can go on after its connection was lost.
        self.resumes = False
        self.keys: t.List[str] = []
        self.error: t.Optional[FleetBackupError] = None
        self.stopped = False
        #: It waits for the source, or to send again: not for its store.
        self.idle = True
        self.moved = time.monotonic()
        self.way = Way()
        self.done = threading.Event()
        self.left: t.List[str] = []

    def run(self) -> None:
        began = time.monotonic()
        try:
            number = 0
            while True:
                item = self._next(number)
                if item is None:
                    break
                self._send(item)
                number += 1
        except _Stopped:
            pass
        except FleetBackupError as error:
            self._delivery.leave_out(self, error)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self._delivery.crash(error)
        self.way.seconds = time.monotonic() - began
        if self.stopped:
            self.left = take_back(self.store, self.keys, self._delivery.folder, self.manner.write_only)
        with self._delivery.changed:
            self.idle = True
            self.done.set()
            self._delivery.changed.notify_all()

    def needed(self, under_way: int) -> int:
        """The first byte that it cannot do without. ``under_way``: how many of those that it sent may not have arrived."""
        return max(self.keep, self.position - under_way) if self.resumes else self.position

    def _next(self, number: int) -> t.Optional[_Object]:
        delivery = self._delivery
        with delivery.changed:
            while True:
                if self.stopped:
                    raise _Stopped
                if number < len(delivery.objects):
                    self.keep = self.position = delivery.objects[number].start
                    return delivery.objects[number]
                if delivery.ended:
                    return None
                self.idle = True
                delivery.changed.wait()

    def _send(self, item: _Object) -> None:
        self.keys.append(item.key)
        upload: t.Optional[Upload] = None
        failures, reached, again = 0, 0, False
        try:
            while True:
                try:
                    if upload is not None:
                        position = self._go_on(item, upload, failures)
                        if position >= reached + _PIECE:
                            failures, reached = 0, position
                    else:
                        upload = self._begin(item, again)
                    self._feed(item, upload)
                    upload.commit()
                    self._progress(0, False)
                    return
                except FleetBackupError as error:
                    self.resumes = self.resumes and upload is not None and upload.resumes
                    if upload is not None and not self.resumes:
                        upload.abort()
                        upload = None
                    self._pause(item, failures, error)
                    failures, again = failures + 1, True
        finally:
            self.resumes = False
            if upload is not None:
                upload.abort()

    def _begin(self, item: _Object, again: bool) -> Upload:
        if again and not self.manner.write_only:
            # It may have arrived, though nobody heard that it did.
            self.store.delete(item.key)
        upload = self.store.put(item.key)
        self.resumes = upload.resumes
        return upload

    def _go_on(self, item: _Object, upload: Upload, failures: int) -> int:
        """Continue an upload whose connection was lost, from where the store has it; return after how many bytes."""
        try:
            offset = upload.resume()
        except FleetBackupError as error:
            # A server may hold on to what it has, of a connection of which it does not know yet that it is gone.
            if error.retry and (failures <= self.manner.retries // 2 or item.start < self._delivery.spool.start):
                raise
            self.resumes = False
            raise StoreUnavailableError("%s; what was sent is of no use" % error) from error
        with self._delivery.changed:
            if item.start + offset < self._delivery.spool.start:
                self.resumes = False
                raise StoreUnavailableError("store %s: it has lost some of what it had taken" % self.store.name)
            self.position = item.start + offset
            # What is there is there; a store is not left out for what it may want of it.
            self.keep = max(self.keep, self._delivery.spool.start)
        return offset

    def _feed(self, item: _Object, upload: Upload) -> None:
        delivery = self._delivery
        while True:
            with delivery.changed:
                while True:
                    if self.stopped:
                        raise _Stopped
                    end = item.end[0] if item.end else delivery.spool.end
                    if self.position < end:
                        break
                    if item.end:
                        self.moved, self.idle = time.monotonic(), False
                        return
                    self.idle = True
                    delivery.changed.wait()
                self.moved, self.idle = time.monotonic(), False
                try:
                    data = delivery.spool.read(self.position, min(_PIECE, end - self.position))
                except OSError as error:
                    raise FleetBackupError("the spool cannot be read: %s" % error) from None
            upload.write(data)
            self._progress(len(data), False)

    def _progress(self, count: int, idle: bool) -> None:
        with self._delivery.changed:
            if self.stopped:
                raise _Stopped
            self.position += count
            self.way.bytes += count
            self.moved, self.idle = time.monotonic(), idle
            self._delivery.changed.notify_all()

    def _pause(self, item: _Object, attempt: int, error: FleetBackupError) -> None:
        """Wait before the object is sent again; raise ``error`` when that is not worth it, or not possible any more."""
        delivery = self._delivery
        with delivery.changed:
            if self.stopped:
                raise _Stopped
            if not error.retry or attempt >= self.manner.retries:
                raise error
            if not self.resumes:
                if item.start < delivery.spool.start:
                    raise StoreUnavailableError("%s (it cannot be sent again: its beginning is no longer in the spool)" % error)
                self.position = item.start
            self.idle = True
            self.way.retries += 1
            pause = min(_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            until = time.monotonic() + pause
            how = "going on with" if self.resumes else "again from its beginning:"
            delivery.say("store %s: %s; %s %s" % (self.store.name, error, how, item.key.rpartition("/")[2]))
            while not self.stopped and time.monotonic() < until:
                delivery.changed.wait(max(until - time.monotonic(), 0.001))
            if self.stopped:
                raise _Stopped


class LaneDelivery:
    """A delivery.Delivery whose stores do not wait for each other. ``spool_size``: bytes that are kept for them at most."""

    def __init__(
        self, stores: t.Sequence[Store], folder: str, spool_folder: str, manners: t.Mapping[str, Manner],
        spool_size: int = 1 << 30, say: t.Callable[[str], None] = lambda _text: None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.changed = threading.Condition()
        self.spool = Spool(spool_folder)
        self.objects: t.List[_Object] = []
        self.ended = False
        self.say = say
        self._failures: t.Dict[str, FleetBackupError] = {}
        self._spool_folder = spool_folder
        self._limit = max(spool_size, 2 * MEMORY)
        self._crash: t.Optional[BaseException] = None
        self._lanes = [_Lane(self, store, manners.get(store.name, Manner())) for store in stores]
        for lane in self._lanes:
            lane.start()

    @property
    def stores(self) -> t.List[Store]:
        """Those that are not left out. Raises the last error when none is left."""
        with self.changed:
            self._check()
            return [lane.store for lane in self._lanes if not lane.stopped]

    @property
    def failures(self) -> t.Dict[str, FleetBackupError]:
        """Why stores were left out until now, by their names; the first one first."""
        with self.changed:
            return dict(self._failures)

    def create(self, name: str, late: bool = False) -> _QueuedObject:
        """Begin an object of the backup's folder. ``late``: others are begun and ended before it ends."""
        return self.create_key("%s/%s" % (self.folder, name), name, late)

    def create_key(self, key: str, name: str, late: bool = False) -> _QueuedObject:
        """Begin an object anywhere on the stores."""
        return _LateObject(self, key, name, self._spool_folder) if late else _QueuedObject(self, key, name)

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a small object of the backup's folder."""
        upload = self.create(name)
        upload.write(data)
        return upload.commit()

    def put_key(self, key: str, data: bytes) -> StoredFile:
        """Store a small object anywhere on the stores."""
        upload = self.create_key(key, key.rpartition("/")[2])
        upload.write(data)
        return upload.commit()

    def begin(self, key: str) -> None:
        """Queue an object; append() then takes its bytes."""
        with self.changed:
            if self.objects and not self.objects[-1].end:
                raise RuntimeError("%s is begun before %s is ended" % (key, self.objects[-1].key))
            self._check()
            self.objects.append(_Object(key, self.spool.end, []))
            self.changed.notify_all()

    def append(self, data: t.Union[bytes, memoryview]) -> None:
        """Queue bytes of the object that was begun last; waits while there is no room."""
        view = memoryview(data).cast("B")
        while view:
            with self.changed:
                self._make_room(min(len(view), _PIECE))
                self.spool.append(view[:_PIECE])
                self.changed.notify_all()
            view = view[_PIECE:]

    def end(self) -> None:
        """End the object that was begun last."""
        with self.changed:
            self.objects[-1].end.append(self.spool.end)
            self.changed.notify_all()

    def drop(self, store: Store, error: FleetBackupError) -> None:
        """Go on without a store. Raises ``error`` when it was the last."""
        for lane in self._lanes:
            if lane.store is store:
                self.leave_out(lane, error)
        with self.changed:
            self._check()

    def leave_out(self, lane: _Lane, error: FleetBackupError) -> None:
        """Go on without the store of a lane, which takes back what is there."""
        with self.changed:
            if not lane.stopped:
                lane.stopped, lane.error = True, error
                self._failures[lane.store.name] = error
                self.changed.notify_all()

    def crash(self, error: BaseException) -> None:
        """Have an error that nobody expects raised in the caller's thread."""
        with self.changed:
            self._crash = self._crash or error
            self._stop_all()

    def finish(self) -> None:
        """Wait until every store has everything, or is left out. Raises the last error when none has."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()
            while not all(lane.done.is_set() or lane.stopped for lane in self._lanes):
                self._leave_stalled_out()
                self.changed.wait(_LOOK)
            self._check()
        for lane in self._lanes:
            self._wait_for(lane)
        self.spool.close()

    def way(self, store: Store) -> Way:
        """What it took to get there."""
        return next(lane.way for lane in self._lanes if lane.store is store)

    def clean_up(self, stores: t.Optional[t.Sequence[Store]] = None) -> t.List[str]:
        """Take back what this run stored, on ``stores`` (all by default). Returns what could not be taken back."""
        lanes = [lane for lane in self._lanes if stores is None or lane.store in stores]
        with self.changed:
            whole = [lane for lane in lanes if lane.done.is_set() and not lane.stopped]
            for lane in lanes:
                lane.stopped = True
            self.changed.notify_all()
        left: t.List[str] = []
        for lane in whole:
            left += take_back(lane.store, lane.keys, self.folder, lane.manner.write_only)
        for lane in lanes:
            if lane not in whole:
                left += lane.left if self._wait_for(lane) else ["store %s: it does not answer" % lane.store.name]
        if stores is None:
            with self.changed:
                self.spool.close()
        return left

    def _wait_for(self, lane: _Lane) -> bool:
        """Wait until a lane has taken back what it stored; no longer than a store may take for anything."""
        while not lane.done.wait(_LOOK):
            if time.monotonic() - lane.moved > lane.manner.stall_timeout:
                return False
        return True

    def _living(self) -> t.List[_Lane]:
        return [lane for lane in self._lanes if not lane.stopped]

    def _check(self) -> None:
        """Raise what the run cannot go on after."""
        if self._crash is not None:
            raise self._crash
        if not self._living():
            raise list(self._failures.values())[-1] if self._failures else RuntimeError("the delivery is closed")

    def _stop_all(self) -> None:
        for lane in self._lanes:
            lane.stopped = True
        self.changed.notify_all()

    def _make_room(self, size: int) -> None:
        """Wait until ``size`` more bytes may be in the spool; leave out stores that are too far behind for that."""
        while True:
            self._check()
            limit = self._limit if self.spool.trouble is None else MEMORY
            living = self._living()
            ahead = self.spool.end - max(lane.position for lane in living)
            if ahead <= limit // _AHEAD:
                end = self.spool.end + size
                floor = min(lane.keep for lane in living)
                needed = {lane: lane.needed(min(_UNDER_WAY, limit // 2)) for lane in living}
                if end - floor > limit:
                    # Then nothing older can be sent again.
                    floor = min(needed.values())
                behind = [lane for lane in living if end - needed[lane] > limit]
                if not behind:
                    self.spool.release(floor)
                    return
                if not any(lane.manner.wait for lane in behind):
                    for lane in behind:
                        self.leave_out(lane, self._too_slow(lane, end - needed[lane]))
                    continue
            self._leave_stalled_out()
            self.changed.wait(_LOOK)

    def _too_slow(self, lane: _Lane, behind: int) -> StoreUnavailableError:
        trouble = "; the spool cannot grow: %s" % self.spool.trouble if self.spool.trouble is not None else ""
        return StoreUnavailableError(
            "store %s: it fell %d bytes behind the others, more than the spool keeps%s" % (lane.store.name, behind, trouble)
        )

    def _leave_stalled_out(self) -> None:
        for lane in self._living():
            stalled = time.monotonic() - lane.moved
            if not lane.idle and not lane.done.is_set() and stalled > lane.manner.stall_timeout:
                self.leave_out(
                    lane, StoreUnavailableError("store %s: it has taken nothing for %d seconds" % (lane.store.name, stalled))
                )


class _QueuedObject:
    """An object on its way, hashed as it is queued."""

    def __init__(self, delivery: LaneDelivery, key: str, name: str) -> None:
        self._delivery = delivery
        self._name = name
        self._digest = hashlib.sha256()
        self._size = 0
        self._begin(key)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._digest.update(data)
        self._size += len(data)
        self._take(data)

    def commit(self) -> StoredFile:
        self._end()
        return StoredFile(self._name, self._size, self._digest.hexdigest())

    def _begin(self, key: str) -> None:
        self._delivery.begin(key)
        self._take: t.Callable[[t.Union[bytes, memoryview]], t.Any] = self._delivery.append

    def _end(self) -> None:
        self._delivery.end()


class _LateObject(_QueuedObject):
    """One that is kept apart and queued when it is complete, so that a store never has two uploads at a time."""

    def __init__(self, delivery: LaneDelivery, key: str, name: str, folder: str) -> None:
        self._file = late_file(folder)
        self._key = key
        super().__init__(delivery, key, name)

    def _begin(self, key: str) -> None:
        self._take = self._keep

    def _keep(self, data: t.Union[bytes, memoryview]) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise StoreFullError("%s cannot be kept below state_dir until it is sent: %s" % (self._name, error)) from None

    def _end(self) -> None:
        self._delivery.begin(self._key)
        self._file.seek(0)
        for data in iter(functools.partial(self._file.read, _PIECE), b""):
            self._delivery.append(data)
        self._file.close()
        self._delivery.end()


def take_back(store: Store, keys: t.Sequence[str], folder: str, write_only: bool = False) -> t.List[str]:
    """Remove what a run stored. Returns what could not be removed."""
    if write_only:
        return ["store %s: nothing can be removed from a store that is written to only" % store.name] if keys else []
    left = []
    # One that cannot be removed must not keep the others from it. The manifest came last and goes first.
    steps: t.List[t.Callable[[], object]] = [functools.partial(store.delete, key) for key in reversed(keys)]
    steps.append(functools.partial(store.remove_leftovers, folder))
    for step in steps:
        try:
            step()
        except FleetBackupError as error:
            left.append("store %s: %s" % (store.name, error))
    return left
