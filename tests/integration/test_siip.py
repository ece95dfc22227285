# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example siip: a SQLite database and the tree of a project around it."""

from __future__ import annotations

import json
import subprocess

import trees
from fixtures import siip

from examples import Example


def test_siip_comes_back(tmp_path):
    folder = tmp_path / "siip"
    siip.make(folder)
    before, rows = siip.state(folder)
    # The store lies inside the project.
    example = Example(tmp_path, "siip", folder / "backups", siip_folder=str(folder))
    example.play("backup")
    (manifest,) = example.manifests()
    listed = subprocess.run(
        "zstd -dc project.tar.zst | tar -t", shell=True, cwd=manifest.with_suffix(""), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    inside = {name.split("/siip/", 1)[1].rstrip("/") for name in listed if "/siip/" in name}
    assert not [name for name in inside if name.startswith(siip.EXCLUDED) or name.startswith(siip.DATABASE)]
    assert {"docs/sub/.git", "current", ".env", "chat/templates/page-19.html"} <= inside
    siip.destroy(folder)
    example.play("restore", confirm="yes")
    after, restored_rows = siip.state(folder)
    # The folders of the stores and of the database's side files were written to meanwhile.
    assert trees.differences({**before, b"": after[b""], b"data": after[b"data"]}, after) == []
    assert restored_rows == rows
    assert (folder / "venv" / "bin" / "python").exists() and (folder / "old-backups" / "siip-2025.zip").exists()


def test_one_page_of_siip_comes_back(tmp_path):
    folder = tmp_path / "siip"
    siip.make(folder)
    example = Example(tmp_path, "siip", folder / "backups", siip_folder=str(folder))
    example.play("backup", tag="daily")
    page = folder / "chat" / "templates" / "page-07.html"
    content = page.read_text()
    siip.destroy(folder)
    example.play("restore", confirm="yes", components=["project"], include=["page-07.html"])
    assert page.read_text() == content
    assert (folder / "chat" / "app.py").read_text() == "broken = True\n"
    assert not (folder / "current").exists()
    tags = [json.loads(path.read_text())["tag"] for path in example.manifests()]
    assert tags == ["daily", "pre-restore"]
