# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of chosen tables as JSON lines: which ones, in full or what has changed, and putting them back."""
