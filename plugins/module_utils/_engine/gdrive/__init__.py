# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Drive, by its API v3 (https://developers.google.com/drive/api/reference/rest/v3)."""
