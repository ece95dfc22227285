# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and names of Windows, by rules that need no Windows."""

from __future__ import annotations

import ntpath
import os
import types

import pytest

from _engine.errors import ConfigurationError
from _engine.options import Option, check
from _engine.system import windows
from _engine.system.windows_folder import Folder
from _engine.tree.compare import Comparison


@pytest.mark.parametrize(
    ("path", "name"),
    (
        ("C:\\Shop\\db.sqlite", b"C/Shop/db.sqlite"),
        ("c:/Shop/app/", b"c/Shop/app"),
        ("D:\\", b"D"),
        ("\\\\server\\share\\a b\\c", b"UNC/server/share/a b/c"),
        ("\\\\server\\share", b"UNC/server/share"),
    ),
)
def test_the_drive_belongs_to_the_root(path, name):
    assert windows.archive_name(path) == name


def test_paths_of_jobs(monkeypatch):
    monkeypatch.setattr("_engine.options.os", types.SimpleNamespace(path=ntpath))
    options = (Option("path", "path", ""),)
    for given, meant in (
        ("C:\\Shop\\db.sqlite", "C:\\Shop\\db.sqlite"),
        ("C:/Shop/app", "C:\\Shop\\app"),
        ("\\\\server\\share\\x\\..\\y", "\\\\server\\share\\y"),
    ):
        assert check({"path": given}, options, "")["path"] == meant
    for wrong in ("Shop\\app", "C:app", "app"):
        with pytest.raises(ConfigurationError, match="absolute"):
            check({"path": wrong}, options, "")


def test_where_an_entry_belongs(monkeypatch):
    """Whole paths have one separator, so that they can be taken apart again."""
    monkeypatch.setattr("_engine.tree.compare.slashed", windows.slashed)
    monkeypatch.setattr("_engine.tree.compare.join", windows.join)
    path = types.SimpleNamespace(isabs=ntpath.isabs, realpath=lambda path: path)
    monkeypatch.setattr("_engine.tree.compare.os", types.SimpleNamespace(path=path))
    comparison = Comparison.__new__(Comparison)
    comparison._to = None
    comparison._roots = [types.SimpleNamespace(name=b"C/Shop", path=b"C:\\Shop"), types.SimpleNamespace(name=b"D", path=b"D:\\")]
    assert comparison.locate(b"C/Shop") == b"C:/Shop"
    assert comparison.locate(b"C/Shop/sub/one.txt") == b"C:/Shop/sub/one.txt"
    assert comparison.locate(b"D/one.txt") == b"D:/one.txt"


@pytest.mark.parametrize(
    "name",
    (
        "..\\evil",
        "a\\b",
        "a:b",
        "C:",
        "con",
        "CON.txt",
        "nul .x",
        "com1",
        "lpt\u00b9.log",
        "a.",
        "a ",
        "a?",
        "a\x01",
        'a"',
        "a|b",
    ),
)
def test_names_that_mean_something_else_are_refused(tmp_path, name):
    assert Folder.fold(os.fsencode(name)) is None
    folder = Folder.at(os.fsencode(tmp_path))
    for call in (folder.create, folder.make_folder, folder.read, folder.remove, folder.folder):
        with pytest.raises(OSError, match="no such file name"):
            call(os.fsencode(name))


@pytest.mark.parametrize("name", ("a", ".git", "contact", "com", "com10", "a b", "nulls.txt", "\u00e4.txt", "a.b.c"))
def test_other_names_are_not(name):
    assert Folder.fold(os.fsencode(name)) is not None


def test_names_that_differ_only_in_case_are_the_same():
    assert Folder.fold(b"One.TXT") == Folder.fold(b"one.txt")


def test_long_paths_get_the_form_that_has_no_limit():
    long = "\\".join(["x" * 50] * 6)
    assert windows.extended("C:\\short") == "C:\\short"
    assert windows.extended("C:\\" + long) == "\\\\?\\C:\\" + long
    assert windows.extended("C:/" + long.replace("\\", "/")) == "\\\\?\\C:\\" + long
    assert windows.extended("\\\\server\\share\\" + long) == "\\\\?\\UNC\\server\\share\\" + long
    assert windows.extended("\\\\?\\C:\\" + long) == "\\\\?\\C:\\" + long


def test_what_a_scanner_has_open_is_tried_again(monkeypatch):
    pauses = []
    monkeypatch.setattr("_engine.system.windows.time.sleep", pauses.append)
    told = []

    def call(path):
        told.append(path)
        if len(told) < 3:
            error = PermissionError(13, "in use")
            error.winerror = 32
            raise error

    windows.patiently(call, "x")
    assert told == ["x"] * 3 and len(pauses) == 2

    def refused(path):
        error = PermissionError(13, "in use")
        error.winerror = 32
        raise error

    pauses.clear()
    with pytest.raises(PermissionError):
        windows.patiently(refused, "x")
    assert sum(pauses) < 4

    def other(path):
        raise PermissionError(13, "no right")

    pauses.clear()
    with pytest.raises(PermissionError):
        windows.patiently(other, "x")
    assert not pauses
