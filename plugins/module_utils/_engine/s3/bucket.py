# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket and how it is reached: the client of botocore, made when it is first needed, and its errors."""

from __future__ import annotations

import datetime
import email.utils
import http.client
import threading
import typing as t

from ..errors import ConfigurationError, MissingDependencyError, StoreUnavailableError
from ..result import utc_now
from ..secret import Secret
from .errors import translate

Answer = t.Dict[str, t.Any]

#: Requests of one operation that the library makes at most when a server is busy or a connection ends.
_ATTEMPTS = 3
#: Seconds; a server that is there accepts a connection soon.
_CONNECT_TIMEOUT = 10
#: Newer libraries add checksums of their own choice, which some servers refuse; what is needed is asked for explicitly.
_CHECKSUMS = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}


class Bucket:
    """One bucket. Several threads may use it at once."""

    def __init__(self, store: str, options: t.Mapping[str, t.Any]) -> None:
        self.store = store
        self.name: str = options["bucket"]
        #: How far this host's clock is behind the server's (seconds), as of the last answer.
        self.behind: t.Optional[float] = None
        prefix: str = options.get("prefix") or ""
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._options = options
        self._lock = threading.Lock()
        self._client: t.Any = None

    def key(self, key: str) -> str:
        """The key in the bucket of a key of the store."""
        return self._prefix + key

    def url(self, key: str = "") -> str:
        """The place of an object, or of the store, as the tools of S3 write it."""
        return "s3://%s/%s%s" % (self.name, self._prefix, key)

    def call(self, operation: str, key: t.Optional[str] = None, **arguments: t.Any) -> Answer:
        """One operation of the client on the bucket, or on an object of the store. Raises the engine's errors."""
        try:
            return self.try_call(operation, key, **arguments)
        except library_errors() as error:
            raise translate(error, self.store, self.url(key or "")) from error

    def call_whole(self, operation: str, field: str, key: t.Optional[str] = None, **arguments: t.Any) -> Answer:
        """The same; an answer without ``field`` was cut off on its way, although the library takes it for a whole one."""
        answer = self.call(operation, key, **arguments)
        if field not in answer:
            raise StoreUnavailableError("store %s: %s: the answer ended early" % (self.store, self.url(key or "")))
        return answer

    def try_call(self, operation: str, key: t.Optional[str] = None, **arguments: t.Any) -> Answer:
        """The same, raising the library's errors."""
        if key is not None:
            arguments["Key"] = self.key(key)
        client = self._connect()
        answer: Answer = getattr(client, operation)(Bucket=self.name, **arguments)
        self._note_time(answer)
        return answer

    def _note_time(self, answer: Answer) -> None:
        text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            there = email.utils.parsedate_to_datetime(text)
            self.behind = (there - utc_now()).total_seconds() if there.tzinfo else None
        except (TypeError, ValueError):
            return

    def _connect(self) -> t.Any:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> t.Any:
        try:
            import botocore.config
            import botocore.exceptions
            import botocore.session
        except ImportError:
            raise MissingDependencyError(
                "store %s: the option s3 needs the Python library botocore (a part of boto3), which is not installed" % self.store
            ) from None
        options = self._options
        endpoint = options.get("endpoint_url")
        path_style = options.get("path_style")
        if path_style is None:
            # Buckets as host names need wildcards in the DNS and the certificate, which servers of one's own seldom have.
            path_style = endpoint is not None
        config = {
            "signature_version": "s3v4",
            "s3": {"addressing_style": "path" if path_style else "auto"},
            "connect_timeout": min(_CONNECT_TIMEOUT, options["timeout"]),
            "read_timeout": options["timeout"],
            "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
            "max_pool_connections": max(10, 4 * options["parallel"]),
            "tcp_keepalive": True,
        }
        try:
            session = botocore.session.Session(profile=options.get("profile"))
            client = session.create_client(
                "s3",
                region_name=options.get("region") or session.get_config_variable("region") or "us-east-1",
                endpoint_url=endpoint,
                verify=options.get("ca_bundle"),
                config=_config(botocore.config.Config, config),
                aws_access_key_id=_reveal(options.get("access_key")),
                aws_secret_access_key=_reveal(options.get("secret_key")),
                aws_session_token=_reveal(options.get("session_token")),
            )
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise ConfigurationError("store %s: %s" % (self.store, error)) from None
        if options["conditional_create"]:
            # As a header: older libraries do not know the parameter.
            for operation in ("PutObject", "CompleteMultipartUpload"):
                client.meta.events.register("before-call.s3." + operation, _if_none_match)
        return client


def library_errors() -> t.Tuple[t.Type[Exception], ...]:
    """What the library raises when an operation fails."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (BotoCoreError, ClientError, ResponseParserError, http.client.HTTPException, OSError)


def retain_until(days: int) -> datetime.datetime:
    """When a lock of so many days that begins now ends."""
    return utc_now() + datetime.timedelta(days=days)


def _config(make: t.Callable[..., t.Any], settings: t.Dict[str, t.Any]) -> t.Any:
    try:
        return make(**settings, **_CHECKSUMS)
    except TypeError:
        return make(**settings)  # a library that adds none


def _if_none_match(params: t.Dict[str, t.Any], **_rest: t.Any) -> None:
    params["headers"]["If-None-Match"] = "*"


def _reveal(secret: t.Optional[Secret]) -> t.Optional[str]:
    return None if secret is None else secret.reveal()
