# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree gets into a backup, and what is said of what does not."""

from __future__ import annotations

import os
import socket
import subprocess
import typing as t
from pathlib import Path

import jobs
import pytest
import trees

from _engine.archive.index import entry_path
from _engine.errors import ConfigurationError
from _engine.job import Config
from _engine.operations.backup import backup


def make(folder: Path, *paths: str) -> Path:
    for path in paths:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(b"content of " + os.fsencode(path))
    return folder


def stored(config: Config, root: Path, **options: t.Any) -> t.List[str]:
    """The paths, relative to ``root``, that a backup holds."""
    result = jobs.take(config, **options)
    reader = jobs.reader(config, result.id)
    prefix = os.fsencode(str(root)).lstrip(b"/")
    return [os.fsdecode(entry_path(e)[len(prefix) + 1 :]) for e in reader.entries()]


def test_entries_come_in_the_order_of_a_sorted_walk_with_components_compared_bytewise(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "a/x", "a.b", "a-c", "\udcff", "\u00e9", "Z")
    expected = ["", "Z", "a", "a/x", "a-c", "a.b", "\u00e9", "\udcff"]
    assert stored(jobs.configure(tmp_path, jobs.files(root)), root) == expected


def test_excluded_names_are_left_out_and_folders_not_entered(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "a.tmp", "keep", "cache/x", "sub/cache/y", "sub/b.tmp", "sub/important.tmp")
    config = jobs.configure(tmp_path, jobs.files(root, exclude=["*.tmp", "cache/", "!important.tmp"]))
    assert stored(config, root) == ["", "keep", "sub", "sub/important.tmp"]


def test_included_names_come_with_the_folders_above_them(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "a.jpg", "b.txt", "x/y/c.jpg", "x/z/d.txt", "pics/e.txt")
    config = jobs.configure(tmp_path, jobs.files(root, include=["*.jpg", "pics/"]))
    assert stored(config, root) == ["", "a.jpg", "pics", "pics/e.txt", "x", "x/y", "x/y/c.jpg"]


def test_folders_marked_as_caches_keep_only_the_mark(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "real/data", "fake/data", "fake/CACHEDIR.TAG", "mine/.nobackup", "mine/data")
    (root / "real/CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n")
    config = jobs.configure(tmp_path, jobs.files(root, exclude_caches=True, exclude_if_present=[".nobackup"]))
    expected = ["", "fake", "fake/CACHEDIR.TAG", "fake/data", "mine", "mine/.nobackup", "real", "real/CACHEDIR.TAG"]
    assert stored(config, root) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_other_file_systems_stay_as_empty_folders(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "here", "mounted/")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(root / "mounted")], check=True)
    try:
        make(root, "mounted/there")
        assert stored(jobs.configure(tmp_path, jobs.files(root, one_file_system=True)), root) == ["", "here", "mounted"]
        assert "mounted/there" in stored(jobs.configure(tmp_path, jobs.files(root)), root)
    finally:
        subprocess.run(["umount", str(root / "mounted")], check=True)


def test_the_store_and_the_state_that_lie_inside_are_left_out(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "data")
    config = jobs.configure(root, jobs.files(root))
    assert stored(config, root) == ["", "data"]
    assert stored(config, root) == ["", "data"]


def test_a_store_as_a_source_is_refused(tmp_path: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    result = backup(config, config.jobs[0])
    assert result.error is not None and result.error["code"] == "source"


def test_a_root_that_is_a_link_is_followed_and_links_below_are_not(tmp_path: Path) -> None:
    make(tmp_path / "releases/42", "app.py", "sub/x")
    os.symlink("/etc", tmp_path / "releases/42/etc")
    os.symlink("releases/42", tmp_path / "current")
    current = tmp_path / "current"
    assert stored(jobs.configure(tmp_path, jobs.files(current)), current) == ["", "app.py", "etc", "sub", "sub/x"]


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    make(tmp_path, "app.py", "models.py", "other.py")
    source = {"name": "files", "files": {"paths": [str(tmp_path / "models.py"), str(tmp_path / "app.py")]}}
    config = jobs.configure(tmp_path, source)
    assert stored(config, tmp_path) == ["app.py", "models.py"]


def test_a_root_that_is_missing_is_a_failure_that_leaves_no_backup(tmp_path: Path) -> None:
    config = jobs.configure(tmp_path, jobs.files(tmp_path / "gone"))
    result = backup(config, config.jobs[0])
    assert result.outcome == "failure" and result.error is not None
    assert result.error["code"] == "source" and "gone: does not exist" in result.error["message"]
    assert jobs.catalog(config).scan().complete == []
    assert len(jobs.catalog(config).scan().failed) == 1


def test_sockets_are_skipped_and_counted(tmp_path: Path) -> None:
    root = make(tmp_path / "r", "data")
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(root)
        made.bind("s")
    config = jobs.configure(tmp_path, jobs.files(root))
    result = jobs.take(config)
    assert result.outcome == "success"
    assert result.components[0].facts["sockets_skipped"] == 1
    assert result.components[0].entries == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize(("meaning", "outcome"), [("warning", "warning"), ("failure", "failure")])
def test_what_cannot_be_read_is_named_and_means_what_the_job_says(tmp_path: Path, meaning: str, outcome: str) -> None:
    root = make(tmp_path / "r", "open", "secret", "closed/inside")
    os.chmod(root / "secret", 0)
    os.chmod(root / "closed", 0)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)
    config = jobs.configure(tmp_path, jobs.files(root, on_unreadable=meaning))
    for name in ("store", "state"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 65534, 65534)
    # Everything is imported before this process becomes somebody who may not read the interpreter's library.
    jobs.take(jobs.configure(tmp_path / "import", jobs.files(make(tmp_path / "import", "x"))))
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        result = backup(config, config.jobs[0])
        said = {w.code: w.paths for w in result.warnings}
        paths = [os.path.relpath("/" + p, root) for p in said.get("file-unreadable", [])]
        good = result.outcome == outcome and (paths == ["closed", "secret"] or meaning == "failure")
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    if meaning == "warning":
        scan = jobs.catalog(config).scan()
        manifest = jobs.catalog(config).manifest(scan.complete[0])
        assert manifest.outcome == "warning"
        assert manifest.components[0].warnings == {"file-unreadable": 2}
        assert len(manifest.warnings[0]["paths"]) == 2


def test_a_tree_deeper_than_a_path_may_be_long(tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=fd)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    before = trees.snapshot(root)
    config = jobs.configure(tmp_path, jobs.files(root))
    assert stored(config, root)[-1].endswith("/bottom")
    assert len(before) == 62


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"paths": ["/a", "/a/b"]}, r"jobs\[0\].sources\[0\].files.paths\[1\]: /a/b lies inside paths\[0\]"),
        ({"paths": ["/a", "/a"]}, "named twice"),
        ({"paths": ["a"]}, r"jobs\[0\].sources\[0\].files.paths\[0\]: 'a' is not absolute"),
        ({"paths": ["/a"], "exclude": ["[a"]}, r"jobs\[0\].sources\[0\].files.exclude\[0\]: "),
        ({"paths": ["/a"], "exclude_if_present": ["a/b"]}, "is no plain file name"),
        ({"paths": []}, "must not be empty"),
        ({"path": "/a"}, "unknown key; did you mean paths"),
    ],
)
def test_options_that_cannot_work_are_refused_with_their_place(tmp_path: Path, options: t.Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        jobs.configure(tmp_path, {"name": "files", "files": options})


def test_what_a_restore_is_staging_is_left_out(tmp_path: Path) -> None:
    ours, theirs = ".fleet-backup-restore-0123abcd", ".fleet-backup-restore-notes"
    tree = make(tmp_path / "tree", "a", ours + "/old/1", "folder/" + ours + "/new/1", theirs + "/kept")
    make(tree / "file", ours)  # no folder, so none of ours
    config = jobs.configure(tmp_path, jobs.files(tree))
    assert stored(config, tree) == ["", theirs, theirs + "/kept", "a", "file", "file/" + ours, "folder"]
    # But not in silence: what an interrupted restore had put aside is in no backup.
    result = jobs.take(config)
    (notice,) = result.warnings
    assert (notice.code, notice.component, notice.count) == ("restore-unfinished", "files", 2)
    name = str(tree).lstrip("/")
    assert notice.paths == ["%s/%s" % (name, ours), "%s/folder/%s" % (name, ours)]
    assert jobs.catalog(config).manifest(result.id).components[0].warnings == {"restore-unfinished": 2}
