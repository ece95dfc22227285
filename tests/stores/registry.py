# SPDX-License-Identifier: GPL-3.0-or-later
"""The places in which the contract is tried."""

from __future__ import annotations

import typing as t

import pytest

from .local_place import LocalPlace, LocalReadBackPlace
from .place import Place

PLACES: t.Dict[str, t.Type[Place]] = {
    "local": LocalPlace,
    "local-read-back": LocalReadBackPlace,
}


def needs(*features: str) -> pytest.MarkDecorator:
    """Run a test only for the places that have all these features (README.md)."""
    return pytest.mark.needs(*features)
