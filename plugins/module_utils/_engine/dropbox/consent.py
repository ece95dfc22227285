# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting a person consent that an app uses their Dropbox; what that gives is a refresh token.

Source: https://developers.dropbox.com/oauth-guide (code flow with PKCE, which needs no secret of the app).
"""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..errors import StoreRefusedError
from ..person import Person
from .client import library, session
from .errors import DropboxErrors, connection_errors, nonsense

#: What a store needs; the rest is for telling people.
_NEEDED = ("files.metadata.read", "files.content.read", "files.content.write")


def refresh_token(store: str, options: t.Mapping[str, t.Any], person: Person) -> str:
    """Let the person allow access in a browser and bring back the code that is shown there. Raises errors for stores."""
    kind = library(store).DropboxOAuth2FlowNoRedirect
    flow = kind(options["app_key"], use_pkce=True, token_access_type="offline", timeout=options["timeout"])  # noqa: S106
    flow.requests_session = session(options["ca_bundle"], options["endpoint_url"])
    url = flow.start()
    if options["endpoint_url"] is not None:
        url = options["endpoint_url"].rstrip("/") + urlsplit(url)._replace(scheme="", netloc="").geturl()
    person.tell("Open this address in a browser, allow access to Dropbox, and bring back the code that is shown:")
    person.tell(url)
    if person.has_browser:
        person.show_page(url)
    try:
        granted = flow.finish(person.ask("code: "))
    except (*connection_errors(), *nonsense()) as error:
        raise _refused(store, error) from error
    missing = [scope for scope in _NEEDED if scope not in str(granted.scope or "").split()]
    if missing:
        raise StoreRefusedError(
            "store %s: the app lacks the permission %s: give it to the app in Dropbox's app console, then begin again"
            % (store, ", ".join(missing))
        )
    if not granted.refresh_token:
        raise StoreRefusedError("store %s: Dropbox gave no refresh token" % store)
    return str(granted.refresh_token)


def _refused(store: str, error: Exception) -> Exception:
    status = getattr(getattr(error, "response", None), "status_code", 500)
    if 400 <= status < 500:
        return StoreRefusedError(
            "store %s: Dropbox does not take the code (%d): it is valid once and for a few minutes, for the app that was asked"
            " for; begin again" % (store, status)
        )
    return DropboxErrors(store).translated(error, "the access to Dropbox")
