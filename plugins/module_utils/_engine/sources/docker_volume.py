# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker volumes of this host, with all metadata of their files; the containers that use them can be stopped or paused meanwhile.

Facts: ``volumes`` (of each: ``driver``, ``options``, ``labels``; under ``withheld`` the names of options that may hold a secret),
``containers`` (those that used them: ``name``, ``image``, ``action``), ``databases`` (whose files lie in a volume: ``kind``,
``path``), ``files`` (numbers of what was read).
"""

from __future__ import annotations

import os
import re
import typing as t

from ..archive.index import Root, sort_key
from ..errors import FleetBackupError, SourceError
from ..options import Option
from ..result import Notice
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source
from .files import FilesSource

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..containers.daemon import Daemon, Volume
    from ..containers.hold import Hold

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_SHARED = ("exclude", "include", "exclude_caches", "exclude_if_present", "on_unreadable", "on_changed", "detect")

# In what the local driver hands to mount(8): "username=app,password=...", "credentials=/etc/...".
_SECRET = re.compile(r"pass|secret|token|credential|key", re.IGNORECASE)


class DockerVolumeSource(Source):
    """See the module. In the archive, each volume is a root of its own name."""

    OPTIONS = (
        Option("volumes", "list", "The volumes, by name.", example=["moodle_moodledata"]),
        Option("project", "str", "Instead of O(volumes): all volumes of this compose project.", example="moodle"),
        Option(
            "labels",
            "list",
            "Instead of O(volumes): all volumes that have these labels, each C(name) or C(name=value).",
            example=["backup=yes"],
        ),
        Option(
            "containers",
            "str",
            "What to do with the running containers that use the volumes, while these are read. V(stop) them: their files are"
            " then whole. V(pause) them: the files are as after a power failure. V(leave) them alone: files that change meanwhile"
            " are told. The label C(fleet.backup.containers) of a container, with one of the three, wins. Whatever happens to the"
            " backup, they go on afterwards.",
            default="leave",
            choices=("stop", "pause", "leave"),
        ),
        Option("stop_timeout", "duration", "How long a container has to stop before it is killed.", default="30s"),
        Option(
            "docker_host",
            "str",
            "The unix socket of the host's Docker daemon. Default: as the environment (C(DOCKER_HOST)) says, else the usual one.",
            example="unix:///run/user/1000/docker.sock",
        ),
        *(option for option in FilesSource.OPTIONS if option.name in _SHARED),
    )
    shape = "tree"
    roots_are_paths = False
    restore_note = (
        "Each folder there is a volume. Make it if it is missing (docker volume create NAME), stop the containers that use it,"
        " and copy the folder's content, as root and with cp -a, to the Mountpoint that docker volume inspect NAME shows."
    )

    @classmethod
    def places(cls, options: t.Dict[str, t.Any]) -> t.Sequence[str]:
        names: t.List[str] = options["volumes"]
        return names

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = FilesSource.check_options({**options, "paths": []})
        names = [name for name in options["volumes"] if isinstance(name, str)]
        chosen = bool(options["project"] or options["labels"])
        if not options["volumes"] and not chosen:
            problems.append("volumes: is missing; name volumes, or a project, or labels")
        if options["volumes"] and chosen:
            problems.append("volumes: cannot be combined with project or labels")
        for n, name in enumerate(names):
            if not _NAME.match(name):
                problems.append("volumes[%d]: %r is no name of a volume" % (n, name))
            if name in names[:n]:
                problems.append("volumes[%d]: %s is named twice" % (n, name))
        return problems

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        with self._daemon() as daemon:
            names = [volume.name for volume in self._volumes(daemon, must_exist=False)]
        return {**self.options, "volumes": names, "project": None, "labels": []} if names else None

    def plan(self) -> Plan:
        with self._daemon() as daemon:
            volumes = self._volumes(daemon)
            hold = self._hold(daemon, volumes)
            for volume in volumes:
                check_mounted(volume)
            plan = self._trees(volumes).plan()
            plan.details["volumes"] = [volume.name for volume in volumes]
            plan.details["containers"] = hold.plan
        return plan

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        with self._daemon() as daemon:
            volumes = self._volumes(daemon)
            hold = self._hold(daemon, volumes)
            try:
                hold.begin()
                for volume in volumes:
                    # Only now: some are mounted only while a container uses them.
                    check_mounted(volume)
                found = _databases(volumes)
                reading = self._trees(volumes).backup(component, progress)
            except BaseException as error:
                problems = hold.release()
                if problems:
                    raise SourceError("\n".join([str(error), *problems])) from error
                raise
            problems = hold.release()
        reading.facts = {
            "volumes": {volume.name: described(volume) for volume in volumes},
            "containers": hold.plan,
            "databases": [{"kind": kind, "path": path} for kind, _source, path in found],
            "files": reading.facts,
        }
        if problems:
            reading.notices.append(Notice("container-not-started", "\n".join(problems), self.name, len(problems)))
        if found and hold.left:
            reading.notices.append(_live(found, hold.left, self.name))
        return reading

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        from ..containers.restoring import plan

        return plan(component, target)

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        from ..containers.restoring import VolumesRestoring

        return VolumesRestoring(component, target)

    def _daemon(self) -> Daemon:
        from ..containers.daemon import Daemon

        return Daemon(self.options["docker_host"])

    def _hold(self, daemon: Daemon, volumes: t.Sequence[Volume]) -> Hold:
        from ..containers.hold import Hold

        users = daemon.users(volume.name for volume in volumes)
        return Hold(daemon, users, self.options["containers"], self.options["stop_timeout"])

    def _volumes(self, daemon: Daemon, must_exist: bool = True) -> t.List[Volume]:
        if not self.options["volumes"]:
            found = daemon.find(self.options["project"], self.options["labels"])
            if not found and must_exist:
                raise SourceError("source %s: there is no volume of that project, or with those labels" % self.name)
            return found
        volumes = []
        for name in sorted(self.options["volumes"]):
            volume = daemon.volume(name)
            if volume is not None:
                volumes.append(volume)
            elif must_exist:
                raise SourceError("there is no Docker volume %s; take it out of the job, or bring it back" % name)
        return volumes

    def _trees(self, volumes: t.Sequence[Volume]) -> _Trees:
        trees = _Trees(self.name, {**self.options, "paths": [], "one_file_system": False})
        trees.volumes = volumes
        trees.leave_out = self.leave_out
        return trees


class _Trees(FilesSource):
    """The files of volumes."""

    volumes: t.Sequence[Volume] = ()

    def roots(self) -> t.List[Root]:
        roots = [Root(os.fsencode(volume.place), volume.name.encode("ascii")) for volume in self.volumes]
        return sorted(roots, key=lambda root: sort_key(root.name))


def check_mounted(volume: Volume, error: t.Type[FleetBackupError] = SourceError) -> None:
    """Raise ``error`` unless the volume's files can be seen."""
    place = volume.place
    if not place:
        raise error("volume %s: its driver %s does not say where its files are" % (volume.name, volume.driver))
    if not os.path.isdir(place):
        raise error(
            "volume %s: %s cannot be seen here; run as root, on the host of the Docker daemon and not inside a container or"
            " another machine" % (volume.name, place)
        )
    if volume.mounts and place == volume.mountpoint and not os.path.ismount(place):
        raise error(
            "volume %s: is mounted only while a container uses it, and none does now; let one run, and pause or leave it"
            % volume.name
        )


def described(volume: Volume) -> t.Dict[str, t.Any]:
    """What is needed to make the volume again, but for what may be a secret."""
    options = {key: value for key, value in volume.options.items() if not _SECRET.search("%s=%s" % (key, value))}
    facts: t.Dict[str, t.Any] = {"driver": volume.driver, "options": options, "labels": dict(volume.labels)}
    withheld = sorted(set(volume.options) - set(options))
    return {**facts, "withheld": withheld} if withheld else facts


def _databases(volumes: t.Sequence[Volume]) -> t.List[t.Tuple[str, t.Optional[str], str]]:
    from ..containers.live import databases

    found = []
    for volume in volumes:
        for kind, source, path in databases(volume.place):
            below = os.path.relpath(path, volume.place)
            found.append((kind, source, volume.name if below == os.curdir else "%s/%s" % (volume.name, below)))
    return found


def _live(found: t.Sequence[t.Tuple[str, t.Optional[str], str]], users: t.Sequence[t.Any], name: str) -> Notice:
    told = ", ".join("%s in %s" % (kind, path) for kind, _source, path in found)
    sources = sorted({source for _kind, source, _path in found if source})
    better = "use the source %s, or " % " or ".join(sources) if sources else ""
    message = (
        "the files of a database were read while %s may have written to them (%s): they may be of no use; %slet the containers be"
        " stopped (containers: stop)" % (", ".join(str(container.name) for container in users), told, better)
    )
    return Notice("live-database", message, name, len(found), [path for _kind, _source, path in found])
