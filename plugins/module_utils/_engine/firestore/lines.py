# SPDX-License-Identifier: GPL-3.0-or-later
"""A document as a line of JSON, and back.

``{"path":"clientes/c1","create_time":"...","update_time":"...","fields":{...}}``: the fields as the API types them, so that
nothing is lost: ``{"integerValue":"5"}``, ``{"doubleValue":"NaN"}``, ``{"timestampValue":"..."}``, ``{"bytesValue":"base64"}``,
``{"referenceValue":"projects/..."}``, ``{"geoPointValue":{...}}``, ``{"nullValue":null}``, ``{"mapValue":{"fields":{...}}}``,
``{"arrayValue":{"values":[...]}}``. Keys are sorted, so that equal documents are equal lines.
"""

from __future__ import annotations

import json
import typing as t

from ..errors import IntegrityError
from .client import Document, Json


def to_line(document: Document) -> bytes:
    """The line, with its end."""
    head = {"path": document.path, "create_time": document.created, "update_time": document.updated}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1]
    fields = json.dumps(document.fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return ('%s,"fields":%s}\n' % (text, fields)).encode("utf-8", "surrogatepass")


def from_line(line: bytes, name: str) -> Document:
    """The document of a line of the component ``name``. Raises IntegrityError."""
    try:
        value = json.loads(line.decode("utf-8", "surrogatepass"))
        return Document(value["path"], value["fields"], value.get("create_time"), value.get("update_time"))
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("component %s holds a line that is no document" % name) from None


def lines_of(data: t.Iterable[memoryview]) -> t.Iterator[bytes]:
    """The lines of a run of bytes that comes in pieces."""
    rest = b""
    for part in data:
        *lines, rest = (rest + bytes(part)).split(b"\n")
        yield from lines
    if rest:
        yield rest


def kind_of(path: str) -> str:
    """Which collection a document is in, whatever the ids on the way: ``clientes/*/pagos``."""
    parts = path.split("/")
    return "/".join("*" if number % 2 else part for number, part in enumerate(parts[:-1]))


def moved(fields: Json, old: str, new: str) -> Json:
    """The fields with references to documents of the database ``old`` as references to those of ``new``."""
    if old == new:
        return fields
    return {name: _moved(value, old + "/", new + "/") for name, value in fields.items()}


def _moved(value: Json, old: str, new: str) -> Json:
    if "referenceValue" in value and value["referenceValue"].startswith(old):
        return {"referenceValue": new + value["referenceValue"][len(old) :]}
    if "mapValue" in value:
        fields = value["mapValue"].get("fields", {})
        return {"mapValue": {"fields": {name: _moved(part, old, new) for name, part in fields.items()}}}
    if "arrayValue" in value:
        return {"arrayValue": {"values": [_moved(part, old, new) for part in value["arrayValue"].get("values", [])]}}
    return value
