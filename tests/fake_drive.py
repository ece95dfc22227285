# SPDX-License-Identifier: GPL-3.0-or-later
"""Google Drive for tests: strict where Google is, held to the description of the API v3 that comes with the client library.

What it knows of Google that this description does not say is from https://developers.google.com/drive/api/guides (manage-uploads,
search-files, handle-errors, about-shareddrives) and https://developers.google.com/identity/protocols/oauth2 (native-app,
limited-input-device).
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
import re
import secrets
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from fake_service import Json, Refused, Reply, Request, Service, proves, secret

FOLDER = "application/vnd.google-apps.folder"
FULL, OWN_FILES = "https://www.googleapis.com/auth/drive", "https://www.googleapis.com/auth/drive.file"
UNIT = 256 << 10

#: OAuth clients of the kinds "desktop app" and "TVs and limited input devices"; both have the same secret here.
CLIENT_ID = "1234.apps.googleusercontent.com"
TV_CLIENT_ID = "5678.apps.googleusercontent.com"
USER_CODE = "GQVQ-JKEC"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
ROBOT = "backup@project.iam.gserviceaccount.com"

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)\Z")
_TEXT = r"'((?:[^'\\]|\\['\\])*)'"


@dataclass
class Account:
    name: str
    quota: t.Optional[int] = 15 << 30

    @property
    def is_robot(self) -> bool:
        return self.name == ROBOT


@dataclass
class File:
    id: str
    name: str
    parents: t.List[str]
    mimeType: str  # noqa: N815 - as in the API
    owner: Account
    client: str
    createdTime: str  # noqa: N815
    content: t.Optional[bytes] = None
    properties: t.Dict[str, str] = field(default_factory=dict)
    trashed: bool = False
    driveId: t.Optional[str] = None  # noqa: N815

    def resource(self) -> Json:
        value: Json = {
            "kind": "drive#file",
            "id": self.id,
            "name": self.name,
            "mimeType": self.mimeType,
            "parents": self.parents,
            "createdTime": self.createdTime,
            "trashed": self.trashed,
            "webViewLink": "https://drive.google.com/file/d/%s/view" % self.id,
        }
        if self.driveId:
            value["driveId"] = self.driveId
        if self.properties:
            value["properties"] = self.properties
        if self.content is not None:
            value["size"] = str(len(self.content))
            value["md5Checksum"] = hashlib.md5(self.content).hexdigest()
            value["sha256Checksum"] = hashlib.sha256(self.content).hexdigest()
        return value


@dataclass
class Access:
    account: Account
    scope: str
    client: str


@dataclass
class Session:
    access: Access
    metadata: Json
    fields: str
    received: bytearray = field(default_factory=bytearray)
    done: t.Optional[File] = None


@dataclass
class Code:
    """What a browser brought back, and what it is worth. Each is taken once."""

    access: Access
    redirect_uri: str
    challenge: str


@dataclass
class Device:
    access: Access
    asked: float
    ends: float
    interval: float = 1


class FakeDrive(Service):
    """One person with a drive, a service account, and a shared drive of which both are members."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.person, self.robot = Account("ana@example.org"), Account(ROBOT, 0)
        self.client_secret = secret("client")
        self.files: t.Dict[str, File] = {}
        self.sessions: t.Dict[str, Session] = {}
        self.refresh: t.Dict[str, Access] = {}
        self.tokens: t.Dict[str, Access] = {}
        #: What the person does with a question for access: "allow", "deny", or "untick" what was asked for; for short codes also
        #: "wait", which means that they have not decided yet.
        self.decision = "allow"
        self.codes: t.Dict[str, Code] = {}
        self.devices: t.Dict[str, Device] = {}
        self.clock: t.Callable[[], float] = time.monotonic
        #: Whether the service account may act for people.
        self.delegated = False
        #: The most files that one page of a listing holds, whatever is asked for.
        self.page = 200
        #: A service may take less of a piece than it was sent.
        self.takes: t.Optional[int] = None
        self.may_delete = True
        self._description = _description()
        self.root = self._add("My Drive", [], self.person, client="")
        self.shared = self._add("Team", [], self.person, client="")
        self.shared.driveId = self.shared.id

    # for tests

    def folder(self, name: str, parent: t.Optional[File] = None, owner: t.Optional[Account] = None) -> File:
        """A folder that somebody made by hand."""
        return self._add(name, [(parent or self.root).id], owner or self.person, client="")

    def grant(self, scope: str = FULL) -> str:
        """A refresh token of the person."""
        token = secret("refresh")
        self.refresh[token] = Access(self.person, scope, CLIENT_ID)
        return token

    def robot_key(self) -> str:
        """The key of the service account."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(65537, 2048)
        self._robot_key = key.public_key()
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(encoding, form, serialization.NoEncryption()).decode("ascii")
        return json.dumps(
            {
                "type": "service_account",
                "client_email": ROBOT,
                "private_key_id": "1",
                "private_key": pem,
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )

    def revoke(self) -> None:
        """No token works any more."""
        self.refresh.clear()
        self.tokens.clear()

    def expire(self) -> None:
        """Access tokens end; new ones can be had."""
        self.tokens.clear()

    def below(self, folder: File) -> t.Iterator[t.Tuple[str, File]]:
        """Every file below a folder, with its path."""
        for file in list(self.files.values()):
            if folder.id in file.parents and not file.trashed:
                if file.mimeType == FOLDER:
                    for path, found in self.below(file):
                        yield "%s/%s" % (file.name, path), found
                else:
                    yield file.name, file

    def used(self, account: Account) -> int:
        return sum(len(f.content or b"") for f in self.files.values() if f.owner is account and f.driveId is None)

    @contextlib.contextmanager
    def full(self, room: int) -> t.Iterator[None]:
        """Meanwhile the person has only so many bytes left."""
        self.person.quota = self.used(self.person) + room
        try:
            yield
        finally:
            self.person.quota = 15 << 30

    # answers

    def handle(self, request: Request) -> Reply:
        if request.path.startswith("/upload-session/"):
            return self._piece(request)
        if request.path == "/token":
            return self._token(request)
        if request.path == "/o/oauth2/v2/auth":
            return self._consent_page(request)
        if request.path == "/device/code":
            return self._device_code(request)
        upload = request.path.startswith("/upload/")
        path = request.path[len("/upload") if upload else 0 :]
        if not path.startswith("/drive/v3/"):
            raise _error(404, "notFound", "no such address")
        method, arguments = self._method(request, path[len("/drive/v3/") :], upload)
        access = self._access(request)
        return t.cast(Reply, getattr(self, "_do_" + method)(access, request, arguments))

    def _method(self, request: Request, path: str, upload: bool) -> t.Tuple[str, t.Dict[str, str]]:
        """The method of the description, its arguments checked."""
        for name, method in self._description["methods"].items():
            found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(method["path"])), path)
            if not found or method["httpMethod"] != request.method or (upload and "mediaUpload" not in method):
                continue
            known = {**self._description["parameters"], **method.get("parameters", {})}
            for key, value in request.query.items():
                if key not in known:
                    raise _error(400, "invalidParameter", "unknown parameter " + key)
                kind = known[key].get("type")
                if (kind == "boolean" and value not in ("true", "false")) or (kind == "integer" and not value.isdigit()):
                    raise _error(400, "invalidParameter", "%s: %r is no %s" % (key, value, kind))
            if upload != ("uploadType" in request.query):
                raise _error(400, "badRequest", "uploadType belongs to uploads")
            if request.body and not upload:
                self._check_body(request)
            return ("begin_upload" if upload else name), {**request.query, **found.groupdict()}
        raise _error(404, "notFound", "no such method: %s %s" % (request.method, path))

    def _check_body(self, request: Request) -> None:
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise _error(400, "badContent", "no JSON")
        unknown = set(request.json()) - set(self._description["File"])
        if unknown:
            raise _error(400, "badRequest", "unknown fields %s" % unknown)

    def _access(self, request: Request) -> Access:
        kind, _space, token = request.headers.get("authorization", "").partition(" ")
        access = self.tokens.get(token)
        if kind != "Bearer" or access is None:
            raise _error(401, "authError", "Invalid Credentials")
        return access

    def _file(self, access: Access, file_id: str) -> File:
        file = self.root if file_id == "root" else self.files.get(file_id)
        if file is None or not self._sees(access, file) or (file_id == "root" and access.scope == OWN_FILES):
            raise _error(404, "notFound", "File not found: %s." % file_id)
        return file

    def _sees(self, access: Access, file: File) -> bool:
        if access.scope == OWN_FILES:
            return file.client == access.client
        return access.account is not self.robot or file.driveId is not None or self._is_shared(file)

    def _is_shared(self, file: File) -> bool:
        """Whether a person let the service account into it."""
        return file.name.startswith("shared") or any(self._is_shared(self.files[p]) for p in file.parents if p in self.files)

    def _parent(self, access: Access, file_id: str) -> File:
        """A folder to put something into. Who sees own files only can still put some at the root."""
        return self.root if file_id == "root" else self._file(access, file_id)

    def _do_get(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        file = self._file(access, arguments["fileId"])
        self._needs_all_drives(file, arguments)
        if arguments.get("alt") != "media":
            return Reply(200, self._chosen(file.resource(), arguments, "File"))
        content = file.content
        if content is None:
            raise _error(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if not ranged:
            return Reply(200, content)
        begin, end = int(ranged.group(1)), int(ranged.group(2))
        if begin >= len(content) or end < begin:
            return Reply(416, b"", {"Content-Range": "bytes */%d" % len(content)})
        part = content[begin : end + 1]
        return Reply(206, part, {"Content-Range": "bytes %d-%d/%d" % (begin, begin + len(part) - 1, len(content))})

    def _do_list(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        parents, name = _query(arguments["q"])
        found = []
        for parent in parents:
            folder = self._parent(access, parent)
            if folder.driveId:
                wanted = {"corpora": "drive", "driveId": folder.driveId, "includeItemsFromAllDrives": "true"}
                if {**wanted, **arguments} != {**arguments, **wanted}:
                    raise _error(400, "invalidParameter", "a shared drive is searched with corpora=drive")
            found += [f for f in self.files.values() if folder.id in f.parents and not f.trashed and self._sees(access, f)]
        if name is not None:
            found = [f for f in found if f.name.casefold() == name.casefold()]
        found.sort(key=lambda f: f.id)
        begin = 0
        if "pageToken" in arguments:
            key, _dash, number = arguments["pageToken"].partition("-")
            if key != hashlib.sha256(arguments["q"].encode()).hexdigest()[:8]:
                raise _error(400, "invalidParameter", "the page token is of another query")
            begin = int(number)
        size = int(arguments.get("pageSize", 100))
        if not 1 <= size <= 1000:
            raise _error(400, "invalidParameter", "pageSize")
        page = found[begin : begin + min(size, self.page)]
        value: Json = {"files": [f.resource() for f in page], "incompleteSearch": False}
        if begin + len(page) < len(found):
            value["nextPageToken"] = "%s-%d" % (hashlib.sha256(arguments["q"].encode()).hexdigest()[:8], begin + len(page))
        return Reply(200, self._chosen(value, arguments, "FileList"))

    def _do_create(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        body = request.json()
        if body.get("mimeType") != FOLDER:
            raise _error(400, "badRequest", "only folders are made so here")
        parent = self._parent(access, body["parents"][0])
        self._needs_all_drives(parent, arguments)
        made = self._add(body["name"], [parent.id], access.account, access.client)
        made.driveId = parent.driveId
        return Reply(200, self._chosen(made.resource(), arguments, "File"))

    def _do_update(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        file = self._file(access, arguments["fileId"])
        self._needs_all_drives(file, arguments)
        body = request.json()
        for key, value in (body.get("properties") or {}).items():
            if value is None:
                file.properties.pop(key, None)
            else:
                file.properties[key] = value
        if "trashed" in body:
            file.trashed = body["trashed"]
        if set(body) - {"properties", "trashed"}:
            raise _error(400, "badRequest", "not expected: %s" % body)
        return Reply(200, self._chosen(file.resource(), arguments, "File"))

    def _do_delete(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        file = self._file(access, arguments["fileId"])
        self._needs_all_drives(file, arguments)
        if file.driveId and not self.may_delete:
            raise _error(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.")
        self._remove(file)
        return Reply(204)

    def _do_about(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        if "fields" not in arguments:
            raise _error(400, "required", "The 'fields' parameter is required for this method.")
        usage = str(self.used(access.account))
        value: Json = {"storageQuota": {"usage": usage, "usageInDrive": usage, "usageInDriveTrash": "0"}}
        value["user"] = {"kind": "drive#user", "displayName": "Ana", "emailAddress": access.account.name, "me": True}
        if access.account.quota is not None:
            value["storageQuota"]["limit"] = str(access.account.quota)
        return Reply(200, self._chosen(value, arguments, "About"))

    # resumable uploads

    def _do_begin_upload(self, access: Access, request: Request, arguments: t.Dict[str, str]) -> Reply:
        if request.method != "POST" or arguments["uploadType"] != "resumable":
            raise _error(400, "badRequest", "only resumable uploads of new files are known here")
        self._check_body(request)
        metadata = request.json()
        parent = self._parent(access, metadata["parents"][0])
        self._needs_all_drives(parent, arguments)
        if any(len(k.encode()) + len(v.encode()) > 124 for k, v in metadata.get("properties", {}).items()):
            raise _error(400, "propertyTooLarge", "124 bytes at most")
        self._check_room(access.account, parent, 1)
        session = secrets.token_hex(16)
        self._chosen(File("", "", [], "", access.account, "", "").resource(), arguments, "File")
        self.sessions[session] = Session(access, metadata, arguments["fields"])
        return Reply(200, b"", {"Location": "https://%s/upload-session/%s" % (request.headers["host"], session)})

    def _piece(self, request: Request) -> Reply:
        self._access(request)
        session = self.sessions.get(request.path.rpartition("/")[2])
        if session is None:
            raise _error(404, "notFound", "no such upload")
        if request.method == "DELETE":
            del self.sessions[request.path.rpartition("/")[2]]
            return Reply(499, b"")
        if request.method != "PUT":
            raise _error(405, "httpMethodNotAllowed", request.method)
        if session.done is not None:
            return Reply(200, _projected(session.done.resource(), session.fields))
        text = request.headers.get("content-range")
        found = _CONTENT_RANGE.match(text or "")
        if text is not None and not found:
            raise _error(400, "badRequest", "Failed to parse Content-Range header.")
        total = None if found is None else found.group(3)
        if found is not None and found.group(1) is None and not request.body:
            if total != "*" and int(total or 0) == len(session.received):
                return self._complete(session)
            return self._reached(session)
        begin = 0 if found is None else int(found.group(1))
        length = int(request.headers.get("content-length") or 0)
        if begin != len(session.received) or (found is not None and int(found.group(2)) + 1 - begin != length):
            raise _error(400, "badRequest", "the range does not begin where the upload is, or is not that of the body")
        if total == "*" and (length % UNIT or not length):
            raise _error(400, "badRequest", "pieces are multiples of 256 KiB")
        body = request.body if request.whole else request.body[: len(request.body) // UNIT * UNIT]
        taken, self.takes = self.takes, None
        session.received += body if taken is None else body[:taken]
        self._check_room(session.access.account, self._parent(session.access, session.metadata["parents"][0]),
                         len(session.received))  # fmt: skip
        if found is None or (total != "*" and int(total or 0) == len(session.received)):
            return self._complete(session)
        return self._reached(session)

    def _reached(self, session: Session) -> Reply:
        size = len(session.received)
        return Reply(308, b"", {"Range": "bytes=0-%d" % (size - 1)} if size else {})

    def _complete(self, session: Session) -> Reply:
        metadata = session.metadata
        parent = self._parent(session.access, metadata["parents"][0])
        file = self._add(metadata["name"], [parent.id], session.access.account, session.access.client, bytes(session.received))
        file.mimeType = "application/octet-stream"
        file.properties = dict(metadata.get("properties", {}))
        file.driveId = parent.driveId
        session.done = file
        session.received = bytearray()
        return Reply(200, _projected(file.resource(), session.fields))

    def _check_room(self, account: Account, parent: File, size: int) -> None:
        if parent.driveId is None and account.quota is not None and self.used(account) + size > account.quota:
            words = "The user's Drive storage quota has been exceeded."
            if account.is_robot:
                words = "Service Accounts do not have storage quota. Leverage shared drives, or use OAuth delegation instead."
            raise _error(403, "storageQuotaExceeded", words)

    # tokens

    def _token(self, request: Request) -> Reply:
        form = request.form()
        kind = form["grant_type"]
        if kind == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self._issue(self._asserted(form["assertion"]))
        if form.get("client_id") not in (CLIENT_ID, TV_CLIENT_ID) or form.get("client_secret") != self.client_secret:
            return Reply(401, {"error": "invalid_client", "error_description": "Unauthorized"})
        if kind == "authorization_code":
            return self._exchanged(form)
        if kind == DEVICE_GRANT:
            return self._polled(form)
        if kind == "refresh_token":
            access = self.refresh.get(form["refresh_token"])
            if access is None or access.client != form["client_id"]:
                return Reply(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
            return self._issue(access)
        return Reply(400, {"error": "unsupported_grant_type"})

    def _issue(self, access: Access, **more: str) -> Reply:
        token = secret("access")
        self.tokens[token] = access
        value = {"access_token": token, "expires_in": 3599, "scope": access.scope, "token_type": "Bearer"}
        return Reply(200, {**value, **more})

    # a person's consent

    def _consent_page(self, request: Request) -> Reply:
        """The page in the browser, and the button that the person presses there."""
        query = dict(request.query)
        wanted = {"client_id": CLIENT_ID, "response_type": "code", "code_challenge_method": "S256", "access_type": "offline"}
        wrong = [name for name, value in wanted.items() if query.pop(name, None) != value]
        redirect, state = query.pop("redirect_uri", ""), query.pop("state", "")
        challenge, scope = query.pop("code_challenge", ""), query.pop("scope", "")
        known = re.fullmatch(r"http://(127\.0\.0\.1|\[::1\]):\d+/", redirect) and scope in (FULL, OWN_FILES)
        if request.method != "GET" or wrong or not known or len(challenge) != 43 or len(state) < 20 or set(query) - {"prompt"}:
            return Reply(400, ("Error 400: invalid_request %s %s" % (wrong, request.query)).encode(), {})
        back = {"state": state, "error": "access_denied"}
        if self.decision != "deny":
            granted = scope if self.decision == "allow" else "openid"
            code = secret("code")
            self.codes[code] = Code(Access(self.person, granted, CLIENT_ID), redirect, challenge)
            back = {"state": state, "code": code, "scope": granted}
        return Reply(302, b"", {"Location": "%s?%s" % (redirect, urllib.parse.urlencode(back))})

    def _exchanged(self, form: t.Mapping[str, str]) -> Reply:
        code = self.codes.pop(form["code"], None)
        if code is None or code.access.client != form["client_id"] or not proves(form["code_verifier"], code.challenge):
            return Reply(400, {"error": "invalid_grant", "error_description": "Malformed auth code."})
        if code.redirect_uri != form["redirect_uri"]:
            return Reply(400, {"error": "redirect_uri_mismatch", "error_description": "Bad Request"})
        return self._granted(code.access)

    def _granted(self, access: Access) -> Reply:
        token = secret("refresh")
        self.refresh[token] = access
        return self._issue(access, refresh_token=token)

    def _device_code(self, request: Request) -> Reply:
        form = request.form()
        if form["client_id"] != TV_CLIENT_ID:
            return Reply(401, {"error": "invalid_client", "error_description": "Invalid client type."})
        if form["scope"] != OWN_FILES:
            return Reply(400, {"error": "invalid_scope", "error_description": "Invalid device flow scope: " + form["scope"]})
        code = secret("device")
        now = self.clock()
        self.devices[code] = Device(Access(self.person, form["scope"], TV_CLIENT_ID), now, now + 1800)
        value = {"device_code": code, "user_code": USER_CODE, "expires_in": 1800, "interval": 1}
        return Reply(200, {**value, "verification_url": "https://www.google.com/device"})

    def _polled(self, form: t.Mapping[str, str]) -> Reply:
        device = self.devices.get(form["device_code"])
        if device is None or form["client_id"] != TV_CLIENT_ID:
            return Reply(400, {"error": "invalid_grant", "error_description": "Malformed device code."})
        now = self.clock()
        early, device.asked = now - device.asked < device.interval, now
        if now > device.ends:
            return Reply(400, {"error": "expired_token"})
        if early:
            device.interval += 5
            return Reply(403, {"error": "slow_down", "error_description": "Polling too frequently."})
        if self.decision == "wait":
            return Reply(428, {"error": "authorization_pending", "error_description": "Precondition Required"})
        del self.devices[form["device_code"]]
        if self.decision == "deny":
            return Reply(403, {"error": "access_denied", "error_description": "Forbidden"})
        return self._granted(device.access)

    def _asserted(self, assertion: str) -> Access:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        signed, _dot, signature = assertion.rpartition(".")
        claims = json.loads(_unpadded(signed.split(".")[1]))
        try:
            self._robot_key.verify(_unpadded(signature), signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise Refused(Reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})) from None
        if not claims["iat"] - 300 < time.time() < claims["exp"] <= claims["iat"] + 3600:
            words = (
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat"
                " and exp values in the JWT claim."
            )
            raise Refused(Reply(400, {"error": "invalid_grant", "error_description": words}))
        assert claims["iss"] == ROBOT and claims["aud"] == "https://oauth2.googleapis.com/token" and claims["scope"] == FULL, (
            claims
        )
        if "sub" not in claims or claims["sub"] == ROBOT:
            return Access(self.robot, FULL, ROBOT)
        if not self.delegated or claims["sub"] != self.person.name:
            raise Refused(
                Reply(401, {"error": "unauthorized_client", "error_description": "Client is unauthorized to retrieve access"})
            )
        return Access(self.person, FULL, ROBOT)

    # the drive

    def _add(
        self, name: str, parents: t.List[str], owner: Account, client: str, content: t.Optional[bytes] = None
    ) -> File:  # fmt: skip
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        file = File("1" + secrets.token_urlsafe(24), name, parents, FOLDER, owner, client, now, content)
        self.files[file.id] = file
        return file

    def _remove(self, file: File) -> None:
        self.files.pop(file.id, None)
        for below in [f for f in self.files.values() if file.id in f.parents]:
            self._remove(below)

    def _needs_all_drives(self, file: File, arguments: t.Mapping[str, str]) -> None:
        if file.driveId and arguments.get("supportsAllDrives") != "true":
            raise _error(404, "notFound", "File not found: %s." % file.id)

    def _chosen(self, value: Json, arguments: t.Mapping[str, str], schema: str) -> Json:
        """The fields that were asked for, which the description must know."""
        fields = arguments.get("fields", "kind,id,name,mimeType" if schema == "File" else "files(kind,id,name,mimeType)")
        for name in re.findall(r"\w+", re.sub(r"\w+\(|\)", ",", fields)):
            if name not in self._description["File"] and name not in self._description[schema]:
                raise _error(400, "invalidParameter", "Invalid field selection " + name)
        return _projected(value, fields)


def _projected(value: Json, fields: str) -> Json:
    chosen: Json = {}
    for name, _paren, inner in re.findall(r"(\w+)(\(([^)]*)\))?", fields):
        if name in value:
            chosen[name] = [_projected(item, inner) for item in value[name]] if inner else value[name]
    return chosen


def _query(text: str) -> t.Tuple[t.List[str], t.Optional[str]]:
    """The parents and the name that a search asks for; no other searches are known here."""
    parent = _TEXT + " in parents"
    found = re.fullmatch(r"\((%s(?: or %s)*)\) and trashed = false(?: and name = (%s))?" % (parent, parent, _TEXT), text)
    if not found:
        raise _error(400, "invalid", "Invalid Value: q=" + text)
    name = found.group(4)
    parents = re.findall(parent, found.group(1))
    return parents, None if name is None else re.sub(r"\\(.)", r"\1", name[1:-1])


def _error(status: int, reason: str, words: str) -> Refused:
    errors = [{"domain": "global", "reason": reason, "message": words}]
    return Refused(Reply(status, {"error": {"code": status, "message": words, "errors": errors}}))


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _description() -> Json:
    import googleapiclient.discovery_cache

    path = Path(str(googleapiclient.discovery_cache.__file__)).parent / "documents" / "drive.v3.json"
    whole = json.loads(path.read_bytes())
    assert (whole["rootUrl"], whole["servicePath"]) == ("https://www.googleapis.com/", "drive/v3/")
    methods = {
        n: m for n, m in whole["resources"]["files"]["methods"].items() if n in ("get", "list", "create", "update", "delete")
    }
    methods["about"] = whole["resources"]["about"]["methods"]["get"]
    schemas = {name: set(whole["schemas"][name]["properties"]) for name in ("File", "FileList", "About")}
    return {"methods": methods, "parameters": whole["parameters"], **schemas}
