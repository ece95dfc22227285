# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypting objects on their way to the stores. Each is an age file of its own, encrypted once for all stores."""

from __future__ import annotations

import base64
import typing as t

from .job import Encryption
from .manifest import SEALED_ENDING, StoredFile

if t.TYPE_CHECKING:
    from .archive.component import BaseCopy
    from .delivery import AnyDelivery, ObjectWriter

    KeepIndex = t.Callable[[ObjectWriter], ObjectWriter]
    KeepBase = t.Callable[[bool], t.Optional[BaseCopy]]


class Sealer:
    """Begins objects of a backup's folder: encrypted when the job asks for it."""

    def __init__(
        self, delivery: AnyDelivery, encryption: t.Optional[Encryption], keep_index: t.Optional[KeepIndex] = None,
        keep_base: t.Optional[KeepBase] = None, scratch_folder: str = "",
    ) -> None:  # fmt: skip
        self._delivery = delivery
        self._encryption = encryption
        self._keep_index = keep_index
        self._keep_base = keep_base
        self._scratch_folder = scratch_folder

    @property
    def seals(self) -> bool:
        return self._encryption is not None

    def create(self, name: str, late: bool = False) -> ObjectWriter:
        """Begin an object that tells of the content. ``late``: others are begun and ended before it ends."""
        if self._encryption is None:
            return self._delivery.create(name, late)
        from .age.header import for_passphrase, for_recipients
        from .age.keys import Passphrase

        passphrase = self._encryption.passphrase
        if passphrase is not None:
            header, key = for_passphrase(Passphrase(passphrase.reveal()))
        else:
            header, key = for_recipients(self._encryption.recipients)
        return SealedUpload(self._delivery.create(name + SEALED_ENDING, late), header, key)

    def create_index(self, name: str) -> ObjectWriter:
        """Begin the index of a component. ``keep_index`` keeps it on this host too, which may not be able to read it again."""
        upload = self.create(name, late=True)
        return upload if self._keep_index is None else self._keep_index(upload)

    def create_clear(self, name: str) -> ObjectWriter:
        """Begin an object that holds numbers only."""
        return self._delivery.create(name)

    def room(self, size: int) -> int:
        """How many bytes an object from create() takes when it may be ``size`` bytes large on the store."""
        if self._encryption is None:
            return size
        from .age.header import LIMIT
        from .age.stream import room_within

        return room_within(size - LIMIT)

    def keep_base(self, replaces: bool) -> t.Optional[BaseCopy]:
        """Begin the private copy of frames. ``replaces``: it may take the place of older ones."""
        return None if self._keep_base is None else self._keep_base(replaces)

    def scratch(self) -> t.BinaryIO:
        """Begin a private file for what is stored later."""
        from .spool import late_file

        return late_file(self._scratch_folder)

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a small object that tells of the content."""
        upload = self.create(name)
        upload.write(data)
        return upload.commit()


class SealedUpload:
    """An encrypted object."""

    def __init__(self, upload: ObjectWriter, header: bytes, key: bytes) -> None:
        from .age.stream import AgeWriter

        self._upload = upload
        self._header = header
        self._writer = AgeWriter(upload, header, key)

    def write(self, data: t.Union[bytes, memoryview]) -> None:
        self._writer.write(data)

    def commit(self) -> StoredFile:
        self._writer.close()
        stored = self._upload.commit()
        stored.header = base64.b64encode(self._header).decode("ascii")
        return stored
