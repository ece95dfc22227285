# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for people: sizes, times, tables, colours, names made safe to show."""

from __future__ import annotations

import datetime
import typing as t

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}


class Cell(t.NamedTuple):
    """A cell of a table that is painted where colours are shown."""

    text: str
    colour: str


def size(count: t.Optional[int]) -> str:
    """Bytes for people: ``1.4 GiB``; always at most three digits. Nothing for what is not known."""
    if count is None:
        return ""
    if count < 1000:
        return "%d B" % count
    value, power = float(count), 0
    while (value >= 999.5 or not power) and power < len(_UNITS):
        value /= 1024
        power += 1
    unit = _UNITS[power - 1]
    return ("%.1f %s" if value < 99.95 else "%.0f %s") % (value, unit)


def number(count: int) -> str:
    """A count with its thousands apart: ``1,204,511``."""
    return "{:,}".format(count)


def plural(count: int, noun: str, several: str = "") -> str:
    """``1 file``, ``1,204 files``; ``several`` where an s does not do."""
    return "%s %s" % (number(count), noun if count == 1 else several or noun + "s")


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 12 s``, ``2 h 05 min``, ``3 d 04 h``."""
    if seconds < 9.95:
        return "%.1f s" % max(seconds, 0.0)
    whole = round(seconds)
    if whole < 60:
        return "%d s" % whole
    if whole < 3600:
        return "%d min %02d s" % divmod(whole, 60)
    if whole < 86400:
        return "%d h %02d min" % divmod(whole // 60, 60)
    return "%d d %02d h" % divmod(whole // 3600, 24)


def clock(seconds: float) -> str:
    """``0:07``, ``12:34``, ``1:02:03``."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return "%d:%02d:%02d" % (hours, minutes, rest) if hours else "%d:%02d" % (minutes, rest)


def span(seconds: float) -> str:
    """How long, roughly: ``42 s``, ``5 min``, ``26 h``, ``12 d``; an age below zero (a clock is wrong) has its sign."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    for unit, length, limit in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < length * limit:
            return "%s%d %s" % (sign, seconds // length, unit)
    return "%s%d d" % (sign, seconds // 86400)


def local_time(moment: datetime.datetime) -> str:
    """A moment in the host's time zone, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def safe(text: str) -> str:
    """``text`` on one line, all escaped that could act on a terminal: control characters, direction marks, odd bytes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def paint(text: str, colour: str) -> str:
    return "\x1b[%sm%s\x1b[0m" % (_COLOURS[colour], text)


def table(
    headers: t.Sequence[str],
    rows: t.Iterable[t.Sequence[t.Union[str, Cell]]],
    right: t.Container[str] = (),
    colours: bool = False,
) -> t.List[str]:
    """Lines of an aligned table. ``right`` names the headers whose columns are numbers; cells are made safe to show."""
    lines = [[Cell(header, "bold") for header in headers]]
    for row in rows:
        cells = (cell if isinstance(cell, Cell) else Cell(cell, "") for cell in row)
        lines.append([Cell(safe(text), colour) for text, colour in cells])
    widths = [max(len(line[n].text) for line in lines) for n in range(len(headers))]
    return [_line(line, headers, widths, right, colours) for line in lines]


def _line(
    cells: t.Sequence[Cell], headers: t.Sequence[str], widths: t.Sequence[int], right: t.Container[str], colours: bool
) -> str:
    parts = []
    for (text, colour), header, width in zip(cells, headers, widths):
        gap = " " * (width - len(text))
        painted = paint(text, colour) if colours and colour and text else text
        parts.append(gap + painted if header in right else painted + gap)
    return "  ".join(parts).rstrip()
