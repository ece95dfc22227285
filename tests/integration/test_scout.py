# SPDX-License-Identifier: GPL-3.0-or-later
"""An increment is the same whether or not a second process has looked at the files ahead of it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal

import jobs
import pytest

from _engine.archive.index import Root
from _engine.archive.scout import Scout
from _engine.operations.verify import verify

pytestmark = [
    pytest.mark.usefixtures("ahead", "several_frames"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]


@pytest.fixture
def several_frames(monkeypatch):
    monkeypatch.setattr("_engine.archive.index._GROUP", 10_000)
    monkeypatch.setattr("_engine.archive.index._ENOUGH", 5_000)
    monkeypatch.setattr("_engine.archive.scout._FEW", 0)
    # Whatever machine this is.
    monkeypatch.setattr("_engine.second_process.cores", lambda: 2)


@pytest.fixture
def roots(tmp_path):
    rng = random.Random(11)
    for root in ("one", "other"):
        for n in range(1200):
            path = tmp_path / root / ("folder %d" % (n // 60)) / ("%04d" % n)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(rng.randbytes(rng.choice((0, 10, 700))))
        (tmp_path / root / "folder 3" / "0190 folder").mkdir()
    (tmp_path / "single").write_bytes(b"a root that is a file")
    os.link(tmp_path / "one" / "folder 1" / "0070", tmp_path / "one" / "folder 2" / "0070 too")
    for name in ("new\nline", "back\\slash", 'quote"', "\u00e9t\u00e9", os.fsdecode(b"not-\xff")):
        (tmp_path / "other" / "folder 5" / name).write_bytes(b"odd")
    return [tmp_path / "one", tmp_path / "other", tmp_path / "single"]


def change(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "folder 0" / "0007").write_bytes(b"changed")
    (one / "folder 0" / "0007a").write_bytes(b"new")
    (one / "folder 4" / "0250").unlink()
    (one / "folder 6").rename(one / "folder 6 renamed")
    (one / "folder 9" / "0555").chmod(0o400)
    (one / "folder 8" / "0490").unlink()
    (one / "folder 8" / "0490").symlink_to("0491")
    for path in (other / "folder 7").iterdir():
        path.write_bytes(path.read_bytes() + b"more")
    os.link(other / "folder 1" / "0065", other / "folder 19" / "linked later")
    (other / "folder 12" / "0730").unlink()
    (other / "folder 12" / "0730").mkdir()
    (other / "folder 12" / "0730" / "file").write_bytes(b"below")


def configure(tmp_path, roots, **options):
    source = {"name": "files", "files": {"paths": [str(root) for root in roots], **options}}
    return jobs.configure(tmp_path, source, compression={"algorithm": "none"})


def of_an_increment(config):
    """The lines of its index, what its manifest says of it, without its id."""
    # Against the full one, so that it can be taken again.
    result = jobs.take(config, kind="differential")
    folder = jobs.backup_folder(config, result.id)
    manifest = json.loads(folder.with_name(result.id + ".json").read_bytes())
    lines = (folder / "files.index").read_bytes().replace(result.id.encode(), b"ID").split(b"\n")
    # The last line is the table, which tells how the lines lie in frames.
    said = [
        manifest["references"],
        [(c["entries"], c["bytes"], c["kind"]) for c in manifest["components"]],
        result.components[0].facts,
    ]
    return [line for line in lines if line.startswith(b'{"path')], said


@pytest.fixture
def taken(monkeypatch):
    """How many frames a scout has taken, and how many of them it has vouched for."""
    counts = {"taken": 0, "proven": 0}
    offer, answer = Scout.offer, Scout.answer

    def counted_offer(scout, lines):
        is_taken = offer(scout, lines)
        counts["taken"] += is_taken
        return is_taken

    def counted_answer(scout):
        proof = answer(scout)
        counts["proven"] += proof is not None
        return proof

    monkeypatch.setattr(Scout, "offer", counted_offer)
    monkeypatch.setattr(Scout, "answer", counted_answer)
    return counts


def without_scout(config, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Scout, "offer", lambda _scout, _lines: False)
        return of_an_increment(config)


def test_the_outcome_is_the_same(tmp_path, roots, monkeypatch, taken):
    config = configure(tmp_path, roots)
    jobs.take(config)
    for changed in (False, True):
        if changed:
            change(tmp_path)
        # The first frames are the increment's own, until it knows the volumes of what they refer to.
        found = of_an_increment(config)
        assert 1 < taken["proven"] <= taken["taken"]
        assert found == without_scout(config, monkeypatch)
    fewer = configure(tmp_path, roots, exclude=["*5", "folder 2/"])
    assert of_an_increment(fewer) == without_scout(fewer, monkeypatch)
    assert verify(config, level="data").outcome == "success"


def test_what_changes_the_moment_after_is_for_the_next_run(tmp_path, roots, monkeypatch):
    """A file is as old as when it was looked at; the run after sees that it has changed."""
    config = configure(tmp_path, roots)
    jobs.take(config)
    answer = Scout.answer
    late = tmp_path / "other" / "folder 18" / "1100"

    def answer_late(scout):
        proof = answer(scout)
        late.write_bytes(b"after the look")
        return proof

    with monkeypatch.context() as patch:
        patch.setattr(Scout, "answer", answer_late)
        jobs.take(config, kind="incremental")
    result = jobs.take(config, kind="incremental")
    lines = (jobs.backup_folder(config, result.id) / "files.index").read_bytes().split(b"\n")
    (line,) = [line for line in lines if b"other/folder 18/1100" in line and line.startswith(b'{"path')]
    assert b'"size":14,' in line


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scout_that_dies_or_hangs_is_missed_by_nobody(tmp_path, roots, monkeypatch, taken, number):
    config = configure(tmp_path, roots)
    jobs.take(config)
    change(tmp_path)
    whole = without_scout(config, monkeypatch)
    offer = Scout.offer

    def deadly_offer(scout, lines):
        is_taken = offer(scout, lines)
        if taken["taken"] == 5 and scout._child > 0:
            os.kill(scout._child, number)
        return is_taken

    monkeypatch.setattr(Scout, "offer", deadly_offer)
    monkeypatch.setattr("_engine.archive.scout.PATIENCE", 0.3)
    assert of_an_increment(config) == whole
    assert 5 <= taken["taken"] < 12


def test_a_scout_holds_nothing_open_and_is_waited_for(tmp_path):
    with open(tmp_path / "held", "w"):
        scout = Scout([Root(os.fsencode(tmp_path), os.fsencode(tmp_path)[1:])])
        assert scout.offer(b'{"path":"a/b","type":"file","mode":"0644"}\n')
        proof = scout.answer()
        assert proof is not None and proof.again == {0}
        assert len(os.listdir("/proc/%d/fd" % scout._child)) == 2
        child = scout._child
        scout.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_process_with_more_descriptors_than_select_takes(tmp_path, roots, monkeypatch, taken):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1200:
        pytest.skip("RLIMIT_NOFILE allows no descriptor beyond 1023: ulimit -n 4096")
    config = configure(tmp_path, roots)
    jobs.take(config)
    with contextlib.ExitStack() as opened:
        while opened.enter_context(open(os.devnull)).fileno() < 1024:
            pass
        found = of_an_increment(config)
    assert taken["proven"] > 1
    assert found == without_scout(config, monkeypatch)
