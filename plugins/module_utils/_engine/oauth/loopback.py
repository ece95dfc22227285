# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a browser brings back what a person decided: an address of this host (RFC 8252, section 7.3)."""

from __future__ import annotations

import hmac
import http.server
import secrets
import threading
import time
import typing as t
from urllib.parse import parse_qs, urlsplit

from ..errors import StoreRefusedError, StoreUnavailableError

#: How long a person may take, in seconds.
PATIENCE = 600

# Ctrl-C must not wait for all of that: on some systems it is noticed between two waits only.
_LOOK = 0.5

_PAGE = b"<!DOCTYPE html><title>fleet-backup</title><p>%s</p>\n"


class WrongAnswerError(Exception):
    """Not an answer to this question; the right one may still come."""


class Loopback:
    """As a context manager it listens at ``address`` on a free port of 127.0.0.1. ``state`` goes with the question."""

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(32)
        self._answer: t.Optional[t.Dict[str, str]] = None
        self._answered = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.address = "http://127.0.0.1:%d/" % self._server.server_address[1]

    def __enter__(self) -> Loopback:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: t.Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def code(self) -> str:
        """Wait for the answer; return its code. Raises StoreRefusedError for a no, StoreUnavailableError when nobody answers."""
        deadline = time.monotonic() + PATIENCE
        while not self._answered.wait(_LOOK):
            if time.monotonic() > deadline:
                raise StoreUnavailableError("nobody answered in the browser for %d minutes" % (PATIENCE // 60))
        return _code(self._answer or {})

    def code_of(self, address: str) -> str:
        """The code in an address that a person brought back by hand. Raises WrongAnswerError, StoreRefusedError."""
        return _code(self._checked(address))

    def take(self, address: str) -> None:
        """The browser asks for this. Raises WrongAnswerError."""
        self._answer = self._checked(address)
        self._answered.set()

    def _checked(self, address: str) -> t.Dict[str, str]:
        try:
            split = urlsplit(address.strip())
            values = {name: found[0] for name, found in parse_qs(split.query).items() if len(found) == 1}
        except ValueError:
            raise WrongAnswerError from None
        same = hmac.compare_digest(values.get("state", "").encode(), self.state.encode())
        if split.path != "/" or not same or ("code" in values) == ("error" in values):
            raise WrongAnswerError
        return values


def _code(answer: t.Mapping[str, str]) -> str:
    if "error" in answer:
        raise StoreRefusedError("access was not allowed in the browser (%s)" % answer["error"][:100])
    return answer["code"]


def _handler(loopback: Loopback) -> t.Type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            try:
                loopback.take(self.path)
            except WrongAnswerError:
                self._reply(404, b"This is not what fleet-backup waits for.")
                return
            self._reply(200, b"fleet-backup has its answer. This page may be closed.")

        def _reply(self, status: int, words: bytes) -> None:
            page = _PAGE % words
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            # The address holds the code.
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_arguments: t.Any) -> None:
            """Nobody reads it, and it would show the code."""

    return Handler
