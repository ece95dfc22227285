# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL in a container, and over TCP with certificates that are checked."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

import jobs
import pytest
from dockers import container, docker
from postgres import Server

from _engine.operations.backup import backup
from _engine.operations.restore import RestoreRequest, restore
from _engine.progress import Progress

_SHOP = """
CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE sold (item integer REFERENCES item, n integer CHECK (n > 0));
INSERT INTO item (name) SELECT md5(n::text) FROM generate_series(1, 20000) n; INSERT INTO sold SELECT id, 1 + id % 9 FROM item;
CREATE VIEW sales AS SELECT name, sum(n) FROM item JOIN sold ON item = id GROUP BY name;
CREATE ROLE clerk; GRANT SELECT ON item TO clerk; SELECT lo_from_bytea(0, '\\x0001ff');
"""


@contextlib.contextmanager
def contained(image):
    with container(image) as made:
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "exec", made, "pg_isready"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, "the server in the container does not come up in a minute"
            time.sleep(0.1)
        yield made


def inside(name, sql, database="postgres"):
    argv = ["docker", "exec", "-i", name, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database]
    return subprocess.run(argv, input=sql, capture_output=True, text=True, check=True).stdout


def dump(name):
    return docker("exec", name, "pg_dump", "--restrict-key=x", "shop")


class Once(Progress):
    """Does something when the first bytes have been read."""

    def __init__(self, act):
        self.act = act

    def advance(self, count):
        act, self.act = self.act, None
        if act:
            act()


def test_in_containers(tmp_path, postgresql_image):
    """Restored in place, into another container, and removed in the middle of a backup."""
    with contained(postgresql_image) as one, contained(postgresql_image) as other:
        inside(one, "CREATE DATABASE shop")
        inside(one, _SHOP, "shop")
        config = jobs.configure(tmp_path, {"name": "db", "postgresql": {"container": one, "databases": ["shop"]}})
        jobs.take(config)
        before = dump(one)
        inside(one, "DROP TABLE sold CASCADE; UPDATE item SET name = 'x'", "shop")
        for options in ({}, {"container": other}):
            result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False, options=options))
            assert result.error is None, result.error
            assert dump(options.get("container", one)) == before
        for name in (one, other):
            assert "fleet-backup" not in docker("exec", name, "ls", "/tmp")
        config = jobs.configure(tmp_path / "b", {"name": "db", "postgresql": {"container": one, "databases": ["shop"]}})
        result = backup(config, config.jobs[0], progress=Once(lambda: docker("rm", "--force", "--volumes", one)))
        assert result.error["code"] == "source" and "was removed" in result.error["message"], result.error
        assert not list((tmp_path / "b" / "store").rglob("db*"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A server that takes nothing but TLS over TCP, and the folder of its certificates."""
    server = Server()
    folder = Path(server.folder) / "tls"
    folder.mkdir(mode=0o755)

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for authority in ("ca", "other"):
        openssl("req", "-x509", *key, "-subj", "/CN=" + authority, "-keyout", authority + ".key", "-out", authority + ".crt")
    for name, subject in (("server", "IP:127.0.0.1"), ("robot", "DNS:robot")):
        (folder / "names").write_text("subjectAltName=%s\n" % subject)
        openssl("req", *key, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-extfile", "names")
        openssl("x509", "-req", "-in", name + ".csr", *signing, "-out", name + ".crt")
    subprocess.run(["chown", "postgres", folder / "server.key"], check=True)
    hba = Path(server.data, "pg_hba.conf")
    text = hba.read_text().replace("host all all 127", "hostssl all robot 127.0.0.1/32 cert\nhostssl all all 127")
    hba.write_text(text)
    for setting, file in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key"), ("ssl_ca_file", "ca.crt")):
        server.sql("ALTER SYSTEM SET %s = '%s'" % (setting, folder / file))
    server.sql("ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf(); CREATE ROLE robot LOGIN SUPERUSER")
    server.create_database("shop")
    server.sql(_SHOP, "shop")
    yield server, folder
    server.remove()


def test_by_tls_with_certificates_that_are_checked(tmp_path, secured):
    server, folder = secured
    right = server.tcp(databases=["shop"], sslmode="verify-full", sslrootcert=str(folder / "ca.crt"))
    robot = {**right, "user": "robot", "password": None}
    robot.update(sslcert=str(folder / "robot.crt"), sslkey=str(folder / "robot.key"))
    before = server.dump("shop")
    for number, options in enumerate((right, robot)):
        config = jobs.configure(tmp_path / str(number), {"name": "db", "postgresql": options})
        jobs.take(config)
        server.sql("DROP TABLE sold CASCADE", "shop")
        result = restore(config, "app", RestoreRequest(confirm=True, safety_backup=False))
        assert result.error is None, result.error
        assert server.dump("shop") == before
    for change, words in (
        ({"sslrootcert": str(folder / "other.crt")}, "certificate verify failed"),
        ({"host": "localhost"}, 'does not match host name "localhost"'),
        ({"sslmode": "disable", "sslrootcert": None}, "no encryption"),
    ):
        config = jobs.configure(tmp_path / "wrong", {"name": "db", "postgresql": {**right, **change}})
        result = backup(config, config.jobs[0])
        assert result.error["code"] == "source" and words in result.error["message"], result.error
