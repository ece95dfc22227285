# SPDX-License-Identifier: GPL-3.0-or-later
"""Real SFTP servers on the loopback: OpenSSH with an account in a chroot, and rclone's."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

#: OpenSSH chroots only where nobody else can write on the way, so not below /tmp.
_SAFE = Path("/run")

_SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
LogLevel VERBOSE
Subsystem sftp internal-sftp
{account}
"""

_CHROOT = """\
ForceCommand internal-sftp
ChrootDirectory {root}
DisableForwarding yes
PermitTTY no
"""


class Sshd:
    """A server with one account, which sees only ``root`` as ``/``, and may write to ``/data`` there.

    Run by root, the account is nobody's; otherwise the user's own, without a chroot. ``visible``: what it calls a path.
    """

    def __init__(self) -> None:
        self.chroot = os.geteuid() == 0
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-backup-sshd-", dir=_SAFE if self.chroot else None))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        self.data = self.root / "data"
        self.data.mkdir(parents=True)
        self.user = getpass.getuser()
        if self.chroot:
            self.user = "nobody"
            shutil.chown(self.data, "nobody")
            Path("/run/sshd").mkdir(exist_ok=True)
        for name in ("host_key", "key", "stranger"):
            keygen(self.folder / name)
        keygen(self.folder / "locked", "open sesame")
        public = [(self.folder / ("%s.pub" % name)).read_text() for name in ("key", "locked")]
        (self.folder / "authorized").write_text("".join(public))
        self.port = free_port()
        self.log = self.folder / "log"
        self._start()

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def key(self) -> str:
        return str(self.folder / "key")

    def visible(self, path: Path) -> str:
        return "/" + str(path.relative_to(self.root)) if self.chroot else str(path)

    def options(self, path: Path) -> t.Dict[str, t.Any]:
        """What a store in ``path``, a folder below ``data``, needs."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "key_file": self.key,
            "host_key": self.host_key,
            "path": self.visible(path),
        }

    def own(self, path: Path) -> None:
        """Make a folder that belongs to the account."""
        path.mkdir()
        if self.chroot:
            shutil.chown(path, self.user)

    def replace_host_key(self) -> None:
        """Start again with another one, as after a new installation."""
        self._stop()
        (self.folder / "host_key").unlink()
        keygen(self.folder / "host_key")
        self._start()

    def hang_up(self) -> None:
        """End every connection, and go on."""
        self._stop()
        self._start()

    def close(self) -> None:
        self._stop()
        shutil.rmtree(self.folder)

    def _start(self) -> None:
        account = _CHROOT.format(root=self.root) if self.chroot else ""
        (self.folder / "config").write_text(_SSHD.format(port=self.port, folder=self.folder, account=account))
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        log = self.log.open("ab")
        self._process = subprocess.Popen([program, "-D", "-e", "-f", str(self.folder / "config")], stderr=log)
        wait_for(self.port, self._process)

    def _stop(self) -> None:
        # A session's process outlives the server; each is a child, or the child of one.
        children = _children(self._process.pid)
        for pid in [*(grandchild for child in children for grandchild in _children(child)), *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.terminate()
        self._process.wait()


def _children(pid: int) -> t.List[int]:
    try:
        return [int(child) for child in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]
    except FileNotFoundError:
        return []


def keygen(path: Path, passphrase: str = "") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)], check=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Until somebody listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the server on port %d did not start" % port) from None
            time.sleep(0.05)
