# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker volumes and containers for tests, on the real daemon; all have names of their own and are removed at the end."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import docker
import trees

IMAGE = "fleet-backup/restore:bookworm"
FOREVER = ["sleep", "infinity"]


class Playground:
    """Makes volumes and containers."""

    def __init__(self):
        self.client = docker.from_env()
        self.prefix = "fleet-backup-test-%s-" % uuid.uuid4().hex[:8]
        self._containers = []

    def name(self, word):
        return self.prefix + word

    def volume(self, word, entries=0, **options):
        """Make a volume, with a tree of so many entries in it; return its name."""
        name = self.name(word)
        self.client.volumes.create(name, **options)
        if entries:
            trees.make_tree(self.path(word) / "tree", seed=1, entries=entries)
        return name

    def path(self, word):
        """Where the files of a volume are."""
        return Path(self.client.volumes.get(self.name(word)).attrs["Mountpoint"])

    def container(self, word, volume, command=FOREVER, **options):
        """Run a container that has the volume under /data."""
        made = self.client.containers.run(
            IMAGE, command, name=self.name(word), detach=True, init=True,
            volumes={self.name(volume): {"bind": "/data", "mode": "rw"}}, network_mode="none", **options,
        )  # fmt: skip
        self._containers.append(made)
        return made

    def state(self, word):
        """``running``, ``paused``, ``exited``, ..., and when it was started."""
        container = self.client.containers.get(self.name(word))
        return container.status, container.attrs["State"]["StartedAt"]

    def exists(self, word):
        return any(volume.name == self.name(word) for volume in self.client.volumes.list())

    def destroy(self, word):
        """Empty a volume."""
        for item in self.path(word).iterdir():
            shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else os.unlink(item)

    def close(self):
        for container in self._containers:
            try:
                container.remove(force=True, v=True)
            except docker.errors.NotFound:
                continue
        for volume in self.client.volumes.list():
            if volume.name.startswith(self.prefix):
                volume.remove(force=True)
        self.client.close()
