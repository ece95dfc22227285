# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of each job in a file for the textfile collector of Prometheus' node exporter, replaced as a whole.

Format: the text exposition format, version 0.0.4.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import NotificationError
from ..options import Option
from ..replacement import Replacement
from ..result import from_iso
from . import TEST, Message, Notifier

_HELP = {
    "last_run_timestamp_seconds": "When the last run of the operation ended.",
    "last_success_timestamp_seconds": "When the last run ended that did not fail.",
    "last_run_outcome": "0: success, 1: with warnings, 2: failure.",
    "last_run_duration_seconds": "How long the last run took.",
    "consecutive_failures": "Runs that failed since the last that did not.",
    "warnings": "Warnings of the last run.",
    "entries": "Files, tables and the like in the last backup.",
    "bytes": "Logical bytes of the last backup.",
    "stored_bytes": "What the last backup took on each store.",
    "copies": "Stores that have the last backup.",
    "copies_missing": "Stores of the job that lack the last backup.",
    "max_age_seconds": "The age at which the newest backup counts as stale.",
}
_OUTCOMES = {"success": 0, "warning": 1, "failure": 2}


class PrometheusNotifier(Notifier):
    """See the module."""

    OPTIONS = (
        Option(
            "directory",
            "path",
            "The folder of the textfile collector. The file is C(fleet_backup_<job>.prom), readable by all: it holds names and"
            " numbers only.",
            required=True,
            example="/var/lib/prometheus/node-exporter",
        ),
    )
    keeps = False
    told_everything = True

    def tell(self, message: Message) -> None:
        if message.event == TEST:
            if not os.access(self.options["directory"], os.W_OK | os.X_OK):
                raise NotificationError("%s cannot be written to" % self.options["directory"])
            return
        path = os.path.join(self.options["directory"], "fleet_backup_%s.prom" % message.job)
        try:
            with Replacement(path, 0o644) as new:
                new.write(exposition(message).encode("utf-8"))
                new.commit()
        except OSError as error:
            raise NotificationError("%s cannot be written: %s" % (path, error.strerror)) from None


def exposition(message: Message) -> str:
    """The text of the file."""
    samples: t.Dict[str, t.List[str]] = {name: [] for name in _HELP}
    for operation, known in sorted(message.status.get("operations", {}).items()):
        labels = '{host="%s",job="%s",operation="%s"}' % (_escape(message.host), _escape(message.job), operation)
        for name, value in _values(operation, known):
            samples[name].append("fleet_backup_%s%s %s" % (name, labels, value))
    if message.max_age is not None:
        labels = '{host="%s",job="%s"}' % (_escape(message.host), _escape(message.job))
        samples["max_age_seconds"].append("fleet_backup_max_age_seconds%s %d" % (labels, message.max_age))
    lines = []
    for name, values in samples.items():
        if values:
            lines += ["# HELP fleet_backup_%s %s" % (name, _HELP[name]), "# TYPE fleet_backup_%s gauge" % name, *values]
    return "\n".join(lines) + "\n"


def _values(operation: str, known: t.Mapping[str, t.Any]) -> t.Iterator[t.Tuple[str, t.Any]]:
    last, success = known.get("last_run"), known.get("last_success")
    if success:
        yield "last_success_timestamp_seconds", _seconds(success["finished"])
    if last:
        yield "last_run_timestamp_seconds", _seconds(last["finished"])
        yield "last_run_outcome", _OUTCOMES.get(last["outcome"], 2)
        yield "last_run_duration_seconds", last["duration"]
        yield "warnings", len(last.get("warnings", ()))
    yield "consecutive_failures", known.get("consecutive_failures", 0)
    if operation == "backup" and success:
        for name, key in (("entries", "entries"), ("bytes", "bytes"), ("stored_bytes", "stored")):
            yield name, success.get(key, 0)
    if operation == "backup" and last:
        copies = last.get("copies", ())
        yield "copies", sum(copy["outcome"] == "success" for copy in copies)
        yield "copies_missing", sum(copy["outcome"] != "success" for copy in copies)


def _seconds(text: str) -> str:
    return "%.3f" % from_iso(text).timestamp()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
