# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of an S3 server, or the lack of one, means to the user."""

from __future__ import annotations

import typing as t

from ..errors import FleetBackupError, NotFoundError, StoreFullError, StoreRefusedError, StoreUnavailableError

#: The request was changed on its way, or did not arrive whole.
_DAMAGED = frozenset(
    ("BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "RequestTimeout")
    + ("MalformedXML", "InvalidPart", "InvalidPartOrder", "MissingContentLength", "BadRequest")
)
_FULL = ("quota", "storagefull", "insufficientstorage", "capexceeded", "notenoughspace", "nospace")
_SKEWED = "RequestTimeTooSkewed"


def code_of(error: Exception) -> str:
    """The server's code for an error, "" when it did not answer."""
    response: t.Dict[str, t.Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """The HTTP status of an error, 0 when there was no answer."""
    response: t.Dict[str, t.Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_taken(error: Exception) -> bool:
    """Whether a conditional create was refused because the key exists."""
    return status_of(error) == 412 or code_of(error) == "PreconditionFailed"


def translate(error: Exception, store: str, place: str) -> FleetBackupError:
    """The error that the engine raises. ``place``: the bucket or object that it was about, as people write it."""
    from botocore.exceptions import ClientError

    prefix = "store %s: %s: " % (store, place)
    if not isinstance(error, ClientError):
        return _without_answer(error, prefix)
    code, status = code_of(error), status_of(error)
    words = "%s (%s)" % (error.response.get("Error", {}).get("Message") or "no reason was given", code or status)
    if any(part in code.lower().replace("_", "") for part in _FULL) or status == 507:
        return StoreFullError(prefix + words)
    if code == "NoSuchBucket":
        return StoreRefusedError(prefix + "there is no such bucket")
    if code == "NoSuchUpload":
        return StoreUnavailableError(prefix + "the upload was ended by somebody else")
    if status == 404:
        return NotFoundError(prefix + "does not exist")
    if is_taken(error):
        return StoreRefusedError(prefix + "exists already, and nothing is overwritten")
    if code == _SKEWED:
        return StoreRefusedError(prefix + "the clock of this host differs too much from the server's: " + words)
    if code in ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"):
        return StoreRefusedError(prefix + "the bucket lies in another region; set the option region: " + words)
    if status == 501 or code == "NotImplemented":
        return StoreRefusedError(
            prefix + "the server cannot do what was asked of it; see the options conditional_create and checksum: " + words
        )
    if code in _DAMAGED or status in (408, 409, 429) or status >= 500 or 200 <= status < 300:
        return StoreUnavailableError(prefix + words)
    return StoreRefusedError(prefix + words)


def _without_answer(error: Exception, prefix: str) -> FleetBackupError:
    from botocore import exceptions

    refused = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.NoRegionError,
        exceptions.ParamValidationError,
    )
    if isinstance(error, refused):
        return StoreRefusedError(prefix + str(error))
    if isinstance(error, exceptions.SSLError) and "certificate" in str(error).lower():
        return StoreRefusedError(prefix + "the server's certificate is not trusted; see the option ca_bundle: %s" % error)
    return StoreUnavailableError(prefix + (str(error) or type(error).__name__))
