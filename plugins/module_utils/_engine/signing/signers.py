# SPDX-License-Identifier: GPL-3.0-or-later
"""``trusted_hosts``: which key may sign the backups of which host.

The format is that of ssh-keygen(1), ALLOWED SIGNERS; a principal is the name of a host. What is accepted here means the same
to ssh-keygen. What could not mean anything for backups, or means something that is not supported, is refused: in a
list that decides what to trust nothing is passed over silently.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationError
from .keys import PublicKey
from .patterns import matches
from .signature import NAMESPACE
from .wire import InvalidError

_PRINCIPALS = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[^\s"]+))(?:[ \t]+|$)')
_OPTIONS = re.compile(r'(?P<options>(?:[^\s"]|"[^"]*")+)[ \t]+')
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>[^"\\]*)")?(?:,|$)')
_KEY = re.compile(r"(?P<type>(?:ssh|ecdsa|sk)-\S+)[ \t]+(?P<base64>\S+)(?:[ \t].*)?$")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$", re.ASCII)

_FORMAT = 'write HOST[,HOST...] [namespaces="%s"] ssh-ed25519 KEY' % NAMESPACE


@dataclass(frozen=True)
class Signer:
    """One line: ``key`` may sign for the hosts that ``principals`` match, within its limits. ``place`` is for messages."""

    place: str
    principals: str
    key: PublicKey
    namespaces: t.Optional[str] = None
    valid_after: t.Optional[datetime.datetime] = None
    valid_before: t.Optional[datetime.datetime] = None

    def names(self, host: str) -> bool:
        return matches(self.principals, host)

    def signs_backups(self) -> bool:
        return self.namespaces is None or matches(self.namespaces, NAMESPACE)

    def is_valid(self, at: datetime.datetime) -> bool:
        """True at both limits too, as for ssh-keygen."""
        return (self.valid_after is None or at >= self.valid_after) and (self.valid_before is None or at <= self.valid_before)


class TrustedHosts:
    """A checked list. An empty one trusts nobody."""

    def __init__(self, signers: t.Sequence[Signer]) -> None:
        self.signers = tuple(signers)
        self._by_key: t.Dict[PublicKey, t.List[Signer]] = {}
        for signer in signers:
            self._by_key.setdefault(signer.key, []).append(signer)

    @classmethod
    def from_text(cls, text: str, place: str = "trusted_hosts") -> TrustedHosts:
        """Read a list. ``place`` is where it stands. Raises ConfigurationError with every line that is wrong, by number."""
        signers, problems = [], []
        if "PRIVATE KEY--" in text:
            raise ConfigurationError(
                "%s: holds a private key; only public keys belong here: remove it, and replace the key" % place
            )
        for number, line in enumerate(text.split("\n"), 1):
            line = line.strip(" \t\r")
            if not line or line.startswith("#"):
                continue
            at = "%s, line %d" % (place, number)
            try:
                signers.append(_signer(line, at))
            except InvalidError as error:
                problems.append("%s: %s" % (at, error))
        if problems:
            raise ConfigurationError(*problems)
        return cls(signers)

    @classmethod
    def from_file(cls, path: str) -> TrustedHosts:
        """Read the list in a file. Raises ConfigurationError."""
        try:
            with open(path, encoding="utf-8", newline="") as file:
                text = file.read()
        except OSError as error:
            raise ConfigurationError("trusted_hosts: %s: cannot be read: %s" % (path, error.strerror)) from None
        except ValueError:
            raise ConfigurationError("trusted_hosts: %s: is no text in UTF-8" % path) from None
        return cls.from_text(text, path)

    def of_key(self, key: PublicKey) -> t.List[Signer]:
        """The lines that have this key."""
        return self._by_key.get(key, [])

    def of_host(self, host: str) -> t.List[Signer]:
        """The lines that name this host."""
        return [signer for signer in self.signers if signer.names(host)]


def signer_line(host: str, key: PublicKey) -> str:
    """The line of a list that says: ``key`` may sign the backups of ``host``, and nothing else."""
    return '%s namespaces="%s" %s' % (host, NAMESPACE, key.text)


def _signer(line: str, place: str) -> Signer:
    principals = _PRINCIPALS.match(line)
    if not principals:
        raise InvalidError("the names of the hosts are missing or wrongly quoted; %s" % _FORMAT)
    rest = line[principals.end() :]
    options: t.Dict[str, str] = {}
    if not _KEY.match(rest):
        found = _OPTIONS.match(rest)
        if not found:
            raise InvalidError("there is no key on this line; %s" % _FORMAT)
        options = _options(found.group("options"))
        rest = rest[found.end() :]
    after, before = _time(options, "valid-after"), _time(options, "valid-before")
    if after and before and before <= after:
        raise InvalidError("valid-before is not later than valid-after")
    return Signer(
        place, principals.group("quoted") or principals.group("plain"), _key(rest), options.get("namespaces"), after, before
    )


def _key(text: str) -> PublicKey:
    found = _KEY.match(text)
    if not found:
        raise InvalidError("there is no key on this line; %s" % _FORMAT)
    if found.group("type") != "ssh-ed25519":
        raise InvalidError("keys of the type %s do not sign backups; only ssh-ed25519 keys do" % found.group("type")[:80])
    try:
        return PublicKey.from_base64(found.group("base64"))
    except InvalidError as error:
        raise InvalidError("the key cannot be read: %s" % error) from None


def _options(text: str) -> t.Dict[str, str]:
    options: t.Dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _OPTION.match(text, at)
        name = found.group("name").lower() if found else ""
        if name == "cert-authority":
            raise InvalidError("cert-authority: certificates are not supported; name the key of each host")
        if not found or name not in ("namespaces", "valid-after", "valid-before"):
            raise InvalidError('an option is wrong; there are namespaces="...", valid-after="..." and valid-before="..."')
        if not found.group("value"):
            raise InvalidError('%s needs a value in double quotes: %s="..."' % (name, name))
        if name in options:
            raise InvalidError("%s stands there twice" % name)
        options[name] = found.group("value")
        at = found.end()
    return options


def _time(options: t.Mapping[str, str], name: str) -> t.Optional[datetime.datetime]:
    text = options.get(name)
    if text is None:
        return None
    found = _TIME.match(text)
    try:
        if not found:
            raise ValueError(text)
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        moment = datetime.datetime(year, month, day, hour, minute, second)
        # Without a Z it is a time of this host's zone.
        return moment.replace(tzinfo=datetime.timezone.utc) if found.group(7) else moment.astimezone()
    except (ValueError, OverflowError):
        raise InvalidError("%s is no time; write YYYYMMDDZ or YYYYMMDDHHMMSSZ" % name) from None
