# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources: what can be read and later written back. One file a driver; this is their registry and their common shape.

The registry is static, with an import in each branch, because Ansible bundles a module's imports by reading them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..options import Option

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..result import Notice

NAMES: t.Tuple[str, ...] = ("files", "sqlite", "postgresql", "rows", "docker_volume", "firestore", "mysql", "command", "redis")


def load(driver: str) -> t.Type[Source]:
    """Return the class of a driver; its module is imported only now."""
    if driver == "files":
        from .files import FilesSource

        return FilesSource
    if driver == "postgresql":
        from .postgresql import PostgresqlSource

        return PostgresqlSource
    if driver == "rows":
        from .rows import RowsSource

        return RowsSource
    if driver == "sqlite":
        from .sqlite import SqliteSource

        return SqliteSource
    if driver == "docker_volume":
        from .docker_volume import DockerVolumeSource

        return DockerVolumeSource
    if driver == "firestore":
        from .firestore import FirestoreSource

        return FirestoreSource
    if driver == "mysql":
        from .mysql import MysqlSource

        return MysqlSource
    if driver == "command":
        from .command import CommandSource

        return CommandSource
    if driver == "redis":
        from .redis import RedisSource

        return RedisSource
    raise ConfigurationError("there is no source driver %r; the drivers are: %s" % (driver, ", ".join(NAMES)))


@dataclass
class Reading:
    """What a source reports of its reading.

    ``facts`` goes into the manifest, for later proof. ``notices`` are things a person should know; ``failure`` is set when
    the job asks to fail for one of them (the run then keeps nothing).
    """

    facts: t.Dict[str, t.Any] = field(default_factory=dict)
    notices: t.List[Notice] = field(default_factory=list)
    failure: t.Optional[str] = None


@dataclass
class Plan:
    """What a backup of a source would read (check mode): found by looking, without reading the data."""

    entries: int = 0
    bytes: int = 0
    details: t.Dict[str, t.Any] = field(default_factory=dict)


@dataclass
class RestorePlan:
    """What a restore would do: paths that would be overwritten, made, and (when asked for) removed.

    The lists hold at most ``LIMIT`` paths each; the counts are complete.
    """

    LIMIT: t.ClassVar[int] = 1000

    overwrite: t.List[str] = field(default_factory=list)
    create: t.List[str] = field(default_factory=list)
    remove: t.List[str] = field(default_factory=list)
    overwrite_count: int = 0
    create_count: int = 0
    remove_count: int = 0
    unchanged_count: int = 0


@dataclass
class RestoreTarget:
    """Where and how a component is to be restored.

    ``to``: a folder to restore into instead of the original place (made when missing). ``include``: patterns (gitignore
    semantics, matched against the entries' archive paths); empty means all. ``delete``: also remove what is there now and is not
    in the backup, as far as the source would have backed it up. ``options``: the source's own options in the job, if it is known;
    ``leave_out``: folders that are not touched, whatever they hold (the stores and the state of fleet.backup itself).
    ``devices``/``set_ids``: allow device nodes and set-uid/set-gid bits from the archive. ``move``: other names for places, by
    the name in the backup; the roots of trees of files are moved by it already.
    """

    to: t.Optional[str] = None
    include: t.Tuple[str, ...] = ()
    delete: bool = False
    set_ids: bool = False
    devices: bool = False
    options: t.Optional[t.Dict[str, t.Any]] = None
    leave_out: t.Tuple[str, ...] = ()
    move: t.Mapping[str, str] = field(default_factory=dict)


class Restoring(t.Protocol):
    """A restore of one component under way: nothing of the old state is lost before finish()."""

    #: What stage() found to be done; complete when it has returned.
    plan: RestorePlan
    #: Whether finish() gives folders the times that they should have; it is then called after those that do not.
    sets_times: bool

    def stage(self, progress: t.Callable[[int], None]) -> None:
        """Bring all data to the target's side and check it, without touching what is there now.

        ``progress`` is told bytes as they are done. Raises RestoreError, IntegrityError.
        """

    def commit(self) -> t.List[Notice]:
        """Swap the staged state in and check the result. Raises RestoreError; undo() is then still possible."""

    def undo(self) -> None:
        """Put back what was there before commit(), also after a commit() that failed half-way. Idempotent."""

    def finish(self) -> None:
        """Drop the old state and everything staged. Idempotent; called also after undo()."""


@t.runtime_checkable
class Undoable(t.Protocol):
    """A restore that, when it is killed after commit(), the next one undoes."""

    def conclude(self) -> None:
        """Not any more: all components are in place. Raises RestoreError."""


class Source:
    """One thing to read and later to write back."""

    OPTIONS: t.Sequence[Option] = ()
    #: Third-party modules that it imports (libraries.py).
    requires: t.Tuple[str, ...] = ()
    #: ``tree``, ``stream`` or ``rows``
    shape = "stream"
    #: What RESTORE.txt says, for people, of what is to be done with a component that stock tools have restored.
    restore_note = ""
    #: Whether the roots of its trees are paths of the host, which may be made when they are missing.
    roots_are_paths = True

    def __init__(self, name: str, options: t.Dict[str, t.Any]) -> None:
        self.name = name
        self.options = options
        #: Absolute paths that must be left out (the stores, state and spool of fleet.backup itself).
        self.leave_out: t.Sequence[str] = ()
        #: A private folder of this host for what must be on a disk for a while.
        self.spool: t.Optional[str] = None

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        """Return problems that one option alone cannot show, each as ``option: what is wrong``."""
        return []

    @classmethod
    def needs(cls, options: t.Dict[str, t.Any]) -> t.Tuple[str, ...]:
        """Third-party modules that it imports with these options. What runs in a container needs Docker's."""
        return (*cls.requires, "docker") if options.get("container") else cls.requires

    @classmethod
    def of_tenants(cls, options: t.Dict[str, t.Any]) -> bool:
        """Whether a backup is to be taken for each of several tenants."""
        return False

    @classmethod
    def for_tenant(cls, options: t.Dict[str, t.Any], tenant: str) -> t.Dict[str, t.Any]:
        """The options for one tenant; the same for a source that knows none."""
        return options

    @classmethod
    def places(cls, options: t.Dict[str, t.Any]) -> t.Sequence[str]:
        """Where the roots of its trees lie, as the options name them; nothing where they say it otherwise, or there are none."""
        return ()

    def tenants(self) -> t.List[str]:
        """Those tenants. Raises SourceError."""
        return []

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        """The options for backing up what there is of the source now, after a disaster, say; None when there is nothing."""
        return self.options

    def plan(self) -> Plan:
        """Look at the source without reading its data. Raises SourceError when it cannot be backed up."""
        raise NotImplementedError

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        """Read the source into ``component``. ``progress`` is told bytes as they are read. Raises SourceError."""
        raise NotImplementedError

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        """What restoring would overwrite, make and remove. Raises RestoreError when it cannot be done."""
        raise NotImplementedError

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        """Begin a restore; nothing is touched before ``Restoring.stage``."""
        raise NotImplementedError
