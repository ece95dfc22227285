# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling people from plays."""

from __future__ import annotations

import json

from playing import Ansible
from receivers import http_server


def test_a_test_message_a_backup_and_a_stale_job(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "store").mkdir()
    with http_server() as requests:
        hook = {"name": "hook", "webhook": {"url": requests.url}, "on": ["success", "stale"]}
        job = {
            "name": "app", "sources": [{"name": "files", "files": {"paths": [str(tmp_path / "app")]}}], "stores": ["disk"],
            "notify": ["hook"], "max_age": "1h",
        }  # fmt: skip
        options = {
            "host": "web1", "notifiers": [hook], "job": job, "state_dir": str(tmp_path / "state"),
            "stores": [{"name": "disk", "local": {"path": str(tmp_path / "store")}}],
        }  # fmt: skip
        answers = Ansible(tmp_path / "ansible").tasks(
            {"fleet.backup.notify": {"host": "web1", "notifiers": [hook]}},
            {"fleet.backup.notify": {**options, "what": "stale"}},
            {"fleet.backup.notify": {**options, "what": "stale"}, "check_mode": True},
            {"fleet.backup.backup": options},
            {"fleet.backup.notify": {**options, "what": "stale"}},
            {"fleet.backup.notify": {"host": "web1", "notifiers": [{**hook, "webhook": {"url": "http://127.0.0.1:9/"}}]}},
        )
    assert [a.get("failed", False) for a in answers] == [False] * 5 + [True]
    assert [a["changed"] for a in answers] == [True, True, False, True, False, False]
    assert [json.loads(body)["event"] for _path, _headers, body in requests.seen] == ["test", "stale", "success"]
    assert [a["notify"]["stale"] for a in answers if "notify" in a] == [[], ["app"], ["app"], [], []]
    assert answers[-1]["error"]["code"] == "notification"
    assert "token-canary" not in json.dumps(answers)
