# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of the services that are faked for tests: HTTPS on a free port of the loopback, a log, and failures on demand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import secrets
import ssl
import threading
import typing as t
import urllib.parse
from pathlib import Path

from receivers import certificate

Json = t.Dict[str, t.Any]


class Request(t.NamedTuple):
    """``body`` is shorter than the client announced (``whole`` is false) when its connection ended."""

    method: str
    path: str
    query: t.Dict[str, str]
    headers: t.Mapping[str, str]
    body: bytes
    whole: bool

    def json(self) -> t.Any:
        return json.loads(self.body or b"{}")

    def form(self) -> t.Dict[str, str]:
        return parsed(self.body.decode("ascii"))


class Reply(t.NamedTuple):
    status: int
    body: t.Any = None
    headers: t.Mapping[str, str] = {}

    def content(self) -> bytes:
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode("ascii")


class Refused(Exception):
    """Ends a request with a reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


#: Asked before each request: a reply is given instead, LOST means that it is carried out and its answer is lost.
Plan = t.Callable[[Request], t.Optional[Reply]]
LOST = Reply(0)


def parsed(text: str) -> t.Dict[str, str]:
    """A query or a form, in which nothing may be given twice."""
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    assert len(dict(pairs)) == len(pairs), text
    return dict(pairs)


def proves(verifier: str, challenge: str) -> bool:
    """RFC 7636, S256."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    plain = re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier)
    return bool(plain) and base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii") == challenge


def secret(name: str) -> str:
    """A secret that a test can look for: ``canary`` stands in it."""
    return "canary-%s-%s" % (name, secrets.token_hex(8))


class Service:
    """A running service. A subclass answers in ``handle``, which is called by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.ca, key = certificate(folder)
        self.lock = threading.RLock()
        self.plan: t.Optional[Plan] = None
        #: What was asked for, without bodies.
        self.log: t.List[Request] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.context = context
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return "https://localhost:%d" % self.port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def handle(self, request: Request) -> Reply:
        raise NotImplementedError

    @contextlib.contextmanager
    def failing(self, plan: Plan) -> t.Iterator[None]:
        """Meanwhile ``plan`` decides what becomes of requests."""
        self.plan = plan
        try:
            yield
        finally:
            self.plan = None

    def once(self, wanted: t.Callable[[Request], bool], reply: Reply) -> t.ContextManager[None]:
        """The first request that is ``wanted`` gets this reply."""
        given: t.List[Request] = []

        def plan(request: Request) -> t.Optional[Reply]:
            if given or not wanted(request):
                return None
            given.append(request)
            return reply

        return self.failing(plan)

    def answer(self, request: Request) -> t.Optional[Reply]:
        """The reply; None: the connection is to be cut."""
        with self.lock:
            self.log.append(request._replace(body=b""))
            planned = self.plan(request) if self.plan else None
            if planned is not None and planned is not LOST:
                return planned
            try:
                reply = self.handle(request)
            except Refused as refused:
                reply = refused.reply
            return None if planned is LOST or not request.whole else reply


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Connections break here on purpose."""


def _handler(service: Service) -> t.Type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True
        timeout = 60

        def setup(self) -> None:
            # In the connection's own thread: a client that says nothing keeps nobody waiting.
            self.request.settimeout(self.timeout)
            self.request = service._server.context.wrap_socket(self.request, server_side=True)
            super().setup()

        def answer(self) -> None:
            split = urllib.parse.urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = self._body(length)
            query = parsed(split.query)
            path = urllib.parse.unquote(split.path, errors="strict")
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = service.answer(Request(self.command, path, query, headers, body, len(body) == length))
            if reply is None:
                self.close_connection = True
                return
            content = reply.content()
            self.send_response(reply.status)
            if not isinstance(reply.body, bytes) and reply.body is not None:
                self.send_header("Content-Type", "application/json")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self, length: int) -> bytes:
            parts: t.List[bytes] = []
            while length:
                try:
                    part = self.rfile.read1(min(length, 1 << 20))  # type: ignore[attr-defined]
                except OSError:
                    break
                if not part:
                    break
                parts.append(part)
                length -= len(part)
            return b"".join(parts)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_arguments: t.Any) -> None:
            return

    return Handler
