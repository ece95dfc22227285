# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedulers of the operating system, which run our operations. One file a scheduler; this is their registry.

The registry is static, with an import in each branch, because Ansible bundles a module's imports by reading them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationError

if t.TYPE_CHECKING:
    from .calendar import Calendar

NAMES: t.Tuple[str, ...] = ("systemd", "cron", "task_scheduler")

AUTO = "auto"


def load(name: str) -> t.Type[Scheduler]:
    """Return the class of a scheduler; its module is imported only now."""
    if name == "systemd":
        from .systemd import SystemdScheduler

        return SystemdScheduler
    if name == "cron":
        from .cron import CronScheduler

        return CronScheduler
    if name == "task_scheduler":
        from .task_scheduler import TaskScheduler

        return TaskScheduler
    raise ConfigurationError("there is no scheduler %r; the schedulers are: %s" % (name, ", ".join(NAMES)))


def available() -> t.List[str]:
    """The schedulers that this host has, the best first."""
    return [name for name in NAMES if load(name).is_available()]


@dataclass(frozen=True)
class Planned:
    """One schedule as a scheduler is to have it. ``title``: what it does; ``command``: the program and its arguments.

    ``credentials``: names of those of systemd that its job needs.
    """

    job: str
    name: str
    title: str
    calendar: Calendar
    timezone: t.Optional[str]
    command: t.Tuple[str, ...]
    credentials: t.FrozenSet[str] = frozenset()

    @property
    def key(self) -> str:
        # No name holds a dot.
        return "%s.%s" % (self.job, self.name)


@dataclass(frozen=True)
class Entry:
    """One schedule as a scheduler has it. ``text``: all that it was told, to be compared; ``state``: what it says of it."""

    key: str
    text: str
    state: str = ""


class Scheduler:
    """One scheduler of this host. All methods raise ScheduleError when it refuses."""

    name = ""

    def __init__(self, state_dir: str, account: t.Optional[str] = None) -> None:
        """``account``: who is to run the operations, where a scheduler can choose."""
        self.state_dir = state_dir
        self.account = account

    @classmethod
    def is_available(cls) -> bool:
        """Whether this host has it, running."""
        raise NotImplementedError

    def entries(self) -> t.Dict[str, Entry]:
        """Our entries, by key. Others' are never read further than to see that they are not ours."""
        raise NotImplementedError

    def entry(self, planned: Planned) -> Entry:
        """What ``planned`` would look like. Raises ConfigurationError for what this scheduler cannot do."""
        raise NotImplementedError

    def apply(self, planned: t.Sequence[Planned]) -> None:
        """Make our entries exactly these; an empty list removes everything of ours."""
        raise NotImplementedError

    def start(self, planned: Planned) -> None:
        """Run one entry now, as the scheduler would, and wait for its end. How it ended is in the record (record.py)."""
        raise NotImplementedError
