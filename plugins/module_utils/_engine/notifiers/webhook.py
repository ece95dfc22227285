# SPDX-License-Identifier: GPL-3.0-or-later
"""A POST of JSON to a URL, signed with a shared secret.

The body: ``{"version": 1, "event", "at", "host", "job", "operation", "subject", "text", "result": {...}}``. With ``secret`` the
header ``X-Fleet-Backup-Signature: t=<seconds>,v1=<hex>`` is the HMAC-SHA256 (RFC 2104) of ``<seconds>.<body>``: the time is
signed too, so that a receiver can refuse what is old.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from ..options import Option
from . import TIMEOUT, Message, Notifier
from .http import post
from .wording import subject, text


class WebhookNotifier(Notifier):
    """See the module."""

    OPTIONS = (
        Option("url", "str", "Where to send it.", required=True, secret=True),
        Option("secret", "str", "What the body is signed with, so that the receiver knows who sent it.", secret=True),
        Option("authorization", "str", "The value of the header C(Authorization), such as C(Bearer ...).", secret=True),
        Option("ca_file", "path", "Certificates of the authorities to trust instead of the system's (PEM)."),
        TIMEOUT,
    )

    def tell(self, message: Message) -> None:
        options = self.options
        document = {
            "version": 1,
            "event": message.event,
            "at": message.at,
            "host": message.host,
            "job": message.job,
            "operation": message.operation,
            "subject": subject(message, self.language),
            "text": text(message, self.language),
            "result": message.result,
        }
        body = json.dumps(document).encode("ascii")
        headers = {"Content-Type": "application/json"}
        if options["authorization"] is not None:
            headers["Authorization"] = options["authorization"].reveal()
        if options["secret"] is not None:
            headers["X-Fleet-Backup-Signature"] = signature(options["secret"].reveal(), int(time.time()), body)
        post(options["url"].reveal(), body, headers, options["timeout"], options["ca_file"])


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The value of the header; ``seconds`` since 1970."""
    digest = hmac.new(secret.encode("utf-8"), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return "t=%d,v1=%s" % (seconds, digest)
