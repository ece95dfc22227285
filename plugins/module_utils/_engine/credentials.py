# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as credentials of systemd (systemd.exec(5), "Credentials"; systemd-creds(1)).

A credential lies in one of systemd's own folders: encrypted with a key of this very host (its TPM, if it has one), or plain for
root's eyes only. systemd hands it to a unit that loads it, in memory; whoever runs the command by hand reads it there.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import typing as t

from .errors import ConfigurationError
from .private import private_folder
from .process import run
from .replacement import Replacement
from .secret import Secret
from .system import is_superuser

ENCRYPTED, PLAIN = "/etc/credstore.encrypted", "/etc/credstore"

#: What those that a deployment made begin with, followed by a dot.
PREFIX = "fleet-backup"

_SECONDS = 60


def read(name: str, place: str) -> str:
    """The secret, without a line end, where systemd did not hand it over. Raises ConfigurationError.

    ``place``: where the configuration names it.
    """
    plain, encrypted = os.path.join(PLAIN, name), os.path.join(ENCRYPTED, name)
    try:
        with open(plain, encoding="utf-8") as file:
            return file.read().rstrip("\r\n")
    except OSError as error:
        problem = "%s: %s" % (plain, error.strerror)
    if os.path.exists(encrypted):
        decrypted = _creds("decrypt", "--name=" + name, encrypted, "-")
        if decrypted is not None:
            return decrypted.decode("utf-8", "surrogateescape").rstrip("\r\n")
        problem = "%s cannot be decrypted by systemd-creds" % encrypted
    way = (
        "LoadCredentialEncrypted=%s:%s" % (name, encrypted)
        if not os.path.exists(plain)
        else "LoadCredential=%s:%s" % (name, plain)
    )
    raise ConfigurationError(
        "%s: no unit of systemd handed the credential %s over, and it cannot be read here (%s); run this as root, or by"
        " systemd-run --pipe --wait -p %s" % (place, name, problem, way)
    )


def unit_lines(names: t.Iterable[str]) -> str:
    """The lines of a unit that load them. One that is in neither folder is left for systemd to find, or not."""
    lines = []
    for name in sorted(names):
        plain, encrypted = os.path.join(PLAIN, name), os.path.join(ENCRYPTED, name)
        if os.path.exists(plain):
            lines.append("LoadCredential=%s:%s\n" % (name, plain))
        elif os.path.exists(encrypted):
            lines.append("LoadCredentialEncrypted=%s:%s\n" % (name, encrypted))
        else:
            lines.append("LoadCredential=%s\n" % name)
    return "".join(lines)


def named_in(value: t.Any) -> t.Set[str]:
    """The credentials that a part of a checked configuration names."""
    if isinstance(value, Secret):
        return {value.credential} if value.credential else set()
    if dataclasses.is_dataclass(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return set().union(*map(named_in, value))
    return set()


def kept(prefix: str) -> t.List[str]:
    """Those that a deployment made."""
    try:
        return sorted(name for name in os.listdir(ENCRYPTED) if name.startswith(prefix + "."))
    except OSError:
        return []


def holds(name: str, secret: str) -> bool:
    """Whether a credential that a deployment made is there and holds this."""
    path = os.path.join(ENCRYPTED, name)
    return os.path.exists(path) and _creds("decrypt", "--name=" + name, path, "-") == secret.encode("utf-8")


def keep(name: str, secret: str) -> None:
    """Encrypt a secret for this host alone, and put it where systemd finds it. Raises ConfigurationError, StoreFullError."""
    encrypted = _creds("encrypt", "--name=" + name, "-", "-", stdin=secret.encode("utf-8"))
    if encrypted is None:
        raise ConfigurationError("the secret for %s cannot be encrypted by systemd-creds" % name)
    private_folder(ENCRYPTED)
    with Replacement(os.path.join(ENCRYPTED, name), 0o600) as new:
        new.write(encrypted)
        new.commit()


def forget(name: str) -> None:
    os.unlink(os.path.join(ENCRYPTED, name))


def check_host() -> None:
    """Raise ConfigurationError where secrets cannot be kept so."""
    if not is_superuser():
        raise ConfigurationError("secrets: only root can make credentials of systemd; keep them in the job file")
    if shutil.which("systemd-creds") is None:
        raise ConfigurationError(
            "secrets: this host has no systemd-creds, which came with systemd 250; keep them in the job file"
        )


def _creds(*words: str, stdin: t.Optional[bytes] = None) -> t.Optional[bytes]:
    done = run(["systemd-creds", *words], stdin=stdin, timeout=_SECONDS)
    return done.stdout if done.succeeded else None
