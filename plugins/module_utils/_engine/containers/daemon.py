# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker daemon of this host: its volumes, and which containers use them."""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from dataclasses import dataclass, field

from ..errors import SourceError
from .api import Api, Container, NotFoundByDaemonError

_DEFAULT = "unix:///var/run/docker.sock"
_UNIX = "unix://"

_PROJECT_LABEL = "com.docker.compose.project"


@dataclass(frozen=True)
class Volume:
    """A volume as the daemon knows it. ``mountpoint`` is where its files are; nothing is there while it is not mounted."""

    name: str
    driver: str
    mountpoint: str
    options: t.Mapping[str, str] = field(default_factory=dict)
    labels: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def mounts(self) -> bool:
        """Whether the daemon mounts something at the mountpoint, and only while a container uses the volume."""
        return bool(self.options.get("device") or self.options.get("type"))

    @property
    def place(self) -> str:
        """The folder that holds its files: that of the mountpoint, or the one of the host that is bound there."""
        if "bind" in self.options.get("o", "").split(",") and self.options.get("device"):
            return self.options["device"]
        return self.mountpoint


class Daemon:
    """The daemon at ``host``, or the one that the environment names. To be closed.

    Volumes are read and written through the file system; so it must be this host's own, behind a unix socket. Raises
    SourceError; so do the methods.
    """

    def __init__(self, host: t.Optional[str] = None) -> None:
        address = host or os.environ.get("DOCKER_HOST") or _DEFAULT
        if not address.startswith(_UNIX):
            raise SourceError(
                "the files of volumes are read on the host that has them, so the Docker daemon must be this host's own, behind a"
                " unix socket, and not %s; run the job on that host" % address
            )
        self.socket = address[len(_UNIX) :]
        self._api = Api(self.socket)
        with self._told("cannot be reached"):
            self._api.get("/version")

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: t.Any) -> None:
        self.close()

    def close(self) -> None:
        return

    def volume(self, name: str) -> t.Optional[Volume]:
        """The volume of that name; None when there is none."""
        with self._told("does not tell of volume %s" % name):
            try:
                return _volume(self._api.get("/volumes/%s" % name))
            except NotFoundByDaemonError:
                return None

    def find(self, project: t.Optional[str], labels: t.Sequence[str]) -> t.List[Volume]:
        """The volumes of a compose project, or with all these labels, sorted by name."""
        wanted = [*labels, *(["%s=%s" % (_PROJECT_LABEL, project)] if project else [])]
        with self._told("does not list its volumes"):
            found = self._api.get("/volumes", filters=json.dumps({"label": wanted}))["Volumes"] or []
        return sorted(map(_volume, found), key=lambda volume: volume.name)

    def create(self, name: str, driver: str, options: t.Mapping[str, str], labels: t.Mapping[str, str]) -> Volume:
        """Make a volume."""
        with self._told("cannot make the volume %s" % name):
            description = {"Name": name, "Driver": driver, "DriverOpts": dict(options), "Labels": dict(labels)}
            self._api.post("/volumes/create", description)
        made = self.volume(name)
        if made is None:
            raise SourceError("the Docker daemon made the volume %s, and does not know it" % name)
        return made

    def remove(self, name: str) -> None:
        """Remove a volume. One that is gone is fine."""
        with self._told("cannot remove the volume %s" % name):
            try:
                self._api.delete("/volumes/%s" % name)
            except NotFoundByDaemonError:
                return

    def container(self, name: str) -> t.Optional[Container]:
        """The container of that name or id; None when there is none."""
        with self._told("does not tell of container %s" % name):
            try:
                return Container(self._api, self._api.get("/containers/%s/json" % name))
            except NotFoundByDaemonError:
                return None

    def users(self, volumes: t.Iterable[str]) -> t.List[Container]:
        """The containers that run, or are paused, and use one of the volumes, each once, sorted by name."""
        found: t.Dict[str, Container] = {}
        with self._told("does not list its containers"):
            for name in volumes:
                for listed in self._api.get("/containers/json", filters=json.dumps({"volume": [name]})):
                    container = self.container(listed["Id"])
                    if container is None:
                        continue
                    mounts = container.attrs.get("Mounts") or []
                    if any(mount.get("Type") == "volume" and mount.get("Name") == name for mount in mounts):
                        found[container.id] = container
        return sorted(found.values(), key=lambda container: container.name)

    @contextlib.contextmanager
    def asked(self, what: str) -> t.Iterator[None]:
        """Around a request for a container: what goes wrong is a SourceError that says what could not be done."""
        try:
            yield
        except OSError as error:
            raise SourceError("%s: %s" % (what, error)) from None

    def _told(self, what: str) -> t.ContextManager[None]:
        return self.asked("the Docker daemon at %s%s %s" % (_UNIX, self.socket, what))


def _volume(attrs: t.Mapping[str, t.Any]) -> Volume:
    return Volume(
        attrs["Name"], attrs["Driver"], attrs.get("Mountpoint") or "", attrs.get("Options") or {}, attrs.get("Labels") or {}
    )
