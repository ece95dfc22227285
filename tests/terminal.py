# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal for tests: a real process on a pseudo-terminal, and the screen that a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

TIMEOUT = 60


class Terminal:
    """Runs ``argv`` with a terminal of ``columns`` as its stdin, stdout and stderr."""

    def __init__(self, argv, columns=100, env=None, stdout=None, echo=True):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        if not echo:
            attributes = termios.tcgetattr(slave)
            attributes[3] &= ~termios.ECHO
            termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self.columns = columns
        self.raw = ""
        self._seen = 0

        def own_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", **(env or {})},
            start_new_session=True,
            preexec_fn=own_terminal,  # noqa: PLW1509 - no threads here
        )
        os.close(slave)

    def expect(self, text):
        """Wait until ``text`` appears after what was expected before; return all that came until then."""
        deadline = time.monotonic() + TIMEOUT
        while text not in self.raw[self._seen :]:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError("%r did not appear in %r" % (text, self.raw[self._seen :]))
        end = self.raw.index(text, self._seen) + len(text)
        shown, self._seen = self.raw[self._seen : end], end
        return shown

    def type(self, text):
        """Type a line; ``\\x03`` is Ctrl-C and ``\\x04`` Ctrl-D (no Enter follows those)."""
        os.write(self._master, (text if text in ("\x03", "\x04") else text + "\r").encode())

    def resize(self, columns):
        self.columns = columns
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self):
        """Close the terminal, as when a connection is lost."""
        os.close(self._master)
        self._master = -1

    def finish(self):
        """Wait for the end; return the exit code."""
        deadline = time.monotonic() + TIMEOUT
        while self._master >= 0 and self._read(deadline - time.monotonic()):
            pass
        code = self.process.wait(TIMEOUT)
        self.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def screen(self):
        """The lines as they stand on the screen, after every carriage return."""
        return screen(self.raw, self.columns)

    def _read(self, timeout):
        if timeout <= 0 or not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: EIO when the last process has closed it
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)


def screen(raw, columns):
    """What ``raw`` leaves on a screen of ``columns``: carriage returns, line feeds and wrapping are obeyed."""
    lines, column = [[]], 0
    for character in raw:
        if character == "\r":
            column = 0
        elif character == "\n":
            lines.append([])
        else:
            if column >= columns:
                lines.append([])
                column = 0
            line = lines[-1]
            line.extend(" " * (column + 1 - len(line)))
            line[column] = character
            column += 1
    return ["".join(line).rstrip() for line in lines]
