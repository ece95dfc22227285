# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs (RFC 3986) of what lies on servers."""

from __future__ import annotations

import typing as t
from urllib.parse import quote


def server_url(scheme: str, user: t.Optional[str], host: str, port: t.Optional[int], path: str) -> str:
    """Return where a file of a server lies; ``path`` is absolute. There is no password in it."""
    account = quote(user, safe="") + "@" if user else ""
    return "%s://%s%s%s%s" % (scheme, account, "[%s]" % host if ":" in host else host, ":%d" % port if port else "", quote(path))
