# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis server for tests, with its data in a folder, and what is in it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import typing as t
from pathlib import Path

PATIENCE = 120


class Server:
    """A server of this host on a free port and a unix socket. ``options`` are its settings."""

    def __init__(self, folder: Path, password: t.Optional[str] = None, **options: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.socket = "/tmp/fleet-redis-%d.sock" % self.port
        self.password = password
        self._options = {"save": "", **options}
        self._config = folder.parent / (folder.name + ".conf")
        self._process: t.Optional[subprocess.Popen[bytes]] = None
        self.start()

    def start(self) -> None:
        lines = ["port %d" % self.port, "bind 127.0.0.1", "unixsocket %s" % self.socket, "dir %s" % self.folder]
        lines += ['%s "%s"' % (name.replace("_", "-"), value) for name, value in self._options.items()]
        if self.password is not None:
            lines.append('requirepass "%s"' % self.password.replace("\\", "\\\\").replace('"', '\\"'))
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        log = open(str(self._config) + ".log", "ab")
        self._process = subprocess.Popen(["redis-server", str(self._config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + PATIENCE
        while "PONG" not in self.cli("PING", check=False):
            assert self._process.poll() is None and time.monotonic() < deadline, open(log.name, encoding="utf-8").read()
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def cli(self, *command: str, check: bool = True, stdin: t.Optional[bytes] = None) -> str:
        return cli(["redis-cli", "-s", self.socket], command, self.password, check, stdin)

    def fill(self, keys: int = 300) -> None:
        fill(self.cli, keys)

    def state(self) -> t.Dict[str, str]:
        return state(self.cli)


def cli(
    argv: t.Sequence[str], command: t.Sequence[str], password: t.Optional[str], check: bool, stdin: t.Optional[bytes]
) -> str:  # fmt: skip
    environment = {**os.environ, **({"REDISCLI_AUTH": password} if password is not None else {})}
    done = subprocess.run([*argv, *command], env=environment, input=stdin, capture_output=True, check=check)
    return done.stdout.decode("utf-8", "replace")


def fill(ask: t.Callable[..., str], keys: int = 300) -> None:
    """Keys of every type, binary ones, ones that end, in several databases."""
    commands = ["SET key:%d value:%d" % (n, n) for n in range(keys)]
    commands += [
        'SET "bin\\x00\\xff" "\\x00\\x01\\xfe\\r\\n"', 'SET empty ""', "RPUSH list a b c", "SADD set x y z",
        "ZADD zset 1.5 a -inf b",
        "HSET hash f v g w", "XADD stream 1-1 field value", "SETBIT bits 1000 1", "PFADD log a b c", "GEOADD geo 13.36 38.11 P",
        "SET ends soon EX 100000", "SET big %s" % ("x" * 100_000),
        "SELECT 3", "SET other db", "SELECT 15", "SET last db",
    ]  # fmt: skip
    ask(stdin="\n".join(commands).encode("utf-8") + b"\n")


def state(ask: t.Callable[..., str]) -> t.Dict[str, str]:
    """The digest of every key of every database, and which of them end."""
    lines = ask("EVAL", _STATE, "0").split("\n")
    return {" ".join(line.split(" ")[:2]): line for line in lines if line.strip()}


# Sets and hashes have no order of their own, so what they hold is sorted.
_STATE = """
local function content(key)
  local kind, parts = redis.call('TYPE', key).ok, {}
  if kind == 'set' then
    parts = redis.call('SMEMBERS', key)
  elseif kind == 'hash' then
    local all = redis.call('HGETALL', key)
    for n = 1, #all, 2 do parts[#parts + 1] = #all[n] .. ':' .. all[n] .. all[n + 1] end
  else
    return redis.call('DUMP', key)
  end
  table.sort(parts)
  return kind .. table.concat(parts, ' ')
end
local out = {}
for db = 0, 15 do
  redis.call('SELECT', db)
  for _, key in ipairs(redis.call('KEYS', '*')) do
    local ends = redis.call('TTL', key) >= 0 and 'ends' or 'stays'
    out[#out + 1] = db .. ' ' .. redis.sha1hex(key) .. ' ' .. redis.sha1hex(content(key)) .. ' ' .. ends
  end
end
table.sort(out)
return out
"""
