# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers for tests, made and removed by the docker command, as users make theirs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import typing as t


def docker(*arguments: str, check: bool = True, environment: t.Optional[t.Mapping[str, str]] = None) -> str:
    """Run a docker command and return its output. ``--env NAME`` takes the value from ``environment``, where nobody sees it."""
    env = {**os.environ, **(environment or {})}
    done = subprocess.run(["docker", *arguments], capture_output=True, encoding="utf-8", check=False, env=env)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextlib.contextmanager
def container(
    image: str, *command: str, options: t.Sequence[str] = (), environment: t.Optional[t.Mapping[str, str]] = None
) -> t.Iterator[str]:
    """The id of a running container; it is removed afterwards, with its anonymous volumes, unless that is done already."""
    made = docker("run", "--detach", "--init", *options, image, *command, environment=environment)
    try:
        yield made
    finally:
        docker("rm", "--force", "--volumes", made, check=False)
