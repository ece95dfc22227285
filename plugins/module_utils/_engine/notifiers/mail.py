# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail over SMTP (RFC 5321), with STARTTLS (RFC 3207), TLS from the start (RFC 8314) or neither."""

from __future__ import annotations

import email.message
import email.utils
import smtplib
import ssl
import typing as t

from ..errors import NotificationError
from ..options import Option
from . import TIMEOUT, Message, Notifier
from .wording import html, subject, text

#: The servers of large providers. Both want a password made for this program, not that of the account.
PRESETS = {"gmail": "smtp.gmail.com", "office365": "smtp.office365.com"}
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class MailNotifier(Notifier):
    """See the module."""

    OPTIONS = (
        Option("to", "list", "Who gets the mail.", required=True, example=["ops@example.org"]),
        Option("from", "str", "The address that it comes from. Default: O(username) when that is an address."),
        Option(
            "preset",
            "str",
            "Fills in the server of a provider. With C(port: 465) TLS is used from the start.",
            choices=tuple(PRESETS),
        ),
        Option("server", "str", "The host name of the SMTP server."),
        Option(
            "port", "int", "Its port. Default: 587 with V(starttls), 465 with V(tls), 25 with V(none).", minimum=1, maximum=65535
        ),
        Option(
            "security",
            "str",
            "How the connection is protected. Default: V(starttls), and V(tls) on port 465. V(none): all is sent in the clear.",
            choices=("starttls", "tls", "none"),
        ),
        Option("username", "str", "The account at the server."),
        Option("password", "str", "Its password.", secret=True),
        Option("ca_file", "path", "Certificates of the authorities to trust instead of the system's (PEM)."),
        TIMEOUT,
    )

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        if not options["server"] and not options["preset"]:
            problems.append("server: is missing; name the SMTP server, or a preset: %s" % ", ".join(PRESETS))
        if bool(options["username"]) != (options["password"] is not None):
            problems.append("username: give it together with password, or neither")
        if not (options["from"] or "@" in (options["username"] or "")):
            problems.append("from: is missing; give the address that the mail comes from")
        for key, addresses in (("to", options["to"]), ("from", [options["from"]] if options["from"] else [])):
            problems += ["%s: %r is no mail address" % (key, a) for a in addresses if not _is_address(a)]
        return problems

    def tell(self, message: Message) -> None:
        mail = compose(message, self.language, self._sender, self.options["to"])
        try:
            with self._connect() as server:
                if self.options["username"]:
                    server.login(self.options["username"], self.options["password"].reveal())
                refused = server.send_message(mail, self._sender, self.options["to"])
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationError("%s: %s" % (self._server, _describe(error))) from None
        if refused:
            raise NotificationError("%s refused the mail for %s" % (self._server, ", ".join(sorted(refused))))

    @property
    def _sender(self) -> str:
        sender: str = self.options["from"] or self.options["username"]
        return sender

    @property
    def _server(self) -> str:
        server: str = self.options["server"] or PRESETS[self.options["preset"]]
        return server

    def _connect(self) -> smtplib.SMTP:
        options = self.options
        security = options["security"] or ("tls" if options["port"] == _PORTS["tls"] else "starttls")
        port, timeout = options["port"] or _PORTS[security], options["timeout"]
        context = ssl.create_default_context(cafile=options["ca_file"]) if security != "none" else None
        if security == "tls":
            return smtplib.SMTP_SSL(self._server, port, timeout=timeout, context=context)
        server = smtplib.SMTP(self._server, port, timeout=timeout)
        try:
            if context is not None:
                # Raises when the server does not offer it: never in the clear by mistake.
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server


def compose(message: Message, language: str, sender: str, to: t.Sequence[str]) -> email.message.EmailMessage:
    """The mail: text, and the same in HTML."""
    mail = email.message.EmailMessage()
    mail["Subject"] = " ".join(subject(message, language).split())
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Date"] = email.utils.localtime()
    mail["Message-ID"] = email.utils.make_msgid(domain=sender.rpartition("@")[2])
    # RFC 3834: no vacation notes in answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text(message, language))
    mail.add_alternative(html(message, language), subtype="html")
    return mail


def _describe(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        answer = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        return "%d %s" % (error.smtp_code, " ".join(answer.split()))
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "refused every recipient: %s" % ", ".join(sorted(error.recipients))
    return str(error) or type(error).__name__


def _is_address(address: str) -> bool:
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and not any(c.isspace() or c in "<>,;" or ord(c) < 32 for c in address)
