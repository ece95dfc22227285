# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting dumps: at the boundaries of objects and nowhere else, however the bytes come."""

from __future__ import annotations

import random

import pytest

from _engine.errors import RestoreError, SourceError
from _engine.postgresql.dump_reader import DumpReader, path_component
from _engine.postgresql.items import rename_database, split_items

PROLOGUE = b"""--
-- PostgreSQL database dump
--

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

"""
END = b"""--
-- PostgreSQL database dump complete
--

"""


def header(kind, name, data=False):
    told = (b"Data for " if data else b"", name, kind)
    return b"--\n-- %sName: %s; Type: %s; Schema: public; Owner: me\n--\n\n" % told


def table_data(name, rows):
    return header(b"TABLE DATA", name, data=True) + b"COPY public.%s (a) FROM stdin;\n%s\\.\n\n\n" % (name, rows)


class Collected:
    def __init__(self):
        self.sections = []

    def begin_entry(self, path, kind="section"):
        self.sections.append([path, kind, b""])

    def write(self, data):
        self.sections[-1][2] += bytes(data)


def read(dump, step=1 << 20):
    collected = Collected()
    reader = DumpReader(collected, b"shop")
    for start in range(0, len(dump), step):
        part = bytearray(dump[start : start + step])
        reader.feed(part, len(part))
    reader.close()
    assert b"".join(section[2] for section in collected.sections) == dump
    return {path.decode(): data for path, _kind, data in collected.sections}, reader


NASTY = (
    PROLOGUE
    + header(b"FUNCTION", b"f()")
    + b"CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$\n"
    + table_data(b"trap", b"1\n")
    + b"SELECT 'it''s $_ $$ ' $_$;\n\n\n"
    + header(b"COMMENT", b"FUNCTION f()")
    + b"COMMENT ON FUNCTION public.f() IS '\n"
    + table_data(b"trap", b"2\n")
    + b"';\n\n\n"
    + header(b"VIEW", b"v")
    + b'CREATE VIEW public.v AS SELECT 1 AS "\n'
    + table_data(b"trap", b"3\n")
    + b"\";\nALTER DATABASE x SET y TO E'\\\\''\n"
    + table_data(b"trap", b"4\n")
    + b"';\n\n\n"
    + table_data(b"full", b"x\n\\\\.\n\\\\\\.\n.\n\n")
    + table_data(b"empty", b"")
    + table_data(b"last", b"--\n-- Name: x; Type: y; Schema: z; Owner: w\n--\n\n")
    + header(b"SEQUENCE SET", b"s")
    + b"SELECT pg_catalog.setval('public.s', 3, true);\n\n\n"
    + header(b"BLOBS", b"BLOBS", data=True)
    + b"BEGIN;\n\nSELECT pg_catalog.lo_open('7', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\n"
    + b"SELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n"
    + b"SET default_tablespace = fast;\n\n"
    + header(b"INDEX", b"i")
    + b"CREATE INDEX i ON public.full USING btree (a);\n\n\n"
    + END
)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 11, 64, 1000, 1 << 20])
def test_only_true_boundaries_count(step):
    sections, reader = read(NASTY, step)
    assert list(sections) == [
        "shop/schema.1.sql",
        "shop/public/full",
        "shop/public/empty",
        "shop/public/last",
        "shop/schema.2.sql",
        "shop/large-objects.1.sql",
        "shop/schema.3.sql",
    ]
    assert reader.rows == {b"shop/public/full": 5, b"shop/public/empty": 0, b"shop/public/last": 4}
    assert reader.large_objects == 1
    assert reader.objects["TABLE DATA"] == 3 and reader.objects["FUNCTION"] == 1


def test_random_rows_in_random_pieces():
    rng = random.Random(7)
    for _ in range(200):
        # As COPY escapes them: no line of the text form is just \. but the last.
        lines = [bytes(rng.choice([b".", b"\\\\", b"a", b"\\n", b"--", b""]) for _ in range(0))] + [
            b"".join(rng.choice([b".", b"\\\\", b"a", b"\\n", b"--"]) for _ in range(rng.randrange(4)))
            for _ in range(rng.randrange(30))
        ]
        rows = b"".join(line + b"\n" for line in lines)
        dump = PROLOGUE + table_data(b"t", rows) + table_data(b"u", rows) + END
        sections, reader = read(dump, rng.randrange(1, 40))
        assert reader.rows == {b"shop/public/t": len(lines), b"shop/public/u": len(lines)}
        assert len(sections["shop/public/t"]) == len(table_data(b"t", rows))


@pytest.mark.parametrize("lost", [1, 5, 40, 60, 200, 700, len(NASTY) // 2])
def test_a_dump_without_its_end_is_refused(lost):
    cut = NASTY[:-lost]
    if END[:-4] in cut:
        read(cut)  # nothing but empty lines is lost
        return
    with pytest.raises(SourceError, match="cut off"):
        read(cut)


def test_names_in_paths():
    assert path_component(b"a/b%c\n\x7f") == b"a%2Fb%25c%0A%7F"
    assert (path_component(b".."), path_component(b".")) == (b"%2E.", b"%2E")
    assert path_component("größe 🙂".encode()) == "größe 🙂".encode()


def test_items_of_a_schema():
    sections, _reader = read(NASTY)
    items = split_items(sections["shop/schema.1.sql"] + sections["shop/schema.2.sql"] + sections["shop/schema.3.sql"])
    assert [item.type for item in items] == [b"", b"FUNCTION", b"COMMENT", b"VIEW", b"SEQUENCE SET", b"INDEX"]
    index = items[-1]
    assert index.relation() == (b"public", b"full")
    assert index.settings == {b"default_tablespace": b"fast"}
    assert b"default_tablespace" not in b"".join(item.text for item in items)


@pytest.mark.parametrize("text", [b"\\! rm -rf /\n", b"SELECT 1 \\! date\n", b"\\copy x from program 'date'\n", b"\\i x\n"])
def test_commands_to_psql_that_pg_dump_does_not_write_are_refused(text):
    with pytest.raises(RestoreError, match="command to psql"):
        split_items(PROLOGUE + text + header(b"TABLE", b"t") + b"CREATE TABLE public.t (a integer);\n")


def test_a_database_gets_another_name_and_nothing_else_does():
    text = (
        b"--\n-- Name: shop; Type: DATABASE\n--\n\nCREATE DATABASE shop WITH TEMPLATE = template0;\n"
        b'ALTER DATABASE "shop" SET a TO '
        b"'DATABASE shop';\nCOMMENT ON DATABASE shop IS 'it''s DATABASE shop';\nGRANT CONNECT ON DATABASE shop TO shop;\n"
    )
    assert rename_database(text, b"shop", 'new "x"') == (
        b'--\n-- Name: shop; Type: DATABASE\n--\n\nCREATE DATABASE "new ""x""" WITH TEMPLATE = template0;\n'
        b'ALTER DATABASE "new ""x""" SET a TO \'DATABASE shop\';\nCOMMENT ON DATABASE "new ""x""" IS \'it\'\'s DATABASE shop\';\n'
        b'GRANT CONNECT ON DATABASE "new ""x""" TO shop;\n'
    )
