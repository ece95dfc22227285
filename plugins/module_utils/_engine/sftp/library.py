# SPDX-License-Identifier: GPL-3.0-or-later
"""paramiko carries the session: one connection, on which every session is a channel of its own."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import socket
import threading
import time
import typing as t

from ..errors import ConfigurationError, FleetBackupError, MissingDependencyError, StoreRefusedError, StoreUnavailableError
from .account import Account

_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
#: What is in flight towards us at most, for each channel.
_WINDOW = 8 << 20
#: What paramiko says of a key that it cannot read, or open with this passphrase.
_BAD_KEY = re.compile(r"(?i)key file|invalid key|checkints|private key")
_MOMENT = 1.0
#: The data of one packet that every server takes (RFC 4253, 6.1).
_PACKET = 1 << 15


class Transport:
    """A connection by paramiko, made when the first channel is opened, and made anew when it was lost."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client: t.Any = None
        self._doubtful: t.List[t.Any] = []
        self._connecting = threading.Lock()

    def open(self) -> Channel:
        """A new channel on which the server speaks SFTP. Raises FleetBackupError."""
        paramiko = _paramiko(self._account)
        with self._connecting:
            transport: t.Any = self._client.get_transport() if self._client else None
            known = transport is not None and transport.is_active()
            if not known:
                self._connect(paramiko)
                transport = self._client.get_transport()
        # paramiko waits for the answer to the last of these for ever.
        watch = threading.Timer(self._account.timeout, transport.close)
        watch.daemon = True
        watch.start()
        try:
            channel = transport.open_session(window_size=_WINDOW, timeout=self._account.timeout)
            channel.invoke_subsystem("sftp")
        except (paramiko.SSHException, OSError, EOFError) as error:
            if isinstance(error, paramiko.ChannelException) or "Timeout" in str(error):
                # One connection allows a server's number of sessions; another one may.
                self.doubt(transport)
                raise self._unavailable(error) from None
            if known:
                # It was lost, which its thread had not noticed yet.
                self.doubt(transport)
                return self.open()
            # A connection that was lost says the same as a server without SFTP, and ends a moment later.
            transport.join(_MOMENT)
            if not transport.is_active():
                raise self._unavailable(error) from None
            raise StoreRefusedError(
                "%s: %s offers no SFTP: %s" % (self._account.store, self._account.address, error or "it closed the session")
            ) from None
        finally:
            watch.cancel()
        return Channel(self._account, channel, self.doubt)

    def doubt(self, transport: t.Any) -> None:
        """Connect anew for the next channel; what is on this connection may go on."""
        with self._connecting:
            if self._client is not None and self._client.get_transport() is transport:
                self._doubtful.append(self._client)
                self._client = None

    def close(self) -> None:
        for client in self._doubtful:
            client.close()
        if self._client is not None:
            self._client.close()

    def _connect(self, paramiko: t.Any) -> None:
        account = self._account
        client = paramiko.SSHClient()
        revoked = _know(paramiko, client, account)
        client.set_missing_host_key_policy(_Refuse(account))
        given = account.key_file or account.password
        connected = False
        try:
            client.connect(
                account.host,
                account.port or 22,
                account.user,
                account.password.reveal() if account.password else None,
                key_filename=account.key_file,
                passphrase=account.passphrase.reveal() if account.passphrase else None,
                timeout=account.timeout,
                banner_timeout=account.timeout,
                sock=_Socket(account),
                auth_timeout=account.timeout,
                allow_agent=account.agent and not given,
                look_for_keys=not given,
                transport_factory=_fast,
            )
            if client.get_transport().get_remote_server_key().get_base64() in revoked:
                raise StoreRefusedError("%s: the host key of %s is revoked in known_hosts" % (account.store, account.address))
            connected = True
        except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
            raise self._error(paramiko, error) from None
        finally:
            if not connected:
                client.close()
        client.get_transport().set_keepalive(account.keepalive)
        if self._client is not None:
            self._client.close()
        self._client = client

    def _error(self, paramiko: t.Any, error: Exception) -> FleetBackupError:
        account = self._account
        where = "%s: %s" % (account.store, account.address)
        if isinstance(error, paramiko.BadHostKeyException):
            return StoreRefusedError(
                "%s: its host key is not the one that is known: it was set up anew, or somebody stands in between; compare it"
                " with the server's own and correct known_hosts or host_key (known: %s; shown: %s)"
                % (where, fingerprint(error.expected_key.asbytes()), fingerprint(error.key.asbytes()))
            )
        if isinstance(error, paramiko.PasswordRequiredException):
            return ConfigurationError("%s: the key %s is encrypted; give its passphrase" % (account.store, account.key_file))
        if isinstance(error, paramiko.AuthenticationException):
            tried = "the password" if account.password and not account.key_file else account.key_file or "every key of this user"
            who = " of " + account.user if account.user else ""
            return StoreRefusedError("%s: it refuses the login%s with %s: %s" % (where, who, tried, error))
        if account.key_file and not os.access(account.key_file, os.R_OK):
            return ConfigurationError("%s: the key %s does not exist, or may not be read" % (account.store, account.key_file))
        if account.key_file and (isinstance(error, ValueError) or _BAD_KEY.search(str(error))):
            return ConfigurationError("%s: the key %s cannot be used: %s" % (account.store, account.key_file, error))
        return self._unavailable(error)

    def _unavailable(self, error: Exception) -> FleetBackupError:
        return StoreUnavailableError(
            "%s: %s: %s" % (self._account.store, self._account.address, error or "the connection was closed")
        )


class Channel:
    """One session's channel (session.Connection)."""

    def __init__(self, account: Account, channel: t.Any, doubt: t.Callable[[t.Any], None]) -> None:
        self._account = account
        self._channel = channel
        self._doubt = doubt

    def send(self, header: bytes, data: t.Union[bytes, bytearray, memoryview]) -> None:
        # Not by its sendall(), which copies the rest again and again, and turns in a circle when the channel was closed.
        with memoryview(b"".join((header, data)) if data else header) as rest:
            at = 0
            while at < len(rest):
                sent = self._channel.send(bytes(rest[at : at + _PACKET]))
                if not sent:
                    raise EOFError("the connection was closed")
                at += sent

    def receive(self, size: int) -> bytes:
        data: bytes = self._channel.recv(size)
        return data

    def set_timeout(self, seconds: float) -> None:
        self._channel.settimeout(seconds)

    def failure(self, error: Exception) -> FleetBackupError:
        self._doubt(self._channel.get_transport())
        # paramiko gives no reasons.
        silence = "no answer in time" if isinstance(error, socket.timeout) else "the connection was lost"
        return StoreUnavailableError("%s: %s: %s" % (self._account.store, self._account.address, str(error) or silence))

    def close(self) -> None:
        try:
            self._channel.close()
        except (OSError, EOFError):
            return  # the other side went first


class _Socket:
    """A socket that fails when it takes no data for too long: paramiko itself would try for ever."""

    def __init__(self, account: Account) -> None:
        self._socket = socket.create_connection((account.host, account.port or 22), account.timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._timeout = account.timeout
        self._waiting: t.Optional[float] = None

    def send(self, data: bytes) -> int:
        try:
            sent = self._socket.send(data)
        except socket.timeout:
            now = time.monotonic()
            if self._waiting is None:
                self._waiting = now
            elif now - self._waiting > self._timeout:
                raise OSError("it takes no data") from None
            raise
        self._waiting = None
        return sent

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._socket, name)


class _Refuse:
    """What paramiko asks about a host whose key it does not know."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def missing_host_key(self, client: t.Any, hostname: str, key: t.Any) -> None:
        raise StoreRefusedError(
            "%s: %s: its host key is not known; compare it with the server's own, and add it to known_hosts (ssh-keyscan prints"
            " it) or give it as host_key: %s %s (%s)"
            % (self._account.store, self._account.address, key.get_name(), key.get_base64(), fingerprint(key.asbytes()))
        )


def fingerprint(key: bytes) -> str:
    """As ssh shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def _paramiko(account: Account) -> t.Any:
    try:
        import paramiko
    except ImportError as error:
        raise MissingDependencyError(
            "%s: sftp needs the Python library paramiko, which this Python lacks: %s; install it (Debian: python3-paramiko), or"
            " set connection: ssh" % (account.store, error)
        ) from None
    # Without a handler, Python writes its warnings to stderr; what matters of them is in the errors.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return paramiko


def _know(paramiko: t.Any, client: t.Any, account: Account) -> t.Set[str]:
    """Tell paramiko which host keys are right. Returns those that are revoked, as base64."""
    if account.host_key:
        if not _know_line(paramiko, client.get_host_keys(), "%s %s" % (account.address, account.host_key)):
            raise ConfigurationError("%s: host_key is not the public key of a host" % account.store)
        return set()
    given = account.known_hosts
    revoked: t.Set[str] = set()
    for path in [given] if given else [_SYSTEM_KNOWN_HOSTS, os.path.expanduser("~/.ssh/known_hosts")]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError as error:
            if given or not isinstance(error, FileNotFoundError):
                raise ConfigurationError(
                    "%s: known_hosts: %s cannot be read: %s" % (account.store, path, error.strerror)
                ) from None
            continue
        for line in lines:
            fields = line.split()
            if fields and fields[0] == "@revoked":
                revoked.update(fields[3:4])
            elif fields and fields[0][0] not in "#@":
                _know_line(paramiko, client.get_host_keys(), line)
    return revoked


def _know_line(paramiko: t.Any, known: t.Any, line: str) -> bool:
    """Take a line of a file of known hosts. As ssh does, pass over one that is of no use; False then."""
    try:
        entry = paramiko.hostkeys.HostKeyEntry.from_line(line)
    except (paramiko.hostkeys.InvalidHostKey, paramiko.SSHException, ValueError):
        return False
    if entry is None:
        return False
    for name in entry.hostnames:
        known.add(name, entry.key.get_name(), entry.key)
    return True


def _fast(*arguments: t.Any, **options: t.Any) -> t.Any:
    """A transport that prefers the ciphers that need no separate pass for the checksum."""
    import paramiko

    transport = paramiko.Transport(*arguments, **options)
    security = transport.get_security_options()
    quick = [name for name in security.ciphers if "gcm" in name]
    security.ciphers = quick + [name for name in security.ciphers if "ctr" in name]
    return transport
