# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows Task Scheduler: tasks in a folder of our own, described in its XML (MS-TSCH 2.5, Task Scheduler Schema 1.2).

Registered by ``schtasks``. Windows changes what it is given, so what it was told is kept in ``<state_dir>/tasks``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import typing as t
from xml.sax.saxutils import escape

from ..errors import ConfigurationError, ScheduleError
from ..private import private_folder
from ..process import run
from ..replacement import Replacement
from ..system import IS_WINDOWS
from . import Entry, Planned, Scheduler
from .calendar import Calendar
from .options import WEEKDAYS
from .record import Record

_FOLDER = "\\fleet-backup\\"
# The schema allows 48 triggers.
_TRIGGERS = 48
_DAY = 24 * 60
# How long a run that was started to be tried is waited for, in seconds.
_PATIENCE = 3600
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Author>fleet-backup</Author>
    <Description>{title}</Description>
  </RegistrationInfo>
  <Triggers>
{triggers}  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
{logon}      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""

_TRIGGER = """\
    <CalendarTrigger>
      <StartBoundary>2024-01-01T{hour:02d}:{minute:02d}:00</StartBoundary>
{repetition}{days}    </CalendarTrigger>
"""


# All day long, from the first time of the day on.
_REPETITION = """\
      <Repetition>
        <Interval>PT{minutes}M</Interval>
        <Duration>P1D</Duration>
      </Repetition>
"""

_SYSTEM = "S-1-5-18"


class TaskScheduler(Scheduler):
    """See the module."""

    name = "task_scheduler"

    @classmethod
    def is_available(cls) -> bool:
        return IS_WINDOWS and shutil.which("schtasks") is not None

    def entries(self) -> t.Dict[str, Entry]:
        found = {}
        for name in self._kept():
            state = "active" if self._schtasks("/Query", "/TN", _task(name)).succeeded else "missing"
            with open(self._path(name), encoding="utf-16") as file:
                found[name] = Entry(name, file.read(), state)
        return found

    def entry(self, planned: Planned) -> Entry:
        if planned.timezone is not None:
            raise ConfigurationError(
                "job %s, schedule %s: Task Scheduler knows only the host's time zone; leave out timezone"
                % (planned.job, planned.name)
            )
        return Entry(planned.key, task_xml(planned, self.account))

    def apply(self, planned: t.Sequence[Planned]) -> None:
        there = self.entries()
        wanted = {one.key: self.entry(one).text for one in planned}
        for key in sorted(set(there) - set(wanted)):
            if there[key].state == "active":
                self._schtasks("/Delete", "/TN", _task(key), "/F").check("the task cannot be removed", ScheduleError)
            os.unlink(self._path(key))
        for key, text in wanted.items():
            if key in there and there[key].text == text and there[key].state == "active":
                continue
            path = self._path(key)
            private_folder(os.path.dirname(path))
            with Replacement(path, 0o600) as new:
                new.write(text.encode("utf-16"))
                new.commit()
            made = self._schtasks("/Create", "/TN", _task(key), "/XML", path, "/F")
            made.check("the task %s cannot be registered" % key, ScheduleError)

    def start(self, planned: Planned) -> None:
        record = Record(self.state_dir)
        before = record.runs().get(planned.key, {}).get("started")
        self._schtasks("/Run", "/TN", _task(planned.key)).check("the task cannot be started", ScheduleError)
        # It does not tell when it ends; the run itself does.
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            run = record.runs().get(planned.key, {})
            if run.get("started") != before and run.get("ended") is not None:
                return
            time.sleep(1)
        raise ScheduleError("Task Scheduler has started it, and it did not end within %d minutes" % (_PATIENCE // 60))

    def _kept(self) -> t.List[str]:
        try:
            names = os.listdir(os.path.join(self.state_dir, "tasks"))
        except FileNotFoundError:
            return []
        return sorted(name[: -len(".xml")] for name in names if name.endswith(".xml"))

    def _path(self, name: str) -> str:
        return os.path.join(self.state_dir, "tasks", name + ".xml")

    def _schtasks(self, *words: str) -> t.Any:
        return run(["schtasks", *words], timeout=120)


def task_xml(planned: Planned, account: t.Optional[str] = None) -> str:
    """The description of the task, run by SYSTEM or by ``account``. Raises ConfigurationError: it needs too many triggers."""
    triggers = list(_triggers(planned.calendar))
    if len(triggers) > _TRIGGERS:
        raise ConfigurationError(
            "job %s, schedule %s: Task Scheduler allows %d times a day, not %d; use every with a longer period"
            % (planned.job, planned.name, _TRIGGERS, len(triggers))
        )
    return _TASK.format(
        title=escape(planned.title),
        user=escape(account or _SYSTEM),
        logon="      <LogonType>%s</LogonType>\n" % _logon(account) if account else "",
        triggers="".join(triggers),
        command=escape(planned.command[0]),
        arguments=escape(subprocess.list2cmdline(planned.command[1:])),
    )


def _logon(account: str) -> str:
    """How an account is let in without a password that somebody would have to keep.

    The password of a group managed service account, whose name ends with a dollar, is known to Windows itself. Any other account
    is taken at its word (service for user); it then reaches nothing that would ask for its password, such as a network share.
    """
    return "Password" if account.endswith("$") else "S4U"


def _triggers(calendar: Calendar) -> t.Iterator[str]:
    times = [hour * 60 + minute for hour in calendar.hours for minute in calendar.minutes]
    steps = {after - before for before, after in zip(times, [*times[1:], times[0] + _DAY])}
    if len(times) > 1 and len(steps) == 1:
        repetition = _REPETITION.format(minutes=steps.pop())
        for days in _days(calendar):
            yield _TRIGGER.format(hour=calendar.hours[0], minute=calendar.minutes[0], repetition=repetition, days=days)
        return
    for hour in calendar.hours:
        for minute in calendar.minutes:
            for days in _days(calendar):
                yield _TRIGGER.format(hour=hour, minute=minute, repetition="", days=days)


def _days(calendar: Calendar) -> t.Iterator[str]:
    """What days it is due on; two where days of the month and weekdays are both restricted: cron means or."""
    any_month = len(calendar.months) == 12
    if calendar.any_day and calendar.any_weekday and any_month:
        yield "      <ScheduleByDay>\n        <DaysInterval>1</DaysInterval>\n      </ScheduleByDay>\n"
        return
    if not calendar.any_weekday:
        days = "".join("          <%s />\n" % WEEKDAYS[n].capitalize() for n in calendar.weekdays)
        if any_month:
            yield (
                "      <ScheduleByWeek>\n        <DaysOfWeek>\n%s        </DaysOfWeek>\n"
                "        <WeeksInterval>1</WeeksInterval>\n      </ScheduleByWeek>\n" % days
            )
        else:
            weeks = "".join("          <Week>%s</Week>\n" % week for week in ("1", "2", "3", "4", "Last"))
            yield (
                "      <ScheduleByMonthDayOfWeek>\n        <Weeks>\n%s        </Weeks>\n        <DaysOfWeek>\n%s"
                "        </DaysOfWeek>\n%s      </ScheduleByMonthDayOfWeek>\n" % (weeks, days, _months(calendar))
            )
    if not calendar.any_day or (calendar.any_weekday and not any_month):
        days = "".join("          <Day>%d</Day>\n" % day for day in calendar.days)
        yield (
            "      <ScheduleByMonth>\n        <DaysOfMonth>\n%s        </DaysOfMonth>\n%s      </ScheduleByMonth>\n"
            % (days, _months(calendar))
        )


def _months(calendar: Calendar) -> str:
    return "        <Months>\n%s        </Months>\n" % "".join("          <%s />\n" % _MONTHS[n - 1] for n in calendar.months)


def _task(name: str) -> str:
    return _FOLDER + name
