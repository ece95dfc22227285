# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a secret shows anywhere: raw, or in a form that programs give to texts."""

from __future__ import annotations

import base64
import json
import shlex
import threading
import typing as t
import urllib.parse
from pathlib import Path


class Canary:
    """``forms``: what must not be found. As a context manager, it reads the arguments of all processes meanwhile."""

    def __init__(self, secret: str) -> None:
        data = secret.encode("utf-8")
        self.forms = {
            secret,
            urllib.parse.quote(secret),
            urllib.parse.quote(secret, safe=""),
            urllib.parse.quote_plus(secret),
            shlex.quote(secret)[1:-1],
            secret.replace("'", "\\'"),
            secret.replace("'", "''"),
            secret.replace("\\", "\\\\"),
            secret.replace("\\", "\\\\").replace(":", "\\:"),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
        }
        # A text may stand at each of three places of what is encoded; its ends then depend on what is around it.
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + data).decode("ascii")
            whole = encoded[(0, 2, 3)[shift] : len(encoded) // 4 * 4 - 4]
            self.forms |= {whole, whole.translate(str.maketrans("+/", "-_"))}
        #: The arguments of every process that was seen.
        self.arguments: t.Set[bytes] = set()
        self._stop = threading.Event()

    def __enter__(self) -> Canary:
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: t.Any) -> None:
        self._stop.set()
        self._thread.join()

    def saw(self, program: str) -> bool:
        """Whether a process of this program was among them."""
        return any(Path(argv.split(b"\0")[0].decode("utf-8", "replace")).name == program for argv in self.arguments)

    def found(self, folder: Path, *texts: str) -> t.List[bytes]:
        """What holds the secret: of the files below ``folder``, the arguments that were seen, and ``texts``."""
        all_texts = {*self.arguments, *(text.encode("utf-8") for text in texts)}
        all_texts |= {path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return [text[:500] for text in all_texts if any(form.encode("utf-8") in text for form in self.forms)]

    def _watch(self) -> None:
        # Not without a breath: those that are watched need the processor too.
        while not self._stop.wait(0.01):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.arguments.add(process.read_bytes())
                except OSError:
                    continue
