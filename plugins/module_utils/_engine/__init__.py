# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup engine of fleet.backup.

Standard library only; imports nothing of Ansible. This module util is PRIVATE to the collection:
the stable interfaces are the modules, the ``fleet-backup`` command and the on-store format.
"""

from __future__ import annotations

VERSION = "0.1.0"
