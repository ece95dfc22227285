# SPDX-License-Identifier: GPL-3.0-or-later
"""What Wine does not do as Windows, under rules that are played here (tests/windows/README.md): no Windows was involved."""

from __future__ import annotations

import json
import shutil

from command import build
from windows_host import WindowsHost


def test_links_that_may_not_be_made_and_letters_that_the_console_lacks(tmp_path):
    (tmp_path / "host").mkdir()
    host = WindowsHost(tmp_path / "host")
    program = build(tmp_path / "fleet-backup.pyz")
    app = host.folder / "app"
    app.mkdir()
    (app / "n\u00e4me \u4e2d \u20ac.txt").write_bytes(b"x")
    (app / "link").symlink_to("elsewhere")
    config = host.folder / "jobs.json"
    job = {"name": "shop", "sources": [{"name": "files", "files": {"paths": [str(app)]}}], "stores": ["disk"]}
    store = {"name": "disk", "local": {"path": str(host.folder / "store")}}
    config.write_text(json.dumps({"host": "win1", "stores": [store], "jobs": [job]}))

    def run(*words):
        done = host.run(program, "--config", str(config), *words)
        return done.returncode, done.stdout

    assert run("run", "shop")[0] == 0
    # In cp1252, which has no such character.
    assert b"n\xe4me \\u4e2d \x80.txt" in run("show", "latest", "--job", "shop", "--files")[1]
    shutil.rmtree(app)
    code, output = run("restore", "shop", "--yes", "--json")
    assert (code, [warning["code"] for warning in json.loads(output)["warnings"]]) == (3, ["link-skipped"])
    assert [path.name for path in app.iterdir()] == ["n\u00e4me \u4e2d \u20ac.txt"]
