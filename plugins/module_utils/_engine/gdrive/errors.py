# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of Google Drive, or the lack of one, means to the user.

Source: https://developers.google.com/drive/api/guides/handle-errors
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError

_BUSY = ("rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "backendError", "internalError")
_FULL = (
    "storageQuotaExceeded",
    "quotaExceeded",
    "teamDriveFileLimitExceeded",
    "numChildrenInNonRootLimitExceeded",
    "activeItemCreationLimitExceeded",
    "teamDriveHierarchyTooDeep",
    "myDriveHierarchyDepthLimitExceeded",
)
_LATER = ("dailyLimitExceeded", "uploadLimitExceeded", "downloadQuotaExceeded")

_NO_STORAGE = (
    "a service account has no storage of its own, so it can put nothing into a folder that people shared with it from their own"
    " drive: set folder_id to a folder of a shared drive that it is a member of, or set subject to the person for whom it acts"
    " (domain-wide delegation), or use a refresh token instead"
)


class DriveErrors:
    """Makes errors of one store. ``subject``: for whom a service account acts; without one it has no storage of its own."""

    def __init__(self, store: str, service_account: bool, subject: t.Optional[str]) -> None:
        self._store = store
        self._subject = subject
        self._service_account = service_account

    def answered(self, status: int, content: bytes, place: str) -> FleetBackupError:
        """What an answer of 300 and above means. ``place``: what it was about, as people write it."""
        reason, words = _told(content)
        prefix = "store %s: %s: " % (self._store, place)
        told = "%s (%s)" % (words or "no reason was given", reason or status)
        if reason in _FULL:
            if self._service_account and not self._subject and reason == "storageQuotaExceeded":
                return StoreRefusedError(prefix + _NO_STORAGE + "; Google says: " + told)
            return StoreFullError(prefix + told)
        if status == 404:
            return NotFoundError(prefix + "does not exist")
        if reason in _BUSY or status in (408, 429) or status >= 500:
            return StoreUnavailableError(prefix + told)
        if reason in _LATER:
            return StoreUnavailableError(prefix + "a limit of this account is reached for some hours: " + told)
        if status == 401:
            return StoreRefusedError(prefix + "the credentials are refused: " + told)
        if reason == "accessNotConfigured":
            return StoreRefusedError(prefix + "the Drive API is not enabled for the project of these credentials: " + told)
        if status < 400:
            return StoreUnavailableError(prefix + "an unexpected answer (%d)" % status)
        return StoreRefusedError(prefix + told)

    def unanswered(self, error: Exception, place: str) -> FleetBackupError:
        """What the lack of a whole answer means."""
        prefix = "store %s: %s: " % (self._store, place)
        if isinstance(error, ssl.SSLCertVerificationError):
            return StoreRefusedError(prefix + "the certificate is not trusted; see the option ca_bundle: %s" % error)
        return StoreUnavailableError(prefix + (str(error) or type(error).__name__))

    def no_token(self, error: Exception) -> FleetBackupError:
        """What it means that Google gives no access token. What was sent to it is a secret; its answer is not."""
        prefix = "store %s: Google gives no access: " % self._store
        words = str(error.args[0] if error.args else error)[:300]
        if "invalid_grant" in words and not self._service_account:
            return StoreRefusedError(
                prefix + "the refresh token is no longer valid: it was revoked, or is of an app in testing, whose tokens last a"
                " week; a new one is needed: %s" % words
            )
        if "invalid_grant" in words and "timeframe" in words:
            return StoreRefusedError(prefix + "the clock of this host is wrong by some minutes: %s" % words)
        if "unauthorized_client" in words and self._service_account:
            return StoreRefusedError(
                prefix + "the service account may not act for the subject; an administrator allows its client id the scope"
                " https://www.googleapis.com/auth/drive (domain-wide delegation): %s" % words
            )
        if getattr(error, "retryable", False):
            return StoreUnavailableError(prefix + words)
        return StoreRefusedError(prefix + words)


def connection_errors() -> t.Tuple[t.Type[Exception], ...]:
    """What the library raises when there is no whole answer."""
    from httplib2 import HttpLib2Error

    return (HttpLib2Error, http.client.HTTPException, OSError, EOFError)


def is_silence(error: Exception) -> bool:
    """Whether nothing came for as long as one waits. Asking again would double that."""
    return isinstance(error, socket.timeout)


def _told(content: bytes) -> t.Tuple[str, str]:
    """The reason and the words of an error's body."""
    try:
        error = json.loads(content)["error"]
        if isinstance(error, str):
            return error, ""
        reasons = [item.get("reason", "") for item in error.get("errors", ())]
        return (reasons[0] if reasons else str(error.get("status", ""))), str(error.get("message", ""))[:300]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""
