# SPDX-License-Identifier: GPL-3.0-or-later
"""Show one backup: when and why it was taken, its components, what was true of its sources, and its files."""

from __future__ import annotations

import typing as t

from ...operations.show import ShowResult
from ...operations.show import show as show_backup
from ...result import Result, from_iso
from ..entries import entry_line
from ..output import Cell, local_time, number, safe, size, table
from ..places import add_place_arguments, given_place

if t.TYPE_CHECKING:
    import argparse

    from ..console import Console
    from ..session import Session

_COLOURS = {"success": "green", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the id of a backup, the beginning of one, or latest")
    parser.add_argument("--files", action="store_true", help="list the files (tables, collections) too")
    parser.add_argument("--component", metavar="NAME", help="with --files: those of this component only")
    add_place_arguments(parser)


def run(session: Session) -> Result:
    arguments = session.arguments
    return show_backup(backup_id=arguments.id, files=arguments.files, component=arguments.component, **given_place(session))


def subject(result: ShowResult) -> t.Optional[str]:
    return result.backup["id"] if result.backup else ""


def show(result: ShowResult, console: Console) -> None:
    if result.backup is None:
        return
    _show_backup(result, result.backup, console)
    if result.lists:
        console.line()
        console.lines(entry_line(entry["component"], entry) for entry in result.rows())


def _show_backup(result: ShowResult, backup: t.Dict[str, t.Any], console: Console) -> None:
    facts = (
        ("backup", backup["id"]),
        ("host, job", "%s, %s" % (backup["host"], backup["job"])),
        ("kind, tag", "%s, %s" % (backup["kind"], backup["tag"])),
        ("started", local_time(from_iso(backup["started"]))),
        ("finished", local_time(from_iso(backup["finished"]))),
        ("outcome", Cell(backup["outcome"], _COLOURS.get(backup["outcome"], ""))),
        ("size", "%s, %s stored" % (size(backup["bytes"]), size(backup["stored"]))),
        ("on stores", ", ".join(result.copies)),
        ("taken by", "fleet.backup %s" % backup["engine"]),
    )
    console.lines(table(("", ""), facts, colours=console.colours)[1:])
    console.line()
    headers = ("COMPONENT", "SOURCE", "FORMAT", "ENTRIES", "SIZE", "STORED")
    rows = [
        (c["name"], c["source"], _format(c), number(c["entries"]), size(c["bytes"]), size(c["stored"]))
        for c in backup["components"]
    ]
    console.lines(table(headers, rows, headers[3:], console.colours))
    for component in backup["components"]:
        if component["facts"] is None:
            console.line("%s: what was true of its source is encrypted" % component["name"])
        elif component["facts"]:
            console.line(safe("%s: %s" % (component["name"], _fact(component["facts"]))))
    for warning in backup["warnings"]:
        component = "%s: " % warning["component"] if warning.get("component") else ""
        console.line(safe("warning: %s%s" % (component, warning.get("message") or warning["code"])))


def _format(component: t.Dict[str, t.Any]) -> str:
    return "%s, %s" % (component["format"], component["compression"])


def _fact(value: t.Any) -> str:
    if isinstance(value, dict):
        return ", ".join("%s %s" % (key, _fact(inner)) for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_fact(inner) for inner in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    return str(value)
