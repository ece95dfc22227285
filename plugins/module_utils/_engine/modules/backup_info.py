# SPDX-License-Identifier: GPL-3.0-or-later
"""List the backups of jobs, show one, search in them, compare two."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError
from ..job import Config
from ..moment import parse_moment
from ..operations.diff import diff
from ..operations.find import find
from ..operations.listing import list_backups
from ..operations.place import bare_catalog
from ..operations.show import show
from ..result import Result
from . import Params
from .given import chosen_job, chosen_names, read_config
from .keys import given_keyring

KEY = "info"


def run(params: Params, check_mode: bool) -> Result:
    backup, anywhere = params["backup"], params["config"] is None and params["job"] is None
    if backup is None and params["find"] is None:
        if anywhere:
            raise ConfigurationError("backup: is missing; from_dir needs it, or find")
        told = read_config(params)
        return list_backups(
            told, chosen_names(told, params) or None, params["store"], all_hosts=params["all_hosts"], details=params["details"]
        )
    place: t.Dict[str, t.Any] = {"store": params["store"], "component": params["component"], "keyring": given_keyring(params)}
    zone: t.Optional[str] = None
    config: t.Optional[Config] = None
    if params["from_dir"] is not None:
        place["catalog"] = bare_catalog(params["from_dir"], place["keyring"])
    elif params["find"] is not None and params["job"] is None:
        config = read_config(params)
        place["job"] = next(iter(chosen_names(config, params)), None)
    else:
        config, job = chosen_job(params)
        place["job"], zone = job.name, job.timezone
    if params["find"] is not None:
        return find(config, params["find"], **place)
    if params["compare_with"] is not None:
        return diff(config, params["compare_with"], backup, **place)
    at = None if params["at"] is None else parse_moment(params["at"], zone)
    return show(config, backup, at=at, files=params["entries"], headers=params["headers"], **place)
