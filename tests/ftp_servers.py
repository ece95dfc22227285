# SPDX-License-Identifier: GPL-3.0-or-later
"""Real FTP servers on the loopback: pyftpdlib in a process of its own, and vsftpd, which asks for one TLS session."""

from __future__ import annotations

import datetime
import getpass
import os
import random
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ssh_servers import free_port, wait_for

PASSWORD = "Sekret-1!"

_PYFTPDLIB = """\
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
root, port, user, password, tls, certificate, passive = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, root, perm="elradfmw")
handler = FTPHandler if tls == "none" else TLS_FTPHandler
handler.authorizer = authorizer
handler.auth_failed_timeout = 0.1
handler.passive_ports = [int(one) for one in passive.split(",") if one] or None
if tls != "none":
    handler.certfile = certificate
    handler.tls_control_required = handler.tls_data_required = True
if tls == "implicit":
    class Implicit(TLS_FTPHandler):
        def handle(self):
            self.secure_connection(self.ssl_context)
        def handle_ssl_established(self):
            TLS_FTPHandler.handle(self)
    handler = Implicit
FTPServer(("127.0.0.1", int(port)), handler).serve_forever()
"""

_VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
pasv_min_port={first}
pasv_max_port={last}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=077
anon_world_readable_only=NO
write_enable=YES
ftp_username={user}
allow_anon_ssl=YES
ssl_enable=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
rsa_cert_file={certificate}
rsa_private_key_file={certificate}
ssl_ciphers=HIGH
seccomp_sandbox=NO
secure_chroot_dir={empty}
xferlog_enable=NO
run_as_launching_user=NO
"""


class Certificate:
    """An authority and a certificate for ``localhost``, 127.0.0.1 and 127.0.0.2; ``ca`` and ``chain`` (with its key): files."""

    def __init__(self, folder: Path) -> None:
        authority, authority_key = _certificate("test authority", None, None)
        certificate, key = _certificate("localhost", authority, authority_key)
        self.ca, self.chain = folder / "ca.pem", folder / "server.pem"
        self.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        self.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
        self.chain.chmod(0o600)


class _Server:
    port: int
    #: Where it may listen for data, so that proxies can stand in for these ports on another address.
    data_ports: t.Sequence[int]
    root: Path
    user = "fleet"
    tls = "explicit"
    certificate: Certificate
    _process: subprocess.Popen[bytes]

    def options(self, path: str) -> t.Dict[str, t.Any]:
        options: t.Dict[str, t.Any] = {
            "host": "localhost",
            "port": self.port,
            "user": self.user,
            "password": PASSWORD,
            "tls": self.tls,
            "path": path,
        }
        if self.tls != "none":
            options["ca_file"] = str(self.certificate.ca)
        return options

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class PyFtp(_Server):
    def __init__(self, folder: Path, tls: str) -> None:
        self.tls = tls
        self.root = folder / "root"
        self.root.mkdir()
        self.certificate = Certificate(folder)
        self.port = free_port()
        self.data_ports = _data_ports()
        argv = [sys.executable, "-c", _PYFTPDLIB, str(self.root), str(self.port), self.user, PASSWORD, tls]
        argv += [str(self.certificate.chain), ",".join(map(str, self.data_ports))]
        log = (folder / "log").open("wb")
        self._process = subprocess.Popen(argv, stderr=log, stdout=log)
        wait_for(self.port, self._process)


class Vsftpd(_Server):
    """It serves its anonymous user, who needs no account of the system, and may write; only root can start it."""

    user = "anonymous"
    #: Whose the files are: somebody who is nobody, but has a home, on every Debian.
    account = "daemon" if os.geteuid() == 0 else getpass.getuser()

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-backup-vsftpd-", dir="/run"))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        (self.folder / "empty").mkdir()
        self.root.mkdir()
        self.certificate = Certificate(self.folder)
        self.port = free_port()
        self.data_ports = _data_ports()
        config = self.folder / "vsftpd.conf"
        values = {"port": self.port, "root": self.root, "certificate": self.certificate.chain, "empty": self.folder / "empty"}
        values.update(first=self.data_ports[0], last=self.data_ports[-1])
        config.write_text(_VSFTPD.format(user=self.account, **values))
        program = shutil.which("vsftpd") or "/usr/sbin/vsftpd"
        log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen([program, str(config)], stderr=log, stdout=log)
        wait_for(self.port, self._process)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder)


def _data_ports() -> t.Sequence[int]:
    """Ports below those that systems give to whoever asks for any."""
    first = random.randrange(15_000, 28_000)
    return range(first, first + 40)


def _certificate(
    name: str, issuer: t.Optional[x509.Certificate], issuer_key: t.Any
) -> t.Tuple[x509.Certificate, rsa.RSAPrivateKey]:
    key = rsa.generate_private_key(65537, 2048)  # vsftpd takes no other
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        import ipaddress

        names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address("127.0.0.%d" % n)) for n in (1, 2))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())
