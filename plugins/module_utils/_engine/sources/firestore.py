# SPDX-License-Identifier: GPL-3.0-or-later
"""A Firestore database: its collections, with all that is below them, as lines of JSON, all as they were at one moment.

Facts: ``project``, ``database``, ``read_time`` (that moment), ``tables`` (the documents of each collection; of those below others
together, as ``clientes/*/pagos``).
"""

from __future__ import annotations

import os
import typing as t

from ..options import Option
from ..result import Notice
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader

ENDING = ".jsonl"


class FirestoreSource(Source):
    """Each collection at the root is a section: its documents, and those of the collections below them, ordered by name."""

    OPTIONS = (
        Option("project", "str", "The id of the Google Cloud project.", required=True, example="cocheras-app"),
        Option("database", "str", "The database of the project.", default="(default)"),
        Option(
            "collections",
            "list",
            "The collections at the root to read, each with all that is below it. Default: all.",
            example=["clientes", "pagos"],
        ),
        Option(
            "service_account",
            "str",
            "The key of a service account (JSON, as the console gives it). Default: the credentials of the environment, or those"
            " of the machine.",
            secret=True,
        ),
        Option(
            "emulator_host",
            "str",
            "Address of a Firestore emulator, which needs no credentials. Default: as C(FIRESTORE_EMULATOR_HOST) says.",
            example="127.0.0.1:8080",
        ),
        Option("timeout", "duration", "How long one answer of Firestore may take.", default="60s"),
    )
    shape = "stream"
    requires = ("googleapiclient",)
    restore_note = (
        "Each line is a document: its path and its fields, typed as in Firestore's REST API, which writes them back: its method"
        ' documents:commit takes for each an "update" with these fields and its name,'
        " projects/PROJECT/databases/(default)/documents/PATH."
    )

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        for n, name in enumerate(options["collections"]):
            if isinstance(name, str) and ("/" in name or not name):
                problems.append("collections[%d]: %r is no collection at the root" % (n, name))
            elif name in options["collections"][:n]:
                problems.append("collections[%d]: %s is named twice" % (n, name))
        return problems

    def plan(self) -> Plan:
        from ..firestore.client import Firestore

        firestore = Firestore.of(self.options)
        try:
            collections = self.options["collections"] or firestore.collections()
        finally:
            firestore.close()
        return Plan(len(collections), 0, {"collections": sorted(collections)})

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        return self.options if self.plan().entries else None

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        from ..firestore.client import Firestore
        from ..firestore.lines import kind_of, to_line

        firestore = Firestore.of(self.options)
        try:
            read_time = firestore.now()
            collections = self.options["collections"] or firestore.collections(read_time)
            stream = component.stream(component.name.encode("ascii") + ENDING.encode("ascii"), ENDING)
            tables: t.Dict[str, int] = {}
            empty = []
            for collection in sorted(collections, key=lambda name: str(name).encode("utf-8")):
                stream.begin_entry(collection.encode("utf-8"), "collection")
                before = stream.bytes
                tables[collection] = 0
                for document in firestore.documents(collection, read_time):
                    line = to_line(document)
                    stream.write(line)
                    progress(len(line))
                    kind = kind_of(document.path)
                    tables[kind] = tables.get(kind, 0) + 1
                if stream.bytes == before:
                    empty.append(collection)
        finally:
            firestore.close()
        facts = {
            "project": self.options["project"],
            "database": self.options["database"],
            "read_time": read_time,
            "tables": tables,
        }
        notices = []
        if empty:
            # Firestore does not know collections without documents: whoever names one may have mistyped it.
            message = "there is no document in %s" % ", ".join(empty)
            notices.append(Notice("collection-empty", message, self.name, len(empty), empty))
        return Reading(facts, notices)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        from ..firestore.restoring import plan

        if target.to is not None:
            from ..file_restoring import plan as plan_file

            return plan_file(_file(component, target.to))
        return plan(component, target)

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        if target.to is not None:
            from ..file_restoring import FileRestoring

            return FileRestoring(component, _file(component, target.to), target.include)
        from ..firestore.restoring import FirestoreRestoring

        return FirestoreRestoring(component, target)


def _file(component: ComponentReader, folder: str) -> str:
    return os.path.join(folder, component.component.name + ENDING)
