# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files for tests: make odd ones from a seed, take their whole state, compare two states.

    before = trees.snapshot(folder)
    ...
    assert trees.differences(before, trees.snapshot(folder)) == []

Linux only. Reads through directory descriptors, so paths longer than PATH_MAX are seen like any other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import stat
import struct
import typing as t
from dataclasses import dataclass, fields

PathLike = t.Union[str, bytes, "os.PathLike[str]"]

_BLOCK = 1 << 16
_TYPES = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "symlink"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "character"),
    (stat.S_ISBLK, "block"),
)


@dataclass(frozen=True)
class Node:
    """Everything of one name that a restore must bring back.

    ``first`` is the first path (bytewise) of those that are the same inode. ``content`` hashes the non-zero blocks with their
    places, so that it does not depend on which zeros are holes; it is None where the file cannot be read. ``sparse``: at
    least a quarter of the file, and 64 KiB, are holes.
    """

    type: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: t.Optional[int] = None
    content: t.Optional[str] = None
    sparse: bool = False
    target: t.Optional[bytes] = None
    rdev: t.Optional[t.Tuple[int, int]] = None
    first: t.Optional[bytes] = None
    xattrs: t.Tuple[t.Tuple[str, bytes], ...] = ()


Snapshot = t.Dict[bytes, Node]


def snapshot(path: PathLike, sockets: bool = False) -> Snapshot:
    """The state of ``path`` and of all that is below it, by relative path (``b""`` is the root itself).

    Sockets are left out, as in a backup, unless asked for.
    """
    nodes: Snapshot = {}
    firsts: t.Dict[t.Tuple[int, int], t.List[bytes]] = {}
    root = os.fsencode(path)
    parent = os.open(os.path.dirname(root) or b".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        _visit(parent, os.path.basename(root), b"", nodes, firsts, sockets)
    finally:
        os.close(parent)
    for names in firsts.values():
        if len(names) > 1:
            for name in names:
                nodes[name] = Node(**{**_values(nodes[name]), "first": min(names)})
    return nodes


def differences(before: Snapshot, after: Snapshot, ignore: t.Collection[str] = ()) -> t.List[str]:
    """What differs, one readable line each; ``ignore`` names fields of Node that do not matter."""
    lines = ["%r is missing (%s)" % (path, before[path].type) for path in sorted(before.keys() - after.keys())]
    lines += ["%r was not there before (%s)" % (path, after[path].type) for path in sorted(after.keys() - before.keys())]
    for path in sorted(before.keys() & after.keys()):
        old, new = _values(before[path]), _values(after[path])
        lines += [
            "%r: %s was %r, is %r" % (path, name, old[name], new[name])
            for name in old
            if name not in ignore and old[name] != new[name]
        ]
    return lines


def _values(node: Node) -> t.Dict[str, t.Any]:
    return {f.name: getattr(node, f.name) for f in fields(node)}


def _visit(
    parent: int, name: bytes, path: bytes, nodes: Snapshot, firsts: t.Dict[t.Tuple[int, int], t.List[bytes]], sockets: bool
) -> None:
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    kind = next(word for test, word in _TYPES if test(info.st_mode))
    if kind == "socket" and not sockets:
        return
    nodes[path] = _node(parent, name, kind, info)
    if kind != "directory":
        firsts.setdefault((info.st_dev, info.st_ino), []).append(path)
        return
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except PermissionError:
        return
    try:
        for child in os.listdir(fd):
            encoded = os.fsencode(child)
            _visit(fd, encoded, path + b"/" + encoded if path else encoded, nodes, firsts, sockets)
    finally:
        os.close(fd)


def _node(parent: int, name: bytes, kind: str, info: os.stat_result) -> Node:
    regular = kind == "file"
    holes = info.st_size - info.st_blocks * 512
    return Node(
        type=kind,
        mode=stat.S_IMODE(info.st_mode),
        uid=info.st_uid,
        gid=info.st_gid,
        mtime_ns=info.st_mtime_ns,
        size=info.st_size if regular else None,
        content=_content(parent, name) if regular else None,
        sparse=regular and holes >= max(info.st_size // 4, _BLOCK),
        target=os.readlink(name, dir_fd=parent) if kind == "symlink" else None,
        rdev=(os.major(info.st_rdev), os.minor(info.st_rdev)) if kind in ("character", "block") else None,
        xattrs=_xattrs(b"/proc/self/fd/%d/" % parent + name),
    )


def _content(parent: int, name: bytes) -> t.Optional[str]:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
    except PermissionError:
        return None
    digest = hashlib.sha256()
    try:
        place = 0
        while True:
            try:
                place = os.lseek(fd, place, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                return digest.hexdigest()
            block = os.pread(fd, _BLOCK, place)
            if block.strip(b"\0"):
                digest.update(place.to_bytes(8, "little") + block)
            place += _BLOCK
    finally:
        os.close(fd)


def _xattrs(path: bytes) -> t.Tuple[t.Tuple[str, bytes], ...]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return tuple(sorted((n, os.getxattr(path, n, follow_symlinks=False)) for n in names))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EACCES, errno.EPERM):
            return ()
        raise


# Names that break programs: separators of other systems, quoting, options, globs, line ends, invalid and decomposed UTF-8.
ODD_NAMES: t.Tuple[bytes, ...] = (
    b"-rf",
    b" leading",
    b"trailing ",
    b"...",
    b".hidden",
    b"new\nline",
    b"carriage\rreturn",
    b"tab\tbell\x07escape\x1b[31m",
    b"\x01",
    b"\x7f",
    b"quote'\"`$HOME",
    b"back\\slash",
    b"star*?[a-z]{b}",
    b"!bang #hash",
    b"100%s%(x)d",
    b"C:",
    b"con.txt",
    "\u00e9 composed".encode(),
    "e\u0301 decomposed".encode(),
    "\u65e5\u672c\u8a9e \U0001f600".encode(),
    "\u202eright-to-left".encode(),
    "\u2028separator".encode(),
    b"\xff\xfe not UTF-8",
    b"latin1 \xe9",
    b"surrogate \xed\xa0\x80",
    b"n" * 255,
    ("\u00fc" * 127).encode(),
)

# Around the sizes at which an archive changes its mind: blocks of tar, groups and frames (1 and 4 MiB).
EDGE_SIZES: t.Tuple[int, ...] = (
    0,
    1,
    511,
    512,
    513,
    10240,
    (1 << 20) - 512,
    (1 << 20) + 1,
    (4 << 20) - 1,
    4 << 20,
    (4 << 20) + 1,
)

# Before 1970, at it, with every digit of a nanosecond, after 2038 and beyond 33 bits of seconds.
EDGE_TIMES: t.Tuple[int, ...] = (-1, 0, 1, -1_500_000_001, 1_000_000_000_123_456_789, 2**31 * 10**9 + 1, 4_102_444_800 * 10**9)


def make_tree(path: PathLike, seed: int, entries: int = 60, odd: bool = True, big: bool = False) -> str:
    """Make a tree of about ``entries`` names below ``path`` (made when missing), the same for the same seed; return ``path``.

    ``odd`` adds odd names and types, links, holes, extended attributes and ACLs; as root also owners, set-id bits and device
    nodes. ``big`` allows files at every edge of the archive's block sizes (some 20 MiB).
    """
    root = os.fsencode(path)
    os.makedirs(root, exist_ok=True)
    rng = random.Random(seed)
    folders, files, all_paths = [root], [], []
    for n in range(entries):
        parent = rng.choice(folders[-8:])
        name = rng.choice(ODD_NAMES) if odd and rng.random() < 0.5 else b"%s%d" % (rng.choice((b"file", b"data.", b"IMG_")), n)
        place = os.path.join(parent, name)
        if len(place) > 3000 or os.path.lexists(place):
            continue
        kind = rng.choice(("folder", "file", "file", "file")) if not odd else rng.choice(_MAKERS)
        if kind == "folder":
            os.mkdir(place)
            folders.append(place)
        elif kind == "file":
            _make_file(place, rng, big)
            files.append(place)
        else:
            _make_odd(place, kind, rng, root, files)
        if os.path.lexists(place):
            all_paths.append(place)
    # From the leaves up, so that the times of folders stay; modes last, because they may lock us out.
    for place in sorted(all_paths, key=lambda p: p.count(b"/"), reverse=True) + [root]:
        _dress(place, rng, odd and place != root)
    return os.fsdecode(root)


_MAKERS = ("folder",) * 4 + ("file",) * 9 + ("symlink",) * 3 + ("link",) * 2 + ("sparse", "fifo", "socket", "device")


def text(rng: random.Random, size: int) -> bytes:
    """Bytes that compress like prose."""
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(200)]
    return b" ".join(rng.choices(words, k=size // 4 + 1))[:size].ljust(size, b"\n")


def _make_file(place: bytes, rng: random.Random, big: bool) -> None:
    size = rng.choice(EDGE_SIZES if big else EDGE_SIZES[:6]) if rng.random() < 0.4 else rng.randint(0, 30000)
    make = rng.choice((text, lambda r, n: r.getrandbits(8 * n).to_bytes(n, "big") if n else b"", lambda r, n: bytes(n)))
    with open(place, "wb") as file:
        file.write(make(rng, size))


def _make_odd(place: bytes, kind: str, rng: random.Random, root: bytes, files: t.List[bytes]) -> None:
    if kind == "symlink":
        targets = [b"gone", b"..", b"/", b"/etc/passwd", os.path.basename(place), b"\xff\n\xfe", b"x/" * 2000 + b"y", root]
        os.symlink(rng.choice(targets + files[-3:]), place)
    elif kind == "link" and files:
        os.link(rng.choice(files), place)
    elif kind == "sparse":
        make_sparse(
            place, [(rng.randint(0, 40) << 16, text(rng, rng.randint(1, 9000))) for _ in range(rng.randint(0, 3))], 6 << 20
        )
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "socket":
        _make_socket(place)
    elif kind == "device" and os.geteuid() == 0:
        # The null and zero devices: harmless, should anything open them.
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, rng.choice((3, 5))))


def make_sparse(path: PathLike, pieces: t.Iterable[t.Tuple[int, bytes]], size: int) -> None:
    """A file of ``size`` bytes that holds ``pieces`` ((offset, data)) and holes."""
    with open(path, "wb") as file:
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
        file.truncate(size)


def _make_socket(place: bytes) -> None:
    # The address of a socket is short (108 bytes); the way through the descriptor of its folder always fits.
    folder = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(b"/proc/self/fd/%d/.socket" % folder)
        os.rename(".socket", place, src_dir_fd=folder)
    finally:
        os.close(folder)


def acl(users: t.Mapping[int, int], owner: int = 6, group: int = 4, mask: int = 7, other: int = 0) -> bytes:
    """A POSIX ACL as the kernel takes it in ``system.posix_acl_access`` (linux/posix_acl_xattr.h): user id to rwx bits."""
    none = 0xFFFFFFFF
    lines = [(0x01, owner, none)] + [(0x02, bits, uid) for uid, bits in sorted(users.items())]
    lines += [(0x04, group, none), (0x10, mask, none), (0x20, other, none)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *line) for line in lines)


def _dress(place: bytes, rng: random.Random, odd: bool) -> None:
    """Give a name owner, mode, attributes and times. The same draws for every type, so that a seed means one tree."""
    info = os.lstat(place)
    owner, attributes, acls, moment = rng.random(), rng.random(), rng.random(), rng.random()
    mode = rng.choice((0o644, 0o600, 0o755, 0o444, 0o000, 0o4755, 0o2711, 0o1666) if odd else (0o644, 0o600))
    when = rng.choice(EDGE_TIMES) if odd and moment < 0.3 else rng.randint(10**18, 17 * 10**17)
    plain = stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)
    superuser = os.geteuid() == 0
    if odd and superuser and owner < 0.3:
        os.chown(
            place, rng.choice((1, 1000, 65534, 2097152, 4_000_000_000)), rng.choice((1, 100, 3_000_000)), follow_symlinks=False
        )
    if not stat.S_ISLNK(info.st_mode):
        if stat.S_ISDIR(info.st_mode):
            mode = mode & 0o7777 | (0o500 if superuser else 0o700)
        elif not superuser:
            mode = mode & 0o1777 | 0o400
        os.chmod(place, mode)
    if odd and plain:
        if attributes < 0.3:
            _set_xattr(place, "user.note", rng.choice((b"", b"plain", bytes(range(256)))))
            _set_xattr(place, "user.\u00e9t\u00e9", b"1")
        if acls < 0.2:
            _set_xattr(place, "system.posix_acl_access", acl({1: 7, 1000: 4}))
            if stat.S_ISDIR(info.st_mode):
                _set_xattr(place, "system.posix_acl_default", acl({1000: 5}))
    os.utime(place, ns=(when, when), follow_symlinks=False)


def _set_xattr(place: bytes, name: str, value: bytes) -> None:
    try:
        os.setxattr(place, name, value)
    except OSError as error:
        # The file system of the temporary folder may have none; a mode without w for its owner forbids user.*.
        if error.errno not in (errno.ENOTSUP, errno.EACCES, errno.EPERM):
            raise
