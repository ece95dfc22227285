# SPDX-License-Identifier: GPL-3.0-or-later
"""Which third-party libraries the jobs of a host need. Drivers name theirs; here is where each comes from."""

from __future__ import annotations

import importlib.util
import sys
import typing as t

from .job import Config


class Library(t.NamedTuple):
    """``module``: what is imported; ``distribution``: its name on PyPI; ``package``: Debian's, where that is new enough."""

    module: str
    distribution: str
    package: t.Optional[str]


LIBRARIES: t.Dict[str, Library] = {
    library.module: library
    for library in (
        Library("apprise", "apprise", "python3-apprise"),
        Library("backports.zstd", "backports.zstd", None),
        Library("boto3", "boto3", "python3-boto3"),
        Library("cryptography", "cryptography", "python3-cryptography"),
        Library("docker", "docker", "python3-docker"),
        Library("dropbox", "dropbox", None),
        Library("googleapiclient", "google-api-python-client", "python3-googleapi"),
        Library("jmespath", "jmespath", "python3-jmespath"),
        Library("paramiko", "paramiko", "python3-paramiko"),
        Library("tzdata", "tzdata", "tzdata"),
    )
}


def needed(config: Config) -> t.List[str]:
    """The modules that the jobs of a host import, sorted."""
    from . import notifiers, sources, stores

    modules: t.Set[str] = set()
    for store in config.stores:
        modules.update(stores.load(store.driver).needs(store.options))
    for notifier in config.notifiers:
        modules.update(notifiers.load(notifier.driver).requires)
    for job in config.jobs:
        if job.timezone is not None and not _has_zones():
            modules.add("tzdata")
        for source in job.sources:
            modules.update(sources.load(source.driver).needs(source.options))
        if job.encryption is not None:
            modules.add("cryptography")
        if job.compression.algorithm == "zstd" and sys.version_info < (3, 14):
            modules.add("backports.zstd")
    return sorted(modules)


def _has_zones() -> bool:
    from .zones import has_zones

    return has_zones()


def missing(modules: t.Sequence[str]) -> t.List[Library]:
    """Those that this interpreter cannot find."""
    return [LIBRARIES[module] for module in modules if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        # The package that it lies in is missing.
        return False
