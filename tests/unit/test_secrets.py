# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: each way to give one, what is told when it is not there, and that Ansible is told of every one."""

from __future__ import annotations

import runpy
import typing as t
from pathlib import Path

import pytest

from _engine import notifiers, sources, stores
from _engine.errors import ConfigurationError
from _engine.options import Option
from _engine.secret import given

SPECS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "_ansible"
VALUE = "correct horse"


def find(monkeypatch: pytest.MonkeyPatch, folder: Path, way: str) -> t.Any:
    """A secret that is given this way."""
    (folder / "file").write_text(VALUE + "\n")
    monkeypatch.setenv("SOMEWHERE", VALUE)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    ways = {"": VALUE, "_file": str(folder / "file"), "_env": "SOMEWHERE", "_credential": "file"}
    problems: t.List[str] = []
    secret = given({"password" + way: ways[way]}, "password", "stores[0].", problems)
    assert problems == []
    return secret


@pytest.mark.parametrize("way", ["", "_file", "_env", "_credential"])
def test_each_way_to_give_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    secret = find(monkeypatch, tmp_path, way)
    assert secret.reveal() == VALUE
    assert VALUE not in repr(secret) + str(secret)


@pytest.mark.parametrize("way", ["_file", "_env", "_credential"])
def test_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    secret = find(monkeypatch, tmp_path, way)
    (tmp_path / "file").unlink()
    monkeypatch.delenv("SOMEWHERE")
    with pytest.raises(ConfigurationError, match=r"stores\[0\]\.password" + way):
        secret.reveal()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigurationError):
        secret.reveal()


def test_one_way_is_enough() -> None:
    problems: t.List[str] = []
    given({"password": "x", "password_env": "Y"}, "password", "", problems)
    assert problems == ["password: is given more than once: by password and password_env"]


def declared(options: t.Iterable[Option]) -> t.Iterator[str]:
    for option in options:
        if option.secret:
            yield option.name
        yield from declared(option.options)


def hidden(spec: t.Any) -> t.Iterator[str]:
    """The options of an argument spec that Ansible must not show, however deep."""
    for name, value in spec.items() if isinstance(spec, dict) else ():
        if isinstance(value, dict) and value.get("no_log"):
            yield name
        yield from hidden(value)


def test_ansible_shows_no_secret_of_any_driver() -> None:
    secret = {name for r in (sources, stores, notifiers) for driver in r.NAMES for name in declared(r.load(driver).OPTIONS)}
    found = {name for value in runpy.run_path(str(SPECS / "job_spec.py")).values() for name in hidden(value)}
    assert secret and secret <= found, secret - found
    assert not {name for name in found if name.endswith(("_file", "_env", "_credential"))}
