# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as people write them: ``2026-11-22``, ``2026-11-22T14:30+01:00``, ``yesterday``, ``2h``."""

from __future__ import annotations

import datetime
import re
import typing as t

from .errors import ConfigurationError
from .options import seconds
from .result import utc_now

# ISO 8601, the extended and the basic form; date and time may also be parted by a space.
_ISO = re.compile(
    r"(\d{4})(-?)(\d\d)\2(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?\Z", re.IGNORECASE
)
_AGO = re.compile(r"(\d+\s*[smhdw])(?:\s+ago)?\Z")
_DAYS = {"today": 0, "yesterday": 1}

EXAMPLES = "2026-11-22, 2026-11-22T14:30 (a zone such as Z or +01:00 may follow), now, today, yesterday, 90m, 2h or 3d (ago)"


def parse_moment(text: str, timezone: t.Optional[str] = None, now: t.Optional[datetime.datetime] = None) -> datetime.datetime:
    """Return the moment that ``text`` means, in UTC.

    What is written is meant up to its last instant: ``2026-11-22`` and ``yesterday`` are the end of that day, ``14:30`` is the
    end of that minute; so that the newest backup until then is the one that a person means by it. Without a zone it is a time
    in ``timezone`` (an IANA name) or, without that, in the host's zone.
    Raises ConfigurationError, also for a moment that has not begun yet.
    """
    now = now or utc_now()
    try:
        begin, length = _parse(text.strip(), timezone, now)
        end = begin + length - datetime.timedelta(microseconds=1) if length else begin
        # An hour that the clocks show twice: the later one, unless that is still to come.
        for fold in (1, 0):
            if _in_utc(begin, timezone, fold) <= now:
                return _in_utc(end, timezone, fold)
    except (ValueError, OverflowError, OSError):
        raise ConfigurationError(
            "%r is no time that can be understood; write it like one of these: %s" % (text, EXAMPLES)
        ) from None
    raise ConfigurationError("%r lies in the future; it is now %s" % (text, now.strftime("%Y-%m-%dT%H:%M:%SZ")))


def _parse(text: str, timezone: t.Optional[str], now: datetime.datetime) -> t.Tuple[datetime.datetime, datetime.timedelta]:
    """Return the beginning (without a zone: a local time) and the length of what was written. Raises ValueError."""
    instant = datetime.timedelta(0)
    if text == "now":
        return now, instant
    found = _AGO.match(text)
    if found:
        return now - datetime.timedelta(seconds=seconds(found.group(1))), instant
    if text in _DAYS:
        today = _zoned(now, timezone).date()
        day = today - datetime.timedelta(days=_DAYS[text])
        return datetime.datetime(day.year, day.month, day.day), datetime.timedelta(days=1)
    found = _ISO.match(text)
    if not found:
        raise ValueError(text)
    return _iso(found)


def _iso(found: t.Match[str]) -> t.Tuple[datetime.datetime, datetime.timedelta]:
    year, _dash, month, day, hour, minute, second, fraction, zone = found.groups()
    date = datetime.datetime(int(year), int(month), int(day))
    if hour is None:
        return date, datetime.timedelta(days=1)
    length = datetime.timedelta(minutes=1)
    if second is not None:
        length = datetime.timedelta(seconds=1)
    moment = date.replace(hour=int(hour), minute=int(minute), second=int(second or 0))
    if fraction is not None:
        moment = moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        # Results and manifests tell milliseconds; what lies behind them is not known.
        length = datetime.timedelta(microseconds=max(10 ** (6 - len(fraction)), 1))
    return (moment.replace(tzinfo=_offset(zone)) if zone else moment), length


def _offset(zone: str) -> datetime.timezone:
    if zone in "Zz":
        return datetime.timezone.utc
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return datetime.timezone(-offset if zone[0] == "-" else offset)


def _zoned(moment: datetime.datetime, timezone: t.Optional[str]) -> datetime.datetime:
    if timezone is None:
        return moment.astimezone()
    from .zones import zone

    return moment.astimezone(zone(timezone))


def _in_utc(moment: datetime.datetime, timezone: t.Optional[str], fold: int) -> datetime.datetime:
    if moment.tzinfo is None:
        moment = moment.replace(fold=fold)
        if timezone is not None:
            from .zones import zone

            moment = moment.replace(tzinfo=zone(timezone))
    return moment.astimezone(datetime.timezone.utc)
