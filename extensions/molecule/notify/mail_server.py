# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server: STARTTLS on port 587, TLS on port 465, both only with a password. What it takes lies in a Maildir.

mail_server.py USER PASSWORD CERTIFICATE KEY MAILDIR
"""

from __future__ import annotations

import mailbox
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Keeper:
    """Keeps every mail, with whom it was for."""

    def __init__(self, folder: str) -> None:
        self._box = mailbox.Maildir(folder)

    async def handle_DATA(self, _server, _session, envelope):
        mail = mailbox.MaildirMessage(envelope.content)
        mail["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self._box.add(mail)
        return "250 kept"


def main(user: str, password: str, certificate: str, key: str, folder: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keeper = Keeper(folder)

    def authenticate(_server, _session, _envelope, _mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=good, handled=good)

    class StartTls(Controller):
        def factory(self):
            return SMTP(self.handler, authenticator=authenticate, auth_required=True, tls_context=context, require_starttls=True)

    class Tls(Controller):
        def factory(self):
            return SMTP(self.handler, authenticator=authenticate, auth_required=True, auth_require_tls=False)

    StartTls(keeper, hostname="0.0.0.0", port=587).start()  # noqa: S104 - it is there for other hosts
    Tls(keeper, hostname="0.0.0.0", port=465, ssl_context=context).start()  # noqa: S104
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
