# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own files agree with each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

from _engine import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION


def test_the_action_group_holds_every_module():
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert groups["all"] == sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def test_nothing_is_called_underscore():
    """ansible-test refuses the name, minutes later."""
    found = [
        "%s:%d" % (path.relative_to(ROOT), node.lineno)
        for path in sorted((ROOT / "plugins").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)
    ]
    assert found == []


def test_an_execution_environment_gets_what_the_controller_imports():
    """And nothing else: data goes from the hosts straight to the stores."""
    meta = ROOT / "meta"
    described = yaml.safe_load((meta / "execution-environment.yml").read_text())
    assert described["version"] == 1
    files = {kind: (ROOT / path).read_text().splitlines() for kind, path in described["dependencies"].items()}
    python = [re.split(r"[><=\[ ]", line)[0] for line in files["python"] if line and not line.startswith("#")]
    assert python == ["cryptography", "pip"]
    assert all(re.fullmatch(r"[a-z0-9+.-]+ \[platform:(dpkg|rpm)\]", line) for line in files["system"]), files["system"]
