# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing the result of a verb: as one JSON document, or as text for people."""

from __future__ import annotations

import typing as t

from ..errors import ConfigurationError, FleetBackupError, InterruptedRunError
from ..operations.several import Several
from ..operations.streamed import StreamedResult
from ..result import FAILURE, Result
from .console import Console, OutputLostError

if t.TYPE_CHECKING:
    from .query import Query


Show = t.Callable[[t.Any, Console], None]


def report(result: Result, show: t.Optional[Show], query: t.Optional[Query], console: Console) -> int:
    """Write ``result`` to the console and return the command's exit code.

    ``show`` tells the result to people; it is None when only warnings and the error are to be told.
    """
    own = 0
    try:
        if console.json:
            own = _document(result, query, console)
        elif show is not None:
            _show(result, show, console)
    except OutputLostError as lost:
        console.error(str(lost))
        own = FleetBackupError.exit_code
    except (FleetBackupError, InterruptedRunError) as error:  # what is told is read while it is told
        result.fail(error)
    _remarks(result, console)
    return result.exit_code or own


def _show(result: Result, show: Show, console: Console) -> None:
    if not isinstance(result, Several):
        show(result, console)
        return
    for n, part in enumerate(result.results):
        if n:
            console.line()
        show(part, console)
        _remarks(part, console, "job %s: " % part.job)


def _remarks(result: Result, console: Console, about: str = "") -> None:
    """Warnings and the error, on stderr: there also where stdout carries a document or is read by a program."""
    for warning in result.warnings:
        component = "%s: " % warning.component if warning.component else ""
        console.warning(about + component + warning.message)
    if result.error:
        console.error(about + result.error["message"])


def _document(result: Result, query: t.Optional[Query], console: Console) -> int:
    """Write the one document. Returns the exit code of a query that does not fit, else 0."""
    if isinstance(result, StreamedResult) and result.lists and query is None:
        console.long_document(result.LISTED, _until_failure(result), result.rest)
        return 0
    value: t.Any = result.to_dict()
    code = 0
    if query is not None:
        try:
            value = query.choose(value)
        except ConfigurationError as error:
            # The operation is done and its result stands; what was asked of it cannot be told.
            message = "%s; the %s itself ended with: %s" % (error, result.operation, result.outcome)
            console.error(message)
            value = {**value, "outcome": FAILURE, "error": {"code": error.code, "message": message}}
            code = error.exit_code
    console.document(value)
    return code


def _until_failure(result: StreamedResult) -> t.Iterator[t.Any]:
    """The rows of a result. The error that ends them becomes the result's, which is written after them."""
    try:
        yield from result.rows()
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
