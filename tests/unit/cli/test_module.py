# SPDX-License-Identifier: GPL-3.0-or-later
"""``fleet-backup module`` with options that are not complete."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from _engine.cli.verbs.module import run


@pytest.mark.parametrize(("given", "missing"), [({}, "config"), ({"config": None, "job": None}, "host")])
def test_a_missing_option_is_named(tmp_path, given, missing):
    path = tmp_path / "options.json"
    path.write_text(json.dumps(given))
    result = run(SimpleNamespace(arguments=SimpleNamespace(name="backup", parameters=str(path), check=False, diff=False)))
    assert result.error["code"] == "configuration"
    assert "option %s of the module backup is missing" % missing in result.error["message"]
