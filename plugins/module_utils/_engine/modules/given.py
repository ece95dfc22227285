# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module was told, as the engine's checked configuration."""

from __future__ import annotations

import re
import typing as t

from ..errors import ConfigurationError
from ..job import Config, Job, parse_config
from ..job_options import CONFIG
from ..names import encode_tenant
from ..operations.tenants import find_job
from ..options import seconds

#: The options that describe the host of a job.
HOST_OPTIONS = tuple(option.name for option in CONFIG if option.name != "jobs")


def read_config(params: t.Mapping[str, t.Any]) -> Config:
    """Return the configuration: the host's own, or one of the job that the module was given.

    Raises ConfigurationError; places count from the module's options (``job.sources[0].files.paths``).
    """
    if params["config"] is not None:
        from ..job_files import load_config

        return load_config(params["config"])
    description = {name: params[name] for name in HOST_OPTIONS}
    try:
        return parse_config({**description, "jobs": [params["job"]]})
    except ConfigurationError as error:
        raise ConfigurationError(*[re.sub(r"^jobs\[0\]", "job", problem) for problem in error.problems]) from None


def chosen_job(params: t.Mapping[str, t.Any]) -> t.Tuple[Config, Job]:
    """Return the configuration and the one job that the module works on. Raises ConfigurationError, NotFoundError."""
    config = read_config(params)
    return config, find_job(config, _name_of(config, params))


def chosen_names(config: Config, params: t.Mapping[str, t.Any]) -> t.List[str]:
    """The names of the jobs that the module works on; none when it works on all. Raises like chosen_job()."""
    if params["name"] is None and params["tenant"] is None:
        return []
    return [find_job(config, _name_of(config, params)).name]


def _name_of(config: Config, params: t.Mapping[str, t.Any]) -> str:
    name: t.Optional[str] = config.jobs[0].name if params["job"] is not None else params["name"]
    if name is None:
        raise ConfigurationError(
            "name: is missing; with config, name one of its jobs: %s" % ", ".join(j.name for j in config.jobs)
        )
    return name if params["tenant"] is None else "%s@%s" % (name, encode_tenant(params["tenant"]))


def seconds_of(params: t.Mapping[str, t.Any], name: str) -> t.Optional[int]:
    """The seconds of an option that is a duration (None: it was not given). Raises ConfigurationError."""
    if params[name] is None:
        return None
    try:
        return seconds(params[name])
    except ValueError as error:
        raise ConfigurationError("%s: %s" % (name, error)) from None
