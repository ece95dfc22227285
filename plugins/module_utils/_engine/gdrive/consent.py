# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting a person consent that an OAuth client uses their Google Drive; what that gives is a refresh token.

Sources: https://developers.google.com/identity/protocols/oauth2/native-app (RFC 8252 with PKCE) and .../limited-input-device
(RFC 8628), which Google permits for files that the client made itself only (drive.file).
"""

from __future__ import annotations

import json
import time
import typing as t
from urllib.parse import urlencode

from ..errors import ConfigurationError, FleetBackupError, StoreRefusedError, StoreUnavailableError
from ..oauth.loopback import Loopback, WrongAnswerError
from ..oauth.pkce import Proof, new_proof
from ..person import Person
from .client import SCOPE, TOKENS, Json, Library
from .errors import DriveErrors, connection_errors

OWN_FILES = SCOPE + ".file"

_PAGE = "https://accounts.google.com/o/oauth2/v2/auth"
_DEVICE = "https://oauth2.googleapis.com/device/code"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

#: RFC 8628: seconds between two questions when the service says nothing, and what is added when it says "slow down".
_INTERVAL = 5

_BROWSER_ELSEWHERE = "in a browser on another machine, whose last address is pasted here (client of the kind: desktop app)"
_ANY_DEVICE = "by a short code that is typed in on any device (client of the kind: TVs and limited input devices)"


class DriveConsent:
    """``options``: the store's, with the client's id and secret. Methods raise the engine's errors for stores."""

    def __init__(self, store: str, options: t.Mapping[str, t.Any], whole_drive: bool, person: Person) -> None:
        self._store = store
        self._options = options
        self._person = person
        self._scope = SCOPE if whole_drive else OWN_FILES
        self._errors = DriveErrors(store, False, None)
        self._client = {"client_id": options["client_id"], "client_secret": options["client_secret"].reveal()}
        self._library = Library(store)

    def refresh_token(self, device: bool) -> str:
        """Ask in the way that this host has; with ``device`` by a short code."""
        if device and self._scope != OWN_FILES:
            raise ConfigurationError(
                "store %s: by a short code Google allows access to the client's own files only, which a folder_id is not; leave"
                " folder_id out, or use a browser" % self._store
            )
        if not device and not self._person.has_browser:
            ways = [_BROWSER_ELSEWHERE] + ([_ANY_DEVICE] if self._scope == OWN_FILES else [])
            device = self._person.choose("There is no browser on this host. How is access allowed?", ways) == 1
        return self._by_code() if device else self._by_browser()

    def _by_browser(self) -> str:
        proof = new_proof()
        with Loopback() as loopback:
            url = self._page(loopback, proof)
            if self._person.has_browser:
                self._person.tell("A browser opens, to allow access to Google Drive. If it does not, open this address there:")
                self._person.tell(url)
                self._person.show_page(url)
                code = loopback.code()
            else:
                self._person.tell("Open this address in a browser anywhere, and allow access to Google Drive:")
                self._person.tell(url)
                self._person.tell("The page that comes at the end cannot be shown. Its address is what is needed.")
                code = self._pasted(loopback)
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": proof.verifier,
                "redirect_uri": loopback.address, **self._client}  # fmt: skip
        status, answer = self._post(self._address(TOKENS, "/token"), form)
        if status != 200:
            raise self._refused(status, answer)
        return self._granted(answer)

    def _page(self, loopback: Loopback, proof: Proof) -> str:
        query = {
            "client_id": self._options["client_id"],
            "redirect_uri": loopback.address,
            "response_type": "code",
            "scope": self._scope,
            "state": loopback.state,
            "code_challenge": proof.challenge,
            "code_challenge_method": "S256",
            # A refresh token also for who has allowed it before.
            "access_type": "offline",
            "prompt": "consent",
        }
        return "%s?%s" % (self._address(_PAGE, "/o/oauth2/v2/auth"), urlencode(query))

    def _pasted(self, loopback: Loopback) -> str:
        while True:
            try:
                return loopback.code_of(self._person.ask("address (begins with %s): " % loopback.address))
            except WrongAnswerError:
                self._person.tell("this is not the address that the page ended at")

    def _by_code(self) -> str:
        """RFC 8628."""
        form = {"client_id": self._options["client_id"], "scope": self._scope}
        status, given = self._post(self._address(_DEVICE, "/device/code"), form)
        if status != 200:
            raise self._refused(status, given)
        try:
            code, words, url = str(given["device_code"]), str(given["user_code"]), str(given["verification_url"])
            ends, interval = time.monotonic() + int(given["expires_in"]), int(given.get("interval", _INTERVAL))
        except (KeyError, ValueError, TypeError):
            raise self._nonsense() from None
        self._person.tell("On any device, open %s and enter the code %s" % (url, words))
        form = {"grant_type": _DEVICE_GRANT, "device_code": code, **self._client}
        while True:
            time.sleep(interval)
            if time.monotonic() > ends:
                raise StoreUnavailableError("store %s: nobody entered the code while it was valid; begin again" % self._store)
            try:
                status, answer = self._post(self._address(TOKENS, "/token"), form)
            except StoreUnavailableError:
                interval *= 2
                continue
            if status == 200:
                return self._granted(answer)
            if answer.get("error") == "slow_down":
                interval += _INTERVAL
            elif answer.get("error") != "authorization_pending":
                raise self._refused(status, answer)

    def _granted(self, answer: Json) -> str:
        if self._scope not in str(answer.get("scope", "")).split():
            raise StoreRefusedError(
                "store %s: access to Google Drive was not among what was allowed; begin again, and leave it ticked" % self._store
            )
        token = answer.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise self._nonsense()
        return token

    def _post(self, url: str, form: t.Mapping[str, str]) -> t.Tuple[int, Json]:
        """Send a form; return the status and the answer. What is sent is secret; the answer to an error is not."""
        place = "the consent of Google"
        http = self._library.httplib2.Http(timeout=self._options["timeout"], ca_certs=self._options["ca_bundle"])
        http.follow_redirects = False
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "fleet.backup"}
        try:
            response, content = http.request(url, "POST", body=urlencode(form), headers=headers)
        except connection_errors() as error:
            raise self._errors.unanswered(error, place) from error
        finally:
            http.close()
        status = int(response.status)
        if status >= 500:
            raise self._errors.answered(status, content, place)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._nonsense()
        return status, answer

    def _refused(self, status: int, answer: Json) -> FleetBackupError:
        code, words = str(answer.get("error", status))[:100], " ".join(str(answer.get("error_description", "")).split())[:300]
        hint = {
            "invalid_client": "the client_id and the client_secret do not belong together, or the client is of the wrong kind:"
            " a browser needs one of the kind desktop app, a short code one of the kind TVs and limited input devices",
            "access_denied": "access was not allowed",
            "expired_token": "nobody entered the code while it was valid; begin again",
            "invalid_grant": "what was allowed is no longer valid; begin again",
        }.get(code, "Google refuses")
        return StoreRefusedError("store %s: %s: %s" % (self._store, hint, " ".join(filter(None, (code, words)))))

    def _nonsense(self) -> FleetBackupError:
        return StoreUnavailableError("store %s: the answer is not one of Google's" % self._store)

    def _address(self, service: str, path: str) -> str:
        endpoint = self._options["endpoint_url"]
        return service if endpoint is None else endpoint.rstrip("/") + path
