# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a mark by its rarest byte finds what a plain search finds."""

from __future__ import annotations

import random

from _engine.rare import count_lines, find


def test_the_first_mark_between_two_places():
    rng = random.Random(3)
    for _ in range(2000):
        mark = rng.choice([b");\n", b"\n\\.\n", b";"])
        letters = [bytes([byte]) for byte in mark] + [mark, b"a"]
        buffer = bytearray(b"".join(rng.choices(letters, k=rng.randrange(400))))
        start, stop = sorted((rng.randrange(len(buffer) + 1), rng.randrange(len(buffer) + 1)))
        for rare in range(len(mark)):
            assert find(buffer, mark, rare, start, stop) == buffer.find(mark, start, stop)
        assert count_lines(buffer) == buffer.count(b"\n")
