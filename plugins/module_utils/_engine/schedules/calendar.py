# SPDX-License-Identifier: GPL-3.0-or-later
"""When a schedule is due, as the five fields of crontab(5): every other way to say it is turned into these."""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass

from .options import WEEKDAYS

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_DAY = 24 * 60

# A day that comes only every four years, and never at the turn of some centuries, is found within this.
_YEARS = 8


@dataclass(frozen=True)
class Calendar:
    """The minutes, hours, days of the month, months and weekdays (0: Sunday) that count, each sorted.

    As in cron, a time is due when its day of the month *or* its weekday counts, if both are restricted.
    """

    minutes: t.Tuple[int, ...]
    hours: t.Tuple[int, ...]
    days: t.Tuple[int, ...]
    months: t.Tuple[int, ...]
    weekdays: t.Tuple[int, ...]

    @property
    def any_day(self) -> bool:
        return len(self.days) == 31

    @property
    def any_weekday(self) -> bool:
        return len(self.weekdays) == 7

    def counts(self, day: datetime.date) -> bool:
        """Whether it is due on this day."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def after(self, moment: datetime.datetime) -> t.Optional[datetime.datetime]:
        """The first due time after ``moment``, in its time zone; None when there is none for years."""
        return self._search(moment, 1)

    def before(self, moment: datetime.datetime) -> t.Optional[datetime.datetime]:
        """The last due time before or at ``moment``, in its time zone."""
        return self._search(moment, -1)

    def _search(self, moment: datetime.datetime, step: int) -> t.Optional[datetime.datetime]:
        times = [datetime.time(hour, minute) for hour in self.hours for minute in self.minutes][::step]
        day = moment.date()
        for _day in range(_YEARS * 366):
            if self.counts(day):
                for time in times:
                    due = datetime.datetime.combine(day, time, moment.tzinfo)
                    if due > moment if step > 0 else due <= moment:
                        return due
            day += datetime.timedelta(days=step)
        return None

    def crontab(self) -> str:
        """The five fields, as crontab(5) has them."""
        fields = ((self.minutes, 0, 59), (self.hours, 0, 23), (self.days, 1, 31), (self.months, 1, 12), (self.weekdays, 0, 6))
        return " ".join(_field(*field) for field in fields)


def from_cron(text: str) -> Calendar:
    """Parse five fields, or ``@daily`` and its like. Raises ValueError, which says what is wrong."""
    words = _SHORTHANDS.get(text.strip().lower(), text).split()
    if len(words) != 5:
        raise ValueError("%r must be minute, hour, day of month, month and weekday, such as 30 2 * * 1-5" % text)
    minutes, hours = _parse(words[0], 0, 59, "minute"), _parse(words[1], 0, 23, "hour")
    days, months = _parse(words[2], 1, 31, "day of the month"), _parse(words[3], 1, 12, "month", _MONTHS)
    weekdays = _parse(words[4], 0, 7, "weekday", tuple(name[:3] for name in WEEKDAYS), first=0)
    calendar = Calendar(minutes, hours, days, months, tuple(sorted({n % 7 for n in weekdays})))
    if calendar.after(datetime.datetime(2024, 1, 1)) is None:
        raise ValueError("%r never comes" % text)
    return calendar


def at(time: t.Tuple[int, int], offset: int, weekdays: t.Sequence[str], day: t.Optional[int]) -> Calendar:
    """Due at an hour and minute, ``offset`` minutes later, on these weekdays or that day of each month, else every day.

    Where the offset leads past midnight the next weekday counts; a day of the month is never left.
    """
    minute = time[0] * 60 + time[1]
    if day is not None:
        offset = min(offset, _DAY - 1 - minute)
    minute += offset
    shift, minute = divmod(minute, _DAY)
    numbers = sorted({(WEEKDAYS.index(name) + shift) % 7 for name in weekdays}) if weekdays else range(7)
    days = (day,) if day is not None else tuple(range(1, 32))
    return Calendar((minute % 60,), (minute // 60,), days, tuple(range(1, 13)), tuple(numbers))


def every(minutes: int, offset: int) -> Calendar:
    """Due every so many minutes from midnight on, ``offset`` late. Raises ValueError for a period that no day is made of."""
    if not 1 <= minutes <= _DAY or _DAY % minutes or (minutes < 60 and 60 % minutes) or (minutes > 60 and minutes % 60):
        raise ValueError(
            "must be minutes that an hour is made of (5m, 15m, 30m) or hours that a day is made of (1h, 2h, 3h, 4h, 6h,"
            " 8h, 12h, 24h); use at or cron for anything else"
        )
    offset %= minutes
    if minutes < 60:
        return Calendar(tuple(range(offset, 60, minutes)), tuple(range(24)), *_EVERY_DAY)
    return Calendar((offset % 60,), tuple(range(offset // 60, 24, minutes // 60)), *_EVERY_DAY)


_EVERY_DAY = (tuple(range(1, 32)), tuple(range(1, 13)), tuple(range(7)))


def _parse(
    text: str, low: int, high: int, what: str, names: t.Sequence[str] = (), first: int = 1
) -> t.Tuple[int, ...]:  # fmt: skip
    found: t.Set[int] = set()
    for part in text.lower().split(","):
        base, _slash, step_text = part.partition("/")
        start_text, dash, end_text = base.partition("-")
        try:
            step = int(step_text) if _slash else 1
            if base == "*":
                start, end = low, high
            else:
                start = _number(start_text, names, first)
                end = _number(end_text, names, first) if dash else high if _slash else start
        except ValueError:
            raise ValueError("%r is no %s" % (part, what)) from None
        if step < 1 or not low <= start <= end <= high:
            raise ValueError("%r is no %s: those are %d to %d" % (part, what, low, high))
        found.update(range(start, end + 1, step))
    return tuple(sorted(found))


def _number(text: str, names: t.Sequence[str], first: int) -> int:
    if text[:3] in names:
        return names.index(text[:3]) + first
    if not text.isascii():
        raise ValueError
    return int(text)


def _field(values: t.Sequence[int], low: int, high: int) -> str:
    if len(values) == high - low + 1:
        return "*"
    steps = {after - before for before, after in zip(values, values[1:])}
    if len(steps) == 1 and len(values) > 2:
        (step,) = steps
        if values[0] < low + step and values[-1] + step > high:
            return "%s/%d" % ("*" if values[0] == low else "%d-%d" % (values[0], high), step)
    return ",".join(map(str, values))
