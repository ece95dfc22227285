# SPDX-License-Identifier: GPL-3.0-or-later
"""Put files on a store."""

from __future__ import annotations

from ..operations.upload import UploadResult, upload
from . import Params

KEY = "upload"


def run(params: Params, check_mode: bool) -> UploadResult:
    return upload(params, dry_run=check_mode)
