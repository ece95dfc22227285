# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders, with all their metadata."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import typing as t

from ..archive.index import Root, sort_key
from ..archive.keeping import Files, Taken
from ..archive.previous import content_of, is_trusted
from ..archive.tree_writer import TreeWriter, Xattrs
from ..errors import SourceError
from ..names import printable
from ..options import Option
from ..result import Notice
from ..system import OPEN_READ, archive_name, list_xattrs, list_xattrs_at, read_into
from ..tree.patterns import Patterns
from ..tree.walk import DIRECTORY, REGULAR, Item, Rules, Run, items, walk
from . import Plan, Reading, RestorePlan, RestoreTarget, Restoring, Source

if t.TYPE_CHECKING:
    from ..archive.component import ComponentWriter
    from ..archive.reader import ComponentReader

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
_STAGING = "restore-unfinished"
_WHAT = {
    "file-unreadable": "could not be read",
    "file-changed": "changed while being read",
    "file-vanished": "vanished before being read",
    _STAGING: "left out as part of a restore that is under way, or was interrupted and is put right by the next one",
}
_REPORT_EVERY = 1 << 20
_BUFFER = 1 << 20


class FilesSource(Source):
    """One or several roots, each a folder or a file."""

    OPTIONS = (
        Option(
            "paths",
            "list",
            "The folders and files to read. A link named here is followed; links below are stored as links.",
            required=True,
            elements="path",
            example=["/srv/app/uploads"],
        ),
        Option(
            "exclude",
            "list",
            "Patterns of what to leave out, as in C(.gitignore), relative to each path.",
            example=["*.tmp", "__pycache__/"],
        ),
        Option("include", "list", "Patterns of what to read, as in C(.gitignore). Without any, everything that is not excluded."),
        Option(
            "exclude_caches", "bool", "Leave out the content of folders that a C(CACHEDIR.TAG) marks as a cache.", default=False
        ),
        Option("exclude_if_present", "list", "Leave out the content of folders that hold a file of one of these names."),
        Option("one_file_system", "bool", "Do not enter other file systems that are mounted below the paths.", default=False),
        Option(
            "on_unreadable",
            "str",
            "What it means when a file or folder cannot be read.",
            default="warning",
            choices=("warning", "failure"),
        ),
        Option(
            "on_changed",
            "str",
            "What it means when a file changes or vanishes while it is read.",
            default="warning",
            choices=("ignore", "warning", "failure"),
        ),
        Option(
            "detect",
            "str",
            "How an incremental backup tells that a file has not changed. V(times): by its size, times and inode. V(checksum): by"
            " reading it again.",
            default="times",
            choices=("times", "checksum"),
        ),
    )
    shape = "tree"

    @classmethod
    def check_options(cls, options: t.Dict[str, t.Any]) -> t.List[str]:
        problems = []
        for key in ("include", "exclude"):
            for n, pattern in enumerate(options[key]):
                try:
                    Patterns([pattern])
                except ValueError as error:
                    problems.append("%s[%d]: %s" % (key, n, error))
        for n, mark in enumerate(options["exclude_if_present"]):
            if not mark or "/" in mark or mark in (".", ".."):
                problems.append("exclude_if_present[%d]: %r is no plain file name" % (n, mark))
        paths = [p for p in options["paths"] if isinstance(p, str)]
        for n, path in enumerate(paths):
            for m, other in enumerate(paths):
                if path == other and m < n:
                    problems.append("paths[%d]: %s is named twice" % (n, path))
                elif path != other and (path + os.sep).startswith(other.rstrip(os.sep) + os.sep):
                    problems.append("paths[%d]: %s lies inside paths[%d]; name it once" % (n, path, m))
        return problems

    def present(self) -> t.Optional[t.Dict[str, t.Any]]:
        paths = [path for path in self.options["paths"] if os.path.exists(path)]
        return {**self.options, "paths": paths} if paths else None

    def plan(self) -> Plan:
        plan = Plan()
        unreadable: t.List[str] = []
        for root in self.roots():
            for item in items(self._walk(root, lambda path, _error: unreadable.append(printable(path)))):
                try:
                    st = item.st or os.stat(item.leaf, dir_fd=item.dir_fd, follow_symlinks=False)
                except OSError:
                    unreadable.append(printable(item.path))
                    continue
                if not stat.S_ISSOCK(st.st_mode):
                    plan.entries += 1
                    plan.bytes += st.st_size if stat.S_ISREG(st.st_mode) else 0
        if unreadable:
            plan.details["unreadable"] = unreadable[: Notice.LIMIT]
        return plan

    def backup(self, component: ComponentWriter, progress: t.Callable[[int], None]) -> Reading:
        roots = self.roots()
        archive = component.tree(roots)
        trust_times = self.options["detect"] == "times"
        if archive.keeper is not None and archive.previous is not None and trust_times:
            from ..archive.scout import Scout

            archive.previous.scout = Scout(roots)
        run = _Reading(archive, progress, trust_times)
        for root in roots:
            for found in self._walk(root, run.failed, run.staging):
                if isinstance(found, Run):
                    run.add_run(found)
                else:
                    run.add(found)
        run.told()
        return run.reading(self.name, self.options)

    @classmethod
    def plan_restore(cls, component: ComponentReader, target: RestoreTarget) -> RestorePlan:
        from ..tree.restore import plan_restore

        return plan_restore(component, target, rules_of(target))

    @classmethod
    def restore(cls, component: ComponentReader, target: RestoreTarget) -> Restoring:
        from ..tree.restore import TreeRestore

        return TreeRestore(component, target, rules_of(target))

    def roots(self) -> t.List[Root]:
        """What is read, in the order of the index."""
        roots = [Root(os.fsencode(path), archive_name(path)) for path in self.options["paths"]]
        return sorted(roots, key=lambda root: sort_key(root.name))

    @classmethod
    def places(cls, options: t.Dict[str, t.Any]) -> t.Sequence[str]:
        paths: t.List[str] = options["paths"]
        return paths

    def _walk(
        self,
        root: Root,
        report: t.Callable[[bytes, OSError], None],
        staging: t.Callable[[bytes], None] = lambda _path: None,
    ) -> t.Iterator[t.Union[Item, Run]]:
        path = os.fsdecode(root.path)
        rules = _rules(self.options, self.leave_out)
        rules.staging = staging
        try:
            st = os.stat(path)
            if (st.st_dev, st.st_ino) in rules.leave_out and st.st_ino:
                raise SourceError("%s: is a store, or the state folder, of fleet.backup itself" % path)
            yield from walk(path, root.name, rules, report)
        except FileNotFoundError:
            raise SourceError("%s: does not exist; take it out of the job, or bring it back" % path) from None
        except OSError as error:
            raise SourceError("%s: cannot be read: %s" % (path, error.strerror)) from error


def _rules(options: t.Dict[str, t.Any], leave_out: t.Sequence[str]) -> Rules:
    folders = set()
    for path in leave_out:
        try:
            st = os.stat(path)
        except OSError:
            continue
        folders.add((st.st_dev, st.st_ino))
    return Rules(
        include=Patterns(options["include"]) if options["include"] else None,
        exclude=Patterns(options["exclude"]) if options["exclude"] else None,
        exclude_caches=options["exclude_caches"],
        exclude_if_present=options["exclude_if_present"],
        one_file_system=options["one_file_system"],
        leave_out=folders,
    )


def rules_of(target: RestoreTarget) -> t.Optional[Rules]:
    """What the source backs up, as far as the job is known."""
    return _rules(target.options, target.leave_out) if target.options else None


def _none(_prefix: bytes, files: Files, _dir_fd: t.Optional[int]) -> Taken:
    return Taken(next(files, None))


class _Reading:
    """One reading of the trees: what was archived, and what went wrong with what."""

    def __init__(self, archive: TreeWriter, progress: t.Callable[[int], None], trust_times: bool) -> None:
        self._archive = archive
        self._trust_times = trust_times
        # What takes the plainest files, many at a time.
        self._quick: t.Callable[[bytes, Files, t.Optional[int]], Taken] = _none
        if archive.previous is None:
            self._quick = archive.put_plain
        elif archive.keeper is not None and trust_times:
            self._quick = archive.keeper.keep
        self._progress = progress
        self._reported = 0
        self._links: t.Dict[t.Tuple[int, int], t.Tuple[bytes, bytes]] = {}
        self._problems: t.Dict[str, Notice] = {}
        self._counts = dict.fromkeys(("files", "directories", "symlinks", "hard_links", "special", "sockets_skipped"), 0)

    def add(self, item: Item) -> None:
        try:
            if item.kind == REGULAR:
                self._file(item)
            elif item.kind == DIRECTORY and item.st is not None:
                xattrs = list_xattrs(item.leaf if item.dir_fd is None else item.dir_fd)
                self._archive.directory(item.path, item.st, xattrs)
                self._counts["directories"] += 1
            else:
                self._other(item)
        except OSError as error:
            self.failed(item.path, error)

    def add_run(self, run: Run) -> None:
        """Files one after another: the plainest ones by a way that costs little for each."""
        files = zip(run.names, run.leaves)
        while True:
            taken = self._quick(run.prefix, files, run.dir_fd)
            self._counts["files"] += taken.number
            self._archive.bytes += taken.bytes
            if taken.left is None:
                break
            path = run.prefix + os.fsencode(taken.left[0])
            try:
                self._file(Item(path, taken.left[1], run.dir_fd, REGULAR, None), taken.opened)
            except OSError as error:
                self.failed(path, error)
        if self._archive.bytes - self._reported >= _REPORT_EVERY:
            self.told()

    def failed(self, path: bytes, error: OSError) -> None:
        """Note that something could not be read. What is no trouble of that one file passes through."""
        if error.errno in _GONE:
            self._problem("file-vanished", path)
        elif error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise error
        else:
            self._problem("file-unreadable", path)

    def staging(self, path: bytes) -> None:
        """Note a folder that is no part of the tree."""
        self._problem(_STAGING, path)

    def told(self) -> None:
        self._progress(self._archive.bytes - self._reported)
        self._reported = self._archive.bytes

    def reading(self, source: str, options: t.Dict[str, t.Any]) -> Reading:
        reading = Reading(facts=dict(self._counts))
        for code, notice in sorted(self._problems.items()):
            meaning = "warning" if code == _STAGING else options["on_unreadable" if code == "file-unreadable" else "on_changed"]
            more = ", ..." if notice.count > 3 else ""
            notice.component = source
            notice.message = "%d %s: %s%s" % (notice.count, _WHAT[code], ", ".join(notice.paths[:3]), more)
            if meaning == "failure":
                reading.failure = "%s; the job asks to fail for that" % notice.message
            if meaning != "ignore":
                reading.notices.append(notice)
        return reading

    def _file(self, item: Item, opened: t.Optional[t.Tuple[int, os.stat_result]] = None) -> None:
        """``opened``: the file and its state, if it is open already."""
        line = self._archive.previous.find(item.path) if self._archive.previous is not None else None
        if line is not None and self._trust_times and self._keep(item, line):
            return
        if opened is not None:
            self._read(item, *opened, line)
            return
        try:
            fd = os.open(item.leaf, OPEN_READ, dir_fd=item.dir_fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):  # no regular file any more
                self._other(item)
                return
            raise
        self._read(item, fd, None, line)

    def _read(self, item: Item, fd: int, st: t.Optional[os.stat_result], line: t.Optional[bytes]) -> None:
        """Archive a file that is open; close it."""
        path = item.path
        try:
            st = st or os.fstat(fd)
            if not stat.S_ISREG(st.st_mode):
                self._other(item)
                return
            xattrs = list_xattrs(fd)
            code = None
            first = self._links.get((st.st_dev, st.st_ino)) if st.st_nlink > 1 else None
            if first is not None:
                self._archive.link(path, fd, st, first[0], first[1], xattrs)
                self._counts["hard_links"] += 1
                return
            content = self._same_content(path, fd, st, xattrs, line) if line is not None else None
            if content is None:
                code, content = self._archive.file(path, fd, st, xattrs, line)
            if st.st_nlink > 1:
                self._links[st.st_dev, st.st_ino] = (path, content)
        finally:
            os.close(fd)
        self._counts["files"] += 1
        if code is not None:
            self._problem(code, path)
        if self._archive.bytes - self._reported >= _REPORT_EVERY:
            self.told()

    def _keep(self, item: Item, line: bytes) -> bool:
        """Take over the entry of the backup before, when the file has not changed since."""
        st = os.stat(item.leaf, dir_fd=item.dir_fd, follow_symlinks=False)
        if st.st_nlink == 1:
            kept = self._archive.keep(item.path, st, line)
            self._counts["files"] += kept
            return kept
        first = self._links.get((st.st_dev, st.st_ino))
        kept = self._archive.keep(item.path, st, line, first[0] if first else None)
        if kept and first is None:
            self._links[st.st_dev, st.st_ino] = (item.path, content_of(json.loads(line)))
        self._counts["hard_links" if first else "files"] += kept
        return kept

    def _same_content(self, path: bytes, fd: int, st: os.stat_result, xattrs: Xattrs, line: bytes) -> t.Optional[bytes]:
        """Refer to the content of the backup before when reading shows that it is still the same. Returns it then.

        Asked only where that is likely (the same size and mtime, another mode or owner, say) or when the job trusts no times:
        what is read here and found different is read twice.
        """
        entry = json.loads(line)
        likely = not self._trust_times or entry.get("mtime") == st.st_mtime_ns
        if entry["type"] != "file" or entry["size"] != st.st_size or not likely or not is_trusted(line):
            return None
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(_BUFFER))
        while True:
            count = read_into(fd, buffer)
            if not count:
                break
            digest.update(buffer[:count])
        if digest.hexdigest() == entry["sha256"] and os.fstat(fd).st_mtime_ns == st.st_mtime_ns:
            return self._archive.refer(path, st, xattrs, entry)
        os.lseek(fd, 0, os.SEEK_SET)
        return None

    def _other(self, item: Item) -> None:
        st = os.stat(item.leaf, dir_fd=item.dir_fd, follow_symlinks=False)
        mode = st.st_mode
        if stat.S_ISSOCK(mode):
            self._counts["sockets_skipped"] += 1
            return
        xattrs = list_xattrs_at(item.leaf, item.dir_fd)
        if stat.S_ISLNK(mode):
            target = os.fsencode(os.readlink(item.leaf, dir_fd=item.dir_fd))
            self._archive.symlink(item.path, st, target, xattrs)
            self._counts["symlinks"] += 1
        elif stat.S_ISDIR(mode):
            # A file a moment ago: its content was not listed.
            self._archive.directory(item.path, st, xattrs)
            self._problem("file-changed", item.path)
        elif stat.S_ISREG(mode):
            # Something else a moment ago.
            self._problem("file-changed", item.path)
        else:
            self._archive.special(item.path, st, xattrs)
            self._counts["special"] += 1

    def _problem(self, code: str, path: bytes) -> None:
        notice = self._problems.setdefault(code, Notice(code, "", count=0))
        notice.count += 1
        if len(notice.paths) < Notice.LIMIT:
            notice.paths.append(printable(path))
