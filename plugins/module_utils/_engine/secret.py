# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in a job description: given as they are, or named by a file, an environment variable or a systemd credential."""

from __future__ import annotations

import os
import re
import typing as t

from .errors import ConfigurationError

#: What an option for a secret is called besides its own name: ``<name>_file`` and so on.
WAYS = {
    "file": "The same, read from this file.",
    "env": "The same, read from this environment variable.",
    "credential": "The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).",
}


_CREDENTIAL = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,254}\Z")


def is_credential(name: str) -> bool:
    """Whether a credential can be called so: it is the name of a file, and stands in a unit."""
    return bool(_CREDENTIAL.match(name))


class Secret:
    """A secret that is looked up only when it is needed, and shown never."""

    def __init__(self, way: str, text: str, place: str) -> None:
        self._way = way
        self._text = text
        self._place = place

    def reveal(self) -> str:
        """The secret itself, without a line end. Raises ConfigurationError when it is not where it should be."""
        if self._way == "value":
            return self._text
        if self._way == "env":
            value = os.environ.get(self._text)
            if value is None:
                raise ConfigurationError("%s: there is no environment variable %s" % (self._place, self._text))
            return value
        path = self._text
        if self._way == "credential":
            path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", ""), path)
            if not os.path.isabs(path) or not os.path.exists(path):
                from .credentials import read

                return read(self._text, self._place)
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError("%s: %s cannot be read: %s" % (self._place, path, error)) from None

    @property
    def file(self) -> t.Optional[str]:
        """The file that holds it; None when it is given in another way."""
        return self._text if self._way == "file" else None

    @property
    def way(self) -> str:
        """How it is given: ``value``, or one of WAYS."""
        return self._way

    @property
    def credential(self) -> t.Optional[str]:
        """The name of the credential that it is; None when it is given otherwise."""
        return self._text if self._way == "credential" else None

    def __repr__(self) -> str:
        return "<secret>" if self._way == "value" else "<secret from %s %s>" % (self._way, self._text)


def given(value: t.Mapping[str, t.Any], name: str, place: str, problems: t.List[str]) -> t.Optional[Secret]:
    """The secret called ``name`` in a part of a description; several ways at once are a problem."""
    found = []
    for way, key in [("value", name), *((way, "%s_%s" % (name, way)) for way in WAYS)]:
        text = value.get(key)
        if text is None:
            continue
        if not isinstance(text, str) or not text:
            problems.append("%s%s: must be a text that is not empty" % (place, key))
        elif way == "credential" and not is_credential(text):
            problems.append("%s%s: %r is no name of a credential: letters, digits, and _ . @ -" % (place, key, text))
        else:
            found.append((key, Secret(way, text, place + key)))
    if len(found) > 1:
        problems.append("%s%s: is given more than once: by %s" % (place, name, " and ".join(key for key, _value in found)))
    return found[0][1] if found else None
