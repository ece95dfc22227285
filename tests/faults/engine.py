# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``fleet-backup`` in a process of its own: forked, not started, so that thousands of runs are affordable."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
import typing as t
from pathlib import Path

import _engine
from _engine.cli.main import main

Inside = t.Callable[[], None]

# Imported once, here, and not again in every child.
for _module in pkgutil.walk_packages(_engine.__path__, "_engine."):
    if "windows" not in _module.name and not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)


class Finished(t.NamedTuple):
    """How a command ended; ``status`` is its exit code, or minus the signal that killed it."""

    status: int
    stdout: str
    stderr: str

    @property
    def result(self) -> t.Dict[str, t.Any]:
        """What ``--json`` wrote."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    def expect(self, *statuses: int) -> Finished:
        """This, when it ended as it should; else an AssertionError that shows everything."""
        assert self.status in statuses, "status %d, not %s\n%s\n%s" % (self.status, statuses, self.stdout, self.stderr)
        return self


class Running:
    """A command under way."""

    def __init__(self, argv: t.Sequence[str], inside: t.Optional[Inside] = None) -> None:
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.pid = os.fork()
        if self.pid == 0:
            _child(argv, inside, self._out.fileno(), self._err.fileno())

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """True when it has ended already; wait() still works."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> Finished:
        _pid, status = os.waitpid(self.pid, 0)
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape"))
            file.close()
        return Finished(os.waitstatus_to_exitcode(status), *texts)


def call(argv: t.Sequence[str], inside: t.Optional[Inside] = None) -> Finished:
    """Run the command. ``inside`` is called in the process before it, to prepare what is to go wrong."""
    return Running(argv, inside).wait()


def _child(argv: t.Sequence[str], inside: t.Optional[Inside], out: int, err: int) -> t.NoReturn:
    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin, sys.stdout, sys.stderr = open(0, closefd=False), open(1, "w", closefd=False), open(2, "w", closefd=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        if inside:
            inside()
        code = main(list(argv))
        sys.stdout.flush()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - a child must not return into the test runner
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Host:
    """A host with one job, ``app``, and one store, below ``folder``."""

    def __init__(
        self, folder: Path, sources: t.Sequence[t.Dict[str, t.Any]], store: t.Optional[Path] = None, **job: t.Any
    ) -> None:
        self.folder = folder
        self.store = store or folder / "store"
        self.state = folder / "state"
        self.job = dict({"name": "app", "sources": list(sources), "stores": ["disk"]}, **job)
        #: Whatever else the job file says.
        self.settings: t.Dict[str, t.Any] = {}
        self.config = folder / "host.json"
        self.write_config()

    def write_config(self) -> None:
        """Write the job file again after a change of ``job`` or a folder."""
        description = {
            "host": "host",
            "state_dir": str(self.state),
            "stores": [{"name": "disk", "local": {"path": str(self.store)}}],
            "jobs": [self.job],
            **self.settings,
        }
        self.config.write_text(json.dumps(description))

    def argv(self, *arguments: str) -> t.List[str]:
        return [*arguments, "--config", str(self.config), "--json"]

    def call(self, *arguments: str, inside: t.Optional[Inside] = None) -> Finished:
        return call(self.argv(*arguments), inside)

    @property
    def backups(self) -> Path:
        """The folder of the job in the store."""
        return self.store / "host" / "app"

    def manifests(self) -> t.List[t.Dict[str, t.Any]]:
        """The manifests in the store, oldest first."""
        paths = sorted(self.backups.glob("*Z-*.json"))
        return [json.loads(path.read_bytes()) for path in paths if not path.name.endswith(".failed.json")]
