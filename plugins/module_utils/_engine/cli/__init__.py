# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``fleet-backup``: the engine's front on a host that needs no controller."""
