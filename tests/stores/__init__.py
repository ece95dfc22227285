# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store must do, tried against real servers. README.md tells how to add a store."""
