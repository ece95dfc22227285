# SPDX-License-Identifier: GPL-3.0-or-later
"""A sparse entry whose segments do not fit the bytes that it has: damage, told as such."""

from __future__ import annotations

import components
import pytest
import trees

from _engine.errors import IntegrityError


@pytest.mark.parametrize("segments", [[[0, 1000], [1 << 20, 1000]], [[0, 10**9]]])
def test_segments_beyond_the_bytes_are_damage(tmp_path, segments):
    (tmp_path / "tree").mkdir()
    trees.make_sparse(tmp_path / "tree" / "sparse", [(1 << 20, b"x" * 1000)], 8 << 20)
    (tmp_path / "store").mkdir()
    source = components.make_source("files", {"paths": [str(tmp_path / "tree")]})
    _reading, reader = components.back_up(source, "files", tmp_path / "store")
    try:
        (entry,) = [entry for entry in reader.entries() if "segments" in entry]
        assert sum(len(part) for part in reader.read(entry)) == sum(length for _start, length in entry["segments"])
        with pytest.raises(IntegrityError, match="sparse"):
            for _part in reader.read({**entry, "segments": segments}):
                pass
    finally:
        reader.close()
