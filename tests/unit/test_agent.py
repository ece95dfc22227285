# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file that hosts run: reproducible, executable, complete."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from interpreters import pythons

from _engine import bytecode

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("tools", "plugins/plugin_utils", "plugins/module_utils/_engine")


def build(root, target, python=sys.executable):
    subprocess.run([python, str(root / "tools" / "build_agent.py"), str(target)], check=True, capture_output=True)
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The sources as they are now: somebody may be working on them while the tests run."""
    folder = tmp_path_factory.mktemp("sources")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def agent(sources, tmp_path_factory):
    target = tmp_path_factory.mktemp("agent") / "fleet-backup.pyz"
    build(sources, target)
    return target


def copy_sources(root, to, crlf=False):
    """A copy of what the build needs, in another place, with other times and modes."""
    for part in PARTS:
        shutil.copytree(root / part, to / part, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))
    for path in to.rglob("*.py"):
        if crlf:
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        path.chmod(0o600)
        os.utime(path, (1, 1))
    cache = to / "plugins/module_utils/_engine/__pycache__"
    cache.mkdir()
    (cache / "job.cpython-311.pyc").write_bytes(b"x")
    (to / "plugins/module_utils/_engine/notes.txt").write_text("x")
    (to / "plugins/module_utils/_engine/.job.py.swp.py").write_text("x")


def test_it_is_the_same_wherever_it_is_built(sources, agent, tmp_path):
    copy_sources(sources, tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/plugins/module_utils/_engine/job.py").stat().st_mtime == 1
    assert build(tmp_path / "elsewhere", tmp_path / "a.pyz") == hashlib.sha256(agent.read_bytes()).hexdigest()


def test_line_ends_of_the_checkout_do_not_matter(sources, agent, tmp_path):
    copy_sources(sources, tmp_path / "windows", crlf=True)
    assert build(tmp_path / "windows", tmp_path / "a.pyz") == hashlib.sha256(agent.read_bytes()).hexdigest()


def test_every_python_builds_the_same(sources, agent, tmp_path):
    expected = hashlib.sha256(agent.read_bytes()).hexdigest()
    for n, python in enumerate(pythons()):
        assert build(sources, tmp_path / ("%d.pyz" % n), python) == expected, python


def test_a_change_of_the_engine_changes_it(sources, agent, tmp_path):
    copy_sources(sources, tmp_path / "changed")
    with open(tmp_path / "changed/plugins/module_utils/_engine/job.py", "a") as file:
        file.write("# changed\n")
    assert build(tmp_path / "changed", tmp_path / "a.pyz") != hashlib.sha256(agent.read_bytes()).hexdigest()


def test_it_holds_the_whole_engine_stored_sorted_and_without_times(sources, agent):
    with zipfile.ZipFile(agent) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    engine = sources / "plugins/module_utils/_engine"
    modules = {"fleet_backup/" + str(p.relative_to(engine)).replace(os.sep, "/") for p in engine.rglob("*.py")}
    assert set(names) == modules | {"__main__.py"}
    assert names[1:] == sorted(names[1:])
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.skipif(os.name == "nt", reason="modes and shebangs are POSIX")
def test_it_runs_by_itself(agent):
    assert stat.S_IMODE(agent.stat().st_mode) == 0o755
    shown = subprocess.run([str(agent), "version"], check=True, capture_output=True, text=True).stdout
    assert shown.startswith("fleet-backup ")


def test_every_package_of_the_engine_has_its_init():
    for path in (ROOT / PARTS[-1]).rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path.parent


def test_a_failed_build_leaves_the_old_one(sources, agent, tmp_path):
    target = tmp_path / "fleet-backup.pyz"
    target.write_bytes(b"old")
    (tmp_path / "plugins").mkdir()
    copy_sources(sources, tmp_path / "broken")
    os.symlink(tmp_path / "nowhere", tmp_path / "broken/plugins/module_utils/_engine/zz.py")
    with pytest.raises(subprocess.CalledProcessError):
        build(tmp_path / "broken", target)
    assert target.read_bytes() == b"old"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_an_old_python_is_told_so(agent):
    pretend = "import sys, runpy; sys.version_info = (3, 8, 10); runpy.run_path(sys.argv[1], run_name='__main__')"
    commands = [[sys.executable, "-c", pretend, str(agent)]] + [[python, str(agent), "version"] for python in pythons(False)]
    for command in commands:
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        assert (ended.returncode, "needs Python 3.9 or newer" in ended.stderr) == (4, True), command


def where_a_module_comes_from(command):
    """The file that an interpreter takes a module of the command from."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); from fleet_backup import names; print(names.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", script, str(command)], check=True, capture_output=True, text=True)
    return os.path.relpath(done.stdout.strip(), command)


def test_with_bytecode_it_need_not_be_compiled_again(agent, tmp_path):
    compiled = tmp_path / "compiled.pyz"
    compiled.write_bytes(bytecode.with_bytecode(agent.read_bytes(), str(compiled)))
    assert where_a_module_comes_from(agent) == os.path.join("fleet_backup", "names.py")
    assert where_a_module_comes_from(compiled) == os.path.join("fleet_backup", "names.pyc")
    said = [
        subprocess.run([sys.executable, "-I", str(path), "version"], check=True, capture_output=True).stdout
        for path in (agent, compiled)
    ]
    assert said[0] == said[1]


def test_bytecode_of_another_python_is_passed_over(agent, tmp_path, monkeypatch):
    compiled = tmp_path / "compiled.pyz"
    monkeypatch.setattr(bytecode.importlib.util, "MAGIC_NUMBER", b"\x01\x02\r\n")
    compiled.write_bytes(bytecode.with_bytecode(agent.read_bytes(), str(compiled)))
    assert where_a_module_comes_from(compiled) == os.path.join("fleet_backup", "names.py")
