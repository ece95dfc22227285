# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the stores and sources of a configuration, the backups in a bare folder."""

from __future__ import annotations

import os
import typing as t

from ..catalog import Catalog, hosts
from ..errors import NotFoundError
from ..job import Config, Job, SourceConfig, StoreConfig
from ..keyring import Keyring
from ..names import parse_backup_id
from ..sources import Source
from ..sources import load as load_source
from ..stores import Store, load
from ..stores.local import LocalStore

if t.TYPE_CHECKING:
    from ..signing import TrustedHosts


def open_store(config: StoreConfig) -> Store:
    """The store that a configuration describes."""
    store = load(config.driver)(config.name, config.options)
    if config.retries and store.local_path() is None:
        from ..stores.steady import steady

        store = steady(store, config.retries)
    if config.bandwidth_limit is None:
        return store
    from ..stores.paced import paced

    return paced(store, config.bandwidth_limit)


def open_source(config: Config, job: Job, source: SourceConfig) -> Source:
    """A source of a job; what fleet.backup itself keeps on this host will be left out of it."""
    opened = load_source(source.driver)(source.name, source.options)
    stores = [open_store(config.store(name)).local_path() for name in job.stores]
    opened.leave_out = [path for path in [*stores, config.state_dir] if path]
    opened.spool = config.state_dir
    return opened


def open_catalog(config: Config, job_name: str, store_name: str, keyring: t.Optional[Keyring] = None) -> Catalog:
    """The backups of one job of this host on one store. Raises NotFoundError for a store that is not configured.

    The job need not be configured any more: its backups may be read for as long as they are there.
    """
    folder = "%s/%s" % (config.host, job_name)
    return Catalog(open_store(config.store(store_name)), folder, keyring=keyring, trusted=trusted_hosts(config))


def trusted_hosts(config: Config) -> t.Optional[TrustedHosts]:
    """Who may sign backups; None when the configuration says nothing of that."""
    if not config.trusted_hosts:
        return None
    from ..signing import TrustedHosts

    return TrustedHosts.from_text("\n".join(config.trusted_hosts))


def bare_catalog(path: str, keyring: t.Optional[Keyring] = None) -> Catalog:
    """The backups in a plain folder, such as one that was copied from a store by hand.

    ``path`` is a folder that holds ``<id>.json`` and ``<id>/``, or one of these two. Raises NotFoundError when it is none.
    """
    path = os.path.abspath(path)
    parent, name = os.path.split(path)
    backup_id = name[: -len(".json")] if name.endswith(".json") else name
    if parse_backup_id(backup_id):
        return _checked(Catalog(_folder_store(parent), "", only=backup_id, keyring=keyring), path)
    return _checked(Catalog(_folder_store(path), "", keyring=keyring), path)


def _folder_store(path: str) -> Store:
    return LocalStore("folder", {"path": path})


def _checked(catalog: Catalog, path: str) -> Catalog:
    """Refuse a folder in which no backup is, with a hint at what it is instead."""
    if not os.path.isdir(path) and not path.endswith(".json"):
        raise NotFoundError("%s: there is no such folder" % path)
    scan = catalog.scan()
    if scan.complete or scan.damaged:
        return catalog
    inside = [
        os.path.join(path, *parts)
        for parts in _job_folders(catalog.store)
        if any(parse_backup_id(name) for name in catalog.store.list("/".join(parts))[1])
    ]
    hint = "; name one of these: %s" % ", ".join(inside[:5]) if inside else ""
    raise NotFoundError(
        "%s: holds no backup; name a folder with a manifest (<id>.json) and its data (<id>/), or that <id>/ with the manifest"
        " beside it%s" % (path, hint)
    )


def _job_folders(store: Store) -> t.Iterator[t.Tuple[str, ...]]:
    """The folders one and two levels below, where the backups of a whole store or of a host lie."""
    for first in hosts(store):
        yield (first,)
        for second in store.list(first)[1]:
            yield first, second
