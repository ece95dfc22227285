# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to volumes and back: frames, codecs, tar and zip, the index (docs/format.md)."""
