# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a person at a terminal. Every one can be left: with ``q`` or Ctrl-D."""

from __future__ import annotations

import typing as t

from .console import Console, EndOfInput
from .output import safe


class Left(Exception):
    """The person does not want to answer: back to where they came from."""


def ask(console: Console, question: str) -> str:
    """The answer to a question; may be empty. Raises Left."""
    try:
        answer = console.ask(question)
    except EndOfInput:
        raise Left from None
    if answer.lower() in ("q", "quit", "exit"):
        raise Left
    return answer


def needed(console: Console, question: str) -> str:
    """The same, asked until something is said."""
    while True:
        answer = ask(console, question)
        if answer:
            return answer


def yes(console: Console, question: str) -> bool:
    """Whether the answer is yes, which is what Enter means. Raises Left."""
    return ask(console, "%s (Enter for yes, n for no): " % question).lower() in ("", "y", "yes")


def pick(console: Console, title: str, items: t.Sequence[str], default: t.Optional[int] = None) -> int:
    """Let one of ``items`` be chosen by its number; return its position. ``default`` is what Enter chooses. Raises Left."""
    _offer(console, title, items)
    hint = "1 to %d, q to leave" % len(items)
    if default is not None:
        hint += ", Enter for %d" % (default + 1)
    while True:
        answer = ask(console, "number (%s): " % hint)
        if not answer and default is not None:
            return default
        found = _position(answer, len(items))
        if found is not None:
            return found
        console.tell("%s is none of the numbers" % (repr(answer) if answer else "that"))


def pick_some(console: Console, title: str, items: t.Sequence[str]) -> t.List[int]:
    """Let several be chosen by their numbers; Enter chooses all. Returns their positions, in order. Raises Left."""
    _offer(console, title, items)
    while True:
        answer = ask(console, "numbers, such as 1,3 (q to leave, Enter for all): ")
        words = answer.replace(",", " ").split()
        found = [_position(word, len(items)) for word in words]
        if None not in found:
            chosen = {position for position in found if position is not None}
            return sorted(chosen) or list(range(len(items)))
        console.tell("%r is no list of these numbers" % answer)


def confirm(console: Console, question: str, words: t.Sequence[str]) -> bool:
    """True when one of ``words`` is typed in full; anything else is a no. Raises Left."""
    return ask(console, question) in words


def _offer(console: Console, title: str, items: t.Sequence[str]) -> None:
    console.tell()
    console.tell(title)
    width = len(str(len(items)))
    for n, item in enumerate(items, 1):
        console.tell("  %*d  %s" % (width, n, safe(item)))


def _position(answer: str, count: int) -> t.Optional[int]:
    if answer.isascii() and answer.isdigit() and 1 <= int(answer[:9]) <= count:
        return int(answer) - 1
    return None
