# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores beside the programs that copy to such places: one file that nothing makes smaller, to the same server, on this machine.

Ours is a whole backup: read, written as a tar, hashed twice (each file, each volume), with its index, manifest and sums, and
made durable where the store can; the others copy the bytes. Compression is off, so that the stores are what is measured.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from comparisons import HERE, MIB, OURS, PROJECT, Comparison, Contender, Place, files
from measuring import MissingError, Step, Usage, run
from servers import RUNNING

if t.TYPE_CHECKING:
    from ftp_servers import Vsftpd
    from seaweedfs import SeaweedFS
    from ssh_servers import Sshd

_MEMORY = 200 * MIB
_PROGRAMS = os.environ.get("PATH", "") + ":/usr/sbin"
#: What a line to a place far away lets through: 160 Mbit/s.
_LINE = "20MiB"
DRIVER = "the driver of the store"
CP, AWS, SFTP, CURL = "cp; sync -f", "aws s3 cp", "sftp put", "curl -T (FTPS)"

#: A store of a job file, and what empties it.
_Store = t.Tuple[t.Dict[str, t.Any], t.Callable[[], None]]


def _file(place: Place) -> str:
    (name,) = os.listdir(place.data)
    return os.path.join(place.data, name)


def _contender(name: str, folder: str, step: Step, empty: t.Callable[[], None], needs: t.Tuple[str, ...] = ()) -> Contender:
    """One that writes to an empty store; emptying it takes no part of its time."""

    def measure() -> Usage:
        empty()
        used = run([step])
        empty()
        return used

    return Contender(name, folder, [], needs=needs, measure=measure)


def _driver(place: Place, store: _Store) -> Contender:
    """The driver alone, in a process of its own."""
    description, empty = store
    engine = os.path.join(PROJECT, "plugins", "module_utils")
    argv = [sys.executable, "-I", os.path.join(HERE, "put.py"), engine, json.dumps(description), _file(place)]
    return _contender(DRIVER, place.folder(DRIVER), Step([argv]), empty)


def _backup(place: Place, stores: t.Mapping[str, _Store], name: str = OURS) -> Contender:
    """A whole backup."""
    folder = place.folder(name)
    described = {store: description for store, (description, _empty) in stores.items()}
    config = place.config_of_stores(folder, described, files(place), compression={"algorithm": "none"})

    def empty() -> None:
        for _description, empty_one in stores.values():
            empty_one()

    return _contender(name, folder, place.call(config, "run", "bench"), empty)


def _compare(place: Place, store: _Store, theirs: Contender, limit: float) -> Comparison:
    contenders = [_driver(place, store), _backup(place, {"place": store}), theirs]
    return Comparison(place.data, contenders, {theirs.name: limit}, rss=_MEMORY, own=2)


def local(place: Place) -> Comparison:
    path = os.path.join(place.folder(DRIVER), "store")
    target = os.path.join(place.folder(CP), "f")
    copy = ["sh", "-c", 'cp "$1" "$2" && sync -f "$2"', "sh", _file(place), target]
    theirs = _contender(CP, place.folder(CP), Step([copy]), functools.partial(_remove, target))
    return _compare(place, ({"local": {"path": path}}, functools.partial(_remove, path)), theirs, 1.1)


def s3(place: Place) -> Comparison:
    server = _seaweedfs()
    name = "theirs"
    _options, empty = _s3_store(server, name)
    command = [_aws(), "s3", "cp", "--no-progress", "--endpoint-url", server.endpoint, _file(place), "s3://%s/f" % name]
    copy = Step([command], environment=_aws_environment())
    return _compare(place, _s3_store(server, "ours"), _contender(AWS, place.folder(AWS), copy, empty), 1.1)


def sftp_paramiko(place: Place) -> Comparison:
    return _sftp(place, "paramiko", 3.0)


def sftp_ssh(place: Place) -> Comparison:
    return _sftp(place, "ssh", 1.3)


def _sftp(place: Place, connection: str, limit: float) -> Comparison:
    server = _sshd()
    target = server.data / "f"
    known = server.folder / "known"
    known.write_text("[127.0.0.1]:%d %s\n" % (server.port, server.host_key))
    words = ["-q", "-b", "-", "-i", server.key, "-P", str(server.port), "-oUserKnownHostsFile=%s" % known]
    put = ["printf", "put %s %s\n", _file(place), server.visible(target)]
    copy = Step([put, ["sftp", *words, "%s@127.0.0.1" % server.user]])
    theirs = _contender(SFTP, place.folder(SFTP), copy, functools.partial(_remove, target), ("sftp",))
    return _compare(place, _sftp_store(server, connection), theirs, limit)


def ftp(place: Place) -> Comparison:
    server = _vsftpd()
    folder = place.folder(CURL)
    login = os.path.join(folder, "login")
    options = server.options("/base/store")
    with open(login, "w") as file:
        file.write('user = "%s:%s"\n' % (options["user"], options["password"]))
    url = "ftp://localhost:%d/base/f" % server.port
    command = ["curl", "-s", "-S", "-K", login, "--ssl-reqd", "--cacert", options["ca_file"], "-T", _file(place), url]
    empty = functools.partial(_remove, server.root / "base" / "f")
    return _compare(place, _ftp_store(server), _contender(CURL, folder, Step([command]), empty, ("curl",)), 1.2)


def three_stores(place: Place) -> Comparison:
    """Three places at the end of a line each, side by side and one by one."""
    return _three(place, {"bandwidth_limit": _LINE}, 1.3)


def three_stores_at_hand(place: Place) -> Comparison:
    """Without lines, for the record: then all servers and clients wait for the processors of this machine."""
    return _three(place, {}, None)


def _three(place: Place, line: t.Dict[str, t.Any], slowest: t.Optional[float]) -> Comparison:
    places = {
        "s3": _s3_store(_seaweedfs(), "ours"),
        "sftp": _sftp_store(_sshd(), "ssh"),
        "ftp": _ftp_store(_vsftpd()),
    }
    stores = {name: ({**description, **line}, empty) for name, (description, empty) in places.items()}
    alone = [_backup(place, {name: store}, name + " alone") for name, store in stores.items()]
    return Comparison(place.data, [_backup(place, stores), *alone], {}, rss=_MEMORY, slowest=slowest)


#: name: (data set, what makes the comparison)
STORES: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {
    "store-local": ("one", local),
    "store-s3": ("one", s3),
    "store-sftp-paramiko": ("one", sftp_paramiko),
    "store-sftp-ssh": ("one", sftp_ssh),
    "store-ftp": ("one", ftp),
    "three-stores": ("one", three_stores),
    "three-stores-at-hand": ("one", three_stores_at_hand),
}


# the servers


@functools.cache
def _seaweedfs() -> SeaweedFS:
    try:
        from seaweedfs import SeaweedFS
    except ImportError as error:
        raise MissingError("the Python library %s is not installed" % error.name) from None
    folder = Path(tempfile.mkdtemp(prefix="fleet-backup-seaweedfs-"))
    RUNNING.callback(shutil.rmtree, folder, ignore_errors=True)
    server = SeaweedFS(folder / "server")
    RUNNING.callback(server.close)
    return server


@functools.cache
def _sshd() -> Sshd:
    from ssh_servers import Sshd

    if not shutil.which("sshd", path=_PROGRAMS):
        raise MissingError("sshd is not installed")
    server = Sshd()
    RUNNING.callback(server.close)
    return server


@functools.cache
def _vsftpd() -> Vsftpd:
    try:
        from ftp_servers import Vsftpd
    except ImportError as error:
        raise MissingError("the Python library %s is not installed" % error.name) from None
    if os.geteuid() != 0 or not shutil.which("vsftpd", path=_PROGRAMS):
        raise MissingError("only root can start vsftpd, which must be installed")
    server = Vsftpd()
    RUNNING.callback(server.close)
    base = server.root / "base"
    base.mkdir()
    base.chmod(0o777)
    return server


def _s3_store(server: SeaweedFS, bucket: str) -> _Store:
    """A bucket of its own: its data go with it, at once."""
    from seaweedfs import ADMIN

    def empty() -> None:
        if bucket in [found["Name"] for found in server.admin.list_buckets()["Buckets"]]:
            objects = server.admin.list_objects_v2(Bucket=bucket).get("Contents", [])
            for found in objects:
                server.admin.delete_object(Bucket=bucket, Key=found["Key"])
            server.admin.delete_bucket(Bucket=bucket)
        server.admin.create_bucket(Bucket=bucket)

    access, secret = ADMIN
    options = {"bucket": bucket, "endpoint_url": server.endpoint, "access_key": access, "secret_key": secret}
    return {"s3": options}, empty


def _sftp_store(server: Sshd, connection: str) -> _Store:
    path = server.data / "store"
    return {"sftp": {**server.options(path), "connection": connection}}, functools.partial(_remove, path)


def _ftp_store(server: Vsftpd) -> _Store:
    return {"ftp": server.options("/base/store")}, functools.partial(_remove, server.root / "base" / "store")


def _remove(path: t.Union[str, Path]) -> None:
    """Remove a file, or a folder with all in it, if there is one."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)


@functools.cache
def _aws() -> str:
    """The program, in a Python environment of its own: it wants other releases of what our driver uses."""
    folder = Path(PROJECT, "build", "awscli")
    program = folder / "bin" / "aws"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", "awscli"], check=True)
    return str(program)


def _aws_environment() -> t.Dict[str, str]:
    from seaweedfs import ADMIN

    access, secret = ADMIN
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**nothing, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}
