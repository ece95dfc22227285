# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed backups: checked by stock ssh-keygen and by ours; forged, altered and swapped ones are refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.catalog import Catalog
from _engine.errors import IntegrityError, UntrustedError
from _engine.job import Config, parse_config
from _engine.manifest import sums_line
from _engine.operations.listing import list_backups
from _engine.operations.prune import prune
from _engine.operations.restore import RestoreRequest, restore
from _engine.operations.verify import verify
from _engine.signing import TrustedHosts, host_key, signer_line


def signed(tmp_path: Path, host: str = "web1", job: str = "app") -> Config:
    folder = tmp_path / host
    folder.mkdir(exist_ok=True)
    root = folder / "tree"
    if not root.exists():
        trees.make_tree(root, 7, entries=15)
    description = jobs.describe(folder, jobs.files(root))
    description.update(host=host, sign=True, stores=[{"name": "disk", "local": {"path": str(tmp_path / "store")}}])
    description["jobs"][0]["name"] = job
    return parse_config(description)


def trusting(config: Config, *hosts: Config) -> Config:
    """The same, trusting the keys of ``hosts``."""
    lines = tuple(signer_line(h.host, host_key(h.state_dir, None).public) for h in hosts)
    return dataclasses.replace(config, trusted_hosts=lines)


def manifest_path(config: Config, backup_id: t.Optional[str]) -> Path:
    return jobs.backup_folder(config, backup_id).with_suffix(".json")


def test_ssh_keygen_checks_a_backup(tmp_path: Path) -> None:
    config = signed(tmp_path)
    taken = jobs.take(config)
    path = manifest_path(config, taken.id)
    signers = tmp_path / "signers"
    signers.write_text(signer_line("web1", host_key(config.state_dir, None).public) + "\n")
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "web1", "-n", "fleet.backup", "-s", str(path) + ".sig"]
    subprocess.run(command, input=path.read_bytes(), check=True, stdout=subprocess.DEVNULL)


def test_everything_works_with_trusted_backups(tmp_path: Path) -> None:
    config = signed(tmp_path)
    trusted = trusting(config, config)
    taken = jobs.take(trusted)
    assert verify(trusted, ["app"]).outcome == "success"
    assert list_backups(trusted, ["app"]).outcome == "success"
    assert restore(trusted, "app", RestoreRequest(to=str(tmp_path / "out"))).id == taken.id
    assert jobs.take(trusted, kind="incremental").outcome == "success"


def forge(config: Config, backup_id: t.Optional[str]) -> None:
    """What one can do who may write to the store and knows the format, but has no key."""
    path = manifest_path(config, backup_id)
    manifest = jobs.catalog(config).manifest(backup_id or "")
    manifest.tag, data = manifest.tag, b""
    manifest.components[0].facts = {"files": 0}
    data = manifest.to_bytes()
    path.write_bytes(data)
    Path(str(path) + ".sha256").write_bytes(sums_line(hashlib.sha256(data).hexdigest(), path.name))


def test_a_forged_manifest_is_refused_by_every_verb(tmp_path: Path) -> None:
    config = signed(tmp_path)
    taken = jobs.take(config)
    forge(config, taken.id)
    assert verify(config, ["app"]).outcome == "success", "without trust nothing can be seen"
    trusted = trusting(config, config)
    out = tmp_path / "out"
    refused = restore(trusted, "app", RestoreRequest(to=str(out)))
    assert refused.error is not None and taken.id is not None
    assert "signature is not valid" in refused.error["message"] and taken.id in refused.error["message"]
    assert not out.exists()
    assert verify(trusted, ["app"]).outcome == "failure"
    pruned = prune(trusted, trusted.jobs[0])
    assert manifest_path(config, taken.id).exists() and pruned.outcome != "success"


def test_an_unsigned_backup_does_not_count_where_signatures_are_asked_for(tmp_path: Path) -> None:
    config = signed(tmp_path)
    taken = jobs.take(config)
    Path(str(manifest_path(config, taken.id)) + ".sig").unlink()
    with pytest.raises(UntrustedError, match="not signed"):
        _trusted_catalog(trusting(config, config)).manifest(taken.id or "")


def test_another_hosts_backup_is_refused_though_it_is_signed(tmp_path: Path) -> None:
    mine, other = signed(tmp_path), signed(tmp_path, "web2")
    jobs.take(mine)
    taken = jobs.take(other)
    # Moved under my name as it is: the manifest says whose it is.
    for path in (tmp_path / "store/web2/app").glob("%s*" % taken.id):
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / "store/web1/app" / path.name)
    with pytest.raises(IntegrityError, match="job app of web2"):
        _trusted_catalog(trusting(mine, mine, other)).manifest(taken.id or "")
    # And rewritten to say that it is mine, signed with the other's key.
    catalog = jobs.catalog(other)
    manifest = catalog.manifest(taken.id or "")
    manifest.host = "web1"
    data = manifest.to_bytes()
    target = tmp_path / "store/web1/app" / ("%s.json" % taken.id)
    target.write_bytes(data)
    from _engine.signing import sign

    Path(str(target) + ".sig").write_bytes(sign(data, host_key(other.state_dir, None)))
    with pytest.raises(UntrustedError, match="web2"):
        _trusted_catalog(trusting(mine, mine, other)).manifest(taken.id or "")


def _trusted_catalog(config: Config) -> Catalog:
    found = jobs.catalog(config)
    found.trusted = TrustedHosts.from_text("\n".join(config.trusted_hosts))
    return found


def test_the_signing_key_stays_on_the_host(tmp_path: Path) -> None:
    config = signed(tmp_path)
    jobs.take(config)
    key = Path(config.state_dir, "signing_key").read_text().splitlines()[1]
    for path in (tmp_path / "store").rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()
    assert json.loads(json.dumps(jobs.take(config).to_dict())) and key not in json.dumps(jobs.take(config).to_dict())


def test_lines_that_are_no_signers_are_named(tmp_path: Path) -> None:
    from _engine.errors import ConfigurationError

    description = jobs.describe(tmp_path, jobs.files(tmp_path))
    description["trusted_hosts"] = ["web1 ssh-ed25519 nonsense"]
    with pytest.raises(ConfigurationError, match="trusted_hosts"):
        parse_config(description)
