# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error tree, named by what the user can do about each error.

Engine code raises these; only ``_ansible/`` and ``cli/`` turn them into fail_json or an exit code.
The exit codes are part of the command's interface (docs/exit-codes.md).
"""

from __future__ import annotations

import typing as t


class FleetBackupError(Exception):
    """Base of all expected errors. ``code`` is stable and appears in results; ``exit_code`` is the command's."""

    code = "error"
    exit_code = 1
    retry = False


class ConfigurationError(FleetBackupError):
    """The job description, an option or a command line is wrong. Nothing was read or written.

    ``problems`` lists every problem found, each starting with the place it was found at.
    """

    code = "configuration"
    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: t.Tuple[str, ...] = problems


# Exit code 3 is no error: the operation finished, with warnings (result.Result.exit_code).


class MissingDependencyError(FleetBackupError):
    """A library or program that an option needs is not installed; the message names both."""

    code = "missing-dependency"
    exit_code = 4


class SourceError(FleetBackupError):
    """A source cannot be read as it must be."""

    code = "source"
    exit_code = 5


class StoreRefusedError(FleetBackupError):
    """The store answered and said no: credentials, permissions, a name that is taken."""

    code = "store-refused"
    exit_code = 6


class StoreUnavailableError(FleetBackupError):
    """The store cannot be reached or failed in a way that is worth a retry."""

    code = "store-unavailable"
    exit_code = 7
    retry = True


class StoreFullError(FleetBackupError):
    """No space or quota left where the data should go."""

    code = "store-full"
    exit_code = 8


class IntegrityError(FleetBackupError):
    """Stored data is not what was stored. ``objects`` names what is damaged, by key or name."""

    code = "integrity"
    exit_code = 9

    def __init__(self, message: str, objects: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.objects = list(objects)


class LockedError(FleetBackupError):
    """Another run of the same job holds the lock."""

    code = "locked"
    exit_code = 10


class ConfirmationNeededError(FleetBackupError):
    """The operation would overwrite data, or remove more than it may at once, and nobody confirmed it."""

    code = "confirmation-needed"
    exit_code = 11


class NotFoundError(FleetBackupError):
    """The backup, component or file asked for does not exist."""

    code = "not-found"
    exit_code = 12


class HookError(FleetBackupError):
    """A hook failed or did not finish in time."""

    code = "hook"
    exit_code = 13


class RestoreError(FleetBackupError):
    """The target of a restore cannot be written or is not what it must be; the previous state was kept or put back."""

    code = "restore"
    exit_code = 14


class InterruptedRunError(BaseException):
    """The run was asked to stop (SIGINT, SIGTERM) and cleaned up after itself.

    Neither a FleetBackupError nor an Exception: nothing on its way up may take it for the failure of one store or one file, and
    go on. Operations that have something to tell nevertheless turn it into their result.
    """

    code = "interrupted"
    exit_code = 15
    retry = False


class DecryptionError(FleetBackupError):
    """What is encrypted cannot be opened: no identity was given, none of them matches, or the passphrase is wrong."""

    code = "decryption"
    exit_code = 16


class UntrustedError(IntegrityError):
    """A backup is not signed by the host that it claims to be of; ``objects`` names its manifest or mark."""

    code = "untrusted"
    exit_code = 17


class ScheduleError(FleetBackupError):
    """A scheduler of this host refuses, is not there, or a scheduled run did not come to its end."""

    code = "schedule"
    exit_code = 19


class NotificationError(FleetBackupError):
    """A notifier could not tell; what it had to tell is kept and told later."""

    code = "notification"
    exit_code = 18
    retry = True
