# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore a backup, or parts of it."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError
from ..moment import parse_moment
from ..operations.restore import RestoreRequest, RestoreResult, restore_each
from ..operations.several import parts
from ..result import Result
from . import Diff, Params
from .given import chosen_job
from .keys import given_keyring

KEY = "restore"


def run(params: Params, check_mode: bool) -> Result:
    if params["controller_identities"]:
        raise ConfigurationError("controller_identities: only a task that runs fleet.backup.restore itself can use them")
    config, job = (None, None) if params["config"] is None and params["job"] is None else chosen_job(params)
    request = RestoreRequest(
        backup=params["backup"],
        at=None if params["at"] is None else parse_moment(params["at"], job.timezone if job else None),
        components=tuple(params["components"]),
        include=tuple(params["include"]),
        to=params["to"],
        store=params["store"],
        from_dir=params["from_dir"],
        from_host=params["from_host"],
        move=params["move"],
        delete=params["delete"],
        set_ids=params["set_ids"],
        devices=params["devices"],
        dry_run=check_mode,
        confirm=params["confirm"],
        safety_backup=params["safety_backup"],
        options=params["options"],
        keyring=given_keyring(params),
    )
    return restore_each(config, job.name if job else None, request)


def difference(result: Result) -> Diff:
    """For each component what is there now and will be replaced or removed; what will be there instead."""
    return [one for part in parts(result) if isinstance(part, RestoreResult) for one in _differences(part)]


def _differences(result: RestoreResult) -> t.List[t.Dict[str, str]]:
    differences = []
    for component in result.components:
        plan = component.plan
        before = [(path, "as it was") for path in plan.overwrite] + [(path, "") for path in plan.remove]
        after = [(path, "as in the backup") for path in plan.overwrite] + [(path, "") for path in plan.create]
        name = "%s of %s" % (component.name, result.id)
        differences.append(
            {
                "before": "".join(["%s  %s\n" % line for line in sorted(before)]),
                "after": "".join(["%s  %s\n" % line for line in sorted(after)]),
                "before_header": name,
                "after_header": name,
            }
        )
    return differences
