# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a server: logged in, binary, protected as it was asked for."""

from __future__ import annotations

import ftplib
import posixpath
import socket
import ssl
import typing as t
from dataclasses import dataclass

from ..errors import ConfigurationError, FleetBackupError, StoreFullError, StoreRefusedError, StoreUnavailableError
from ..secret import Secret

#: All that a connection can raise.
ERRORS = (ftplib.Error, OSError, EOFError)

#: Words of servers that mean a full disk or a quota; vsftpd says no more than the first.
_NO_ROOM = ("writing to local file", "no space", "quota", "disk full", "insufficient storage", "exceeded storage")


@dataclass(frozen=True)
class Account:
    """``store`` is how errors begin; ``tls`` is ``explicit``, ``implicit`` or ``none``."""

    store: str
    host: str
    port: int
    user: str
    password: t.Optional[Secret]
    tls: str
    ca_file: t.Optional[str]
    timeout: float


class Connection:
    """A control connection; ``ftp`` is ftplib's. ``broken`` once a reply was not waited for to its end."""

    def __init__(self, account: Account) -> None:
        self.broken = False
        self.ftp = ftplib.FTP(timeout=account.timeout) if account.tls == "none" else _tls(account)  # noqa: S321
        connected = False
        try:
            self.ftp.connect(account.host, account.port)
            self.ftp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # type: ignore[union-attr]
            self.ftp.login(account.user, account.password.reveal() if account.password else "")
            if isinstance(self.ftp, ftplib.FTP_TLS):
                self.ftp.prot_p()
            features = _features(self.ftp)
            self.lists_facts = "MLSD" in features or "MLST" in features
            if "UTF8" in features:
                _try(self.ftp, "OPTS UTF8 ON")
            self.ftp.voidcmd("TYPE I")
            self.home = self.ftp.pwd()
            connected = True
        except ERRORS as error:
            raise explain(account, error) from error
        finally:
            if not connected:
                self.ftp.close()

    def folder_exists(self, path: str) -> bool:
        """Whether a folder can be entered; it is the current one then."""
        try:
            self.ftp.voidcmd("CWD " + path)
        except ftplib.error_perm:
            return False
        return True

    def size(self, path: str) -> t.Optional[int]:
        """The size of a file; None when there is none."""
        try:
            return self.ftp.size(path) or 0
        except ftplib.error_perm as error:
            if str(error)[:3] != "550":
                raise
            return None

    def upload(self, path: str, offset: int = 0) -> socket.socket:
        """Begin to write a file, from ``offset`` on; to be ended by end_transfer()."""
        return self.ftp.transfercmd("STOR " + path, offset or None)

    def download(self, path: str, offset: int) -> socket.socket:
        """Begin to read a file from ``offset`` on; to be ended by end_transfer()."""
        return self.ftp.transfercmd("RETR " + path, offset or None)

    def end_transfer(self, data: socket.socket) -> None:
        """Close the connection for data, and wait for the server to say that all went well."""
        if isinstance(data, ssl.SSLSocket):
            try:
                data.unwrap()
            except (OSError, ValueError):
                pass  # many servers do not say goodbye; the reply below counts
        data.close()
        self.ftp.voidresp()

    def close(self) -> None:
        self.broken = True
        self.ftp.close()


def explain(account: Account, error: BaseException) -> FleetBackupError:
    """The error that tells the user what to do."""
    where = "%s: %s:%d" % (account.store, account.host, account.port)
    text = str(error).strip()
    if isinstance(error, FleetBackupError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreRefusedError(
            "%s: its certificate is not trusted: %s; give the certificate of who signed it as ca_file"
            % (where, error.verify_message)
        )
    if isinstance(error, ftplib.error_perm):
        code = text[:3]
        if code in ("552",) or any(words in text.lower() for words in _NO_ROOM):
            return StoreFullError("%s: no space or quota left: %s" % (where, text))
        if code in ("530", "331", "332"):
            return StoreRefusedError("%s: it refuses the login of %s: %s" % (where, account.user, text))
        if (
            code in ("500", "502", "504", "534")
            and account.tls == "explicit"
            and ("TLS" in text.upper() or "AUTH" in text.upper())
        ):
            return StoreRefusedError("%s: it offers no TLS: %s; with tls: none everything would go in the clear" % (where, text))
        return StoreRefusedError("%s: %s" % (where, text))
    if isinstance(error, ftplib.Error):
        if text.startswith("452") or any(words in text.lower() for words in _NO_ROOM):
            return StoreFullError("%s: no space or quota left: %s" % (where, text))
        return StoreUnavailableError("%s: %s" % (where, text))
    return StoreUnavailableError("%s: %s" % (where, text or "the connection was closed"))


class _Tls(ftplib.FTP_TLS):
    """Data connections continue the TLS session of the control connection, which servers rightly ask for."""

    implicit = False

    def connect(self, *arguments: t.Any, **options: t.Any) -> str:
        if not self.implicit:
            return super().connect(*arguments, **options)
        host, port = arguments
        self.host, self.port = host, port
        raw = socket.create_connection((host, port), self.timeout)
        self.sock = self.context.wrap_socket(raw, server_hostname=host)
        self.af = raw.family if raw.fileno() >= 0 else self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: t.Union[int, str, None] = None) -> t.Tuple[socket.socket, t.Optional[int]]:
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321
        if self._prot_p:  # type: ignore[attr-defined]
            data = self.context.wrap_socket(data, server_hostname=self.host, session=self.sock.session)  # type: ignore[union-attr]
        return data, size


def _tls(account: Account) -> _Tls:
    try:
        context = ssl.create_default_context(cafile=account.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError("%s: ca_file: %s cannot be read: %s" % (account.store, account.ca_file, error)) from None
    ftp = _Tls(context=context, timeout=account.timeout)
    ftp.implicit = account.tls == "implicit"
    return ftp


def _features(ftp: ftplib.FTP) -> t.Set[str]:
    try:
        lines = ftp.sendcmd("FEAT").splitlines()[1:-1]
    except ftplib.error_perm:
        return set()
    return {line.split()[0].upper() for line in lines if line.strip()}


def _try(ftp: ftplib.FTP, command: str) -> None:
    try:
        ftp.voidcmd(command)
    except ftplib.Error:
        return


def joined(home: str, path: str) -> str:
    """``path`` as seen from the folder that a login begins in."""
    return posixpath.normpath(posixpath.join(home, path))
