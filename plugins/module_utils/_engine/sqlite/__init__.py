# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite databases: opening, copying while they are written, checking, and putting back."""
