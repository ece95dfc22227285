# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files, for every source that has one: which paths are meant, reading them, writing them back."""
