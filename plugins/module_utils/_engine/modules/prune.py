# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the backups that the retention rules do not keep."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError
from ..job import Job
from ..operations.prune import PruneResult, prune
from ..operations.several import parts
from ..operations.tenants import each_tenant
from ..options import amount
from ..result import Result
from . import Diff, Params
from .given import chosen_job

KEY = "prune"


def run(params: Params, check_mode: bool) -> Result:
    config, job = chosen_job(params)
    try:
        limit = amount(params["max_delete"]) if params["max_delete"] is not None else None
    except ValueError as error:
        raise ConfigurationError("max_delete: %s" % error) from None

    def carry_out(one: Job) -> PruneResult:
        return prune(config, one, store=params["store"], orphans=params["orphans"], max_delete=limit, dry_run=check_mode)

    return each_tenant(config, job, "prune", carry_out)


def difference(result: Result) -> Diff:
    """For each store all backups before, those that stay afterwards, each with its reasons."""
    return [one for part in parts(result) if isinstance(part, PruneResult) for one in _differences(part)]


def _differences(result: PruneResult) -> t.List[t.Dict[str, str]]:
    differences = []
    for store in result.stores:
        lines = [("%s  %s\n" % (verdict.id, ", ".join(verdict.reasons)), verdict.keep) for verdict in store.verdicts]
        name = "the backups of %s on store %s" % (result.job, store.store)
        before = "".join([line for line, _keep in lines])
        after = "".join([line for line, keep in lines if keep])
        differences.append({"before": before, "after": after, "before_header": name, "after_header": name})
    return differences
