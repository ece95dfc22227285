# SPDX-License-Identifier: GPL-3.0-or-later
"""A bank in an SQLite database: accounts, and transfers between them that never change the total.

As a program, it transfers until its standard input is closed and then says how that went, in JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import sqlite3
import subprocess
import sys

ACCOUNTS = 2000
TOTAL = ACCOUNTS * 1000


def make_bank(path, journal: str, accounts: int = ACCOUNTS, page_size: int = 1024) -> None:
    """Some 2 MB, so that a copy takes more than one step."""
    bank = sqlite3.connect(path, isolation_level=None)
    bank.execute("PRAGMA page_size = %d" % page_size)
    bank.execute("PRAGMA journal_mode = %s" % journal)
    bank.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note TEXT)")
    bank.execute("CREATE INDEX by_balance ON account (balance)")
    bank.execute("CREATE TABLE transfer (id INTEGER PRIMARY KEY, sender INTEGER, receiver INTEGER, amount INTEGER)")
    bank.execute("BEGIN")
    bank.executemany("INSERT INTO account VALUES (?, 1000, ?)", [(n, "x" * 900) for n in range(accounts)])
    bank.execute("COMMIT")
    bank.close()


#: Of how many accounts the balance is not what the transfers made of it: of two tables that are not of the same moment.
UNEXPLAINED = (
    "SELECT count(*) FROM account LEFT JOIN (SELECT id, sum(m) AS m FROM (SELECT sender AS id, -amount AS m FROM transfer"
    " UNION ALL SELECT receiver, amount FROM transfer) moves GROUP BY id) moved USING (id) WHERE balance <> 1000 + coalesce(m, 0)"
)


def total(path) -> int:
    """The money in the bank. Raises when the database is not sound."""
    bank = sqlite3.connect(path, isolation_level=None)
    try:
        found = bank.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            raise AssertionError(found)
        return bank.execute("SELECT sum(balance) FROM account").fetchone()[0]
    finally:
        bank.close()


@contextlib.contextmanager
def business(path, timeout: float = 30):
    """Transfers made by another process meanwhile. Yields a dict: after the block it has ``commits``, ``busy``, ``totals``."""
    process = subprocess.Popen(
        [sys.executable, __file__, os.fspath(path), str(timeout)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    report: dict = {}
    try:
        assert process.stdout.readline() == b"open for business\n"
        yield report
        process.stdin.close()
        report.update(json.loads(process.stdout.readline()))
        assert process.wait() == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def _transfer(bank: sqlite3.Connection, rng: random.Random) -> None:
    sender, receiver, amount = rng.randrange(ACCOUNTS), rng.randrange(ACCOUNTS), rng.randrange(1, 50)
    bank.execute("BEGIN IMMEDIATE")
    try:
        bank.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, sender))
        bank.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, receiver))
        bank.execute("INSERT INTO transfer (sender, receiver, amount) VALUES (?, ?, ?)", (sender, receiver, amount))
        bank.execute("COMMIT")
    except sqlite3.OperationalError:
        if bank.in_transaction:
            bank.execute("ROLLBACK")
        raise


def main() -> None:
    bank = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=float(sys.argv[2]))
    bank.execute("PRAGMA synchronous = OFF")
    rng = random.Random(os.getpid())
    commits = busy = 0
    totals = set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            _transfer(bank, rng)
            commits += 1
            totals.add(bank.execute("SELECT sum(balance) FROM account").fetchone()[0])
            if commits == 1:
                sys.stdout.write("open for business\n")
                sys.stdout.flush()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            busy += 1
    bank.close()
    sys.stdout.write(json.dumps({"commits": commits, "busy": busy, "totals": sorted(totals)}) + "\n")


if __name__ == "__main__":
    main()
