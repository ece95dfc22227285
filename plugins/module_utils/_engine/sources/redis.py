# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis (or Valkey) server: all of its keys as they were at one moment, as an RDB file.

Facts: ``version``, ``role``, ``method``, ``check`` (``full``: every key was read and the checksum compared; ``end``: only that
the copy is not cut off), ``keys`` (in the copy, where they were counted), ``tables`` (keys of each database, just before), and
where the server keeps what: ``dir``, ``dbfilename``, ``appendonly``, ``appendfilename``, ``appenddirname``.
"""

from __future__ import annotations

import os
import typing as t

from ..connections import OPTIONS as CONNECTION
from ..connections import check_options as check_connection
from ..errors import SourceError
from ..options import Option
from ..result import Notice
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader
    from ..redis.server import Server

ENDING = ".rdb"


class RedisSource(Source):
    """See the module."""

    OPTIONS = (
        Option("host", "str", "Where the server listens.", default="127.0.0.1"),
        Option("port", "int", "The port it listens on.", default=6379, minimum=1, maximum=65535),
        Option("socket", "path", "Instead of O(host) and O(port): its unix socket.", example="/run/redis/redis-server.sock"),
        Option("username", "str", "The user of its access control list. Default: the one without a name."),
        Option("password", "str", "The password. It reaches redis-cli by its environment.", secret=True),
        Option("tls", "bool", "Speak TLS.", default=False),
        Option("ca_cert", "path", "The certificates of who may sign the server's. Default: the system's."),
        Option(
            "method",
            "str",
            "How the copy is made. V(replication): the server sends it as to a new replica; needs redis-cli 7. V(save): it is"
            " saved into the server's own folder (BGSAVE) and read there, on this host or in the container.",
            default="replication",
            choices=("replication", "save"),
        ),
        Option(
            "data_dir",
            "path",
            "The server's data folder, for restoring into it; in a O(container), as that sees it. Default: as the server said.",
            example="/var/lib/redis",
        ),
        Option("redis_cli", "str", "The program redis-cli, or one like it.", default="redis-cli", example="valkey-cli"),
        Option("timeout", "duration", "How long the server may keep the backup waiting.", default="10m"),
        *CONNECTION,
    )
    shape = "stream"
    restore_note = (
        "This is the server's dump.rdb. Stop the server, put the file into its data folder under that name, owned by the server's"
        " user, move an append-only file (appendonly.aof, appendonlydir) away, and start the server with appendonly no; with"
        " redis-cli config set appendonly yes it writes a new one. With appendonly yes it would begin empty."
    )

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = check_connection(options)
        if options["ca_cert"] and not options["tls"]:
            problems.append("ca_cert: says nothing without tls")
        if options["username"] and options["password"] is None:
            problems.append("password: is missing; a username needs one")
        return problems

    def plan(self) -> Plan:
        from ..redis.server import keys_of

        server = self._server()
        try:
            info = server.info()
        finally:
            server.close()
        return Plan(1, int(info.get("used_memory", 0)), {"version": _version(info), "tables": keys_of(info)})

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        try:
            self.plan()
        except SourceError:
            # It does not run, as it must not while it is restored. What lies in its folder is kept then.
            return None
        return self.options

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..redis.copying import Check, Tail, replicate, save
        from ..redis.server import keys_of

        timeout = self.options["timeout"]
        server = self._server()
        try:
            info = server.info()
            facts = {"version": _version(info), "role": info.get("role"), "method": self.options["method"]}
            facts.update(_where(server, info))
            stream = component.stream(component.name.encode("ascii"), ENDING)
            check = Check(server.connection, "redis-check-rdb", timeout)

            def take(part: memoryview) -> None:
                stream.write(part)
                check.write(part)
                progress(len(part))

            try:
                if self.options["method"] == "save":
                    save(server, Tail(take), timeout)
                else:
                    replicate(server, Tail(take))
                keys = check.finish()
            finally:
                check.close()
        finally:
            server.close()
        facts["check"] = "end" if keys is None else "full"
        if keys is not None:
            facts["keys"] = keys
        facts["tables"] = keys_of(info)
        notices = []
        if keys is None:
            message = "redis-check-rdb is missing in %s, so only the end of the copy was checked" % server.connection.place
            notices.append(Notice("not-checked", message, self.name))
        return Reading(facts, notices)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        if target.to is not None:
            from ..file_restoring import plan as plan_file

            return plan_file(_file(component, target.to))
        from ..redis.restoring import plan

        return plan(component, target)

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        if target.to is not None:
            from ..file_restoring import FileRestoring

            return FileRestoring(component, _file(component, target.to))
        from ..redis.restoring import RedisRestoring

        return RedisRestoring(component, target)

    def _server(self) -> Server:
        from ..redis.server import Server

        return Server(self.options, self.spool)


def _version(info: t.Mapping[str, str]) -> t.Optional[str]:
    return info.get("valkey_version") or info.get("redis_version")


def _where(server: Server, info: t.Mapping[str, str]) -> t.Dict[str, t.Any]:
    facts: t.Dict[str, t.Any] = {}
    for name in ("dir", "dbfilename", "appendfilename", "appenddirname"):
        value = server.setting(name)
        if value is not None:
            facts[name] = value
    facts["appendonly"] = info.get("aof_enabled") == "1"
    return facts


def _file(component: ComponentReader, folder: str) -> str:
    return os.path.join(folder, component.component.name + ENDING)
