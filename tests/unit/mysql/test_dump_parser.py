# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows counted in dumps of both kinds, a line for each row (MariaDB) and all in one line (MySQL), however the bytes come."""

from __future__ import annotations

import random

import pytest

from _engine.mysql.dump_parser import DumpParser

# As the dump programs write them: backslash, quote and line end are escaped.
TEXTS = [
    b"",
    b"),(",
    b");",
    b"(1,2),(3,4);",
    b"\\'),(\\'",
    b"\\\\",
    b"\\\\\\'",
    b"\\n);\\n",
    b"a;b",
    b"-- Dump completed",
    b'\\"),(',
]


def row(rng):
    values = [b"%d" % rng.randrange(1000), b"NULL", b"0x2928", *(b"'%s'" % rng.choice(TEXTS) for _ in range(rng.randrange(4)))]
    rng.shuffle(values)
    return b"(%s)" % b",".join(values)


def dump(tables, one_line):
    """``tables``: by name, the statements of each, each a list of rows."""
    parts = [b"-- MariaDB dump\n\n--\n-- Current Database: `shop`\n--\n\nUSE `shop`;\n\n"]
    for name, statements in tables.items():
        parts.append(b"--\n-- Table structure for table `%s`\n--\n\nCREATE TABLE `%s` (a int);\n" % (name, name))
        for rows in statements:
            begin, between = (b" ", b",") if one_line else (b"\n", b",\n")
            parts.append(b"INSERT INTO `%s` VALUES%s%s;\n" % (name, begin, between.join(rows)))
        parts.append(b"UNLOCK TABLES;\n")
    return b"".join([*parts, b"-- Dump completed on 2026-01-01\n"])


def parse(data, rng, most):
    sections, written = [], bytearray()
    parser = DumpParser(sections.append, written.extend)
    place = 0
    while place < len(data):
        step = rng.randrange(1, most)
        parser.feed(data[place : place + step])
        place += step
    parser.close()
    assert bytes(written) == data
    return parser


@pytest.mark.parametrize("one_line", [False, True])
def test_rows_are_counted_exactly(one_line):
    rng = random.Random(5)
    for number in range(40):
        tables = {
            name: [[row(rng) for _ in range(rng.randrange(1, 20))] for _ in range(rng.randrange(4))]
            for name in (b"a", b"b`c", b"d")
        }
        data = dump({name.replace(b"`", b"``"): statements for name, statements in tables.items()}, one_line)
        parser = parse(data, rng, 2 << number % 12)
        expected = {("shop", name.decode()): sum(map(len, statements)) for name, statements in tables.items()}
        assert parser.rows == expected


def test_an_insert_longer_than_what_is_read_at_once():
    rows = [b"(%d,'%s')" % (n, b";" * 50) for n in range(5000)]
    for one_line in (False, True):
        parser = parse(dump({b"a": [rows, rows[:1]]}, one_line), random.Random(6), 1 << 17)
        assert parser.rows == {("shop", "a"): 5001}
