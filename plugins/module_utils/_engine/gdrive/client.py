# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Google Drive, sent by google-api-python-client.

The methods that this library makes of a description of the service need that description, which older versions of the library
(Debian 12's) ask Google for each time; so the few requests are made here and only sent by it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import typing as t
from urllib.parse import quote, urlencode, urlsplit

from ..asking_again import ATTEMPTS, pause
from ..errors import ConfigurationError, FleetBackupError, MissingDependencyError, NotFoundError, StoreUnavailableError
from ..secret import Secret
from .errors import DriveErrors, connection_errors, is_silence

Json = t.Dict[str, t.Any]

API = "https://www.googleapis.com"
TOKENS = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/drive"

#: What a request for a file says of it.
FIELDS = "id,name,size,createdTime,mimeType,properties,md5Checksum,sha256Checksum"

_RANGE = re.compile(r"bytes[= ]0-(\d+)\Z")


class Progress(t.NamedTuple):
    """How far an upload is: the bytes that the server has, and, once it is complete, the file."""

    received: int
    file: t.Optional[Json]


class _Answer(t.NamedTuple):
    status: int
    headers: t.Mapping[str, str]
    content: bytes


class DriveClient:
    """One account. Several threads may use it at once. Methods raise the engine's errors for stores."""

    def __init__(self, store: str, options: t.Mapping[str, t.Any]) -> None:
        self.store = store
        self.errors = DriveErrors(store, options["service_account"] is not None, options["subject"])
        self._options = options
        self._api: str = (options["endpoint_url"] or API).rstrip("/")
        self._lock = threading.Lock()
        self._library: t.Optional[Library] = None
        self._credentials: t.Any = None
        self._of_thread = threading.local()

    def ask(self, method: str, path: str, query: t.Mapping[str, t.Any], place: str, body: t.Optional[Json] = None) -> Json:
        """One request about metadata, and its answer. ``place``: what it is about, as people write it."""
        url = "%s/drive/v3/%s?%s" % (self._api, quote(path, safe="/"), urlencode(query))
        headers = {"Content-Type": "application/json; charset=UTF-8"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode("ascii")
        answer = self._patient(method, url, headers, data, place)
        return self._json(answer.content, place) if answer.content else {}

    def file(self, method: str, file_id: str, place: str, body: t.Optional[Json] = None, fields: str = "id") -> Json:
        """A request about one file or folder."""
        query = {"supportsAllDrives": "true"}
        if method != "DELETE":
            query["fields"] = fields
        return self.ask(method, "files/" + quote(file_id, safe=""), query, place, body)

    def read(self, file_id: str, begin: int, size: int, place: str) -> bytes:
        """So many bytes of a file's content, which has them."""
        url = "%s/drive/v3/files/%s?alt=media&supportsAllDrives=true" % (self._api, quote(file_id, safe=""))
        headers = {"Range": "bytes=%d-%d" % (begin, begin + size - 1), "Accept-Encoding": "identity"}
        answer = self._patient("GET", url, headers, None, place)
        ranged = answer.status == 206 and answer.headers.get("content-range", "").startswith("bytes %d-" % begin)
        if len(answer.content) != size or not (ranged or (answer.status == 200 and begin == 0)):
            raise StoreUnavailableError("store %s: %s: the server sent something else than was asked for" % (self.store, place))
        return answer.content

    # an upload, https://developers.google.com/drive/api/guides/manage-uploads#resumable

    def begin_upload(self, metadata: Json, place: str) -> str:
        """Begin a resumable upload; return where its bytes go."""
        query = {"uploadType": "resumable", "supportsAllDrives": "true", "fields": FIELDS}
        url = "%s/upload/drive/v3/files?%s" % (self._api, urlencode(query))
        headers = {"Content-Type": "application/json; charset=UTF-8", "X-Upload-Content-Type": "application/octet-stream"}
        answer = self._patient("POST", url, headers, json.dumps(metadata).encode("ascii"), place)
        session = answer.headers.get("location", "")
        if not self._is_ours(session):
            raise StoreUnavailableError("store %s: %s: the server began no upload" % (self.store, place))
        return session

    def send(self, session: str, data: memoryview, begin: int, total: t.Optional[int], place: str) -> Progress:
        """Send a piece that begins at ``begin``. ``total``: the size of all, with the last piece. Tried once."""
        headers = {"Content-Type": "application/octet-stream"}
        if data:
            headers["Content-Range"] = "bytes %d-%d/%s" % (begin, begin + len(data) - 1, "*" if total is None else total)
        elif total:
            headers["Content-Range"] = "bytes */%d" % total
        answer = self._once("PUT", session, headers, bytes(data), place)
        if answer.status in (400, 416):
            # The library sends a piece again when a connection ends before its answer; the upload may be further by then.
            raise StoreUnavailableError(
                "%s: the upload is somewhere else" % self.errors.answered(answer.status, answer.content, place)
            )
        return self._progress(answer, place)

    def progress(self, session: str, total: t.Optional[int], place: str) -> Progress:
        """How far an upload is, after a connection that broke. Tried once."""
        headers = {"Content-Range": "bytes */%s" % ("*" if total is None else total)}
        return self._progress(self._once("PUT", session, headers, b"", place), place)

    def cancel(self, session: str, place: str) -> None:
        """Give an upload up."""
        self._once("DELETE", session, {}, None, place)

    def _progress(self, answer: _Answer, place: str) -> Progress:
        if answer.status in (200, 201):
            return Progress(0, self._json(answer.content, place))
        if answer.status == 308:
            found = _RANGE.match(answer.headers.get("range", ""))
            return Progress(int(found.group(1)) + 1 if found else 0, None)
        error = self.errors.answered(answer.status, answer.content, place)
        if isinstance(error, NotFoundError) or answer.status == 410:
            raise StoreUnavailableError("store %s: %s: the upload was ended by the server" % (self.store, place))
        raise error

    # sending

    def _patient(self, method: str, url: str, headers: t.Dict[str, str], body: t.Optional[bytes], place: str) -> _Answer:
        """A request that is repeated where that may help."""
        failures = 0
        while True:
            try:
                answer = self._once(method, url, headers, body, place)
                if answer.status < 300:
                    return answer
                raise self.errors.answered(answer.status, answer.content, place)
            except StoreUnavailableError as error:
                failures += 1
                if failures == ATTEMPTS or (error.__cause__ is not None and is_silence(t.cast(Exception, error.__cause__))):
                    raise
            pause(failures)

    def _once(self, method: str, url: str, headers: t.Dict[str, str], body: t.Optional[bytes], place: str) -> _Answer:
        """Send a request; any answer but a lost one is returned."""
        http = self._http()
        library = t.cast(Library, self._library)
        headers = {"User-Agent": "fleet.backup", **headers}
        request = library.HttpRequest(http, lambda *answer: answer, url, method=method, body=body, headers=headers)
        try:
            response, content = request.execute()
        except library.HttpError as error:
            response, content = error.resp, error.content
        except library.GoogleAuthError as error:
            self._drop()
            failure = self._without_token(error)
            raise failure from failure.__cause__ or error
        except connection_errors() as error:
            self._drop()
            raise self.errors.unanswered(error, place) from error
        return _Answer(int(response.status), response, content)

    def _without_token(self, error: Exception) -> FleetBackupError:
        library = t.cast(Library, self._library)
        if isinstance(error, library.TransportError):
            cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
            failure = self.errors.unanswered(cause, "the way to Google's access tokens")
            failure.__cause__ = cause
            return failure
        return self.errors.no_token(error)

    def _http(self) -> t.Any:
        """The connections of this thread: the library's are of one thread each."""
        http = getattr(self._of_thread, "http", None)
        if http is None:
            with self._lock:
                if self._library is None:
                    self._library = Library(self.store)
                    self._credentials = self._made_credentials(self._library)
            library = self._library
            bare = library.httplib2.Http(timeout=self._options["timeout"], ca_certs=self._options["ca_bundle"])
            bare.follow_redirects = False
            http = self._of_thread.http = library.AuthorizedHttp(self._credentials, http=bare)
        return http

    def _drop(self) -> None:
        """Nothing that belongs to a request that failed may be taken for the answer to the next one."""
        http = getattr(self._of_thread, "http", None)
        self._of_thread.http = None
        if http is not None:
            http.http.close()

    def _made_credentials(self, library: Library) -> t.Any:
        options = self._options
        tokens = TOKENS if options["endpoint_url"] is None else self._api + "/token"
        if options["service_account"] is None:
            return library.credentials.Credentials(
                None,
                refresh_token=_reveal(options["refresh_token"]),
                token_uri=tokens,
                client_id=options["client_id"],
                client_secret=_reveal(options["client_secret"]),
            )
        try:
            value = json.loads(options["service_account"].reveal())
            if options["endpoint_url"] is not None:
                value["token_uri"] = tokens
            return library.service_account.Credentials.from_service_account_info(
                value, scopes=[SCOPE], subject=options["subject"]
            )
        except (ValueError, TypeError, KeyError):
            # What is wrong with it is not shown: it is a secret.
            raise ConfigurationError(
                "store %s: service_account is not the key of a service account, as Google's console gives it (JSON)" % self.store
            ) from None

    def _is_ours(self, url: str) -> bool:
        """Whether the access token may be sent there."""
        try:
            there, here = urlsplit(url), urlsplit(self._api)
        except ValueError:
            return False
        return there.scheme == here.scheme and (there.netloc == here.netloc or there.netloc.endswith(".googleapis.com"))

    def _json(self, content: bytes, place: str) -> Json:
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise StoreUnavailableError("store %s: %s: the answer is not whole" % (self.store, place))
        return value


class Library:
    """What is needed of Google's libraries."""

    def __init__(self, store: str) -> None:
        try:
            import google.auth.exceptions
            import google.oauth2.credentials
            import google.oauth2.service_account
            import google_auth_httplib2
            import googleapiclient.errors
            import googleapiclient.http
            import httplib2
        except ImportError as error:
            raise MissingDependencyError(
                "store %s: the option gdrive needs the Python library google-api-python-client, which cannot be imported: %s"
                % (store, error)
            ) from None
        # It would tell people what is told to them anyway.
        logging.getLogger("googleapiclient").addHandler(logging.NullHandler())
        self.httplib2 = httplib2
        self.AuthorizedHttp = google_auth_httplib2.AuthorizedHttp
        self.HttpRequest = googleapiclient.http.HttpRequest
        self.HttpError = googleapiclient.errors.HttpError
        self.credentials = google.oauth2.credentials
        self.service_account = google.oauth2.service_account
        self.GoogleAuthError = google.auth.exceptions.GoogleAuthError
        self.TransportError = google.auth.exceptions.TransportError


def _reveal(secret: t.Optional[Secret]) -> t.Optional[str]:
    return None if secret is None else secret.reveal()
