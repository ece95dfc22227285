# SPDX-License-Identifier: GPL-3.0-or-later
"""The few requests to a Docker daemon that volumes need, over its unix socket.

Docker's own library takes a second to be imported on a slow disk, which is as long as a small volume takes to be backed up.
"""

from __future__ import annotations

import http.client
import json
import typing as t
from urllib.parse import quote, urlencode

from ..system import unix_socket

Json = t.Any

# A request that takes longer than this has failed.
_ANSWER_SECONDS = 60


class ApiError(OSError):
    """The daemon refused, or does not answer as one."""


class NotFoundByDaemonError(ApiError):
    """It does not know what was asked for."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = unix_socket()
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Api:
    """The daemon behind the unix socket ``path``. Raises OSError, of which ApiError says what the daemon said."""

    def __init__(self, path: str) -> None:
        self._path = path

    def get(self, path: str, **query: str) -> Json:
        return self._ask("GET", path, query)

    def post(self, path: str, body: Json = None, longer: float = 0, **query: str) -> Json:
        """``longer``: the seconds that the request itself may take."""
        return self._ask("POST", path, query, body, longer)

    def delete(self, path: str) -> Json:
        return self._ask("DELETE", path, {})

    def _ask(self, method: str, path: str, query: t.Mapping[str, str], body: Json = None, longer: float = 0) -> Json:
        connection = _Connection(self._path, _ANSWER_SECONDS + longer)
        try:
            target = quote(path) + ("?" + urlencode(query) if query else "")
            data = None if body is None else json.dumps(body).encode("ascii")
            connection.request(method, target, data, {"Content-Type": "application/json"} if data is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise ApiError("it does not speak as a Docker daemon does: %r" % error) from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise (NotFoundByDaemonError if answer.status == 404 else ApiError)(_message(content, answer.status))
        try:
            return json.loads(content) if content.strip() else None
        except ValueError:
            raise ApiError("it does not answer as a Docker daemon does") from None


class Container:
    """A container as the daemon described it: when it was asked for, and after reload()."""

    def __init__(self, api: Api, attrs: t.Dict[str, t.Any]) -> None:
        self._api = api
        self.attrs = attrs
        self.id: str = attrs["Id"]

    @property
    def name(self) -> str:
        return str(self.attrs.get("Name", self.id)).lstrip("/")

    @property
    def labels(self) -> t.Mapping[str, str]:
        return (self.attrs.get("Config") or {}).get("Labels") or {}

    @property
    def status(self) -> str:
        return str((self.attrs.get("State") or {}).get("Status"))

    def reload(self) -> None:
        self.attrs = self._api.get("/containers/%s/json" % self.id)

    def stop(self, timeout: int) -> None:
        self._api.post("/containers/%s/stop" % self.id, longer=timeout, t=str(timeout))

    def start(self) -> None:
        self._api.post("/containers/%s/start" % self.id)

    def pause(self) -> None:
        self._api.post("/containers/%s/pause" % self.id)

    def unpause(self) -> None:
        self._api.post("/containers/%s/unpause" % self.id)


def _message(content: bytes, status: int) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return "it answers with status %d" % status
