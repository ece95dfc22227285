# SPDX-License-Identifier: GPL-3.0-or-later
"""RESTORE.txt: how to restore a backup with stock tools alone (docs/format.md)."""

from __future__ import annotations

import json
import typing as t

from .manifest import SEALED_ENDING, Component, Deltas, StoredFile
from .sources import load

_HEAD = """\
fleet.backup: backup {id}
of job {job} on host {host}.

This folder can be restored without fleet.backup, by the commands below. They need only what the system's packages
bring: sha256sum (coreutils), {tools}. Run them with sh, in this folder, and stop at
the first one that fails (set -eu).
{sealed}
With fleet.backup it is easier, and parts can be restored alone:
fleet-backup restore {job} --from THIS-FOLDER --to SOMEWHERE

1. Check that nothing is missing or damaged:

    sha256sum -c SHA256SUMS
"""

_SEALED = """\

The data is encrypted. First tell where the file is that holds the secret key (AGE-SECRET-KEY-1...): export IDENTITY=/path/to/it
For a backup encrypted with a passphrase leave -i "$IDENTITY" out of the commands, and age asks for it.
"""

_TREE_NOTE = {
    "tar": "Names begin with the path without its leading slash: as root, cp -a {target}/. / puts everything\n"
    "in its place. As root, owners are restored too.",
    "zip": "A zip has no hard links, devices, extended attributes or ACLs; {index} lists them.",
}

_DELTA_TOOL = "python3 (3.14, or older with the package backports.zstd)"
_DELTA_NOTE = """\
Only what differs from backup {base} is stored here; its folder is needed too, and must lie beside this one.

"""
# One frame after the other, each with a run of the base as prefix.
_DELTA_SCRIPT = """\
python3 - <<'END'
import json
try:
    from compression import zstd
except ImportError:
    from backports import zstd
rows = [row for volume in json.load(open("{frames}"))["volumes"] for row in volume["frames"]]
with open("{target}.base", "rb") as base, open("{target}.delta", "rb") as delta, open("{file}", "wb") as file:
    for _offset, stored, _raw, run in rows:
        base.seek(run[0] if run else 0)
        prefix = zstd.ZstdDict(base.read(run[1]), is_raw=True).as_prefix if run else None
        file.write(zstd.decompress(delta.read(stored), zstd_dict=prefix))
END
rm {target}.base {target}.delta"""

_OLDER_NOTE = """\
Only what is new or changed is stored here; the rest lies in older backups. Their folders are needed too, and must lie beside
this one:
{older}
There must be room for all of what they hold.

"""
_OLDER_SCRIPT = """\
python3 - <<'END'
import base64, json, os
def place(entry, key):
    name = base64.b64decode(entry[key + "_b64"]) if key + "_b64" in entry else entry[key].encode("utf-8")
    return os.path.join(b"{target}", name)
for line in open("{target}.entries", encoding="utf-8"):
    entry = json.loads(line)
    if entry.get("type") not in ("file", "link") or "delta" in entry:
        continue
    path, backup = place(entry, "path"), entry.get("bytes", [""])[0]
    if backup == "{id}" or os.path.lexists(path):
        continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if backup:
        os.replace(path.replace(b"{target}", b"{target}." + backup.encode(), 1), path)
    elif entry["type"] == "link":
        os.link(place(entry, "target"), path)
    else:
        with open(path, "wb") as file:
            file.truncate(entry["size"])
        if os.geteuid() == 0:
            os.chown(path, entry["uid"], entry["gid"])
            for name, value in entry.get("xattrs", {{}}).items():
                os.setxattr(path, name.encode("utf-8", "surrogateescape"), base64.b64decode(value))
        os.chmod(path, int(entry["mode"], 8))
        os.utime(path, ns=(entry["mtime"], entry["mtime"]))
END
rm -r {target}.entries {folders}"""

_FILES_NOTE = """\
Of changed large files only what differs from older backups is stored here ({bases}); the folders of those are needed too,
and must lie beside this one.

"""
_FILES_SCRIPT = """\
python3 - <<'END'
import base64, bisect, json, os
try:
    from compression import zstd
except ImportError:
    from backports import zstd
def frames_of(table, paths):
    frames, start = [], 0
    for volume, path in zip(json.load(open(table))["volumes"], paths):
        for offset, stored, raw, *run in volume["frames"]:
            frames.append((start, path, offset, stored, *run))
            start += raw
    return frames
def read(path, offset, size):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)
def read_base(frames, start, size):
    number = bisect.bisect(frames, (start + 1,)) - 1
    skip, data = start - frames[number][0], b""
    while len(data) < skip + size:
        data += zstd.decompress(read(*frames[number][1:]))
        number += 1
    return data[skip:skip + size]
delta = frames_of("{frames}", {volumes})
bases = [
{bases}
]
def decode(number):
    _start, *place, run = delta[number]
    prefix = zstd.ZstdDict(read_base(bases[run[2]], *run[:2]), is_raw=True).as_prefix if run else None
    return zstd.decompress(read(*place), zstd_dict=prefix)
for line in open("{target}.entries", encoding="utf-8"):
    entry = json.loads(line)
    backup, frame, _offset, size = entry.get("delta", [None, 0, 0, 0])
    if backup != "{id}":
        continue
    path = base64.b64decode(entry["path_b64"]) if "path_b64" in entry else entry["path"].encode("utf-8")
    path = os.path.join(b"{target}", path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        data = b""
        for start, length in entry.get("segments", [[0, size]]):
            file.seek(start)
            while length:
                if not data:
                    data, frame = decode(frame), frame + 1
                count = file.write(data[:length])
                data, length = data[count:], length - count
        file.truncate(entry["size"])
    if os.geteuid() == 0:
        os.chown(path, entry["uid"], entry["gid"])
    os.chmod(path, int(entry["mode"], 8))
    os.utime(path, ns=(entry["mtime"], entry["mtime"]))
END
rm {target}.entries"""

_DECOMPRESS = {"zstd": "zstd -dc", "gzip": "gzip -dc", "none": "cat"}
# In a locale without UTF-8, unzip writes other names than the archive holds.
_UNZIP = "LC_ALL=C.UTF-8 unzip -q -o"
# What storing adds to the name of a stream.
_STORED_ENDINGS = ("zst", "zst-delta", "gz", "age")
_TOOLS = {"zstd": ["zstd"], "gzip": ["gzip"], "none": [], "deflate": ["unzip"]}


def restore_text(
    host: str, job: str, backup_id: str, components: t.Sequence[Component], bases: t.Mapping[t.Tuple[str, str], Component],
    used: t.Mapping[str, t.Mapping[str, t.Collection[str]]],
) -> bytes:  # fmt: skip
    """The content of RESTORE.txt: lines indented by four spaces are commands.

    ``bases``: what is built upon, by name and backup. ``used``: the older backups that a tree needs, by its name, and the
    volumes there.
    """
    tools: t.List[str] = []
    for component in components:
        tools += (["tar"] if component.format == "tar" else []) + _TOOLS[component.compression]
        older, deltas = _older(component, used.get(component.name, {}), bases)
        if component.is_delta or component.deltas is not None or deltas:
            tools.append(_DELTA_TOOL)
        elif _is_partial(component):
            tools.append("python3")
    sealed = any(_is_sealed(component) for component in components)
    if sealed:
        tools.insert(0, "age")
    listed = ", ".join(dict.fromkeys(tools)) or "cat"
    text = _HEAD.format(id=backup_id, job=job, host=host, tools=listed, sealed=_SEALED if sealed else "")
    for number, component in enumerate(components, 2):
        text += "\n%d. Component %s (source: %s), into restored/%s:\n\n" % (
            number, component.name, component.source, component.name,
        )  # fmt: skip
        base = bases.get((component.name, component.base or "")) if component.is_delta else None
        if base is not None:
            text += _DELTA_NOTE.format(base=component.base)
        older, deltas = _older(component, used.get(component.name, {}), bases)
        if older:
            text += _OLDER_NOTE.format(older="\n".join("  " + older_id for older_id in older))
        commands = _commands(component) if base is None else _delta_commands(component, base)
        # tar sets what the folders are at its end; unzip does only for those that it makes.
        before = _older_commands(backup_id, component, older)
        commands = before + commands if component.format == "tar" else commands + before
        text += "    mkdir -p restored/%s\n" % component.name
        text += "".join("    %s\n" % command for command in commands)
        if component.deltas is not None:
            deltas[backup_id] = component.deltas
        for holder, part in deltas.items():
            needed = [i for i in part.bases if (component.name, i) in bases]
            text += "\n" + _FILES_NOTE.format(bases=", ".join(needed if holder == backup_id else [holder, *needed]))
            commands = _files_commands(holder, component, part, bases, "" if holder == backup_id else "../%s/" % holder)
            text += "".join("    %s\n" % command for command in commands)
        notes = [
            _TREE_NOTE.get(component.format, "").format(index=component.index.name, target="restored/%s" % component.name),
            load(component.source).restore_note,
        ]
        text += "".join("\n%s\n" % note for note in notes if note)
    return text.encode("utf-8")


def _older(
    component: Component, used: t.Mapping[str, t.Collection[str]], bases: t.Mapping[t.Tuple[str, str], Component]
) -> t.Tuple[t.Dict[str, Component], t.Dict[str, Deltas]]:
    """Of a tree, by their ids, the older backups in whose archives something lies, and the deltas that something lies in."""
    found = {backup_id: bases[component.name, backup_id] for backup_id in sorted(used)}
    archives = {i: c for i, c in found.items() if any(v.name in used[i] for v in c.volumes)}
    parts = {i: c.deltas for i, c in found.items() if c.deltas is not None}
    return archives, {i: part for i, part in parts.items() if any(v.name in used[i] for v in part.volumes)}


def _is_partial(component: Component) -> bool:
    """Whether it is a tree of which older backups hold a part."""
    return component.shape == "tree" and component.kind != "full"


def _is_sealed(component: Component) -> bool:
    return _has_sealed(component.volumes)


def _has_sealed(objects: t.Sequence[StoredFile]) -> bool:
    return objects[0].name.endswith(SEALED_ENDING)


def _older_commands(backup_id: str, component: Component, older: t.Mapping[str, Component]) -> t.List[str]:
    """Each older backup is unpacked beside the target, and what still holds is moved over."""
    if not _is_partial(component):
        return []
    target = "restored/%s" % component.name
    commands = []
    for older_id, found in older.items():
        place = "%s.%s" % (target, older_id)
        commands.append("(cd ../%s && sha256sum -c SHA256SUMS)" % older_id)
        commands += ["mkdir %s" % place, *_commands(found, "../%s/" % older_id, place)]
    commands.append("%s | %s > %s.entries" % (_join([component.index]), _index_reader(component), target))
    folders = " ".join("%s.%s" % (target, older_id) for older_id in older)
    # Of empty files nothing lies anywhere.
    return commands + _OLDER_SCRIPT.format(target=target, id=backup_id, folders=folders).splitlines()


def _index_reader(component: Component) -> str:
    return _DECOMPRESS["gzip" if component.compression == "deflate" else component.compression]


def _commands(component: Component, folder: str = "", target: str = "") -> t.List[str]:
    """What unpacks a component whose objects lie in ``folder`` (with a slash at its end); by default into restored/NAME."""
    target = target or "restored/%s" % component.name
    volumes = " ".join(folder + v.name for v in component.volumes)
    read = _read(component, folder)
    if component.format == "zip":
        if read == "cat %s%s" % (folder, component.volumes[0].name):
            return ["%s %s -d %s" % (_UNZIP, volumes, target)]
        return ["%s > %s.zip" % (read, target), "%s %s.zip -d %s" % (_UNZIP, target, target)]
    decompress = "%s | %s" % (read, _DECOMPRESS[component.compression])
    if component.format == "tar":
        return ["%s | tar -x -p --xattrs --acls -C %s -f -" % (decompress, target)]
    return ["%s > %s/%s" % (decompress, target, _stream_name(component))]


def _delta_commands(component: Component, base: Component) -> t.List[str]:
    target = "restored/%s" % component.name
    file = "%s/%s" % (target, _stream_name(component))
    return [
        "(cd ../%s && sha256sum -c SHA256SUMS)" % component.base,
        "%s | %s > %s.base" % (_read(base, "../%s/" % component.base), _DECOMPRESS[base.compression], target),
        "%s > %s.delta" % (_read(component), target),
        *_DELTA_SCRIPT.format(frames=component.frames.name, target=target, file=file).splitlines(),
    ]


def _files_commands(
    backup_id: str, component: Component, deltas: Deltas, bases: t.Mapping[t.Tuple[str, str], Component], folder: str = ""
) -> t.List[str]:
    """What makes the files of ``component`` whose deltas lie in the backup ``backup_id``, in ``folder`` (by default here)."""
    target = "restored/%s" % component.name
    commands = ["(cd %s && sha256sum -c SHA256SUMS)" % folder] if folder else []
    tables = []
    for older in deltas.bases:
        base = bases.get((component.name, older))
        if base is None:
            tables.append("    None,")  # nothing of it is needed any more
            continue
        beside = "../%s/" % older
        commands.append("(cd %s && sha256sum -c SHA256SUMS)" % beside)
        opening, paths = _opened(base.volumes, "%s.%s." % (target, older), beside)
        commands += opening
        tables.append("    frames_of(%s, %s)," % (json.dumps(beside + base.frames.name), json.dumps(paths)))
    opening, paths = _opened(deltas.volumes, target + ".", folder)
    script = _FILES_SCRIPT.format(
        frames=folder + deltas.frames.name, volumes=json.dumps(paths), bases="\n".join(tables), target=target, id=backup_id
    )
    return [
        *commands,
        *opening,
        "%s | %s > %s.entries" % (_join([component.index]), _index_reader(component), target),
        *script.splitlines(),
        *(["rm %s.*.age" % target] if opening else []),
    ]


def _opened(volumes: t.Sequence[StoredFile], beside: str, folder: str = "") -> t.Tuple[t.List[str], t.List[str]]:
    """The commands that decrypt each volume to a file whose name begins with ``beside``, and where they can be read then."""
    if not _has_sealed(volumes):
        return [], [folder + v.name for v in volumes]
    names = " ".join(v.name for v in volumes)
    command = 'for v in %s; do age -d -i "$IDENTITY" "%s$v" > "%s$v" || kill $$; done' % (names, folder, beside)
    return [command], [beside + v.name for v in volumes]


def _read(component: Component, folder: str = "") -> str:
    """The command that writes a component's volumes, joined and decrypted."""
    return _join(component.volumes, folder)


def _join(objects: t.Sequence[StoredFile], folder: str = "") -> str:
    """The command that writes objects one after another, decrypted."""
    volumes = " ".join(folder + o.name for o in objects)
    if not _has_sealed(objects):
        return "cat %s" % volumes
    # Each volume is an age file of its own.
    return 'for v in %s; do age -d -i "$IDENTITY" "$v" || kill $$; done' % volumes


def _stream_name(component: Component) -> str:
    """The volume's name without what compression and splitting added: ``database.sqlite``."""
    name = component.volumes[0].name
    parts = [p for p in name[len(component.name) :].split(".") if p and not p.isdigit() and p not in _STORED_ENDINGS]
    return ".".join([component.name, *parts])
