# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told, in their language: the subject, a text, and the same in HTML.

A sentence is here once for each language; a language that lacks one is found by a test.
"""

from __future__ import annotations

import html as markup
import typing as t

from . import Message

# At most so many warnings are told one by one.
_WARNINGS = 20

_WORDS: t.Dict[str, t.Dict[str, str]] = {
    "en": {
        "success": "succeeded",
        "warning": "succeeded with warnings",
        "failure": "FAILED",
        "stale": "no fresh backup",
        "test": "test message",
        "test_text": "This is a test of the notifier. If you can read it, it works.",
        "backup": "backup",
        "restore": "restore",
        "verify": "verification",
        "prune": "pruning",
        "copy": "copy",
        "list": "check of age",
        "host": "Host",
        "job": "Job",
        "outcome": "Outcome",
        "id": "Backup",
        "kind": "Kind",
        "tag": "Tag",
        "started": "Started",
        "duration": "Duration",
        "entries": "Entries",
        "bytes": "Size",
        "stored": "Stored",
        "newest": "Newest backup",
        "age": "Its age",
        "max_age": "Allowed age",
        "never": "none",
        "error": "Error",
        "warnings": "Warnings",
        "more": "... and %d more",
        "components": "Components",
        "component": "Component",
        "stores": "Stores",
        "store": "Store",
        "link": "Link",
        "footer": "Sent by fleet.backup.",
    },
    "es": {
        "success": "correcto",
        "warning": "correcto, con avisos",
        "failure": "FALLO",
        "stale": "no hay copia reciente",
        "test": "mensaje de prueba",
        "test_text": "Esto es una prueba del notificador. Si puede leerlo, funciona.",
        "backup": "copia de seguridad",
        "restore": "restauraci\u00f3n",
        "verify": "verificaci\u00f3n",
        "prune": "limpieza",
        "copy": "copia entre almacenes",
        "list": "control de antig\u00fcedad",
        "host": "Servidor",
        "job": "Trabajo",
        "outcome": "Resultado",
        "id": "Copia",
        "kind": "Tipo",
        "tag": "Etiqueta",
        "started": "Inicio",
        "duration": "Duraci\u00f3n",
        "entries": "Elementos",
        "bytes": "Tama\u00f1o",
        "stored": "Almacenado",
        "newest": "Copia m\u00e1s reciente",
        "age": "Su antig\u00fcedad",
        "max_age": "Antig\u00fcedad permitida",
        "never": "ninguna",
        "error": "Error",
        "warnings": "Avisos",
        "more": "... y %d m\u00e1s",
        "components": "Componentes",
        "component": "Componente",
        "stores": "Almacenes",
        "store": "Almac\u00e9n",
        "link": "Enlace",
        "footer": "Enviado por fleet.backup.",
    },
}

Table = t.Tuple[str, t.Sequence[str], t.List[t.List[str]]]


def subject(message: Message, language: str) -> str:
    """One line: who, what, how it ended."""
    words = _WORDS[language]
    if message.event == "test":
        return "[fleet.backup] %s: %s" % (message.host, words["test"])
    what = words["stale"] if message.event == "stale" else "%s %s" % (_operation(message, words), words[message.event])
    return "[fleet.backup] %s/%s: %s" % (message.host, message.job, what)


def text(message: Message, language: str) -> str:
    """The whole as plain text."""
    words = _WORDS[language]
    lines = [subject(message, language).partition("] ")[2], ""]
    fields = _fields(message, words)
    width = max((len(name) for name, _value in fields), default=0)
    lines += ["%s  %s" % ((name + ":").ljust(width + 1), value) for name, value in fields]
    for title, headers, rows in _tables(message, words):
        lines += ["", title + ":", *_aligned(headers, rows)]
    for title, items in _lists(message, words):
        lines += ["", title + ":", *("- " + item for item in items)]
    return "\n".join([*lines, "", words["footer"], ""])


def html(message: Message, language: str) -> str:
    """The whole as HTML, in colours that say at a glance how it went. Nothing of it is trusted to be markup."""
    words = _WORDS[language]
    colour = {"success": "#1a7f37", "warning": "#9a6700", "stale": "#9a6700", "failure": "#cf222e"}.get(message.event, "#0969da")
    escape = markup.escape
    parts = [
        '<!DOCTYPE html><html lang="%s"><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;font-size:14px;color:#1f2328">' % language,
        '<h2 style="color:%s">%s</h2>' % (colour, escape(subject(message, language).partition("] ")[2])),
        '<table style="border-collapse:collapse">',
    ]
    for name, value in _fields(message, words):
        parts.append(
            '<tr><td style="padding:2px 12px 2px 0;color:#59636e">%s</td><td>%s</td></tr>' % (escape(name), _cell(value))
        )
    parts.append("</table>")
    for title, headers, rows in _tables(message, words):
        parts.append("<h3>%s</h3>" % escape(title))
        parts.append('<table style="border-collapse:collapse">')
        for row, tag in [(headers, "th"), *((row, "td") for row in rows)]:
            cells = "".join('<%s style="text-align:left;padding:2px 12px 2px 0">%s</%s>' % (tag, _cell(c), tag) for c in row)
            parts.append("<tr>%s</tr>" % cells)
        parts.append("</table>")
    for title, items in _lists(message, words):
        parts.append("<h3>%s</h3><ul>%s</ul>" % (escape(title), "".join("<li>%s</li>" % escape(item) for item in items)))
    parts.append('<p style="color:#59636e">%s</p></body></html>' % escape(words["footer"]))
    return "\n".join(parts) + "\n"


def _operation(message: Message, words: t.Mapping[str, str]) -> str:
    return words.get(message.operation, message.operation)


def _fields(message: Message, words: t.Mapping[str, str]) -> t.List[t.Tuple[str, str]]:
    result = message.result
    if message.event == "test":
        return [(words["host"], message.host), (words["outcome"], words["test_text"])]
    fields = [(words["host"], message.host), (words["job"], message.job)]
    if message.event == "stale":
        fields.append((words["outcome"], words["stale"]))
        fields.append((words["newest"], result.get("newest") or words["never"]))
        for key in ("age", "max_age"):
            if result.get(key) is not None:
                fields.append((words[key], _duration(result[key])))
        return fields
    fields.append((words["outcome"], "%s %s" % (_operation(message, words), words[message.event])))
    for key in ("id", "kind", "tag"):
        if result.get(key):
            fields.append((words[key], str(result[key])))
    fields.append((words["started"], result.get("started", "")))
    fields.append((words["duration"], _duration(result.get("duration", 0))))
    if message.operation == "backup" and result.get("id"):
        fields.append((words["entries"], "%d" % result["entries"]))
        fields += [(words[key], _size(result[key])) for key in ("bytes", "stored")]
    return fields


def _tables(message: Message, words: t.Mapping[str, str]) -> t.List[Table]:
    result = message.result
    tables: t.List[Table] = []
    components = result.get("components") if message.operation == "backup" else None
    if components:
        rows = [[c["name"], c["source"], "%d" % c["entries"], _size(c["bytes"]), _size(c["stored"])] for c in components]
        tables.append((words["components"], [words["component"], "", words["entries"], words["bytes"], words["stored"]], rows))
    copies = result.get("copies")
    if copies:
        rows = [[c["store"], c["driver"], words[c["outcome"]], c.get("link") or _message(c.get("error"))] for c in copies]
        tables.append((words["stores"], [words["store"], "", words["outcome"], words["link"]], rows))
    return tables


def _lists(message: Message, words: t.Mapping[str, str]) -> t.List[t.Tuple[str, t.List[str]]]:
    lists = []
    if message.result.get("error"):
        lists.append((words["error"], [_message(message.result["error"])]))
    warnings = message.result.get("warnings") or []
    if warnings:
        told = [_warning(warning) for warning in warnings[:_WARNINGS]]
        if len(warnings) > _WARNINGS:
            told.append(words["more"] % (len(warnings) - _WARNINGS))
        lists.append((words["warnings"], told))
    return lists


def _warning(warning: t.Mapping[str, t.Any]) -> str:
    component = warning.get("component")
    return "%s%s" % (component + ": " if component else "", warning["message"])


def _message(error: t.Optional[t.Mapping[str, t.Any]]) -> str:
    return str(error["message"]) if error else ""


def _cell(value: str) -> str:
    escaped = markup.escape(value)
    return '<a href="%s">%s</a>' % (escaped, escaped) if value.startswith("https://") else escaped


def _aligned(headers: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> t.List[str]:
    widths = [max(len(row[n]) for row in [headers, *rows]) for n in range(len(headers))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [headers, *rows]]


def _size(count: int) -> str:
    number, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return "%d %s" % (number, unit) if unit == "B" else "%.1f %s" % (number, unit)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "%.1f s" % seconds
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join("%d %s" % part for part in parts[:2])
