# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between Ansible and the engine. This module util is PRIVATE to the collection.

What is imported from here on, out of the zip that Ansible sends to a host, is compiled once. zipimport alone compiles a module
twice: to carry it out, and before that to tell the name of its file, which might be that of bytecode (CPython,
zipimporter.get_filename()). There is none in Ansible's zips, so that would be a sixth of a short task for nothing.
"""

from __future__ import annotations

import sys
import typing as t
import zipimport


class Sources(zipimport.zipimporter):
    """A folder of a zip that holds sources only."""

    def get_filename(self, fullname: str) -> str:
        """Where a module comes from. Raises ZipImportError when there is no such module."""
        ending = "/__init__.py" if self.is_package(fullname) else ".py"
        return "%s/%s%s%s" % (self.archive, self.prefix, fullname.rpartition(".")[2], ending)


def compile_once(loader: t.Any) -> None:
    """Import folders that nothing was imported from by now as Sources, if they are in the zip that ``loader`` has loaded from."""
    if not isinstance(loader, zipimport.zipimporter):
        return
    beginning = loader.archive + "/"

    def sources(path: str) -> Sources:
        if not path.startswith(beginning):
            raise ImportError("%s: is not in this zip" % path)
        return Sources(path)

    sys.path_hooks.insert(0, sources)


compile_once(__spec__.loader if __spec__ else None)
