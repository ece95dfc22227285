# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that stored backups are whole."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..operations.verify import VerifyResult, verify
from ..options import percent
from . import Params
from .given import chosen_names, read_config
from .keys import given_keyring

KEY = "verify"


def run(params: Params, check_mode: bool) -> VerifyResult:
    try:
        share = percent(params["sample"]) if params["sample"] is not None else None
    except ValueError as error:
        raise ConfigurationError("sample: %s" % error) from None
    anywhere = params["config"] is None and params["job"] is None
    config = None if anywhere else read_config(params)
    return verify(
        config,
        chosen_names(config, params) if config is not None else [],
        params["backups"],
        level=params["level"],
        sample=share,
        store=params["store"],
        from_dir=params["from_dir"],
        keyring=given_keyring(params),
    )
