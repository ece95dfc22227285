# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with one job and one local store, for tests that take real backups in this process."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

from _engine.archive.reader import ComponentReader, open_component
from _engine.catalog import Catalog
from _engine.job import Config, parse_config
from _engine.keyring import Keyring
from _engine.operations.backup import backup
from _engine.operations.backup_result import BackupResult
from _engine.stores import load


def describe(folder: Path, *sources: t.Dict[str, t.Any], **job: t.Any) -> t.Dict[str, t.Any]:
    """The description of a host whose store and state lie below ``folder``."""
    return {
        "host": "web1",
        "state_dir": str(folder / "state"),
        "stores": [{"name": "disk", "local": {"path": str(folder / "store")}}],
        "jobs": [{"name": "app", "sources": list(sources), "stores": ["disk"], **job}],
    }


def configure(folder: Path, *sources: t.Dict[str, t.Any], **job: t.Any) -> Config:
    return parse_config(describe(folder, *sources, **job))


def split(config: Config, size: int) -> Config:
    """The same, with volumes of at most ``size`` bytes, also where the option allows none as small."""
    return dataclasses.replace(config, jobs=tuple(dataclasses.replace(job, volume_size=size) for job in config.jobs))


def files(path: t.Union[str, os.PathLike[str]], name: str = "files", **options: t.Any) -> t.Dict[str, t.Any]:
    return {"name": name, "files": {"paths": [os.fspath(path)], **options}}


def take(config: Config, **options: t.Any) -> BackupResult:
    """Take a backup of the one job; it must not fail."""
    result = backup(config, config.jobs[0], **options)
    assert result.error is None, result.error
    return result


def catalog(config: Config, keyring: t.Optional[Keyring] = None) -> Catalog:
    store = config.stores[0]
    folder = "%s/%s" % (config.host, config.jobs[0].name)
    return Catalog(load(store.driver)(store.name, store.options), folder, keyring=keyring)


def reader(
    config: Config, backup_id: t.Optional[str], component: str = "files", keyring: t.Optional[Keyring] = None
) -> ComponentReader:
    assert backup_id is not None
    found = catalog(config, keyring)
    return open_component(found, found.manifest(backup_id), component)


def backup_folder(config: Config, backup_id: t.Optional[str]) -> Path:
    assert backup_id is not None
    return Path(config.stores[0].options["path"], config.host, config.jobs[0].name, backup_id)
