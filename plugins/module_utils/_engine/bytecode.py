# SPDX-License-Identifier: GPL-3.0-or-later
"""The command with the bytecode of the running interpreter, which then need not compile it anew for every run.

Python looks for bytecode beside a zipped module's source (zipimport), and takes the source where there is none that it can use.
"""

from __future__ import annotations

import importlib.util
import io
import marshal
import zipfile

# PEP 552: the source is not looked at again.
_UNCHECKED_HASH = (1).to_bytes(4, "little")


def with_bytecode(command: bytes, path: str) -> bytes:
    """Return the command ``command``, a zip of sources, with bytecode beside each. ``path``: where it is going to lie."""
    buffer = io.BytesIO(command)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for entry in list(archive.infolist()):
            source = archive.read(entry)
            code = compile(source, "%s/%s" % (path, entry.filename), "exec", dont_inherit=True)
            header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
            archive.writestr(zipfile.ZipInfo(entry.filename + "c", entry.date_time), header + marshal.dumps(code))
    return buffer.getvalue()
