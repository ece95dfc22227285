# SPDX-License-Identifier: GPL-3.0-or-later
"""Change ``conf.d/local.json``, the host's own job file, one process after the other."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import typing as t

from ..errors import ConfigurationError, LockedError
from ..job_files import Description, JobFiles, load_config
from ..lock import JobLock
from ..private import private_folder
from ..replacement import Replacement

# Another process changes the file only for the moment of one write.
_LOCK_SECONDS = 10


@contextlib.contextmanager
def changing(path: str) -> t.Iterator[LocalFile]:
    """The file of a folder of job files, which nobody else changes meanwhile. Raises ConfigurationError, LockedError."""
    if not os.path.isdir(path):
        raise ConfigurationError(
            "%s: is no folder; what is set on a host goes into conf.d/local.json of a folder of job files" % path
        )
    with contextlib.ExitStack() as held:
        try:
            # A job's name holds no dot, so this is no job's own lock.
            held.enter_context(JobLock(load_config(path).state_dir, "local.settings", _LOCK_SECONDS))
        except LockedError:
            raise LockedError("%s: another command is changing what is set on this host; try again" % path) from None
        yield LocalFile(path)


class LocalFile(JobFiles):
    """``conf.d/local.json`` being changed: ``local`` is what it will hold."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self.old = copy.deepcopy(self.local)
        self._secrets: t.Dict[str, t.Optional[str]] = {}

    def entry(self, key: str, name: str) -> Description:
        """The entry of that name, made where it is missing."""
        entries = self.local.setdefault(key, [])
        found: t.Optional[Description] = next((e for e in entries if e.get("name") == name), None)
        if found is None:
            found = {"name": name}
            entries.append(found)
        return found

    def keep_secret(self, name: str, secret: str) -> str:
        """Write a secret to a file of its own when all is written; return its path."""
        path = os.path.join(os.path.abspath(self._path), "secrets", name)
        self._secrets[path] = secret
        return path

    def forget_secret(self, name: str) -> None:
        self._secrets[os.path.join(os.path.abspath(self._path), "secrets", name)] = None

    @property
    def is_changed(self) -> bool:
        return self.local != self.old or any(_read(path) != secret for path, secret in self._secrets.items())

    def try_writing(self) -> None:
        """Raise what write() would; change nothing."""
        private_folder(os.path.dirname(self.local_path))
        Replacement(self.local_path, 0o600).close()

    def write(self) -> None:
        """Secrets that are needed first, those that are not last. Raises ConfigurationError, StoreFullError."""
        for path, secret in self._secrets.items():
            if secret is not None:
                private_folder(os.path.dirname(path))
                _replace(path, secret.encode("utf-8") + b"\n")
        private_folder(os.path.dirname(self.local_path))
        _replace(self.local_path, json.dumps(self.local, indent=2).encode("ascii") + b"\n")
        for path, secret in self._secrets.items():
            if secret is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def tidy(self) -> None:
        """Leave out what says nothing."""
        for job in self.local.get("jobs") or ():
            for key in ("schedules", "notify"):
                if not job.get(key):
                    job.pop(key, None)
        for key in ("jobs", "notifiers"):
            if key in self.local:
                self.local[key] = [entry for entry in self.local[key] if entry.keys() != {"name"}]
                if not self.local[key]:
                    del self.local[key]


def _replace(path: str, data: bytes) -> None:
    with Replacement(path, 0o600) as new:
        new.write(data)
        new.commit()


def _read(path: str) -> t.Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().rstrip("\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None
