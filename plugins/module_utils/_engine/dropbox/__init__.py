# SPDX-License-Identifier: GPL-3.0-or-later
"""Dropbox, by its API v2 (https://www.dropbox.com/developers/documentation/http/documentation)."""
