# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd timers (systemd.timer(5), systemd.exec(5)): the system's for root, else the user's own.

A timer and a service for each schedule, and one service that tells when a run was killed. Missed runs are caught up.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ..credentials import unit_lines
from ..errors import ScheduleError
from ..process import Finished, run
from ..replacement import Replacement
from ..system import current_user, is_superuser
from . import Entry, Planned, Scheduler
from .calendar import Calendar

_PREFIX = "fleet-backup-"
_FAILED = "fleet-backup-failed@"
_MARK = "# Written by fleet-backup schedule; changes are lost.\n"
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")

_SERVICE = """\
[Unit]
Description={title}
Wants=network-online.target
After=network-online.target
OnFailure={failed}{key}.service

[Service]
Type=oneshot
ExecStart={command}
{credentials}# 3: it succeeded, with warnings.
SuccessExitStatus=3
TimeoutStartSec=infinity
KillMode=mixed
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
{hardening}"""

# What reads everything and may write to any store cannot be locked in further.
_HARDENING = """\
ProtectSystem=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
NoNewPrivileges=yes
SystemCallArchitectures=native
"""

_TIMER = """\
[Unit]
Description={title}

[Timer]
{when}AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
"""

_FAILED_SERVICE = """\
[Unit]
Description=Tell that a run of fleet-backup was killed

[Service]
Type=oneshot
ExecStart={command}
{credentials}"""


class SystemdScheduler(Scheduler):
    """See the module."""

    name = "systemd"

    @classmethod
    def is_available(cls) -> bool:
        if shutil.which("systemctl") is None or not os.path.isdir("/run/systemd/system"):
            return False
        return is_superuser() or os.path.isdir("/run/user/%s/systemd" % current_user()[0])

    def entries(self) -> t.Dict[str, Entry]:
        found = {}
        for name in self._ours():
            base, ending = os.path.splitext(name)
            if ending == ".timer":
                service = self._read(base + ".service")
                timer = self._read(name)
                found[base[len(_PREFIX) :]] = Entry(base[len(_PREFIX) :], service + timer, self._state(name))
        return found

    def entry(self, planned: Planned) -> Entry:
        files = self._files(planned)
        return Entry(planned.key, files[_unit(planned.key, "service")] + files[_unit(planned.key, "timer")])

    def apply(self, planned: t.Sequence[Planned]) -> None:
        wanted: t.Dict[str, str] = {}
        for one in planned:
            wanted.update(self._files(one))
        if planned:
            wanted[_FAILED + ".service"] = self._failed(planned)
        there = {name: self._read(name) for name in self._ours()}
        gone = sorted(set(there) - set(wanted))
        timers = [name for name in gone if name.endswith(".timer")]
        if timers:
            self._systemctl("disable", "--now", *timers)
            # When it last ran: a timer of the same name that comes later has missed nothing. Before systemd 244 that stays.
            self._run("clean", "--what=state", *timers)
        for name in gone:
            os.unlink(os.path.join(self._folder, name))
        changed = sorted(name for name, text in wanted.items() if there.get(name) != text)
        for name in changed:
            self._write(name, wanted[name])
        if gone or changed:
            self._systemctl("daemon-reload")
        timers = [name for name in wanted if name.endswith(".timer")]
        idle = [name for name in timers if self._state(name) != "active"]
        if idle:
            self._systemctl("enable", "--now", *idle)
        # A timer that runs already goes by its new times only when it is started again.
        moved = [name for name in changed if name in timers and name not in idle]
        if moved:
            self._systemctl("restart", *moved)

    def start(self, planned: Planned) -> None:
        # Of a service that runs once and ends, it waits for the end; that one failed is in the record.
        self._run("start", _unit(planned.key, "service"), timeout=None)

    @property
    def _folder(self) -> str:
        if is_superuser():
            return "/etc/systemd/system"
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        return os.path.join(base, "systemd", "user")

    def _files(self, planned: Planned) -> t.Dict[str, str]:
        title = planned.title.replace("%", "%%")
        service = _SERVICE.format(
            title=title, failed=_FAILED, key=planned.key, command=_command(planned.command),
            credentials=_credentials(planned.credentials), hardening=_HARDENING if is_superuser() else "",
        )  # fmt: skip
        when = "".join("OnCalendar=%s\n" % text for text in on_calendar(planned.calendar, planned.timezone))
        return {
            _unit(planned.key, "service"): _MARK + service,
            _unit(planned.key, "timer"): _MARK + _TIMER.format(title=title, when=when),
        }

    def _failed(self, planned: t.Sequence[Planned]) -> str:
        """The one that tells for all of them, and so needs what any of them needs."""
        words = planned[0].command
        command = _command([*words[: words.index("schedule")], "schedule", "killed"]) + " %i"
        names = frozenset().union(*(one.credentials for one in planned))
        return _MARK + _FAILED_SERVICE.format(command=command, credentials=_credentials(names))

    def _ours(self) -> t.List[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ScheduleError("%s: cannot be read: %s" % (self._folder, error.strerror)) from None
        return sorted(
            name
            for name in names
            if name.startswith(_PREFIX) and name.endswith((".service", ".timer")) and self._read(name).startswith(_MARK)
        )

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._folder, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def _write(self, name: str, text: str) -> None:
        path = os.path.join(self._folder, name)
        try:
            os.makedirs(self._folder, exist_ok=True)
            with Replacement(path, 0o644) as new:
                new.write(text.encode("utf-8"))
                new.commit()
        except OSError as error:
            raise ScheduleError("%s: cannot be written: %s" % (path, error.strerror)) from None

    def _state(self, unit: str) -> str:
        return self._run("is-active", unit).stdout.decode("ascii", "replace").strip()

    def _systemctl(self, *words: str) -> None:
        self._run(*words).check("systemctl %s" % words[0], ScheduleError)

    def _run(self, *words: str, timeout: t.Optional[float] = 120) -> Finished:
        return run(["systemctl", *([] if is_superuser() else ["--user"]), *words], timeout=timeout)


def on_calendar(calendar: Calendar, timezone: t.Optional[str]) -> t.List[str]:
    """Calendar events as systemd.time(7) writes them: two when days of the month and weekdays both count, for cron means or."""
    time = "%s:%s:00" % (_list(calendar.hours, 24, "%02d"), _list(calendar.minutes, 60, "%02d"))
    months = _list(calendar.months, 12, "%02d")
    days = _list(calendar.days, 31, "%02d")
    weekdays = "" if calendar.any_weekday else ",".join(_DAYS[n] for n in calendar.weekdays) + " "
    zone = " " + timezone if timezone else ""
    if calendar.any_day or calendar.any_weekday:
        return ["%s*-%s-%s %s%s" % (weekdays, months, days, time, zone)]
    return ["*-%s-%s %s%s" % (months, days, time, zone), "%s*-%s-* %s%s" % (weekdays, months, time, zone)]


def _list(values: t.Sequence[int], all_of_them: int, form: str) -> str:
    return "*" if len(values) == all_of_them else ",".join(form % value for value in values)


def _credentials(names: t.Iterable[str]) -> str:
    """What only the system's services can load: the folders are root's."""
    return unit_lines(names) if is_superuser() else ""


def _unit(key: str, ending: str) -> str:
    return "%s%s.%s" % (_PREFIX, key, ending)


def _command(words: t.Sequence[str]) -> str:
    """A command line as systemd.service(5) reads it."""
    quoted = []
    for word in words:
        escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
        quoted.append('"%s"' % escaped if escaped != word or not word or any(c.isspace() or c in "';" for c in word) else word)
    return " ".join(quoted)
