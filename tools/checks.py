# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's checks and tests, all of them, and say at the end what passed, failed or was skipped.

A check whose tools this machine lacks is skipped, loudly and by name; where CI=true stands in the environment that is a
failure. Usage: ``checks.py [lint | NAME...]``; without names everything runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from collection import COLLECTIONS, ROOT, copy_collection, prepare_sanity

BIN = Path(sys.executable).parent
CI = os.environ.get("CI") == "true"


@dataclass(frozen=True)
class Check:
    """One check: ``command`` (argument list) is run in ``folder()``; ``needs`` are programs that must be on the PATH.

    ``lacks()`` tells what else is missing on this machine. After ``limit`` seconds it has failed.
    """

    name: str
    command: t.Tuple[str, ...]
    quick: bool = False
    limit: int = 1200  # seconds
    needs: t.Tuple[str, ...] = ()
    folder: t.Callable[[], Path] = lambda: ROOT
    environment: t.Callable[[], t.Dict[str, str]] = lambda: {}
    lacks: t.Callable[[], str] = lambda: ""


def _python(*arguments: str) -> t.Tuple[str, ...]:
    return (sys.executable, *arguments)


_CONFIGURED = ("--config-file", str(ROOT / "pyproject.toml"))
_FRONT = tuple(
    argument
    for part in ("modules", "module_utils._ansible", "action", "filter", "lookup")
    for argument in ("-p", "ansible_collections.fleet.backup.plugins.%s" % part)
)


def _collections() -> Path:
    """Where the front can be imported by the name that Ansible gives it."""
    copy_collection()
    return COLLECTIONS.parent


def _no_docker() -> str:
    done = subprocess.run(["docker", "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return "a Docker daemon that this user may use" if done.returncode else ""


def _with_base_image() -> Path:
    """The copy of the collection; debian:bookworm is there, from wherever this machine can have it."""
    subprocess.run([str(ROOT / "tests" / "containers" / "build.sh"), "host", "servers"], check=True, stdout=subprocess.DEVNULL)
    return copy_collection()


CHECKS = (
    Check("ruff", _python("-m", "ruff", "check", "."), quick=True),
    Check("format", _python("-m", "ruff", "format", "--check", "."), quick=True),
    Check("mypy", _python("-m", "mypy"), quick=True),
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
    # be the machine's fault. The report names it as RERUN, and somebody looks at it.
    Check(
        "pytest",
        _python(
            "-m", "pytest", "-n", "2", "--dist", "worksteal", "--reruns", "1", "--durations", "25", "-m", "not soak", "tests"
        ),
        limit=3000,
    ),
    Check(
        "molecule",
        ("molecule", "test", "--all"),
        needs=("docker", "ssh", "ssh-keygen"),
        folder=_with_base_image,
        lacks=_no_docker,
    ),
    Check("ansible-lint", _python("-m", "ansiblelint", "--offline", "--profile", "production"), folder=copy_collection),
    Check("changelog", ("antsibull-changelog", "lint"), folder=copy_collection),
    Check("docs", ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "."), folder=copy_collection),
    Check(
        "galaxy",
        ("ansible-galaxy", "collection", "build", "--force", "--output-path", str(ROOT / "build")),
        folder=copy_collection,
    ),
    Check(
        "sanity",
        ("ansible-test", "sanity", "--color", "no", "--venv", "--requirements", "--python", "%d.%d" % sys.version_info[:2]),
        needs=("shellcheck",),
        folder=copy_collection,
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
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS.parent)
    chosen = [check for check in CHECKS if not names or check.name in names or ("lint" in names and check.quick)]
    outcomes = [(check.name, *_run(check)) for check in chosen]
    sys.stdout.write("\n%s\n" % ("=" * 78))
    for name, outcome, duration in outcomes:
        sys.stdout.write("%-14s %-60s %5.0f s\n" % (name, outcome, duration))
    failed = [outcome for _name, outcome, _duration in outcomes if outcome != "passed" and (CI or outcome.startswith("FAILED"))]
    return 1 if failed else 0


def _run(check: Check) -> t.Tuple[str, float]:
    sys.stdout.write("\n=== %s: %s\n" % (check.name, " ".join(check.command)))
    sys.stdout.flush()
    missing = [program for program in check.needs if not shutil.which(program)]
    if not missing:
        missing = [lack for lack in [check.lacks()] if lack]
    if missing:
        sys.stdout.write("SKIPPED: this machine has no %s\n" % ", ".join(missing))
        return "SKIPPED: no %s" % ", ".join(missing), 0.0
    began = time.monotonic()
    folder = check.folder()
    running = subprocess.Popen(
        check.command,
        cwd=folder,
        env={**os.environ, **check.environment()},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    outcome = "FAILED"
    try:
        outcome = "FAILED" if running.wait(check.limit) else "passed"
    except subprocess.TimeoutExpired:
        outcome = "FAILED: not done within %d s" % check.limit
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    return outcome, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
