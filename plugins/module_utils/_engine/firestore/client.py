# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a Firestore database, by its API v1 and google-api-python-client.

That library's own methods refuse what concerns the root of a database (their patterns want a document there), so the requests are
made here and only sent by it, with its retries.
"""

from __future__ import annotations

import http.client
import json
import os
import typing as t
from dataclasses import dataclass
from urllib.parse import quote

from ..asking_again import pause
from ..errors import ConfigurationError, FleetBackupError, MissingDependencyError, SourceError

if t.TYPE_CHECKING:
    from ..secret import Secret

Json = t.Dict[str, t.Any]

_ADDRESS = "https://firestore.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/datastore",)
_RETRIES = 5
_WHOSE = "the credentials must be of an account with the role roles/datastore.user"

# No document of a collection comes before that one.
_FIRST_ID = "__id-9223372036854775808__"

# A page should take a moment and little memory, whatever the size of its documents (at most 1 MiB each).
_FIRST_PAGE, _LARGEST_PAGE = 100, 2000
_PAGE_BYTES = 4 << 20


@dataclass
class Document:
    """``path`` is relative to the root: ``clientes/c1``. ``fields`` are typed, as the API has them."""

    path: str
    fields: Json
    created: t.Optional[str] = None
    updated: t.Optional[str] = None


class Firestore:
    """A database of a project. ``credentials``: the key of a service account (JSON); None: those of the environment.

    ``emulator``: address of an emulator, which needs none. Methods raise ``error``, MissingDependencyError, ConfigurationError.
    """

    def __init__(
        self, project: str, database: str, credentials: t.Optional[Secret], emulator: t.Optional[str], timeout: float,
        error: t.Type[FleetBackupError] = SourceError,
    ) -> None:  # fmt: skip
        self.name = "projects/%s/databases/%s" % (project, database)
        self.root = self.name + "/documents"
        self._error = error
        self._library = _Library()
        self._headers = {"Content-Type": "application/json"}
        client = self._library.httplib2.Http(timeout=timeout)
        if emulator:
            self._address = "http://" + emulator
            self._headers["Authorization"] = "Bearer owner"
            self._http = client
        else:
            self._address = _ADDRESS
            self._http = self._library.AuthorizedHttp(self._credentials(credentials), http=client)

    @classmethod
    def of(cls, options: Json, error: t.Type[FleetBackupError] = SourceError) -> Firestore:
        """The database that the options of the source name."""
        emulator = options["emulator_host"] or os.environ.get("FIRESTORE_EMULATOR_HOST")
        return cls(options["project"], options["database"], options["service_account"], emulator, options["timeout"], error)

    def now(self) -> str:
        """The moment of which all pages can be read."""
        answer = self._ask("runQuery", {"structuredQuery": {"from": [{"allDescendants": True}], "limit": 1}})
        return t.cast(str, answer[0]["readTime"])

    def collections(self, read_time: t.Optional[str] = None) -> t.List[str]:
        """The collections at the root, in bytewise order."""
        found: t.List[str] = []
        body: Json = {"pageSize": 300, **({"readTime": read_time} if read_time else {})}
        while True:
            answer = self._ask("listCollectionIds", body)
            found += answer.get("collectionIds", [])
            if not answer.get("nextPageToken"):
                return sorted(found, key=lambda name: name.encode("utf-8"))
            body["pageToken"] = answer["nextPageToken"]

    def documents(self, collection: str, read_time: t.Optional[str] = None) -> t.Iterator[Document]:
        """All documents of a root collection and of those below it, in the order of their names."""
        last, size = None, _FIRST_PAGE
        while True:
            query = self._query(collection, last, size)
            body: Json = {"structuredQuery": query, **({"readTime": read_time} if read_time else {})}
            length, answer = self._ask_sized("runQuery", body)
            found = [part["document"] for part in answer if "document" in part]
            for document in found:
                yield self._document(document)
            if len(found) < size:
                return
            last = found[-1]["name"]
            # As many the next time as should fill a page.
            size = max(1, min(_LARGEST_PAGE, 2 * size, size * _PAGE_BYTES // max(length, 1)))

    def get(self, paths: t.Sequence[str]) -> t.Dict[str, Document]:
        """Those of the documents that there are, by path."""
        answer = self._ask("batchGet", {"documents": ["%s/%s" % (self.root, path) for path in paths]})
        found = [self._document(part["found"]) for part in answer if "found" in part]
        return {document.path: document for document in found}

    def commit(self, writes: t.Sequence[t.Tuple[str, t.Optional[Json]]]) -> None:
        """Write all, or nothing: each a path and its fields, or None for a document that is to go."""
        body = []
        for path, fields in writes:
            name = "%s/%s" % (self.root, path)
            body.append({"delete": name} if fields is None else {"update": {"name": name, "fields": fields}})
        answer = self._ask("commit", {"writes": body})
        if len(answer.get("writeResults", ())) != len(body):
            raise self._error("Firestore confirmed %d of %d writes" % (len(answer.get("writeResults", ())), len(body)))

    def close(self) -> None:
        self._http.close()

    def _query(self, collection: str, last: t.Optional[str], size: int) -> Json:
        def bound(operator: str, name: str) -> Json:
            value = {"referenceValue": "%s/%s/%s" % (self.root, name, _FIRST_ID)}
            return {"fieldFilter": {"field": {"fieldPath": "__name__"}, "op": operator, "value": value}}

        # The next name that a collection could have begins where this one's documents, and all below them, end.
        bounds = [bound("GREATER_THAN_OR_EQUAL", collection), bound("LESS_THAN", collection + "\0")]
        query: Json = {
            "from": [{"allDescendants": True}],
            "where": {"compositeFilter": {"op": "AND", "filters": bounds}},
            "orderBy": [{"field": {"fieldPath": "__name__"}}],
            "limit": size,
        }
        if last is not None:
            query["startAt"] = {"values": [{"referenceValue": last}], "before": False}
        return query

    def _document(self, value: Json) -> Document:
        path = value["name"][len(self.root) + 1 :]
        return Document(path, value.get("fields", {}), value.get("createTime"), value.get("updateTime"))

    def _ask(self, method: str, body: Json) -> t.Any:
        return self._ask_sized(method, body)[1]

    def _ask_sized(self, method: str, body: Json) -> t.Tuple[int, t.Any]:
        """Send a request; return the length of the answer and the answer."""
        request = self._library.HttpRequest(
            self._http,
            lambda _answer, content: content,
            "%s/v1/%s:%s" % (self._address, quote(self.root, safe="/()"), method),
            method="POST",
            body=json.dumps(body).encode("ascii"),
            headers=dict(self._headers),
        )
        try:
            content = self._execute(request)
            return len(content), json.loads(content)
        except self._library.HttpError as error:
            raise self._error("%s: %s" % (self.name, self._told(error))) from None
        except self._library.RefreshError as error:
            raise self._error("%s: Google gives no access: %s; %s" % (self.name, error.args[0], _WHOSE)) from None
        except (
            self._library.GoogleAuthError, self._library.httplib2.HttpLib2Error, http.client.HTTPException, OSError, ValueError
        ) as error:  # fmt: skip
            raise self._error("%s: Firestore cannot be asked: %s" % (self.name, error)) from None

    def _execute(self, request: t.Any) -> bytes:
        """Send it, again where the answer ends in the middle: that the library does not do. All requests may be repeated."""
        failures = 0
        while True:
            try:
                return t.cast(bytes, request.execute(num_retries=_RETRIES))
            except http.client.HTTPException:
                failures += 1
                if failures > _RETRIES:
                    raise
                pause(failures)

    @staticmethod
    def _told(error: t.Any) -> str:
        status, reason = int(error.resp.status), str(error.reason or "").strip()
        told = "Firestore answers %d%s" % (status, ": " + reason if reason else "")
        if status in (401, 403):
            told += "; " + _WHOSE
        return told

    def _credentials(self, secret: t.Optional[Secret]) -> t.Any:
        if secret is None:
            try:
                return self._library.auth.default(scopes=_SCOPES)[0]
            except self._library.GoogleAuthError as error:
                raise ConfigurationError(
                    "there are no Google credentials in the environment, and service_account is not given: %s" % error
                ) from None
        try:
            value = json.loads(secret.reveal())
            return self._library.service_account.Credentials.from_service_account_info(value, scopes=_SCOPES)
        except (ValueError, TypeError, KeyError):
            # What is wrong with it is not shown: it is a secret.
            raise ConfigurationError(
                "service_account: is not the key of a service account, as Google's console gives it (JSON)"
            ) from None


class _Library:
    """What is needed of Google's libraries."""

    def __init__(self) -> None:
        try:
            import google.auth
            import google.auth.exceptions
            import google.oauth2.service_account
            import google_auth_httplib2
            import googleapiclient.errors
            import googleapiclient.http
            import httplib2
        except ImportError as error:
            raise MissingDependencyError(
                "the Python package google-api-python-client, which the source firestore needs, cannot be imported: %s" % error
            ) from None
        self.auth = google.auth
        self.service_account = google.oauth2.service_account
        self.httplib2 = httplib2
        self.AuthorizedHttp = google_auth_httplib2.AuthorizedHttp
        self.HttpRequest = googleapiclient.http.HttpRequest
        self.HttpError = googleapiclient.errors.HttpError
        self.RefreshError = google.auth.exceptions.RefreshError
        self.GoogleAuthError = google.auth.exceptions.GoogleAuthError
