# SPDX-License-Identifier: GPL-3.0-or-later
"""The program ssh carries the session: the user's own configuration of ssh counts, and it encrypts on a core of its own."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import typing as t

from ..errors import ConfigurationError, FleetBackupError, MissingDependencyError, StoreRefusedError, StoreUnavailableError
from ..process import last_lines
from ..system import GROUP_OPTIONS, IS_WINDOWS
from .account import Account

_BUFFER = 1 << 20
_GRACE = 1.0
#: By this name a given host key is known, whatever the server's name, address and port.
_ALIAS = "fleet-backup-store"

#: Words of ssh that mean that trying again is of no use, and what the user can do.
_REFUSALS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is not the one that is known: it was set up anew, or somebody stands in between; compare it with the"
        " server's own and correct known_hosts or host_key",
    ),
    (
        "Host key verification failed",
        "its host key is not known; add it to known_hosts (ssh-keyscan prints it), or give host_key",
    ),
    ("Permission denied", "it refuses the login"),
    ("Too many authentication failures", "it refuses the login after too many keys; give key_file"),
    ("subsystem request failed", "the server offers no SFTP"),
    ("Bad owner or permissions", "ssh refuses its own configuration"),
    ("no matching", "ssh and the server have no algorithm in common"),
)


class Program:
    """A child ``ssh -s HOST sftp``. It ends when this object is closed, or with this process."""

    def __init__(self, account: Account) -> None:
        _check(account)
        self._account = account
        # Files, not pipes: ssh may read and write them whenever it likes.
        self._words = tempfile.TemporaryFile()
        self._known = tempfile.NamedTemporaryFile(prefix="fleet-backup-")  # 0600
        if account.host_key:
            self._known.write(("%s %s\n" % (_ALIAS, account.host_key)).encode("utf-8"))
            self._known.flush()
        self._ours, theirs = socket.socketpair()
        with theirs:
            for end in (self._ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            try:
                self._child = subprocess.Popen(
                    _argv(account, self._known.name),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=self._words,
                    **GROUP_OPTIONS,
                )
            except OSError as error:
                self._ours.close()
                raise MissingDependencyError(
                    "%s: the program ssh, which connection: ssh needs, cannot be started: %s; install it (Debian: openssh-client)"
                    % (account.store, error.strerror)
                ) from None

    def send(self, header: bytes, data: t.Union[bytes, bytearray, memoryview]) -> None:
        if IS_WINDOWS:
            raise NotImplementedError  # see _check()
        sent = self._ours.sendmsg([header, data])
        if sent < len(header):
            self._ours.sendall(header[sent:])
            sent = len(header)
        if sent < len(header) + len(data):
            with memoryview(data) as whole:
                self._ours.sendall(whole[sent - len(header) :])

    def receive(self, size: int) -> bytes:
        return self._ours.recv(size, socket.MSG_WAITALL)

    def set_timeout(self, seconds: float) -> None:
        self._ours.settimeout(seconds)

    def failure(self, error: Exception) -> FleetBackupError:
        """Why the session ended, in the words of ssh. Ends what is left of it."""
        self._end()
        self._words.seek(0)
        output = self._words.read(1 << 16)
        text = output.decode("utf-8", "replace")
        for sign, meaning in _REFUSALS:
            if sign in text:
                return StoreRefusedError(
                    "%s: %s: %s (ssh: %s)" % (self._account.store, self._account.address, meaning, _said(output))
                )
        return StoreUnavailableError("%s: %s: %s (ssh: %s)" % (self._account.store, self._account.address, error, _said(output)))

    def close(self) -> None:
        self._end()
        self._words.close()
        self._known.close()

    def _end(self) -> None:
        self._ours.close()
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _check(account: Account) -> None:
    """Raise ConfigurationError when the program cannot do what is asked for."""
    if IS_WINDOWS or account.password or account.passphrase:
        why = "is not possible on Windows" if IS_WINDOWS else "takes no password or passphrase, only keys and agents"
        raise ConfigurationError("%s: connection: ssh %s; use connection: paramiko" % (account.store, why))


def _argv(account: Account, known: str) -> t.List[str]:
    settings = [
        "BatchMode=yes",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "StrictHostKeyChecking=yes",
        "ConnectTimeout=%d" % max(1, account.timeout),
        "ServerAliveInterval=%d" % account.keepalive,
        "ServerAliveCountMax=3",
    ]
    if account.host_key:
        settings += ["HostKeyAlias=%s" % _ALIAS, 'UserKnownHostsFile="%s"' % known, "GlobalKnownHostsFile=none"]
        settings += ["HostKeyAlgorithms=%s" % _algorithms(account.host_key)]
    elif account.known_hosts:
        settings += ['UserKnownHostsFile="%s"' % account.known_hosts, "GlobalKnownHostsFile=none"]
    if account.key_file:
        settings += ["IdentitiesOnly=yes", 'IdentityFile="%s"' % account.key_file]
    if not account.agent:
        settings += ["IdentityAgent=none"]
    argv = ["ssh", *("-o%s" % setting for setting in settings)]
    if account.port:
        argv += ["-p", str(account.port)]
    if account.user:
        argv += ["-l", account.user]
    return [*argv, "-s", "--", account.host, "sftp"]


def _algorithms(host_key: str) -> str:
    """The ways in which a server can prove that it has a key of this type."""
    kind = host_key.split(maxsplit=1)[0]
    return "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind


def _said(output: bytes) -> str:
    return " | ".join(last_lines(output, 3)) or "nothing"
