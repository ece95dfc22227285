# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the modules that work on a job."""

from __future__ import annotations

import typing as t

from .._engine.modules.given import HOST_OPTIONS
from .job_spec import SPEC

#: What AnsibleModule checks between the options that choose a job.
JOB_RULES: t.Dict[str, t.Any] = {
    "required_one_of": [("config", "job")],
    "mutually_exclusive": [("config", "job"), ("name", "job"), *(("config", name) for name in HOST_OPTIONS)],
    "required_by": {"job": ("host", "stores")},
}


def job_spec(**options: t.Any) -> t.Dict[str, t.Any]:
    """The arguments of AnsibleModule for a module that works on a job and has these options besides."""
    return {"argument_spec": {**SPEC, **options}, **JOB_RULES}
