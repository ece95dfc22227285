# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that take what notifiers tell: SMTP with TLS and AUTH, HTTP. Each on a free loopback port."""

from __future__ import annotations

import contextlib
import datetime
import email
import email.policy
import http.server
import ipaddress
import ssl
import threading
import typing as t
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USERNAME, PASSWORD = "ops@example.org", "canary-Pa55 \"word'"


def certificate(folder: Path) -> t.Tuple[Path, Path]:
    """A self-signed certificate of localhost; returns it and its key as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )  # fmt: skip
    )
    return paths


class Mailbox:
    """What the SMTP server took: parsed mails, newest last."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.port = port
        self.ca_file = ca_file
        self.mails: t.List[email.message.EmailMessage] = []
        self.envelopes: t.List[t.Any] = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, options):  # noqa: N802
        if address.startswith("nobody@"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"


@contextlib.contextmanager
def smtp_server(folder: Path, security: str = "starttls") -> t.Iterator[Mailbox]:
    """A server that wants AUTH; ``security`` as the option of the notifier."""
    cert, key = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    mailbox = Mailbox(0, cert)

    def authenticate(_server, _session, _envelope, _mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=good)

    settings: t.Dict[str, t.Any] = {"authenticator": authenticate, "auth_required": security != "none"}
    if security == "starttls":
        settings.update(tls_context=context, require_starttls=True)
    elif security == "tls":
        settings.update(auth_require_tls=False)

    class Server(Controller):
        def factory(self):
            return SMTP(self.handler, **settings)

    server = Server(
        mailbox, hostname="127.0.0.1", port=_free_port(), ssl_context=context if security == "tls" else None, ready_timeout=60
    )
    server.start()
    mailbox.port = server.port
    try:
        yield mailbox
    finally:
        server.stop()


class Requests:
    """What an HTTP server was sent: (path, headers, body). ``status`` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.seen: t.List[t.Tuple[str, t.Any, bytes]] = []
        self.url = ""
        self.ca_file: t.Optional[Path] = None


@contextlib.contextmanager
def http_server(folder: t.Optional[Path] = None) -> t.Iterator[Requests]:
    """A server that takes POSTs; over TLS when a ``folder`` for its certificate is given."""
    requests = Requests()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802 - the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.seen.append((self.path, self.headers, body))
            self.send_response(requests.status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(b"words of the server")

        def log_message(self, *_args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if folder is not None:
        requests.ca_file, key = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(requests.ca_file, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    requests.url = "%s://localhost:%d/hook/token-canary" % (scheme, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
