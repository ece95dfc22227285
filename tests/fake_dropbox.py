# SPDX-License-Identifier: GPL-3.0-or-later
"""Dropbox for tests: strict where Dropbox is, held to the descriptions of its routes that come with the SDK.

What it knows of Dropbox that these do not say is from https://www.dropbox.com/developers/documentation/http/documentation,
https://www.dropbox.com/developers/reference/content-hash and https://developers.dropbox.com/oauth-guide.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import re
import secrets
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from dropbox import common, files, users, users_common
from fake_service import Refused, Reply, Request, Service, proves, secret
from stone.backends.python_rsrc import stone_serializers, stone_validators

APP_KEY = "a1b2c3d4e5f6g7h"
SCOPES = frozenset({"account_info.read", "files.metadata.read", "files.content.read", "files.content.write"})
BLOCK = 4 << 20

_SCOPE_OF = {
    "users/get_space_usage": "account_info.read",
    "users/get_current_account": "account_info.read",
    "files/get_metadata": "files.metadata.read",
    "files/list_folder": "files.metadata.read",
    "files/list_folder/continue": "files.metadata.read",
    "files/download": "files.content.read",
    "files/upload": "files.content.write",
    "files/upload_session/start": "files.content.write",
    "files/upload_session/append_v2": "files.content.write",
    "files/upload_session/finish": "files.content.write",
    "files/delete_v2": "files.content.write",
}
_NOW = datetime.datetime(2026, 11, 22, 2, 0, 0)


def content_hash(data: bytes) -> str:
    blocks = [hashlib.sha256(data[begin : begin + BLOCK]).digest() for begin in range(0, len(data), BLOCK)]
    return hashlib.sha256(b"".join(blocks)).hexdigest()


@dataclass
class Node:
    """A file, or a folder, which has no content."""

    path: str
    content: t.Optional[bytes] = None
    modified: datetime.datetime = _NOW
    id: str = field(default_factory=lambda: "id:" + secrets.token_urlsafe(16))
    rev: str = field(default_factory=lambda: secrets.token_hex(8))

    def metadata(self) -> files.Metadata:
        named = {"name": self.path.rpartition("/")[2], "path_lower": self.path.lower(), "path_display": self.path}
        if self.content is None:
            return files.FolderMetadata(id=self.id, **named)
        return files.FileMetadata(
            id=self.id,
            client_modified=self.modified,
            server_modified=_NOW,
            rev=self.rev,
            size=len(self.content),
            content_hash=content_hash(self.content),
            is_downloadable=True,
            **named,
        )


@dataclass
class Refresh:
    scopes: t.FrozenSet[str]
    needs_secret: bool


@dataclass
class Call:
    route: t.Any
    request: Request
    arg: t.Any

    def refused(self, error: t.Any) -> Refused:
        """An error of the route itself."""
        body = stone_serializers.json_compat_obj_encode(self.route.error_type, error)
        return Refused(Reply(409, {"error_summary": "%s/.." % error, "error": body}))

    def reply(self, value: t.Any) -> Reply:
        if self.route.result_type is stone_validators.Void() or value is None:
            return Reply(200, b"null", {"Content-Type": "application/json"})
        return Reply(200, stone_serializers.json_compat_obj_encode(self.route.result_type, value))


class FakeDropbox(Service):
    """One Dropbox, and an app that may use it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.app_secret = secret("app")
        self.nodes: t.Dict[str, Node] = {}
        self.sessions: t.Dict[str, bytearray] = {}
        self.closed: t.Set[str] = set()
        self.cursors: t.Dict[str, t.Tuple[str, t.List[str]]] = {}
        self.refresh: t.Dict[str, Refresh] = {}
        self.tokens: t.Dict[str, t.FrozenSet[str]] = {}
        #: What the app asks people for.
        self.scopes: t.AbstractSet[str] = SCOPES
        #: The codes that were shown in browsers, each with the challenge of who asked. Each is taken once.
        self.codes: t.Dict[str, str] = {}
        self.quota = 2 << 40
        #: The most entries that one page of a listing holds, whatever is asked for.
        self.page = 100
        #: Whether what arrived of a piece that was cut is kept.
        self.keeps_parts = False

    # for tests

    def folder(self, path: str) -> None:
        """A folder that somebody made by hand."""
        self._above(path + "/x")

    def grant(self, scopes: t.AbstractSet[str] = SCOPES, needs_secret: bool = True) -> str:
        """A refresh token. One that was made with PKCE needs no secret of the app."""
        token = secret("refresh")
        self.refresh[token] = Refresh(frozenset(scopes), needs_secret)
        return token

    def revoke(self) -> None:
        """No token works any more."""
        self.refresh.clear()
        self.tokens.clear()

    def expire(self) -> None:
        """Access tokens end; new ones can be had."""
        self.tokens.clear()

    def below(self, path: str) -> t.Dict[str, bytes]:
        """Every file below a folder, by its path in it."""
        prefix = path.lower() + "/"
        with self.lock:
            return {
                node.path[len(prefix) :]: node.content
                for key, node in self.nodes.items()
                if key.startswith(prefix) and node.content is not None
            }

    def remove(self, path: str) -> None:
        """A file, or a folder with all that is in it."""
        with self.lock:
            for key in [k for k in self.nodes if (k + "/").startswith(path.lower() + "/")]:
                del self.nodes[key]

    @property
    def used(self) -> int:
        return sum(len(node.content or b"") for node in self.nodes.values())

    @contextlib.contextmanager
    def full(self, room: int) -> t.Iterator[None]:
        """Meanwhile only so many bytes are left."""
        before, self.quota = self.quota, self.used + room
        try:
            yield
        finally:
            self.quota = before

    # answers

    def handle(self, request: Request) -> Reply:
        if request.path == "/oauth2/authorize":
            return self._consent_page(request)
        if request.method != "POST" or request.query:
            raise _bad("only POST without a query is known here")
        if request.path == "/oauth2/token":
            return self._token(request)
        call = self._call(request)
        return t.cast(Reply, getattr(self, "_do_" + re.sub(r"\W", "_", request.path[len("/2/") :].partition("/")[2]))(call))

    def _call(self, request: Request) -> Call:
        name = request.path[len("/2/") :]
        if name not in _SCOPE_OF:
            raise Refused(Reply(404, b"Unknown API function", {"Content-Type": "text/plain"}))
        space, _slash, rest = name.partition("/")
        routes = {"files": files, "users": users}[space].ROUTES
        route = routes[re.sub(r"_v(\d)\Z", r":\1", rest)]
        self._check_access(request, _SCOPE_OF[name])
        style = route.attrs["style"]
        kind = request.headers.get("content-type")
        if style == "rpc":
            if kind != "application/json" or "dropbox-api-arg" in request.headers:
                raise _bad("the arguments belong into the body, as JSON")
            text = request.body.decode("utf-8")
        else:
            if style == "upload" and kind != "application/octet-stream":
                raise _bad("Content-Type: application/octet-stream is expected")
            if style == "download" and (request.body or kind):
                raise _bad("no body is expected")
            text = request.headers.get("dropbox-api-arg", "")
            if not text.isascii() or "\x7f" in text:
                raise _bad("Dropbox-API-Arg: characters must be escaped")
        if not request.whole and not (self.keeps_parts and name.endswith("append_v2")):
            raise Refused(Reply(400))  # nobody hears it
        try:
            arg = stone_serializers.json_compat_obj_decode(route.arg_type, json.loads(text), strict=True)
        except (ValueError, stone_validators.ValidationError) as error:
            raise _bad(str(error)) from None
        return Call(route, request, arg)

    def _check_access(self, request: Request, scope: str) -> None:
        kind, _space, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise _bad("Authorization: Bearer is expected")
        if token not in self.tokens:
            raise _denied({".tag": "expired_access_token"})
        if scope not in self.tokens[token]:
            raise _denied({".tag": "missing_scope", "required_scope": scope})

    def _token(self, request: Request) -> Reply:
        form = request.form()
        if form["grant_type"] == "authorization_code":
            return self._exchanged(form)
        grant = self.refresh.get(form["refresh_token"])
        if form["grant_type"] != "refresh_token":
            return Reply(400, {"error": "unsupported_grant_type", "error_description": "not known here"})
        wrong = form["client_id"] != APP_KEY or form.get("client_secret", self.app_secret) != self.app_secret
        if wrong or (grant is not None and grant.needs_secret and "client_secret" not in form):
            words = "Invalid client_id or client_secret"
            return Reply(400, {"error": "invalid_client: " + words, "error_description": words})
        if grant is None:
            return Reply(400, {"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"})
        return self._issue(grant.scopes)

    def _issue(self, scopes: t.FrozenSet[str], **more: str) -> Reply:
        token = secret("access")
        self.tokens[token] = scopes
        return Reply(200, {"access_token": token, "expires_in": 14400, "token_type": "bearer", **more})

    def _consent_page(self, request: Request) -> Reply:
        """The page in the browser, after the person has allowed it: it shows a code."""
        query = dict(request.query)
        challenge = query.pop("code_challenge", "")
        wanted = {"response_type": "code", "client_id": APP_KEY, "token_access_type": "offline", "code_challenge_method": "S256"}
        if request.method != "GET" or query != wanted or len(challenge) != 43:
            raise _bad("invalid_request: %s" % request.query)
        code = secret("code")
        self.codes[code] = challenge
        return Reply(200, b"<p>Enter this code: <b>%s</b></p>" % code.encode(), {"Content-Type": "text/html"})

    def _exchanged(self, form: t.Mapping[str, str]) -> Reply:
        challenge = self.codes.pop(form["code"], None)
        if challenge is None or form["client_id"] != APP_KEY or not proves(form["code_verifier"], challenge):
            return Reply(400, {"error": "invalid_grant", "error_description": "code doesn't exist or has expired"})
        # Nobody's app has a secret in this way of asking.
        assert set(form) == {"grant_type", "code", "client_id", "code_verifier"}, form
        token = self.grant(self.scopes, needs_secret=False)
        account = {"uid": "1", "account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", "scope": " ".join(sorted(self.scopes))}
        return self._issue(frozenset(self.scopes), refresh_token=token, **account)

    # reading

    def _node(self, call: Call, error: t.Callable[[t.Any], t.Any], path: str) -> Node:
        found = self.nodes.get(path.lower())
        if found is None:
            raise call.refused(error(files.LookupError.not_found))
        return found

    def _do_get_metadata(self, call: Call) -> Reply:
        return call.reply(self._node(call, files.GetMetadataError.path, call.arg.path).metadata())

    def _do_list_folder(self, call: Call) -> Reply:
        arg = call.arg
        if arg.recursive or arg.include_deleted or not 1 <= (arg.limit or 500) <= 2000:
            raise _bad("not expected: %s" % arg)
        if arg.path and self._node(call, files.ListFolderError.path, arg.path).content is not None:
            raise call.refused(files.ListFolderError.path(files.LookupError.not_folder))
        prefix = arg.path.lower() + "/"
        inside = [key for key in self.nodes if key.startswith(prefix) and "/" not in key[len(prefix) :]]
        # In no order that anybody may rely on.
        return self._listed(call, sorted(inside, key=lambda key: self.nodes[key].id), arg.limit or 500)

    def _do_list_folder_continue(self, call: Call) -> Reply:
        limit, left = self.cursors.pop(call.arg.cursor, (0, None))
        if left is None:
            raise call.refused(files.ListFolderContinueError.reset)
        return self._listed(call, left, limit)

    def _listed(self, call: Call, keys: t.List[str], limit: int) -> Reply:
        page, left = keys[: min(limit, self.page)], keys[min(limit, self.page) :]
        cursor = secrets.token_urlsafe(16)
        if left:
            self.cursors[cursor] = (limit, left)
        entries = [
            self.nodes[key].metadata()
            if key in self.nodes
            else files.DeletedMetadata(name=key.rpartition("/")[2], path_lower=key)
            for key in page
        ]
        return call.reply(files.ListFolderResult(entries=entries, cursor=cursor, has_more=bool(left)))

    def _do_download(self, call: Call) -> Reply:
        node = self._node(call, files.DownloadError.path, call.arg.path)
        content = node.content
        if content is None:
            raise call.refused(files.DownloadError.path(files.LookupError.not_file))
        result = stone_serializers.json_encode(call.route.result_type, node.metadata())
        headers = {"Dropbox-API-Result": result, "Content-Type": "application/octet-stream"}
        text = call.request.headers.get("range")
        if text is None:
            return Reply(200, content, headers)
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
        if not ranged:
            raise _bad("Range: %r" % text)
        begin, end = int(ranged.group(1)), int(ranged.group(2) or len(content))
        if begin >= len(content) or end < begin:
            return Reply(416, b"", {"Content-Range": "bytes */%d" % len(content)})
        part = content[begin : end + 1]
        return Reply(
            206, part, {**headers, "Content-Range": "bytes %d-%d/%d" % (begin, begin + len(part) - 1, len(content))}
        )  # fmt: skip

    def _do_get_current_account(self, call: Call) -> Reply:
        return call.reply(
            users.FullAccount(
                account_id="dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc",
                name=users.Name("Ana", "Example", "Ana", "Ana Example", "AE"),
                email="ana@example.org",
                email_verified=True,
                disabled=False,
                locale="en",
                referral_link="https://db.tt/ZITNuhtI",
                is_paired=False,
                account_type=users_common.AccountType.basic,
                root_info=common.UserRootInfo("1", "1"),
            )
        )

    def _do_get_space_usage(self, call: Call) -> Reply:
        room = users.SpaceAllocation.individual(users.IndividualSpaceAllocation(self.quota))
        return call.reply(users.SpaceUsage(used=self.used, allocation=room))

    # writing

    def _do_upload(self, call: Call) -> Reply:
        self._check_hash(call, files.UploadError.content_hash_mismatch)

        def failed(reason: files.WriteError) -> Refused:
            return call.refused(files.UploadError.path(files.UploadWriteFailed(reason, "session")))

        return call.reply(self._write(call.arg, call.request.body, failed))

    def _do_upload_session_start(self, call: Call) -> Reply:
        self._check_hash(call, files.UploadSessionStartError.content_hash_mismatch)
        session = secrets.token_urlsafe(16)
        self.sessions[session] = bytearray(call.request.body)
        return call.reply(files.UploadSessionStartResult(session))

    def _do_upload_session_append_v2(self, call: Call) -> Reply:
        kind = files.UploadSessionAppendError
        received = self._session(call, kind, lambda error: error)
        if call.request.whole:
            self._check_hash(call, kind.content_hash_mismatch)
        received += call.request.body
        return call.reply(None)

    def _do_upload_session_finish(self, call: Call) -> Reply:
        received = self._session(call, files.UploadSessionLookupError, files.UploadSessionFinishError.lookup_failed)
        self._check_hash(call, files.UploadSessionFinishError.content_hash_mismatch)
        received += call.request.body
        made = self._write(
            call.arg.commit, bytes(received), lambda why: call.refused(files.UploadSessionFinishError.path(why))
        )  # fmt: skip
        self.closed.add(call.arg.cursor.session_id)
        return call.reply(made)

    def _session(self, call: Call, kind: t.Any, error: t.Callable[[t.Any], t.Any]) -> bytearray:
        cursor = call.arg.cursor
        received = self.sessions.get(cursor.session_id)
        if received is None:
            raise call.refused(error(kind.not_found))
        if cursor.session_id in self.closed:
            raise call.refused(error(kind.closed))
        if cursor.offset != len(received):
            raise call.refused(error(kind.incorrect_offset(files.UploadSessionOffsetError(len(received)))))
        return received

    def _check_hash(self, call: Call, error: t.Any) -> None:
        if call.arg.content_hash is not None and call.arg.content_hash != content_hash(call.request.body):
            raise call.refused(error)

    def _write(self, commit: t.Any, content: bytes, failed: t.Callable[[files.WriteError], Refused]) -> files.Metadata:
        if not commit.mode.is_add() or commit.autorename:
            raise _bad("only new files are expected here")
        path = commit.path
        names = path[1:].split("/")
        if "\\" in path or not path.startswith("/") or "" in names:
            raise failed(files.WriteError.malformed_path(path))
        if any(len(name) > 255 or name in (".dropbox", "desktop.ini") for name in names):
            raise failed(files.WriteError.disallowed_name)
        there = self.nodes.get(path.lower())
        if there is not None and there.content is None:
            raise failed(files.WriteError.conflict(files.WriteConflictError.folder))
        if there is not None:
            if commit.strict_conflict or there.content != content:
                raise failed(files.WriteError.conflict(files.WriteConflictError.file))
            return there.metadata()
        if self.used + len(content) > self.quota:
            raise failed(files.WriteError.insufficient_space)
        if not self._above(path):
            raise failed(files.WriteError.conflict(files.WriteConflictError.file_ancestor))
        above = self.nodes.get(path.rpartition("/")[0].lower())
        node = Node("%s/%s" % (above.path if above else "", names[-1]), content, commit.client_modified or _NOW)
        self.nodes[path.lower()] = node
        return node.metadata()

    def _above(self, path: str) -> bool:
        """Make the folders above a path; not below a file."""
        above = ""
        for name in path[1:].split("/")[:-1]:
            above = "%s/%s" % (above, name)
            node = self.nodes.setdefault(above.lower(), Node(above))
            if node.content is not None:
                return False
            above = node.path
        return True

    def _do_delete_v2(self, call: Call) -> Reply:
        node = self._node(call, files.DeleteError.path_lookup, call.arg.path)
        if call.arg.parent_rev is not None:
            if node.content is None:
                raise call.refused(files.DeleteError.path_write(files.WriteError.conflict(files.WriteConflictError.folder)))
            if node.rev != call.arg.parent_rev:
                raise call.refused(files.DeleteError.path_write(files.WriteError.conflict(files.WriteConflictError.file)))
        self.remove(node.path)
        return call.reply(files.DeleteResult(node.metadata()))


def _bad(words: str) -> Refused:
    return Refused(Reply(400, words.encode(), {"Content-Type": "text/plain; charset=utf-8"}))


def _denied(error: t.Mapping[str, str]) -> Refused:
    return Refused(Reply(401, {"error_summary": error[".tag"] + "/..", "error": dict(error)}))
