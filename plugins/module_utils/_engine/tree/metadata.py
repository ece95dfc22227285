# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, mode, times and attributes: which of an entry's the caller may give, giving them, comparing them."""

from __future__ import annotations

import base64
import os
import stat
import typing as t

from ..archive.index import Entry
from ..names import printable
from ..result import Notice
from ..system import HAS_MODES, IS_WINDOWS, give_owner, gives_owners, group_id, list_xattrs, remove_xattr, set_xattr, user_id
from .listing import DIRECTORY, SYMLINK

Handle = t.Union[int, str]

_SET_IDS = stat.S_ISUID | stat.S_ISGID
_CAPABILITY = "security.capability"

_MESSAGES = {
    "owner-not-set": "belong to the user who restored them: only root can give files away",
    "set-id-dropped": "were restored without set-uid, set-gid or capabilities; set_ids, as root, restores them too",
    "xattr-not-set": "were restored without some of their extended attributes",
    "device-skipped": "are device nodes and were left out; devices, as root, restores them too",
    "special-skipped": "are fifos, which this system does not have",
    "link-skipped": "are symbolic links, which this user may not make: Windows asks for an administrator, or Developer Mode",
    "name-skipped": "were left out: Windows takes no such names, nor two that differ only in case",
    "hard-link-copied": "were hard links and are files of their own now: the file system refused to link them",
}


class Metadata(t.NamedTuple):
    """``owner`` is None where it is left as it is. ``times`` are those of access and modification, in nanoseconds."""

    mode: int
    owner: t.Optional[t.Tuple[int, int]]
    times: t.Tuple[int, int]
    xattrs: t.Dict[str, bytes]

    def to_json(self) -> t.Dict[str, t.Any]:
        return {**self._asdict(), "xattrs": {n: base64.b64encode(v).decode("ascii") for n, v in self.xattrs.items()}}

    @classmethod
    def from_json(cls, value: t.Dict[str, t.Any]) -> Metadata:
        owner, times = value["owner"], value["times"]
        xattrs = {n: base64.b64decode(v) for n, v in value["xattrs"].items()}
        return cls(value["mode"], (owner[0], owner[1]) if owner else None, (times[0], times[1]), xattrs)

    @classmethod
    def of(cls, info: os.stat_result, xattrs: t.Dict[str, bytes]) -> Metadata:
        """What something has now."""
        owner = (info.st_uid, info.st_gid) if gives_owners() else None
        return cls(stat.S_IMODE(info.st_mode), owner, (info.st_atime_ns, info.st_mtime_ns), xattrs)


class Given(t.NamedTuple):
    """What something new has without being given it."""

    mode: int
    owner: t.Tuple[int, int]


class Permissions:
    """What the caller may give to what is restored. Keeps account of what could not be given."""

    def __init__(self, set_ids: bool, devices: bool) -> None:
        self.superuser = gives_owners()
        self.devices = devices and self.superuser
        self._set_ids = set_ids
        self._self = (0, 0)
        if not IS_WINDOWS:
            self._self = os.geteuid(), os.getegid()
        self._owners: t.Dict[t.Tuple[t.Any, ...], t.Tuple[int, int]] = {}
        self._missed: t.Dict[str, Notice] = {}

    @property
    def user(self) -> int:
        """The number of the caller."""
        return self._self[0]

    def metadata(self, entry: Entry, path: t.Optional[bytes] = None) -> Metadata:
        """What an entry is to have. With ``path`` it is about to be given, and what is not given is noted."""
        key = (entry.get("uid"), entry.get("gid"), entry.get("user"), entry.get("group"))
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = self._owner(*key)
        mode = int(entry["mode"], 8)
        if path is not None and not self.superuser and owner != self._self:
            self.miss("owner-not-set", path)
        ids = mode & (stat.S_ISUID if entry["type"] == DIRECTORY else _SET_IDS)
        if ids and not (self._set_ids and (self.superuser or owner == self._self)):
            mode &= ~ids
            if path is not None:
                self.miss("set-id-dropped", path)
        xattrs = entry.get("xattrs")
        chosen = self._xattrs(xattrs, path) if xattrs else {}
        return Metadata(mode, owner if self.superuser else None, (entry["mtime"], entry["mtime"]), chosen)

    def plain_owner(self, entry: Entry) -> t.Optional[t.Tuple[int, int, int]]:
        """The mode, user and group of a file that gets just these, as the entry has them; None when there is more to it."""
        mode, owner, _times, xattrs = self.metadata(entry)
        user, group = owner or self._self
        is_own = (user, group) == self._owners[entry.get("uid"), entry.get("gid"), entry.get("user"), entry.get("group")]
        return (mode, user, group) if is_own and mode == int(entry["mode"], 8) and mode <= 0o777 and not xattrs else None

    def give(self, handle: Handle, metadata: Metadata, path: bytes, has: t.Optional[Given] = None) -> None:
        """Give ``metadata`` to something just made. Attributes come before the mode, which may forbid them; the times last.

        ``has``: what it has already, where that is known.
        """
        mode = metadata.mode
        if metadata.owner is not None and (has is None or has.owner != metadata.owner):
            try:
                give_owner(handle, *metadata.owner)
            except OSError:
                # No such id in this name space, or a server that does not let root be root.
                self.miss("owner-not-set", path)
                mode &= ~_SET_IDS
            has = None  # changing the owner can change the mode
        # ACLs last: with one that lets the owner only read, nothing else could be set.
        for name in sorted(metadata.xattrs, key=_is_acl) if metadata.xattrs else ():
            try:
                set_xattr(handle, name, metadata.xattrs[name])
            except OSError:
                self.miss("xattr-not-set", path)
        if has is None or has.mode != mode or metadata.xattrs:
            os.chmod(handle, mode)
        os.utime(handle, ns=metadata.times)

    def correct(self, handle: Handle, metadata: Metadata, path: bytes) -> None:
        """Give ``metadata`` to something that has been there: attributes that it does not name are taken away.

        What has it already is not touched: it may belong to somebody else.
        """
        xattrs = self.comparable(list_xattrs(handle))
        now = Metadata.of(os.stat(handle), xattrs)
        if now._replace(times=(0, now.times[1])) == metadata._replace(times=(0, metadata.times[1])):
            return
        if not self.superuser and not now.mode & stat.S_IWUSR and xattrs != metadata.xattrs:
            os.chmod(handle, now.mode | stat.S_IWUSR)
        for name in xattrs:
            if name not in metadata.xattrs:
                try:
                    remove_xattr(handle, name)
                except OSError:
                    self.miss("xattr-not-set", path)
        self.give(handle, metadata, path)

    def agrees(self, info: os.stat_result, xattrs: t.Mapping[str, bytes], entry: Entry, times: bool = True) -> bool:
        """Whether something that exists has what the entry is to have."""
        wanted = self.metadata(entry)
        if times and info.st_mtime_ns != wanted.times[1]:
            return False
        if wanted.owner is not None and (info.st_uid, info.st_gid) != wanted.owner:
            return False
        if entry["type"] == SYMLINK:
            return True
        # Set-id bits that the archive has and the caller may not give are left alone where they are already.
        kept = int(entry["mode"], 8) & ~wanted.mode
        if HAS_MODES and stat.S_IMODE(info.st_mode) & ~kept != wanted.mode:
            return False
        return self.comparable(xattrs) == self.comparable(wanted.xattrs)

    def comparable(self, xattrs: t.Mapping[str, bytes]) -> t.Dict[str, bytes]:
        """The attributes that are the file's own: what the system labels files with is its own affair."""
        return {n: v for n, v in xattrs.items() if not n.startswith("security.") or (n == _CAPABILITY and self._set_ids)}

    def miss(self, code: str, path: bytes) -> None:
        """Note that something of an entry was not restored."""
        notice = self._missed.get(code)
        if notice is None:
            notice = self._missed[code] = Notice(code, "", count=0)
        notice.count += 1
        if len(notice.paths) < Notice.LIMIT:
            notice.paths.append(printable(path))

    def notices(self, component: str) -> t.List[Notice]:
        """What was not restored, one notice a code."""
        for code, notice in self._missed.items():
            notice.component = component
            notice.message = "%d entries %s" % (notice.count, _MESSAGES[code])
        return [self._missed[code] for code in sorted(self._missed)]

    def _owner(
        self, uid: t.Optional[int], gid: t.Optional[int], user: t.Optional[str], group: t.Optional[str]
    ) -> t.Tuple[int, int]:  # fmt: skip
        """By name where the name is known here, by number otherwise; the caller's own where the archive tells neither."""
        uid, gid = (self._self[0] if uid is None else uid), (self._self[1] if gid is None else gid)
        known_user = user_id(user) if isinstance(user, str) else None
        known_group = group_id(group) if isinstance(group, str) else None
        return (uid if known_user is None else known_user, gid if known_group is None else known_group)

    def _xattrs(self, xattrs: t.Mapping[str, str], path: t.Optional[bytes]) -> t.Dict[str, bytes]:
        chosen = {}
        for name, value in xattrs.items():
            if name == _CAPABILITY and not (self.superuser and self._set_ids):
                code = "set-id-dropped"
            elif name.startswith(("security.", "trusted.")) and not self.superuser:
                # Labels are put on by the system itself.
                code = "" if name == "security.selinux" else "xattr-not-set"
            else:
                chosen[name] = base64.b64decode(value)
                continue
            if path is not None and code:
                self.miss(code, path)
        return chosen


def _is_acl(name: str) -> bool:
    return name.startswith("system.")
