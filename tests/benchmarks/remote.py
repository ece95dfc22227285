# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP against OpenSSH's own ``sftp put``, FTP against curl: the same bytes to the same server on the loopback, best of three.

python tests/benchmarks/remote.py [MIB]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins" / "module_utils"), str(ROOT / "tests")]

from ftp_servers import PASSWORD, Vsftpd  # noqa: E402
from ssh_servers import Sshd  # noqa: E402

from _engine.options import check  # noqa: E402
from _engine.stores import load  # noqa: E402


def main(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        with open("/dev/urandom", "rb") as random, source.open("wb") as file:
            for _mib in range(size):
                file.write(random.read(1 << 20))
        _sftp(source, size)
        _ftp(source, size)


def _sftp(source: Path, size: int) -> None:
    server = Sshd()
    try:
        known = server.folder / "known"
        known.write_text("[127.0.0.1]:%d %s\n" % (server.port, server.host_key))
        argv = ["sftp", "-q", "-b", "-", "-i", server.key, "-P", str(server.port), "-oUserKnownHostsFile=%s" % known]
        argv.append("%s@127.0.0.1" % server.user)
        target = server.data / "plain"
        script = b"put %s %s\n" % (str(source).encode(), server.visible(target).encode())
        reference = _best("sftp put", size, lambda: subprocess.run(argv, input=script, check=True, capture_output=True))
        target.unlink()
        for connection in ("ssh", "paramiko"):
            options = {**server.options(server.data / "store"), "connection": connection}
            _store("sftp, connection: " + connection, "sftp", options, source, size, reference)
    finally:
        server.close()


def _ftp(source: Path, size: int) -> None:
    server = Vsftpd()
    try:
        base = server.root / "base"
        base.mkdir()
        base.chmod(0o777)
        url = "ftp://localhost:%d/base/plain" % server.port
        argv = ["curl", "-s", "-S", "--ssl-reqd", "--cacert", str(server.certificate.ca), "-T", str(source), url]
        config = ('user = "anonymous:%s"\n' % PASSWORD).encode()

        def curl() -> None:
            subprocess.run([*argv, "-K", "-"], input=config, check=True)
            (base / "plain").unlink()

        reference = _best("curl -T (FTPS)", size, curl)
        _store("ftp, tls: explicit", "ftp", server.options("/base/store"), source, size, reference)
    finally:
        server.close()


def _store(name: str, driver: str, options: t.Dict[str, t.Any], source: Path, size: int, reference: float) -> None:
    def put() -> None:
        kind = load(driver)
        store = kind("bench", check(options, kind.OPTIONS, driver))
        upload = store.put("object")
        with source.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                upload.write(block)
        upload.commit()
        store.delete("object")

    _best(name, size, put, reference)


def _best(name: str, size: int, act: t.Callable[[], object], reference: t.Optional[float] = None) -> float:
    times = []
    for _round in range(3):
        began = time.monotonic()
        act()
        times.append(time.monotonic() - began)
    best = min(times)
    ratio = "" if reference is None else ", %.2f times as long" % (best / reference)
    sys.stdout.write("%-28s %6.2f s, %5.0f MiB/s%s\n" % (name, best, size / best, ratio))
    sys.stdout.flush()
    return best


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
