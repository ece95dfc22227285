# SPDX-License-Identifier: GPL-3.0-or-later
"""The three streams of a command: results on stdout, notes, progress and questions on stderr, answers from stdin."""

from __future__ import annotations

import os
import sys
import typing as t

from ..progress import SILENT, Progress


class EndOfInput(Exception):
    """Nobody is there to answer: the input ended (Ctrl-D)."""


class OutputLostError(Exception):
    """stdout cannot take what was to be written; the text says why."""


class Console:
    """Where a command writes to and asks at.

    ``json``: stdout carries one JSON document and nothing else. ``quiet``: no progress. ``verbose``: details too.
    """

    def __init__(self, json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self._out = _usable(sys.stdout, 1)
        self._err = _usable(sys.stderr, 2)
        self.colours = not json and _shows_colours(self._out)
        #: Somebody can read a question and answer it.
        self.interactive = bool(sys.stdin) and sys.stdin.isatty() and self._err.isatty()

    def lines(self, lines: t.Iterable[str]) -> None:
        """Write lines of a result to stdout. Raises OutputLostError; a reader that has seen enough (``| head``) is no error."""
        try:
            for line in lines:
                self._out.write(line + "\n")
            self._out.flush()
        except BrokenPipeError:
            self._out = _nowhere(1)
        except (OSError, ValueError) as error:
            self._out = _nowhere(1)
            raise OutputLostError("stdout cannot be written to: %s" % error) from None

    def line(self, text: str = "") -> None:
        self.lines([text])

    def document(self, value: t.Any) -> None:
        """Write the one JSON document. It is pure ASCII, so that no console's encoding can break it."""
        import json

        self.line(json.dumps(value, indent=2))

    def long_document(self, name: str, rows: t.Iterable[t.Any], rest: t.Callable[[], t.Dict[str, t.Any]]) -> None:
        """Write an object that begins with a long list, one row a line, as it comes; ``rest()`` is asked for afterwards."""
        import json

        def lines() -> t.Iterator[str]:
            yield '{"%s": [' % name
            before = ""
            for row in rows:
                if before:
                    yield before + ","
                before = json.dumps(row)
            if before:
                yield before
            yield "],"
            yield json.dumps(rest(), indent=2)[2:]

        self.lines(lines())

    def raw(self, parts: t.Iterable[t.Union[bytes, memoryview]]) -> None:
        """Write bytes to stdout as they are. Raises like lines()."""
        try:
            for part in parts:
                self._out.buffer.write(part)
            self._out.flush()
        except BrokenPipeError:
            self._out = _nowhere(1)
        except (OSError, ValueError) as error:
            self._out = _nowhere(1)
            raise OutputLostError("stdout cannot be written to: %s" % error) from None

    def warning(self, message: str) -> None:
        """Tell what a person should know, on stderr, whatever was asked for."""
        self._write("warning: %s\n" % _safe(message))

    def error(self, message: str) -> None:
        """Tell what went wrong, on stderr, whatever was asked for."""
        first, *others = [_safe(line) for line in message.splitlines()] or [""]
        self._write("\n".join(["fleet-backup: %s" % first, *("  " + line for line in others)]) + "\n")

    def trace(self, text: str) -> None:
        """A traceback or the like, as it is."""
        self._write(text)

    def ask(self, question: str) -> str:
        """Ask and return the answer, stripped. Raises EndOfInput."""
        self._write(question)
        try:
            answer = sys.stdin.readline() if sys.stdin else ""
        except UnicodeDecodeError:
            answer = "?\n"
        except OSError:
            answer = ""
        if not answer:
            self._write("\n")
            raise EndOfInput
        return answer.strip()

    def ask_secret(self, question: str) -> str:
        """Ask for a secret, which is not shown while it is typed. Raises EndOfInput."""
        import getpass

        try:
            return getpass.getpass(question)
        except (EOFError, OSError):
            self._write("\n")
            raise EndOfInput from None

    def read_line(self) -> str:
        """The first line of stdin, for what a program gives; empty when there is none."""
        return (sys.stdin.readline() if sys.stdin else "").rstrip("\r\n")

    def tell(self, text: str = "") -> None:
        """A part of a conversation, on stderr: needed to answer, so shown also when quiet."""
        self._write(text + "\n")

    def progress(self) -> Progress:
        """A bar on a terminal, lines for ``-v`` elsewhere, otherwise nothing."""
        if self.quiet:
            return SILENT
        if self._err.isatty() and not self.json and os.environ.get("TERM") != "dumb":
            from .progress_bar import Bar

            return Bar(self._err, self.verbose)
        if self.verbose:
            from .progress_bar import Lines

            return Lines(self._err)
        return SILENT

    def _write(self, text: str) -> None:
        try:
            self._err.write(text)
            self._err.flush()
        except (OSError, ValueError):
            self._err = _nowhere(2)


def _safe(text: str) -> str:
    from .output import safe  # the help does not need it

    return safe(text)


def _usable(stream: t.Optional[t.TextIO], descriptor: int) -> t.TextIO:
    """``stream``, never failing on a character that its encoding lacks; nowhere, when the command was started without it."""
    if stream is None:
        return _nowhere(descriptor)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _nowhere(descriptor: int) -> t.TextIO:
    """A stream that swallows. It takes the descriptor's place too, so that flushing at exit cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    return open(descriptor, "w", closefd=False, encoding="utf-8", errors="backslashreplace")


def _shows_colours(stream: t.TextIO) -> bool:
    """Colours only for people, and not for those who do not want them (https://no-color.org)."""
    from ..system import IS_WINDOWS  # the help does not need it

    if os.environ.get("NO_COLOR") or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    return not IS_WINDOWS or bool(os.environ.get("WT_SESSION"))
