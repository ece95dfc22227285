# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the project where Ansible's tools expect a collection: in a folder ansible_collections/fleet/backup.

The project may be cloned anywhere, so the tools work on this copy of the files that git knows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# ansible-test downloads get-pip.py; machines without a way to that host have the interpreter's own ensurepip.
_GET_PIP = '''\
"""Stands in for get-pip: takes the pip that comes with the interpreter, then the version asked for."""
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
arguments = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install"] + arguments))
'''


def copy_collection(base: Path = BUILD) -> Path:
    """Make the copy below ``base`` equal to the tracked files of the work tree, and return its path."""
    copy = base / "ansible_collections" / "fleet" / "backup"
    # The clone may belong to somebody else than who runs this (root in CI).
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    names = {name for name in os.fsdecode(listed).split("\0") if _belongs(name) and os.path.lexists(ROOT / name)}
    copy.mkdir(parents=True, exist_ok=True)
    # A repository of its own: Ansible's tools look for one upwards, and would find that this one ignores build/.
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    for folder, folders, files in os.walk(copy):
        if ".git" in folders:
            folders.remove(".git")
        for file in files:
            path = Path(folder, file)
            if str(path.relative_to(copy)) not in names:
                path.unlink()
    for name in names:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _same(source, target):
            target.unlink(missing_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return copy


def _belongs(name: str) -> bool:
    """Whether a file is the collection's: the tests and the tools of its developers have checks of their own."""
    return bool(name) and (name == "tests/config.yml" or not name.startswith(("tests/", "tools/")))


def prepare_sanity() -> t.Dict[str, str]:
    """Put a stand-in for get-pip where ansible-test caches it; return the environment ansible-test needs."""
    import ansible_test

    requirements = Path(next(iter(ansible_test.__path__)), "_internal", "python_requirements.py").read_text(encoding="utf-8")
    for version in set(re.findall(r"""pip=['"]([\d.]+)['"]""", requirements)):
        cached = Path.home() / ".ansible" / "test" / "cache" / ("get_pip_%s.py" % version.replace(".", "_"))
        if not cached.exists():
            cached.parent.mkdir(parents=True, exist_ok=True)
            cached.write_text(_GET_PIP, encoding="utf-8")
    return {"PATH": os.pathsep.join([*_pythons(), os.environ["PATH"]])}


def _pythons() -> t.List[str]:
    """Folders of real interpreters: ansible-test cannot use the shims that pyenv puts on the PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(Path(sys.executable).parent), *(str(path) for path in sorted(root.glob("versions/3.*/bin")))]


def _same(source: Path, target: Path) -> bool:
    try:
        there, here = os.lstat(target), os.lstat(source)
    except FileNotFoundError:
        return False
    return (there.st_size, there.st_mtime_ns, there.st_mode) == (here.st_size, here.st_mtime_ns, here.st_mode)


if __name__ == "__main__":
    sys.stdout.write("%s\n" % copy_collection())
