# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifiers: ways to tell people, and programs, how an operation ended. One file a driver; this is their registry.

The registry is static, with an import in each branch, because Ansible bundles a module's imports by reading them.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..options import Option

NAMES: t.Tuple[str, ...] = ("mail", "webhook", "apprise", "healthcheck", "prometheus")

#: What can be told. A test is always told.
EVENTS = ("success", "warning", "failure", "stale")
TEST = "test"

#: In which languages (wording.py).
LANGUAGES = ("en", "es")


def load(driver: str) -> t.Type[Notifier]:
    """Return the class of a driver; its module is imported only now."""
    if driver == "mail":
        from .mail import MailNotifier

        return MailNotifier
    if driver == "webhook":
        from .webhook import WebhookNotifier

        return WebhookNotifier
    if driver == "apprise":
        from .apprise import AppriseNotifier

        return AppriseNotifier
    if driver == "healthcheck":
        from .healthcheck import HealthcheckNotifier

        return HealthcheckNotifier
    if driver == "prometheus":
        from .prometheus import PrometheusNotifier

        return PrometheusNotifier
    raise ConfigurationError("there is no notifier driver %r; the drivers are: %s" % (driver, ", ".join(NAMES)))


@dataclass
class Message:
    """What is to be told. ``event`` is one of EVENTS or TEST; ``result`` is plain data, as Result.to_dict() makes it.

    ``at``: RFC 3339, when it happened. ``status``: what the host remembers of the job (state.py), and ``max_age`` of the job in
    seconds; only there when the message is new.
    """

    event: str
    result: t.Dict[str, t.Any]
    at: str
    status: t.Dict[str, t.Any] = field(default_factory=dict)
    max_age: t.Optional[int] = None

    @property
    def host(self) -> str:
        return self.result.get("host") or "?"

    @property
    def job(self) -> str:
        return self.result.get("job") or "?"

    @property
    def operation(self) -> str:
        return self.result.get("operation") or "?"

    def to_dict(self) -> t.Dict[str, t.Any]:
        return {"event": self.event, "at": self.at, "result": self.result}


class Notifier:
    """One way to tell."""

    OPTIONS: t.Sequence[Option] = ()
    #: Third-party modules that it imports (libraries.py).
    requires: t.Tuple[str, ...] = ()
    #: Whether a message that could not be told is worth telling later.
    keeps = True
    #: The operations that it is for; None: all.
    operations: t.Optional[t.Tuple[str, ...]] = None
    #: Whether it is told everything, whatever the option ``on`` says, because silence means something to it.
    told_everything = False
    #: Whether only the last thing that it is told counts: of a job of tenants it is told once, of all of them.
    told_once = False

    def __init__(self, name: str, options: t.Dict[str, t.Any], language: str) -> None:
        self.name = name
        self.options = options
        self.language = language

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        """Return problems that one option alone cannot show, each as ``option: what is wrong``."""
        return []

    def tell(self, message: Message) -> None:
        """Tell it. Raises NotificationError, MissingDependencyError, ConfigurationError (a secret that is not there)."""
        raise NotImplementedError


#: How long telling may take, for all that talk over a network.
TIMEOUT = Option("timeout", "duration", "How long it may take to tell.", default="30s")
