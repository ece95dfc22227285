# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own files agree with each other."""

from __future__ import annotations

from pathlib import Path

import yaml

from _engine import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION


def test_the_action_group_holds_every_module():
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert groups["all"] == sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
