# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of containers over SSH: deployed, deployed again, backed up, one wiped and restored, each with one command.

``fleet.py [HOSTS]``. Prints the seconds of each command, also for each host beside ``ansible -m ping``, and how many tasks a host
ran. Exit code 1: a second deployment changed something, a host ran more tasks than it should, or what was wiped is not back.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from hosts import Host  # noqa: E402
from playing import Ansible  # noqa: E402

_FILES, _BYTES = 200, 5000
_SUM = "cd /srv/app && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"


class Recap(t.NamedTuple):
    """Of one command: its seconds, and of each host how many tasks it ran and how many changed something."""

    seconds: float
    tasks: t.Dict[str, int]
    changed: int


class Fleet:
    """Hosts ``web01`` and so on, each with an application of small files."""

    def __init__(self, folder: Path, hosts: t.Sequence[Host]) -> None:
        self.hosts = {"web%02d" % number: host for number, host in enumerate(hosts, 1)}
        self._ansible = Ansible(folder / "ansible")
        self._inventory = folder / "hosts.yml"
        key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_text()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda host: _prepare(host, public), hosts))
        variables = {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(key), "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
            "fleet_backup_stores": [{"name": "disk", "local": {"path": "/var/backups/fleet"}}],
            "fleet_backup_jobs": [
                {
                    "name": "app", "sources": [{"name": "files", "files": {"paths": ["/srv/app"]}}], "stores": ["disk"],
                    "schedules": [{"at": "02:00", "splay": "1h"}], "max_age": "26h",
                }
            ],
        }  # fmt: skip
        addresses = {name: {"ansible_host": host.address} for name, host in self.hosts.items()}
        self._inventory.write_text(json.dumps({"all": {"hosts": addresses, "vars": variables}}))
        self._ansible.environment.update(ANSIBLE_FORKS=str(len(hosts)), ANSIBLE_PIPELINING="true")

    def ping(self) -> float:
        """The seconds of ``ansible -m ping``."""
        began = time.monotonic()
        self._ansible.run("ansible", "-i", self._inventory, "-m", "ping", "all", check=True)
        return time.monotonic() - began

    def play(self, name: str, *options: str) -> Recap:
        """Run one playbook."""
        began = time.monotonic()
        done = self._ansible.run(
            "ansible-playbook", "-i", self._inventory, str(ROOT / "playbooks" / (name + ".yml")), *options, check=True
        )  # fmt: skip
        seconds = time.monotonic() - began
        counts = dict(re.findall(r"^(web\d+) +: ok=(\d+)", done.stdout, re.MULTILINE))
        changed = sum(map(int, re.findall(r"^web\d+ +: .*changed=(\d+)", done.stdout, re.MULTILINE)))
        return Recap(seconds, {host: int(count) for host, count in counts.items()}, changed)


def _prepare(host: Host, public_key: str) -> None:
    host.let_in(public_key)
    host.run("mkdir", "-p", "/srv/app", "/var/backups/fleet")
    script = "for n in $(seq %d); do head -c %d /dev/urandom > /srv/app/$n; done" % (_FILES, _BYTES)
    host.run("sh", "-c", script)


@contextlib.contextmanager
def _room_for(count: int) -> t.Iterator[None]:
    """Let this machine watch as much as ``count`` systemds do; sysctl's fs.inotify.max_user_instances is 128 by default."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before, needed = int(limit.read_text()), 128 + 16 * count
    if before < needed:
        limit.write_text("%d\n" % needed)
    try:
        yield
    finally:
        limit.write_text("%d\n" % before)


def main(count: int) -> int:
    missed = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(_room_for(count))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        began = time.monotonic()
        hosts = [stack.enter_context(Host()) for _number in range(count)]
        fleet = Fleet(folder, hosts)
        print("%d hosts are up after %.0f s" % (count, time.monotonic() - began))
        fleet.ping()  # opens the connections
        ping = fleet.ping()
        print("%-28s %6.1f s %6.2f s a host" % ("ansible -m ping", ping, ping / count))

        def play(what: str, name: str, *options: str, most: int = 0, changes: bool = True) -> None:
            recap = fleet.play(name, *options)
            tasks = max(recap.tasks.values())
            hosts = len(recap.tasks)
            print(
                "%-28s %6.1f s %6.2f s a host, %4.1f times ping; %2d tasks on a host, %d changes"
                % (what, recap.seconds, recap.seconds / hosts, recap.seconds / ping * count / hosts, tasks, recap.changed)
            )
            if most and tasks > most:
                missed.append("%s: %d tasks, at most %d" % (what, tasks, most))
            if not changes and recap.changed:
                missed.append("%s: %d changes" % (what, recap.changed))

        play("deploy", "deploy", most=12)
        play("deploy again", "deploy", most=8, changes=False)
        play("backup", "backup", "-e", "poll_interval=1", most=2)
        name, host = next(iter(fleet.hosts.items()))
        before = host.run("sh", "-c", _SUM).stdout
        host.run("rm", "-r", "/srv/app")
        play("restore of one", "restore", "-e", "target=%s" % name, "-e", "confirm=yes")
        if host.run("sh", "-c", _SUM).stdout != before:
            missed.append("%s is not as it was" % name)
        play("status", "status", "-e", "fail=yes")
    for line in missed:
        print("MISSED %s" % line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
