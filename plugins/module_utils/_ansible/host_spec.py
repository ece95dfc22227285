# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of a host. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

from .job_spec import HOST, JOB

SPEC: t.Dict[str, t.Any] = {**HOST, "jobs": {"type": "list", "elements": "dict", "options": JOB}}
