# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to Dropbox, sent by its own library.

The library would repeat what failed by itself, at a busy service without an end; here it never does.
"""

from __future__ import annotations

import datetime
import functools
import threading
import typing as t

from ..asking_again import ATTEMPTS, pause
from ..errors import MissingDependencyError, StoreUnavailableError
from ..secret import Secret
from .content_hash import ContentHash
from .errors import BusyError, DropboxErrors, connection_errors, is_silence, nonsense

T = t.TypeVar("T")

#: The longest time that is waited when the service asks for it. Who keeps the whole object may come again later.
_LONGEST_WAIT = 60.0

#: Entries on a page of a listing, the most that Dropbox gives.
_PAGE = 2000

_CONNECTIONS = 16


class Entry(t.NamedTuple):
    """A file or folder. ``size``: None for a folder; ``rev``: what Dropbox calls this state of the file; ``modified``: the time
    that its maker gave it, in UTC."""

    name: str
    size: t.Optional[int] = None
    rev: str = ""
    content_hash: t.Optional[str] = None
    modified: t.Optional[datetime.datetime] = None


class Content(t.NamedTuple):
    """A file's content that is about to be read: its response, and how many bytes of it are wanted."""

    file: Entry
    response: t.Any
    size: int


class Patience:
    """Counts the failures in a row of one thing."""

    def __init__(self) -> None:
        self._failures = 0

    def progressed(self) -> None:
        self._failures = 0

    def failed(self, error: StoreUnavailableError) -> None:
        """Wait until it may be tried again. Raises ``error`` when it should not be."""
        self._failures += 1
        asked = error.seconds if isinstance(error, BusyError) else 0.0
        if self._failures >= ATTEMPTS or asked > _LONGEST_WAIT or is_silence(error):
            raise error
        pause(self._failures, asked)


class DropboxClient:
    """One account. Several threads may use it at once. ``path``: as Dropbox has them, from the root of what the app may see;
    ``place``: what a request is about, as people write it. Methods raise the engine's errors for stores."""

    def __init__(self, store: str, options: t.Mapping[str, t.Any]) -> None:
        self.store = store
        self.errors = DropboxErrors(store)
        self._options = options
        self._lock = threading.Lock()
        self._dropbox: t.Any = None

    def metadata(self, path: str, place: str) -> Entry:
        """What lies there. Raises NotFoundError. The root cannot be asked about."""
        return _entry(self._patient(lambda dropbox: dropbox.files_get_metadata(path), place))

    def entries(self, path: str, place: str) -> t.List[Entry]:
        """Everything directly in a folder. Raises NotFoundError."""
        page = self._patient(lambda dropbox: dropbox.files_list_folder(path, limit=_PAGE), place)
        from dropbox.files import DeletedMetadata

        found: t.Dict[str, Entry] = {}
        while True:
            for item in page.entries:
                # A later page may tell what changed since the earlier ones.
                if isinstance(item, DeletedMetadata):
                    found.pop(item.name.lower(), None)
                else:
                    found[item.name.lower()] = _entry(item)
            if not page.has_more:
                return list(found.values())
            page = self._patient(functools.partial(_next_page, page.cursor), place)

    def delete(self, path: str, rev: t.Optional[str], place: str) -> None:
        """Remove a file in this state. Without a state: a folder, with all that is in it. Raises NotFoundError."""
        self._patient(lambda dropbox: dropbox.files_delete_v2(path, parent_rev=rev), place)

    def space(self, place: str) -> t.Any:
        """The space of the account, as the library has it."""
        return self._patient(lambda dropbox: dropbox.users_get_space_usage(), place)

    def account(self, place: str) -> str:
        """The address of the account's person."""
        return str(self._patient(lambda dropbox: dropbox.users_get_current_account(), place).email)

    def read(self, path: str, begin: int, size: t.Optional[int], place: str) -> Content:
        """Begin to read a file. Raises NotFoundError; EOFError when ``begin`` is at its end or beyond."""
        headers = {"Accept-Encoding": "identity"}
        if begin or size is not None:
            headers["Range"] = "bytes=%d-%s" % (begin, "" if size is None else begin + size - 1)
        found, response = self._patient(lambda dropbox: _ranged(dropbox, headers, path), place)
        if response is None:
            raise EOFError
        file = _entry(found)
        left = (file.size or 0) - begin
        wanted = left if size is None else min(left, size)
        ranged = response.status_code == 206 and response.headers.get("Content-Range", "").startswith("bytes %d-" % begin)
        if not (ranged or (response.status_code == 200 and begin == 0)) or wanted < 0:
            response.close()
            raise StoreUnavailableError("store %s: %s: the server sent something else than was asked for" % (self.store, place))
        return Content(file, response, wanted)

    # uploads: each of these is tried once

    def upload(self, data: bytes, path: str, modified: datetime.datetime, place: str) -> Entry:
        """Make a file of at most 150 MiB. Raises TakenError."""
        how = {"content_hash": ContentHash(data).hexdigest(), **_careful(modified)}
        return _entry(self._once(lambda dropbox: dropbox.files_upload(data, path, **how), place))

    def begin(self, data: bytes, place: str) -> str:
        """Begin an upload in pieces with its first one; return its id. Nobody sees it, and it ends by itself after a week."""
        digest = ContentHash(data).hexdigest()
        return str(self._once(lambda dropbox: dropbox.files_upload_session_start(data, content_hash=digest), place).session_id)

    def append(self, session: str, offset: int, data: bytes, place: str) -> None:
        """Send a piece. Raises OffsetError."""
        from dropbox.files import UploadSessionCursor

        digest = ContentHash(data).hexdigest()
        cursor = UploadSessionCursor(session, offset)
        self._once(lambda dropbox: dropbox.files_upload_session_append_v2(data, cursor, content_hash=digest), place)

    def finish(self, session: str, size: int, path: str, modified: datetime.datetime, place: str) -> Entry:
        """Make a file of what was sent. Raises TakenError."""
        from dropbox.files import CommitInfo, UploadSessionCursor

        cursor, commit = UploadSessionCursor(session, size), CommitInfo(path, **_careful(modified))
        return _entry(self._once(lambda dropbox: dropbox.files_upload_session_finish(b"", cursor, commit), place))

    # sending

    def _patient(self, act: t.Callable[[t.Any], T], place: str) -> T:
        """Do something that is repeated where that may help."""
        patience = Patience()
        while True:
            try:
                return self._once(act, place)
            except StoreUnavailableError as error:
                patience.failed(error)

    def _once(self, act: t.Callable[[t.Any], T], place: str) -> T:
        dropbox = self._opened()
        failures = (*self._library_errors, *connection_errors(), *nonsense())
        try:
            dropbox.check_and_refresh_access_token()
        except failures as error:
            raise self.errors.no_token(error) from error
        try:
            return act(dropbox)
        except failures as error:
            raise self.errors.translated(error, place) from error

    def _opened(self) -> t.Any:
        with self._lock:
            if self._dropbox is None:
                self._dropbox = self._made()
            return self._dropbox

    def _made(self) -> t.Any:
        options = self._options
        dropbox = library(self.store)
        self._library_errors: t.Tuple[t.Type[Exception], ...] = (dropbox.exceptions.DropboxException,)
        return dropbox.Dropbox(
            oauth2_refresh_token=_reveal(options["refresh_token"]),
            app_key=options["app_key"],
            app_secret=_reveal(options["app_secret"]),
            session=session(options["ca_bundle"], options["endpoint_url"]),
            timeout=options["timeout"],
            user_agent="fleet.backup",
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,
        )


def library(store: str) -> t.Any:
    """Dropbox's library. Raises MissingDependencyError."""
    try:
        import dropbox
        import dropbox.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            "store %s: the option dropbox needs the Python library dropbox (12 or newer), which cannot be imported: %s"
            % (store, error)
        ) from None
    return dropbox


def session(ca_bundle: t.Optional[str], endpoint: t.Optional[str]) -> t.Any:
    """The library's connections, with the certificates and to the address that were given."""
    import dropbox
    from requests.adapters import HTTPAdapter

    class Way(HTTPAdapter):
        def send(self, request: t.Any, *arguments: t.Any, **named: t.Any) -> t.Any:
            if endpoint is not None:
                request.url = endpoint.rstrip("/") + request.path_url
            if ca_bundle is not None:
                # A variable of the environment (REQUESTS_CA_BUNDLE) would win otherwise.
                named["verify"] = ca_bundle
            return super().send(request, *arguments, **named)

    made = dropbox.create_session()
    made.mount("https://", Way(pool_maxsize=_CONNECTIONS))
    # Otherwise a ~/.netrc that is meant for everybody would take the place of the access token.
    made.auth = _unchanged
    return made


def _unchanged(request: t.Any) -> t.Any:
    return request


def _next_page(cursor: str, dropbox: t.Any) -> t.Any:
    return dropbox.files_list_folder_continue(cursor)


def _careful(modified: datetime.datetime) -> t.Dict[str, t.Any]:
    """How a file is made: nothing is overwritten, whatever its content, and nobody's desktop tells of it."""
    from dropbox.files import WriteMode

    return {"mode": WriteMode.add, "autorename": False, "strict_conflict": True, "mute": True, "client_modified": modified}


def _ranged(dropbox: t.Any, headers: t.Dict[str, str], path: str) -> t.Tuple[t.Any, t.Any]:
    """The metadata and the response; two None when the range begins at the end of the file or beyond."""
    from dropbox.exceptions import HttpError

    try:
        # By a copy of the client, because older libraries take headers in no other way.
        found = dropbox.clone(headers=headers).files_download(path)
    except HttpError as error:
        if error.status_code != 416:
            raise
        return None, None
    return t.cast(t.Tuple[t.Any, t.Any], found)


def _entry(item: t.Any) -> Entry:
    from dropbox.files import FileMetadata

    if isinstance(item, FileMetadata):
        return Entry(item.name, item.size, item.rev, item.content_hash, item.client_modified)
    return Entry(item.name)


def _reveal(secret: t.Optional[Secret]) -> t.Optional[str]:
    return None if secret is None else secret.reveal()
