# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack, Teams, Telegram, Matrix and a hundred others, through the library Apprise."""

from __future__ import annotations

import logging

from ..errors import ConfigurationError, MissingDependencyError, NotificationError
from ..options import Option
from . import TEST, Message, Notifier
from .wording import subject, text

_KINDS = {"success": "success", "warning": "warning", "failure": "failure", "stale": "warning", TEST: "info"}


class AppriseNotifier(Notifier):
    """See the module."""

    OPTIONS = (
        Option(
            "urls",
            "str",
            "The Apprise URLs, separated by white space. They hold tokens, so better name a file.",
            required=True,
            secret=True,
            example="slack://TokenA/TokenB/TokenC/#backups",
        ),
    )
    requires = ("apprise",)

    def tell(self, message: Message) -> None:
        try:
            import apprise
        except ImportError:
            raise MissingDependencyError(
                "the notifier %s needs the Python package apprise; install it, or use a webhook" % self.name
            ) from None
        # It logs URLs, tokens and all.
        logging.getLogger("apprise").disabled = True
        sender = apprise.Apprise()
        for number, url in enumerate(self.options["urls"].reveal().split(), 1):
            if not sender.add(url):
                raise ConfigurationError("notifier %s: Apprise does not understand the URL number %d" % (self.name, number))
        told = sender.notify(
            title=subject(message, self.language),
            body=text(message, self.language),
            notify_type=_KINDS[message.event],
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not told:
            raise NotificationError("Apprise could not tell one of its services")
