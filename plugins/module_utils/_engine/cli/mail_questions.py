# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of the menu about mail. Their answers are a command line; what is wrong with them that command says.

The password is no part of it: the command asks for that itself.
"""

from __future__ import annotations

import typing as t

from ..job_files import LOCAL
from ..notifiers import EVENTS
from ..notifiers.mail import PRESETS
from .choose import ask, needed, pick, pick_some

if t.TYPE_CHECKING:
    from .session import Session

_WRONG = tuple(event for event in EVENTS if event != "success")
_SECURITY = {
    "starttls": "STARTTLS, usually on port 587",
    "tls": "TLS from the start, usually on port 465",
    "none": "none: all is sent in the clear",
}


def mail_command(session: Session) -> t.List[str]:
    """Ask which mail is meant and what is to become of it. Raises choose.Left."""
    console, config = session.console, session.config
    names = [notifier.name for notifier in config.notifiers if notifier.driver == "mail"]
    chosen = pick(console, "Which mail?", ["a new one", *names], None if names else 0)
    if chosen == 0:
        name = ask(console, "A name for it (Enter for mail): ") or "mail"
        return ["notify", "set", name, *_server(session), *_account(session), *_people(session), *_jobs(session)]
    name = names[chosen - 1]
    actions: t.Dict[str, t.Callable[[], t.List[str]]] = {
        "change the server and the account": lambda: ["set", name, *_server(session), *_account(session)],
        "change the password": lambda: ["set", name, "--ask-password"],
        "change who gets it, and when": lambda: ["set", name, *_people(session)],
        "have more jobs tell it": lambda: ["set", name, *_jobs(session)],
        "send a test mail": lambda: ["test", name],
    }
    if config.origins.notifiers.get(name, "").startswith(LOCAL):
        actions["take back what was set on this host"] = lambda: ["unset", name]
    texts = list(actions)
    return ["notify", *actions[texts[pick(console, "What about %s?" % name, texts)]]()]


def _server(session: Session) -> t.List[str]:
    console = session.console
    presets = list(PRESETS)
    chosen = pick(console, "Through which server?", ["%s (%s)" % (p, PRESETS[p]) for p in presets] + ["another one"])
    if chosen < len(presets):
        return ["--preset", presets[chosen]]
    words = ["--server", needed(console, "Its host name: ")]
    security = list(_SECURITY)
    words += ["--security", security[pick(console, "How is the connection protected?", list(_SECURITY.values()), 0)]]
    port = ask(console, "Its port (Enter for the usual one): ")
    return words + (["--port", port] if port else [])


def _account(session: Session) -> t.List[str]:
    username = ask(session.console, "The account at the server (Enter for none): ")
    words = ["--username", username] if username else []
    if "@" in username:
        sender = ask(session.console, "From which address (Enter for %s): " % username)
    else:
        sender = needed(session.console, "From which address: ")
    return words + (["--from", sender] if sender else [])


def _people(session: Session) -> t.List[str]:
    console = session.console
    addresses = needed(console, "Who gets it (addresses, separated by commas): ").replace(",", " ").split()
    events = EVENTS if pick(console, "When?", ("when something is wrong", "after every backup too"), 0) else _WRONG
    return [word for address in addresses for word in ("--to", address)] + [word for event in events for word in ("--on", event)]


def _jobs(session: Session) -> t.List[str]:
    names = [job.name for job in session.config.jobs]
    chosen = pick_some(session.console, "Which jobs tell it?", names) if len(names) > 1 else range(len(names))
    return [word for n in chosen for word in ("--job", names[n])]
