# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between Ansible and the engine. This module util is PRIVATE to the collection."""
