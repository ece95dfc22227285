# SPDX-License-Identifier: GPL-3.0-or-later
"""The one result of an operation.

Exit code, module return value, status file, log line and report are all derived from it.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from dataclasses import dataclass, field

from .errors import FleetBackupError, InterruptedRunError
from .names import as_text

SUCCESS, WARNING, FAILURE = "success", "warning", "failure"

WARNING_EXIT_CODE = 3


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def iso(moment: datetime.datetime) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-11-22T02:00:00.123Z``."""
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def from_iso(text: str) -> datetime.datetime:
    """The moment that iso() wrote. Raises ValueError."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)


@dataclass
class Notice:
    """Something that a person should know and that made the outcome a warning. ``code`` is stable.

    ``paths`` names what it is about, as printable texts; at most ``LIMIT`` of them, while ``count`` is complete.
    """

    LIMIT: t.ClassVar[int] = 1000

    code: str
    message: str
    component: t.Optional[str] = None
    count: int = 1
    paths: t.List[str] = field(default_factory=list)


@dataclass
class Result:
    """What one operation did. ``outcome`` is success only if everything that was asked for is true."""

    operation: str
    host: t.Optional[str] = None
    job: t.Optional[str] = None
    outcome: str = SUCCESS
    changed: bool = False
    dry_run: bool = False
    started: str = ""
    finished: str = ""
    duration: float = 0.0
    warnings: t.List[Notice] = field(default_factory=list)
    error: t.Optional[t.Dict[str, t.Any]] = None
    error_exit_code: int = field(default=0, repr=False)

    def begin(self) -> None:
        self._began = utc_now()
        self.started = iso(self._began)

    def end(self) -> None:
        now = utc_now()
        self.finished = iso(now)
        self.duration = round((now - self._began).total_seconds(), 3)

    def warn(self, code: str, message: str, component: t.Optional[str] = None, count: int = 1) -> None:
        self.warnings.append(Notice(code, message, component, count))
        if self.outcome == SUCCESS:
            self.outcome = WARNING

    def fail(self, error: t.Union[FleetBackupError, InterruptedRunError]) -> None:
        self.outcome = FAILURE
        self.error = {"code": error.code, "message": str(error)}
        objects = getattr(error, "objects", None)
        if objects:
            self.error["objects"] = objects
        self.error_exit_code = error.exit_code

    @property
    def exit_code(self) -> int:
        """0 for success and nothing else; 3 with warnings; the error's own code on failure."""
        if self.outcome == SUCCESS:
            return 0
        if self.outcome == WARNING:
            return WARNING_EXIT_CODE
        return self.error_exit_code or 1

    def to_dict(self) -> t.Dict[str, t.Any]:
        """Plain data for JSON. It holds no secret because no result field ever does."""
        data: t.Dict[str, t.Any] = _plain(dataclasses.asdict(self))
        del data["error_exit_code"]
        return data


def _plain(value: t.Any) -> t.Any:
    """Data in which every text is one that UTF-8 can hold: messages name files, whose names may be any bytes."""
    if isinstance(value, str):
        return value if value.isascii() else as_text(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
