# SPDX-License-Identifier: GPL-3.0-or-later
"""Small valid backups written by hand (docs/format.md), for tests of what happens to backups, not of what is in them."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

from _engine import manifest as m
from _engine.names import parse_backup_id
from _engine.result import iso
from _engine.stores.local import LocalStore


def put(store, key, data):
    """Write an object as the local store would, without waiting for the disk."""
    path = Path(store.path, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def local_store(path, name="disk") -> LocalStore:
    Path(path).mkdir(parents=True, exist_ok=True)
    return LocalStore(name, {"path": str(path)})


def stored_file(name, data):
    return m.StoredFile(name, len(data), hashlib.sha256(data).hexdigest())


def write_backup(store, backup_id, *, host="web1", job="shop", outcome="success", references=(), finished=None, text=b"hello\n"):
    """Write one backup with one file in one gzip frame; return its manifest. ``references`` are ids of older backups."""
    parts = parse_backup_id(backup_id)
    folder = "%s/%s" % (host, job) if host else ""
    prefix = (folder + "/" if folder else "") + backup_id
    path = "srv/app/hello.txt"
    volume = gzip.compress(text, mtime=0)
    table = {"format": 1, "compression": "gzip", "volumes": [{"name": "app.tar.gz", "frames": [[0, len(volume), len(text)]]}]}
    header = {"index": 1, "component": "app", "backup": backup_id, "shape": "tree", "format": "tar"}
    header["roots"] = [{"path": "/srv/app", "name": "srv/app"}]
    entry = {"path": path, "type": "file", "mode": "0644", "size": len(text), "bytes": [backup_id, 0, 0, len(text)]}
    entry["sha256"] = hashlib.sha256(text).hexdigest()
    lines = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in (header, entry))
    first = gzip.compress(lines, mtime=0)
    last_line = json.dumps({"table": [[0, len(first), len(lines), path]]}, separators=(",", ":")).encode() + b"\n"
    last = gzip.compress(last_line, mtime=0)
    objects = {
        "app.tar.gz": volume,
        "app.index.gz": first + last,
        "app.frames.json": json.dumps(table).encode(),
        "RESTORE.txt": b"how to restore\n",
        "run.log": b"what happened\n",
    }
    stored = {name: m.StoredFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in objects.items()}
    objects["SHA256SUMS"] = m.sums(stored.values())
    stored["SHA256SUMS"] = m.StoredFile(
        "SHA256SUMS", len(objects["SHA256SUMS"]), hashlib.sha256(objects["SHA256SUMS"]).hexdigest()
    )
    component = m.Component(
        name="app",
        source="files",
        shape="tree",
        kind=parts.kind,
        base=max(references, default=None),
        format="tar",
        compression="gzip",
        entries=1,
        bytes=len(text),
        raw=len(text),
        stored=len(volume),
        volumes=[m.Volume(**vars(stored["app.tar.gz"]), frames=1)],
        frames=m.FrameTable(**vars(stored["app.frames.json"]), count=1),
        index=m.IndexObject(**vars(stored["app.index.gz"]), table=[len(first), len(last), len(last_line)]),
        facts={"files": 1},
        warnings={},
    )
    manifest = m.Manifest(
        engine="0.1.0",
        id=backup_id,
        host=host or "web1",
        job=job or "shop",
        kind=parts.kind,
        tag=parts.tag,
        started=iso(parts.started),
        finished=iso(finished or parts.started),
        timezone=None,
        outcome=outcome,
        encryption=None,
        previous=None,
        references=[{"id": r, "sha256": "0" * 64, "volumes": ["app.tar.gz"], "bytes": 1} for r in references],
        stores=[{"name": store.name, "driver": "local", "confirms": "read"}],
        warnings=[],
        components=[component],
        objects=[stored[name] for name in ("RESTORE.txt", "run.log", "SHA256SUMS")],
    )
    for name, data in objects.items():
        put(store, "%s/%s" % (prefix, name), data)
    data = manifest.to_bytes()
    put(store, prefix + ".json.sha256", m.sums_line(hashlib.sha256(data).hexdigest(), backup_id + ".json"))
    put(store, prefix + ".json", data)
    return manifest
