# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts and the dashboard ask for nothing that the notifier does not write."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from _engine.notifiers import Message
from _engine.notifiers.prometheus import exposition

FOLDER = Path(__file__).resolve().parents[2] / "extensions" / "prometheus"
DASHBOARD = FOLDER / "fleet-backup.dashboard.json"
RULES = FOLDER / "fleet-backup.rules.yml"


@pytest.fixture(scope="module")
def written():
    """Of each metric the labels that it is written with."""
    run = {"finished": "2026-11-28T02:00:00.000Z", "outcome": "success", "duration": 1.5, "copies": [{"outcome": "success"}]}
    operations = {name: {"last_run": run, "last_success": run} for name in ("backup", "verify")}
    result = {"operation": "backup", "host": "web1", "job": "shop"}
    message = Message("success", result, run["finished"], {"operations": operations}, 93600)
    found = {}
    for name, labels in re.findall(r"^(fleet_backup_\w+)\{(.*)\}", exposition(message), re.MULTILINE):
        found[name] = set(re.findall(r"(\w+)=", labels))
    return found


def expressions(value):
    """Every expression in a dashboard or a file of rules."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("expr", "definition"):
                yield item
            else:
                yield from expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item)


@pytest.mark.parametrize(
    "document", [json.loads(DASHBOARD.read_text()), yaml.safe_load(RULES.read_text())], ids=["dashboard", "rules"]
)
def test_every_metric_and_label_is_one_that_is_written(written, document):
    asked = list(expressions(document))
    assert asked
    for expression in asked:
        names = re.findall(r"fleet_backup_\w+", expression)
        assert names, expression
        for name in names:
            assert name in written, expression
        for name, selector in re.findall(r"(fleet_backup_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)=", selector)) <= written[name], expression


def test_every_metric_is_on_the_dashboard(written):
    shown = DASHBOARD.read_text()
    assert [name for name in written if name not in shown] == []


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _y in cells) < 24
        taken |= cells
