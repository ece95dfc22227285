# SPDX-License-Identifier: GPL-3.0-or-later
"""cron: a file of our own in ``/etc/cron.d``, or our lines in a user's crontab between two marks (crontab(5)).

cron forgets what was missed while the host was off; so one entry more, every hour, runs what is overdue.
"""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import typing as t

from ..errors import ConfigurationError, ScheduleError
from ..process import run
from ..replacement import Replacement
from ..system import IS_WINDOWS, is_superuser
from ..zones import zone
from . import Entry, Planned, Scheduler

FILE = "/etc/cron.d/fleet-backup"

_BEGIN, _END = "# BEGIN fleet-backup: written by fleet-backup schedule, changes are lost", "# END fleet-backup"
_CATCH_UP = "catch-up"


class CronScheduler(Scheduler):
    """See the module. Commands get their output mailed by cron only when they have something to tell (``--quiet``)."""

    name = "cron"

    @classmethod
    def is_available(cls) -> bool:
        if IS_WINDOWS:
            return False
        return os.path.isdir(os.path.dirname(FILE)) if is_superuser() else shutil.which("crontab") is not None

    def entries(self) -> t.Dict[str, Entry]:
        found = {}
        lines = _block(self._read())
        for mark, line in zip(lines, lines[1:]):
            if mark.startswith("# ") and not line.startswith("#"):
                key = mark[2:].split(" ")[0]
                found[key] = Entry(key, line)
        found.pop(_CATCH_UP, None)
        return found

    def entry(self, planned: Planned) -> Entry:
        if planned.timezone is not None and not _is_local(planned.timezone):
            raise ConfigurationError(
                "job %s, schedule %s: cron knows only the host's time zone, not %s; use systemd, or leave out timezone"
                % (planned.job, planned.name, planned.timezone)
            )
        return Entry(planned.key, self._line(planned.calendar.crontab(), planned.command))

    def apply(self, planned: t.Sequence[Planned]) -> None:
        lines = []
        for one in planned:
            lines += ["# %s  %s" % (one.key, one.title), self.entry(one).text]
        if planned:
            # Not at the full hour, when everybody's jobs run.
            program = [*planned[0].command[: planned[0].command.index("schedule")], "schedule", "catch-up", "--quiet"]
            lines += ["# %s  runs what was missed" % _CATCH_UP, self._line("17 * * * *", program)]
        text = self._read()
        kept = _without_block(text)
        new = "\n".join([*kept, *([_BEGIN, *lines, _END] if lines else [])])
        if new.strip() != text.strip():
            self._write(new + "\n" if new.strip() else "")

    def start(self, planned: Planned) -> None:
        # cron starts nothing at once, so this does, with as little around it as cron gives (crontab(5)).
        run(["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", *planned.command])

    def _line(self, when: str, command: t.Sequence[str]) -> str:
        # cron takes % for a newline.
        shell = " ".join(shlex.quote(word).replace("%", "\\%") for word in command)
        return "%s %s%s" % (when, "root " if is_superuser() else "", shell)

    def _read(self) -> str:
        if is_superuser():
            try:
                with open(FILE, encoding="utf-8", errors="surrogateescape") as file:
                    return file.read()
            except FileNotFoundError:
                return ""
            except OSError as error:
                raise ScheduleError("%s: cannot be read: %s" % (FILE, error.strerror)) from None
        listed = run(["crontab", "-l"], env={"LC_ALL": "C"}, timeout=60)
        if not listed.succeeded and b"no crontab for" not in listed.stderr:
            listed.check("the crontab cannot be read", ScheduleError)
        return listed.stdout.decode("utf-8", "surrogateescape") if listed.succeeded else ""

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        if not is_superuser():
            # "crontab -" replaces in one step; a file that it refuses changes nothing.
            run(["crontab", "-"], stdin=data, timeout=60).check("the crontab cannot be written", ScheduleError)
            return
        try:
            if not text:
                os.unlink(FILE)
                return
            with Replacement(FILE, 0o644) as new:
                new.write(data)
                new.commit()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ScheduleError("%s: cannot be written: %s" % (FILE, error.strerror)) from None


def _block(text: str) -> t.List[str]:
    lines = text.splitlines()
    if _BEGIN not in lines or _END not in lines:
        return []
    return lines[lines.index(_BEGIN) + 1 : lines.index(_END)]


def _without_block(text: str) -> t.List[str]:
    lines = text.splitlines()
    if _BEGIN not in lines:
        return lines
    if _END not in lines:
        raise ScheduleError("the crontab has the line %r without %r; put that where our lines end" % (_BEGIN, _END))
    return lines[: lines.index(_BEGIN)] + lines[lines.index(_END) + 1 :]


def _is_local(timezone: str) -> bool:
    """Whether a zone's clocks go as the host's, this year."""
    year = datetime.datetime.now().year
    moments = [datetime.datetime(year, month, 15, 12) for month in range(1, 13)]
    return all(m.astimezone().utcoffset() == m.replace(tzinfo=zone(timezone)).utcoffset() for m in moments)
