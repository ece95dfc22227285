# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to somebody else's server, with limits. A URL may hold a token, so no error shows more of it than its host."""

from __future__ import annotations

import http.client
import ssl
import typing as t
import urllib.parse

from ..errors import ConfigurationError, NotificationError

# What is kept of an answer, for the error message.
_ANSWER = 500


def post(
    url: str, body: bytes, headers: t.Mapping[str, str], timeout: float, ca_file: t.Optional[str] = None
) -> None:  # fmt: skip
    """POST ``body`` (RFC 9110). Any answer but 2xx raises NotificationError, a redirect too: nobody is to be sent elsewhere."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("the URL must begin with https:// or http:// and name a host")
    try:
        port = parts.port
        connection = _connection(parts.scheme, host, port, timeout, ca_file)
    except (ValueError, OSError) as error:
        raise ConfigurationError("%s: %s" % (host, error)) from None
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    try:
        connection.request("POST", target, body, {"User-Agent": "fleet.backup", **headers})
        answer = connection.getresponse()
        words = answer.read(_ANSWER).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise NotificationError("%s cannot be reached: %s" % (host, error or type(error).__name__)) from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise NotificationError("%s answered %d %s%s" % (host, answer.status, answer.reason, ": " + words if words else ""))


def _connection(
    scheme: str, host: str, port: t.Optional[int], timeout: float, ca_file: t.Optional[str]
) -> http.client.HTTPConnection:  # fmt: skip
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context(cafile=ca_file)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
