# SPDX-License-Identifier: GPL-3.0-or-later
"""Firestore: asking it, comparing documents with those of a backup, and writing them back."""
