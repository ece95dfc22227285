# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of Dropbox, or the lack of one, means to the user.

Source: https://www.dropbox.com/developers/documentation/http/documentation#error-handling, and the errors of each route there.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError

_BUSY = ("too_many_write_operations", "too_many_files", "too_many_requests")
#: What is about the upload alone; the whole object can be sent again.
_ENDED = ("not_found", "closed", "not_closed", "incorrect_offset")
_REFUSED_TOKEN = ("invalid_access_token", "expired_access_token")


class BusyError(StoreUnavailableError):
    """Nothing was done. ``seconds``: how long the service wants to be left alone."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class OffsetError(StoreUnavailableError):
    """An upload is not where it was thought to be, but at ``offset``."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class TakenError(StoreRefusedError):
    """There is something under the key."""


class DropboxErrors:
    """Makes errors of one store. ``place``, everywhere: what a request was about, as people write it."""

    def __init__(self, store: str) -> None:
        self._store = store

    def translated(self, error: Exception, place: str) -> FleetBackupError:
        """What an error that the library raised means."""
        from dropbox.exceptions import ApiError, AuthError, HttpError, RateLimitError

        prefix = "store %s: %s: " % (self._store, place)
        if isinstance(error, ApiError):
            return _refused_by_route(error, prefix)
        if isinstance(error, RateLimitError):
            seconds = float(error.backoff or 0)
            return BusyError(prefix + "too many requests; Dropbox asks to wait for %d s" % seconds, seconds)
        if isinstance(error, AuthError):
            return _refused_access(error, prefix)
        if isinstance(error, HttpError):
            told = "%s (%s)" % (_words(error.body) or "no reason was given", error.status_code)
            if 400 <= error.status_code < 500 and error.status_code != 408:
                return StoreRefusedError(prefix + told)
            return StoreUnavailableError(prefix + told)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            return StoreRefusedError(prefix + "the certificate is not trusted; see the option ca_bundle: %s" % error)
        if isinstance(error, connection_errors()):
            return StoreUnavailableError(prefix + (str(error) or type(error).__name__))
        return StoreUnavailableError(prefix + "the answer is not one of Dropbox's (%s)" % type(error).__name__)

    def no_token(self, error: Exception) -> FleetBackupError:
        """What it means that there is no access token. What was sent for it is a secret; the answer is not."""
        from dropbox.exceptions import BadInputError

        if isinstance(error, BadInputError):
            return StoreRefusedError(
                "store %s: Dropbox gives no access: the app_key, the app_secret and the refresh_token do not belong together: %s"
                % (self._store, _words(error.message))
            )
        return self.translated(error, "the access to Dropbox")


def connection_errors() -> t.Tuple[t.Type[Exception], ...]:
    """What the library raises when there is no whole answer."""
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return (RequestException, HTTPError, http.client.HTTPException, OSError, EOFError)


def nonsense() -> t.Tuple[t.Type[Exception], ...]:
    """What the library raises when it does not understand an answer."""
    from stone.backends.python_rsrc.stone_validators import ValidationError

    return (ValidationError, AssertionError, AttributeError, KeyError, ValueError)


def is_silence(error: FleetBackupError) -> bool:
    """Whether nothing came for as long as one waits. Asking again would double that."""
    from requests.exceptions import Timeout

    return any(isinstance(cause, (socket.timeout, Timeout)) for cause in _causes(error))


def _refused_by_route(error: t.Any, prefix: str) -> FleetBackupError:
    tags, value = _unwrapped(error.error)
    told = "%s (%s)" % (_words(error.user_message_text) or "Dropbox says no", "/".join(tags) or "no reason was given")
    if "insufficient_space" in tags:
        return StoreFullError(prefix + "no space is left in this Dropbox (insufficient_space)")
    if set(tags) & set(_BUSY):
        return BusyError(prefix + "too many changes at once: " + told, 0)
    if "content_hash_mismatch" in tags:
        return StoreUnavailableError(prefix + "was changed on its way (content_hash_mismatch)")
    if "incorrect_offset" in tags and isinstance(getattr(value, "correct_offset", None), int):
        return OffsetError(prefix + "the upload is somewhere else: " + told, value.correct_offset)
    if tags and tags[0] in ("path", "path_lookup"):
        if tags[-1] in ("not_found", "not_file", "not_folder"):
            return NotFoundError(prefix + "does not exist (%s)" % "/".join(tags))
        if "conflict" in tags:
            return TakenError(
                prefix
                + "exists already, perhaps in capital letters or small ones, which are the same there; nothing is overwritten"
                " (%s)" % "/".join(tags)
            )
    if set(tags) & set(_ENDED):
        return StoreUnavailableError(prefix + "the upload was ended by the server: " + told)
    if not tags or tags[-1] in ("other", "reset"):
        return StoreUnavailableError(prefix + told)
    return StoreRefusedError(prefix + told)


def _refused_access(error: t.Any, prefix: str) -> FleetBackupError:
    tags, value = _unwrapped(error.error)
    if "missing_scope" in tags:
        return StoreRefusedError(
            prefix
            + "the app lacks the permission %s: give it to the app in Dropbox's app console, then make a new refresh token"
            % getattr(value, "required_scope", "")
        )
    if set(tags) & set(_REFUSED_TOKEN):
        return StoreRefusedError(
            prefix
            + "the refresh token is no longer valid, or not the app's: it was revoked, or the app was disconnected; a new one"
            " is needed (%s)" % "/".join(tags)
        )
    return StoreRefusedError(prefix + "the credentials are refused (%s)" % ("/".join(tags) or "no reason was given"))


def _unwrapped(error: t.Any) -> t.Tuple[t.List[str], t.Any]:
    """The tags of an error, the outermost first, and the value that the last one has."""
    tags: t.List[str] = []
    while True:
        if hasattr(error, "_tag"):
            tags.append(str(getattr(error, "_tag")))  # noqa: B009 - any union of the library has it
            error = getattr(error, "_value", None)
        elif hasattr(error, "upload_session_id"):
            error = error.reason
        else:
            return tags, error


def _causes(error: BaseException) -> t.Iterator[BaseException]:
    """An error, and what it came of."""
    found: t.Optional[BaseException] = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _words(text: t.Any) -> str:
    return " ".join(str(text or "").split())[:300]
