# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking a tree in the order of the index, with what is to be left out left out.

Folders are held open and their children opened relative to them, so that nobody can lead the walk elsewhere by putting a
link in the place of a folder. One descriptor per level; a folder's names are all that is kept in memory.
"""

from __future__ import annotations

import os
import re
import stat
import typing as t
from dataclasses import dataclass, field

from ..names import STAGING_PREFIX
from ..system import OPEN_READ, open_folder
from .patterns import Patterns

_CACHE_TAG = "CACHEDIR.TAG"
_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"  # https://bford.info/cachedir/

# As tree/staging.py names its folders.
_is_staging = re.compile(re.escape(STAGING_PREFIX) + r"[0-9a-f]{8}\Z").match

REGULAR, DIRECTORY, OTHER = "regular", "directory", "other"


class Item(t.NamedTuple):
    """Something found. ``path`` is its archive path.

    A folder comes with its state and its own descriptor in ``dir_fd``. Anything else is to be opened as ``leaf`` relative to
    ``dir_fd``, and looked at then. Descriptors stay open only until the next item is asked for.
    """

    path: bytes
    leaf: str
    dir_fd: t.Optional[int]
    kind: str
    st: t.Optional[os.stat_result]


class Run(t.NamedTuple):
    """Plain files of a folder that follow one another: what most of a tree is, without an Item for each.

    ``leaves`` are to be opened relative to ``dir_fd``; the path of each is ``prefix`` and its name.
    """

    prefix: bytes
    names: t.List[str]
    leaves: t.List[str]
    dir_fd: t.Optional[int]


@dataclass
class Rules:
    """What a walk leaves out. Patterns are relative to each root."""

    include: t.Optional[Patterns] = None
    exclude: t.Optional[Patterns] = None
    exclude_caches: bool = False
    exclude_if_present: t.Sequence[str] = ()
    one_file_system: bool = False
    #: ``(st_dev, st_ino)`` of folders that are never entered nor listed.
    leave_out: t.AbstractSet[t.Tuple[int, int]] = field(default_factory=frozenset)
    #: Told of each folder that a restore stages things in, or left behind when it was interrupted: it is left out.
    staging: t.Callable[[bytes], None] = lambda _path: None


#: Told of what could not be read: archive path, error.
Report = t.Callable[[bytes, OSError], None]


class _Folder:
    """A folder that is being walked. ``chosen``: all below it is wanted; ``told``: its own item has been yielded."""

    __slots__ = ("chosen", "directories", "fd", "item", "names", "others", "path", "prefix", "told")

    def __init__(self, path: str, fd: t.Optional[int], item: Item, chosen: bool) -> None:
        self.path = path
        self.fd = fd
        self.item = item
        self.prefix = item.path + b"/" if item.path else b""
        self.chosen = chosen
        self.told = chosen or not item.path
        self.directories: t.Set[str] = set()
        self.others: t.Set[str] = set()
        self.names: t.Iterator[str] = iter(self._list())

    def _list(self) -> t.List[str]:
        with os.scandir(self.path if self.fd is None else self.fd) as found:
            entries = list(found)
        names = [entry.name for entry in entries]
        for entry in [entry for entry in entries if not entry.is_file(follow_symlinks=False)]:
            (self.directories if entry.is_dir(follow_symlinks=False) else self.others).add(entry.name)
        if all(map(str.isascii, names)):
            names.sort()
        else:
            names.sort(key=os.fsencode)  # surrogate escapes sort elsewhere than the bytes that they stand for
        return names

    def leaf(self, name: str) -> str:
        return name if self.fd is not None else os.path.join(self.path, name)

    def only(self, names: t.Sequence[str]) -> None:
        """Leave out everything but ``names``."""
        self.names = iter(names)
        self.directories = set()

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)


def items(found: t.Iterable[t.Union[Item, Run]]) -> t.Iterator[Item]:
    """What a walk finds, one by one."""
    for one in found:
        if isinstance(one, Item):
            yield one
        else:
            for name, leaf in zip(one.names, one.leaves):
                yield Item(one.prefix + os.fsencode(name), leaf, one.dir_fd, REGULAR, None)


def walk(path: str, name: bytes, rules: Rules, report: Report) -> t.Iterator[t.Union[Item, Run]]:
    """Yield what lies at ``path`` (followed when it is a link) and below it. ``name`` is its archive path.

    Folders that a restore is staging things in are left out.
    A ``dir_fd`` is open only until the next item is asked for. Raises OSError when ``path`` itself cannot be read.
    """
    st = os.stat(path)
    if not stat.S_ISDIR(st.st_mode):
        # The link, if it is one, is resolved by name: descriptors are opened without following.
        yield Item(name, os.path.realpath(path), None, REGULAR if stat.S_ISREG(st.st_mode) else OTHER, None)
        return
    skip = len(name) + 1 if name else 0
    stack: t.List[_Folder] = []
    try:
        fd = open_folder(os.path.realpath(path), None)
        root = _enter(path, fd, Item(name, path, fd, DIRECTORY, st), rules.include is None, rules)
        stack.append(root)
        if root.chosen and name:
            yield root.item
        while stack:
            folder = stack[-1]
            names: t.List[str] = []
            leaf, chosen = _advance(folder, rules, skip, names)
            if names:
                yield from _untold(stack)
                leaves = names if folder.fd is not None else [folder.leaf(one) for one in names]
                yield Run(folder.prefix, names, leaves, folder.fd)
            if leaf is None:
                stack.pop().close()
                continue
            item_path = folder.prefix + os.fsencode(leaf)
            if leaf in folder.directories:
                try:
                    below = _descend(folder, leaf, item_path, chosen, rules, st.st_dev)
                except OSError as error:
                    report(item_path, error)
                    continue
                if below is None:
                    continue
                stack.append(below)
                if chosen:
                    yield from _untold(stack)
                    yield below.item
            else:
                yield from _untold(stack)
                yield Item(item_path, folder.leaf(leaf), folder.fd, OTHER, None)
    finally:
        for folder in stack:
            folder.close()


def _advance(folder: _Folder, rules: Rules, skip: int, names: t.List[str]) -> t.Tuple[t.Optional[str], bool]:
    """Add the plain files that come next and are chosen to ``names``.

    Returns what follows and is none (None at the end of the folder): a folder to be entered, or something chosen; and whether
    it is chosen itself.
    """
    directories, others = folder.directories, folder.others
    filtered = rules.exclude is not None or rules.include is not None
    chosen = folder.chosen
    if chosen and not (filtered or directories or others):
        names.extend(folder.names)
    for leaf in folder.names:
        is_dir = leaf in directories
        if filtered:
            path = (folder.prefix + os.fsencode(leaf))[skip:]
            if rules.exclude is not None and rules.exclude.match(path, is_dir):
                continue
            verdict = rules.include.match(path, is_dir) if rules.include is not None else None
            chosen = folder.chosen if verdict is None else verdict
        if is_dir:
            if not (leaf.startswith(STAGING_PREFIX) and _is_staging(leaf)):
                return leaf, chosen
            rules.staging(folder.prefix + os.fsencode(leaf))
        elif chosen:
            if leaf in others:
                return leaf, chosen
            names.append(leaf)
    return None, False


def _descend(
    folder: _Folder, leaf: str, path: bytes, chosen: bool, rules: Rules, device: int
) -> t.Optional[_Folder]:  # fmt: skip
    """Enter a folder; None when it is one that is never entered."""
    fd = open_folder(folder.leaf(leaf), folder.fd)
    st = os.fstat(fd) if fd is not None else os.stat(folder.leaf(leaf))
    if st.st_ino and (st.st_dev, st.st_ino) in rules.leave_out:
        if fd is not None:
            os.close(fd)
        return None
    below = _enter(os.path.join(folder.path, leaf), fd, Item(path, folder.leaf(leaf), fd, DIRECTORY, st), chosen, rules)
    if rules.one_file_system and st.st_dev != device:
        below.only(())  # a mount point stays, as an empty folder
    return below


def _enter(path: str, fd: t.Optional[int], item: Item, chosen: bool, rules: Rules) -> _Folder:
    try:
        folder = _Folder(path, fd, item, chosen)
    except OSError:
        if fd is not None:
            os.close(fd)
        raise
    mark = _mark(folder, rules)
    if mark is not None:
        folder.only((mark,))
    return folder


def _untold(stack: t.Sequence[_Folder]) -> t.Iterator[Item]:
    """The folders above something chosen that were not chosen themselves, once."""
    for folder in stack:
        if not folder.told:
            folder.told = True
            yield folder.item


def _mark(folder: _Folder, rules: Rules) -> t.Optional[str]:
    """The file that marks a folder as one whose content is left out, if there is one. The mark itself stays."""
    for mark in rules.exclude_if_present:
        if _exists(folder, mark):
            return mark
    if rules.exclude_caches and _exists(folder, _CACHE_TAG) and _is_cache_tag(folder.leaf(_CACHE_TAG), folder.fd):
        return _CACHE_TAG
    return None


def _exists(folder: _Folder, name: str) -> bool:
    try:
        os.stat(folder.leaf(name), dir_fd=folder.fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_cache_tag(leaf: str, dir_fd: t.Optional[int]) -> bool:
    try:
        fd = os.open(leaf, OPEN_READ, dir_fd=dir_fd)
    except OSError:
        return False
    try:
        return os.read(fd, len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
    finally:
        os.close(fd)
