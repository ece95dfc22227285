# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine, whose shell says that it is Windows."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: folder
short_description: this machine, said to be Windows
description: See the README of tests/windows.
author: The fleet.backup project
extends_documentation_fragment: connection_pipelining
"""


class Connection(Local):
    transport = "tests.host.folder"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._shell._IS_WINDOWS = True
