# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks and tests, all of them, and say at the end what passed, failed or was skipped.

Checks of different lanes run side by side at the end, for each uses little of the machine. A check whose tools this machine
lacks is skipped, loudly and by name; where CI=true stands in the environment that is a failure.
Usage: ``checks.py [lint | NAME...]``; without names everything runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from collection import BUILD, ROOT, copy_collection, prepare_sanity

BIN = Path(sys.executable).parent
CI = os.environ.get("CI") == "true"
_SHOWING = threading.Lock()


@dataclass(frozen=True)
class Check:
    """One check: ``command`` (argument list) is run in ``folder()``; ``needs`` are programs that must be on the PATH.

    ``lacks()`` tells what else is missing on this machine. After ``limit`` seconds it has failed. The checks of one ``lane``
    run one after the other, beside those of other lanes, once all without a lane are done.
    """

    name: str
    command: t.Tuple[str, ...]
    quick: bool = False
    limit: int = 1200  # seconds
    needs: t.Tuple[str, ...] = ()
    folder: t.Callable[[], Path] = lambda: ROOT
    environment: t.Callable[[], t.Dict[str, str]] = lambda: {}
    lacks: t.Callable[[], str] = lambda: ""
    lane: str = ""


def _python(*arguments: str) -> t.Tuple[str, ...]:
    return (sys.executable, *arguments)


_CONFIGURED = ("--config-file", str(ROOT / "pyproject.toml"))
# The engine as its Python on Windows finds it: that has less in its modules and in what stat() tells. Either side of the seam
# is checked for its own system; code for the other one cannot be reached, and need not be.
_AS_WINDOWS = (
    *("--platform", "win32", "--always-true", "IS_WINDOWS", "--no-warn-unreachable", "--exclude", "system/posix"),
    *("--cache-dir", ".mypy_cache/windows"),
)
_FRONT = tuple(
    argument
    for part in ("modules", "module_utils._ansible", "action", "filter", "lookup")
    for argument in ("-p", "ansible_collections.fleet.backup.plugins.%s" % part)
)


def _collections() -> Path:
    """Where the front can be imported by the name that Ansible gives it."""
    copy_collection()
    return BUILD


def _no_docker() -> str:
    done = subprocess.run(["docker", "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return "a Docker daemon that this user may use" if done.returncode else ""


def _with_base_image() -> Path:
    """The copy of the collection; debian:bookworm is there, from wherever this machine can have it."""
    subprocess.run([str(ROOT / "tests" / "containers" / "build.sh"), "host", "servers"], check=True, stdout=subprocess.DEVNULL)
    return copy_collection()


def _packed_once() -> t.Dict[str, str]:
    """What lets Ansible keep the modules that it has packed, as the tests do."""
    return {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "callbacks"), "ANSIBLE_CALLBACKS_ENABLED": "shared_payloads"}


def _own_copy() -> Path:
    """A copy of the collection that no other check writes into."""
    return copy_collection(BUILD / "checked")


CHECKS = (
    Check("ruff", _python("-m", "ruff", "check", "."), quick=True),
    Check("format", _python("-m", "ruff", "format", "--check", "."), quick=True),
    Check("mypy", _python("-m", "mypy", "--exclude", "system/windows"), quick=True),
    Check("mypy-windows", _python("-m", "mypy", *_AS_WINDOWS), quick=True),
    Check("mypy-front", _python("-m", "mypy", *_CONFIGURED, *_FRONT), quick=True, folder=_collections),
    Check("mypy-tools", _python("-m", "mypy", *_CONFIGURED, str(ROOT / "tools")), quick=True),
    Check("drift", _python("tools/generate.py", "--check"), quick=True),
    Check(
        "shellcheck",
        ("shellcheck", ".ci/run", "tools/demo", "tests/containers/build.sh", "tests/containers/mariadb/start"),
        quick=True,
        needs=("shellcheck",),
    ),
    # Work is stolen from a worker that is slow or hangs, so that the others do it. What fails is run once more: it may
    # be the machine's fault. The report names it as RERUN, and somebody looks at it. One worker more than CI has cores:
    # many tests wait for a container, a scheduler or a play.
    Check(
        "pytest",
        _python(
            "-m", "pytest", "-n", "3", "--dist", "worksteal", "--reruns", "1", "--durations", "25", "-m", "not soak", "tests"
        ),
        limit=3000,
    ),
    Check(
        "molecule",
        ("molecule", "test", "--all"),
        needs=("docker", "ssh", "ssh-keygen"),
        folder=_with_base_image,
        lacks=_no_docker,
        lane="hosts",
        environment=_packed_once,
    ),
    Check(
        "ansible-lint", _python("-m", "ansiblelint", "--offline", "--profile", "production"), folder=_own_copy, lane="collection"
    ),
    Check("changelog", ("antsibull-changelog", "lint"), folder=_own_copy, lane="collection"),
    Check("docs", ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "."), folder=_own_copy, lane="collection"),
    Check(
        "galaxy",
        ("ansible-galaxy", "collection", "build", "--force", "--output-path", str(ROOT / "build")),
        folder=_own_copy,
        lane="collection",
    ),
    Check(
        "sanity",
        ("ansible-test", "sanity", "--color", "no", "--venv", "--requirements", "--python", "%d.%d" % sys.version_info[:2]),
        needs=("shellcheck",),
        folder=_own_copy,
        lane="collection",
        environment=prepare_sanity,
    ),
)


def main(names: t.Sequence[str]) -> int:
    """Run the checks of these names ("lint": the quick ones) and return the exit code."""
    known = [check.name for check in CHECKS]
    unknown = [name for name in names if name not in (*known, "lint")]
    if unknown:
        sys.stderr.write("there is no check %s; there are: lint, %s\n" % (", ".join(unknown), ", ".join(known)))
        return 2
    os.environ["PATH"] = "%s%s%s" % (BIN, os.pathsep, os.environ.get("PATH", ""))
    chosen = [check for check in CHECKS if not names or check.name in names or ("lint" in names and check.quick)]
    lanes = [[check for check in chosen if check.lane == lane] for lane in dict.fromkeys(check.lane for check in chosen) if lane]
    outcomes = [_run(check) for check in chosen if not check.lane]
    with ThreadPoolExecutor(len(lanes) or 1) as side_by_side:
        for part in side_by_side.map(lambda lane: [_run(check, later=len(lanes) > 1) for check in lane], lanes):
            outcomes += part
    sys.stdout.write("\n%s\n" % ("=" * 78))
    for name, outcome, duration in outcomes:
        sys.stdout.write("%-14s %-60s %5.0f s\n" % (name, outcome, duration))
    failed = [outcome for _name, outcome, _duration in outcomes if outcome != "passed" and (CI or outcome.startswith("FAILED"))]
    return 1 if failed else 0


def _run(check: Check, later: bool = False) -> t.Tuple[str, str, float]:
    """Return the check's name, its outcome and the seconds it took. ``later``: its output is shown when it is done."""
    output = tempfile.TemporaryFile() if later else None
    title = "\n=== %s: %s\n" % (check.name, " ".join(check.command))
    began = time.monotonic()
    if not later:
        sys.stdout.write(title)
        sys.stdout.flush()
    missing = [program for program in check.needs if not shutil.which(program)] or [lack for lack in [check.lacks()] if lack]
    outcome = "SKIPPED: no %s" % ", ".join(missing) if missing else _outcome(check, output)
    with _SHOWING:
        if output is not None:
            output.seek(0)
            sys.stdout.write(title + output.read().decode(errors="replace"))
            output.close()
        if missing:
            sys.stdout.write("SKIPPED: this machine has no %s\n" % ", ".join(missing))
        sys.stdout.flush()
    return check.name, outcome, time.monotonic() - began


def _outcome(check: Check, output: t.Optional[t.IO[bytes]]) -> str:
    folder = check.folder()
    collections = next((p.parent for p in folder.parents if p.name == "ansible_collections"), BUILD)
    running = subprocess.Popen(
        check.command,
        cwd=folder,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), **check.environment()},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return "FAILED" if running.wait(check.limit) else "passed"
    except subprocess.TimeoutExpired:
        return "FAILED: not done within %d s" % check.limit
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
