# SPDX-License-Identifier: GPL-3.0-or-later
"""Pings of a dead man's switch (Healthchecks.io and those like it), which tells people when no ping comes.

A backup that succeeded, with warnings too, pings the URL; one that failed pings ``<url>/fail``. Only the newest counts, so what
could not be sent is not sent later, and the tenants of a job are one ping: it says ``fail`` when one of them has no backup.
"""

from __future__ import annotations

from ..options import Option
from . import TEST, TIMEOUT, Message, Notifier
from .http import post
from .wording import text

# What such services keep of a ping.
_BODY = 10_000


class HealthcheckNotifier(Notifier):
    """See the module."""

    OPTIONS = (
        Option(
            "url", "str", "The ping URL of the check.", required=True, secret=True,
            example="https://hc-ping.com/00000000-0000-0000-0000-000000000000",
        ),
        Option("ca_file", "path", "Certificates of the authorities to trust instead of the system's (PEM)."),
        TIMEOUT,
    )  # fmt: skip
    keeps = False
    operations = ("backup",)
    told_everything = True
    told_once = True

    def tell(self, message: Message) -> None:
        if message.event == "stale":
            # The switch notices by itself.
            return
        url = self.options["url"].reveal().rstrip("/")
        if message.event not in ("success", "warning", TEST):
            url += "/fail"
        body = text(message, self.language).encode("utf-8")[:_BODY]
        post(url, body, {"Content-Type": "text/plain; charset=utf-8"}, self.options["timeout"], self.options["ca_file"])
