# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of the benchmarks, made from a seed and kept: the same on every machine, for every run.

Run as a program of its own (``data.py NAME SCALE FOLDER``), so that its memory does not count for anybody.
``data.py --change FOLDER`` changes 1 % of the files in a folder.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import typing as t

VERSION = "4"
_MIB = 1 << 20

#: The one file that is looked for in the data set ``many``.
WANTED = os.path.join("2022", "06", "picked.bin")

#: The one of 1,000 tenants who has half of all rows in ``tenants``.
BIG = 500


def make(name: str, scale: float, folder: str) -> None:
    """Make the data set ``name`` in ``folder`` unless it is there already, whole and of this version."""
    done = os.path.join(folder, ".complete")
    if os.path.exists(done) and open(done).read() == VERSION:
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "data"))
    MAKERS[name](os.path.join(folder, "data"), scale)
    with open(done, "w") as file:
        file.write(VERSION)


def change(folder: str) -> None:
    """Change every hundredth file, chosen at random: a line of it, in its place."""
    rng = random.Random(8)
    paths = sorted(os.path.join(place, name) for place, _folders, names in os.walk(folder) for name in names)
    for path in rng.sample(paths, len(paths) // 100):
        with open(path, "r+b") as file:
            file.write(b"%016x" % rng.getrandbits(64))


def _uploads(folder: str, scale: float) -> None:
    """1.5 GiB in 5,000 files; 80 % of the bytes are pictures (incompressible), the others text of all kinds."""
    _pictures(folder, scale, 1.5 * 1024 * _MIB)


def _many(folder: str, scale: float) -> None:
    """1 GiB in 5,000 files of the same kind, and one of exactly 1 MB."""
    _pictures(folder, scale, 1024 * _MIB)
    with open(os.path.join(folder, WANTED), "wb") as file:
        file.write(random.Random(9).randbytes(10**6))


def _pictures(folder: str, scale: float, total: float) -> None:
    rng = random.Random(1)
    lines = _lines(rng, 4000)
    count = max(1, int(5000 * scale))
    sizes = [rng.lognormvariate(0, 1.1) for _ in range(count)]
    factor = total * scale / sum(sizes)
    for n, size in enumerate(sizes):
        length = int(size * factor)
        picture = rng.random() < 0.8
        place = os.path.join(folder, "%04d" % (2019 + n % 7), "%02d" % (n // 7 % 12 + 1))
        os.makedirs(place, exist_ok=True)
        with open(os.path.join(place, "%s_%05d.%s" % (("IMG", n, "jpg") if picture else ("page", n, "html"))), "wb") as file:
            if picture:
                for begin in range(0, length, _MIB):
                    file.write(rng.randbytes(min(_MIB, length - begin)))
            else:
                _write_text(file, rng, lines, length)


def _small(folder: str, scale: float) -> None:
    """100,000 text files of about 4 KiB in a tree like that of a large application with its libraries."""
    rng = random.Random(2)
    prose = b"".join(_lines(rng, 160_000))
    alike: t.List[bytes] = []
    for n in range(max(1, int(100_000 * scale))):
        package, module = divmod(n, 400)
        place = os.path.join(folder, "packages", "package-%03d" % package, "module_%02d" % (module // 25))
        if n % 25 == 0:
            os.makedirs(place)
            alike = _lines(rng, 60)  # as in real trees, what is alike lies together
        length = int(rng.gauss(3600, 1100)) if n % 50 else rng.randint(10_000, 40_000)
        lines = rng.choices(alike, k=length // 116 + 1)
        starts = rng.choices(range(len(prose) - 100), k=len(lines))
        text = b"".join([line + prose[start : start + 50] for line, start in zip(lines, starts)])
        with open(os.path.join(place, "component_%05d.%s" % (n, rng.choice(("py", "js", "html", "css", "json")))), "wb") as file:
            file.write(text)


def _sql(folder: str, scale: float) -> None:
    """1 GiB of a dump's INSERT statements."""
    rng = random.Random(3)
    texts = [line.strip().decode().replace("'", "''") for line in _lines(rng, 5000)]
    number = 0
    with open(os.path.join(folder, "dump.sql"), "wb") as file:
        while file.tell() < 1024 * _MIB * scale:
            rows = [_row(number + n, rng, texts) for n in range(500)]
            number += 500
            file.write(b"INSERT INTO `orders` VALUES " + ",".join(rows).encode() + b";\n")


def _row(number: int, rng: random.Random, texts: t.Sequence[str]) -> str:
    bits = rng.getrandbits(96)
    return "(%d,'%012x','%s','%s',%d.%02d,%d,NULL)" % (
        number,
        bits >> 48,
        texts[bits % len(texts)],
        _moment(number),
        bits % 997,
        bits % 97,
        bits % 5,
    )


def _sqlite(folder: str, scale: float) -> None:
    """A 1 GiB SQLite database."""
    _shop(os.path.join(folder, "shop.db"), 1024 * _MIB * scale)


def _shop(path: str, size: float) -> None:
    """Orders with an index, like a small shop's after years."""
    rng = random.Random(4)
    texts = [line.strip().decode() for line in _lines(rng, 5000)]
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, code TEXT NOT NULL, note TEXT, picture BLOB, cents INTEGER)")
    number = 0
    while base.execute("PRAGMA page_count").fetchone()[0] * 4096 < size * 15 / 16:
        base.execute("BEGIN")
        base.executemany(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            [
                (
                    number + n,
                    "%012x" % rng.getrandbits(48),
                    " ".join(rng.choices(texts, k=4)),
                    rng.randbytes(60),
                    rng.randrange(10**6),
                )
                for n in range(20000)
            ],
        )
        base.execute("COMMIT")
        number += 20000
    base.execute("CREATE INDEX by_code ON orders (code)")
    base.close()


def _dumps(folder: str, scale: float) -> None:
    """A dump of 275 MB, and what became of it: with 0.5 % of its rows changed, and with 20 MB of new rows near the head."""
    rng = random.Random(6)
    texts = [line.strip().decode().replace("'", "''") for line in _lines(rng, 5000)]
    rows: t.List[str] = []
    size = 0
    while size < 275e6 * scale:
        rows.append(_row(len(rows), rng, texts))
        size += len(rows[-1]) + 1
    _write_dump(os.path.join(folder, "first.sql"), rows)
    new = [_row(10**7 + n, rng, texts) for n in range(int(len(rows) * 20 / 275))]
    _write_dump(os.path.join(folder, "new-rows.sql"), new)
    near = len(rows) // 100 * 2
    _write_dump(os.path.join(folder, "grown.sql"), [*rows[:near], *new, *rows[near:]])
    for number in rng.sample(range(len(rows)), len(rows) // 200):
        rows[number] = _row(number, rng, texts)
    _write_dump(os.path.join(folder, "changed.sql"), rows)


def _write_dump(path: str, rows: t.Sequence[str]) -> None:
    with open(path, "w") as file:
        for start in range(0, len(rows), 500):
            file.write("INSERT INTO `orders` VALUES " + ",".join(rows[start : start + 500]) + ";\n")


def _databases(folder: str, scale: float) -> None:
    """A database of 275 MB, and the same with 0.5 % of its rows changed."""
    first, changed = os.path.join(folder, "first.db"), os.path.join(folder, "changed.db")
    _shop(first, 275e6 * scale)
    shutil.copyfile(first, changed)
    rng = random.Random(7)
    base = sqlite3.connect(changed)
    (count,) = base.execute("SELECT count(*) FROM orders").fetchone()
    changes = [("%012x" % rng.getrandbits(48), rng.randrange(10**6), n) for n in rng.sample(range(1, count), count // 200)]
    base.executemany("UPDATE orders SET code = ?, cents = ? WHERE id = ?", changes)
    base.commit()
    base.close()


def _tables(folder: str, scale: float) -> None:
    """1 GiB of rows of a shop, as COPY and LOAD DATA read them; and ``changes.sql``, which changes 0.5 % of the orders."""
    rng = random.Random(10)
    texts = [line.strip().decode() for line in _lines(rng, 5000)]

    def customer(n: int) -> str:
        return "%d\t%s\t%012x@example.org\t%s" % (n, rng.choice(_WORDS), rng.getrandbits(48), rng.choice(texts))

    def event(n: int) -> str:
        return '%d\t%d\t%s\t{"from": "%08x", "page": "%s"}' % (n, n, _moment(n), rng.getrandbits(32), rng.choice(texts))

    def picture(n: int) -> str:
        return "%d\t\\\\x%s" % (n, rng.randbytes(rng.randint(500, 5500)).hex())

    customers = _write_rows(os.path.join(folder, "customer.tsv"), 100 * _MIB * scale, customer)

    def order(n: int) -> str:
        return "%d\t%d\t%s" % (n, rng.randint(1, customers), _order(n, rng, texts))

    orders = _write_rows(os.path.join(folder, "orders.tsv"), 724 * _MIB * scale, order)
    _write_rows(os.path.join(folder, "event.tsv"), 100 * _MIB * scale, event)
    _write_rows(os.path.join(folder, "picture.tsv"), 100 * _MIB * scale, picture)
    with open(os.path.join(folder, "changes.sql"), "w") as file:
        file.write("BEGIN;\n")
        for n in sorted(rng.sample(range(1, orders + 1), orders // 200)):
            change = (rng.getrandbits(48), rng.randrange(10**5) / 100, n)
            file.write("UPDATE orders SET code = '%012x', total = %.2f WHERE id = %d;\n" % change)
        file.write("COMMIT;\n")


def _tenants(folder: str, scale: float) -> None:
    """1,000,000 orders of the tenant BIG among as many of 999 others."""
    rng = random.Random(11)
    texts = [line.strip().decode() for line in _lines(rng, 5000)]
    tenants = [BIG] * int(10**6 * scale) + [n for n in range(1, 1001) if n != BIG] * int(1000 * scale)
    rng.shuffle(tenants)
    with open(os.path.join(folder, "orders.tsv"), "w") as file:
        for n, tenant in enumerate(tenants, 1):
            file.write("%d\t%d\t%s\n" % (n, tenant, _order(n, rng, texts)))


def _order(n: int, rng: random.Random, texts: t.Sequence[str]) -> str:
    bits = rng.getrandbits(96)
    return "%012x\t%s\t%s\t%d.%02d" % (bits >> 48, texts[bits % len(texts)], _moment(n), bits % 997, bits % 97)


def _moment(n: int) -> str:
    return "2024-%02d-%02d %02d:%02d:00" % (n // 9000 % 12 + 1, n // 300 % 28 + 1, n // 12 % 24, n % 60)


def _write_rows(path: str, size: float, row: t.Callable[[int], str]) -> int:
    """Write rows 1, 2, 3, ... until there are ``size`` bytes; return how many there are."""
    number = 0
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write("".join([row(n) + "\n" for n in range(number + 1, number + 501)]).encode())
            number += 500
    return number


def _million(folder: str, scale: float) -> None:
    """1,000,000 tiny files in 10,000 folders."""
    for n in range(max(1, int(10_000 * scale))):
        place = os.path.join(folder, "%02d" % (n // 100), "shelf-%04d" % n)
        os.makedirs(place)
        for m in range(100):
            with open(os.path.join(place, "record-%04d-%02d.json" % (n, m)), "wb", buffering=0) as file:
                file.write(b'{"shelf": %d, "record": %d}\n' % (n, m))


def _one(folder: str, scale: float) -> None:
    """One file of 1 GiB that no compression makes smaller."""
    rng = random.Random(12)
    with open(os.path.join(folder, "film.mp4"), "wb") as file:
        for _n in range(max(1, int(1024 * scale))):
            file.write(rng.randbytes(_MIB))


def _tiny(folder: str, scale: float) -> None:
    """Three files."""
    for name in ("app.py", "settings.json", "README"):
        with open(os.path.join(folder, name), "w") as file:
            file.write("fleet.backup\n" * 100)


def _words() -> t.List[str]:
    rng = random.Random(5)
    letters = "etaoinshrdlucmfwypvbgkjqxz_"
    return ["".join(rng.choices(letters, weights=range(27, 0, -1), k=rng.randint(2, 11))) for _ in range(9000)]


_WORDS = _words()


def _lines(rng: random.Random, count: int) -> t.List[bytes]:
    """Lines of words, of which a few are much more common than the others."""
    return [
        (
            "    " * rng.randint(0, 3) + " ".join(_WORDS[int(rng.random() ** 4 * len(_WORDS))] for _ in range(rng.randint(2, 14)))
        ).encode()
        + b"\n"
        for _ in range(count)
    ]


def _write_text(file: t.BinaryIO, rng: random.Random, lines: t.Sequence[bytes], length: int) -> None:
    """About ``length`` bytes: lines that recur here and there, every tenth with a number of its own."""
    while length > 0:
        part = rng.choices(lines, k=min(400, length // 80 + 1))
        part[::10] = [b"%08x %s" % (rng.getrandbits(32), line) for line in part[::10]]
        file.write(b"".join(part))
        length -= sum(map(len, part))


MAKERS: t.Dict[str, t.Callable[[str, float], None]] = {
    "uploads": _uploads,
    "many": _many,
    "small": _small,
    "sql": _sql,
    "sqlite": _sqlite,
    "dumps": _dumps,
    "databases": _databases,
    "tables": _tables,
    "tenants": _tenants,
    "million": _million,
    "one": _one,
    "tiny": _tiny,
}

if __name__ == "__main__":
    if sys.argv[1] == "--change":
        change(sys.argv[2])
    else:
        make(sys.argv[1], float(sys.argv[2]), sys.argv[3])
