# SPDX-License-Identifier: GPL-3.0-or-later
"""The application, running: it writes orders without pause, and holds a file in a way that only Windows knows.

``shop.py DATABASE FILE``: FILE is opened so that nobody else may open it. Ends when its standard input does, and says how many
orders there are.
"""

import ctypes
import sqlite3
import sys
import threading

GENERIC_READ, SHARED_WITH_NOBODY, OPEN_EXISTING = 0x80000000, 0, 3

ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

kernel = ctypes.WinDLL("kernel32", use_last_error=True)
kernel.CreateFileW.restype = ctypes.c_void_p
held = kernel.CreateFileW(sys.argv[2], GENERIC_READ, SHARED_WITH_NOBODY, None, OPEN_EXISTING, 0, None)
assert held != ctypes.c_void_p(-1).value, ctypes.WinError(ctypes.get_last_error())

database = sqlite3.connect(sys.argv[1], isolation_level=None)
assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, text)")
print("open", flush=True)
while not ended.wait(0.005):
    database.execute("INSERT INTO orders (text) VALUES (hex(randomblob(200)))")
print(database.execute("SELECT count(*) FROM orders").fetchone()[0])
database.close()
