# SPDX-License-Identifier: GPL-3.0-or-later
"""RESTORE.txt: how to restore a backup with stock tools alone (docs/format.md)."""

from __future__ import annotations

import typing as t

from .manifest import SEALED_ENDING, Component

_HEAD = """\
fleet.backup: backup {id}
of job {job} on host {host}.

This folder can be restored without fleet.backup, by the commands below. They need only what the system's packages
bring: sha256sum (coreutils), {tools}. Run them with sh, in this folder.
{sealed}
With fleet.backup it is easier, and parts can be restored alone:
fleet-backup restore {job} --from THIS-FOLDER --to SOMEWHERE

1. Check that nothing is missing or damaged:

    sha256sum -c SHA256SUMS
"""

_SEALED = """\

The data is encrypted. Set IDENTITY to the file that holds the secret key (AGE-SECRET-KEY-1...) first; for a backup encrypted
with a passphrase leave "-i $IDENTITY" out of the commands, and age asks for it.
"""

_TREE_NOTE = {
    "tar": "Names begin with the path without its leading slash. As root, owners are restored too.",
    "zip": "A zip has no hard links, devices, extended attributes or ACLs; {index} lists them.",
}

_DECOMPRESS = {"zstd": "zstd -dc", "gzip": "gzip -dc", "none": "cat"}
# In a locale without UTF-8, unzip writes other names than the archive holds.
_UNZIP = "LC_ALL=C.UTF-8 unzip -q -o"
_TOOLS = {"zstd": ["zstd"], "gzip": ["gzip"], "none": [], "deflate": ["unzip"]}


def restore_text(host: str, job: str, backup_id: str, components: t.Sequence[Component]) -> bytes:
    """The content of RESTORE.txt: lines indented by four spaces are commands."""
    tools: t.List[str] = []
    for component in components:
        tools += (["tar"] if component.format == "tar" else []) + _TOOLS[component.compression]
    sealed = any(_is_sealed(component) for component in components)
    if sealed:
        tools.insert(0, "age")
    listed = ", ".join(dict.fromkeys(tools)) or "cat"
    text = _HEAD.format(id=backup_id, job=job, host=host, tools=listed, sealed=_SEALED if sealed else "")
    for number, component in enumerate(components, 2):
        text += "\n%d. Component %s (source: %s), into restored/%s:\n\n" % (
            number, component.name, component.source, component.name,
        )  # fmt: skip
        text += "    mkdir -p restored/%s\n" % component.name
        text += "".join("    %s\n" % command for command in _commands(component))
        note = _TREE_NOTE.get(component.format) or _stream_note(component)
        if note:
            text += "\n" + note.format(index=component.index.name) + "\n"
    return text.encode("utf-8")


def _is_sealed(component: Component) -> bool:
    return component.volumes[0].name.endswith(SEALED_ENDING)


def _commands(component: Component) -> t.List[str]:
    target = "restored/%s" % component.name
    volumes = " ".join(v.name for v in component.volumes)
    read = "cat %s" % volumes
    if _is_sealed(component):
        # Each volume is an age file of its own.
        read = 'for v in %s; do age -d -i "$IDENTITY" "$v" || kill $$; done' % volumes
    if component.format == "zip":
        if read == "cat %s" % component.volumes[0].name:
            return ["unzip -q -o %s -d %s" % (volumes, target)]
        return ["%s > %s.zip" % (read, target), "unzip -q -o %s.zip -d %s" % (target, target)]
    decompress = "%s | %s" % (read, _DECOMPRESS[component.compression])
    if component.format == "tar":
        return ["%s | tar -x -p --xattrs --acls -C %s -f -" % (decompress, target)]
    return ["%s > %s/%s" % (decompress, target, _stream_name(component))]


def _stream_name(component: Component) -> str:
    """The volume's name without what compression and splitting added: ``database.sqlite``."""
    name = component.volumes[0].name
    parts = [p for p in name[len(component.name) :].split(".") if p and not p.isdigit() and p not in ("zst", "gz", "age")]
    return ".".join([component.name, *parts])


def _stream_note(component: Component) -> str:
    if component.source == "sqlite":
        return (
            "This is the database file itself. Stop the application, put it in the place of the old one, and remove a -wal or"
            " -shm file that lies beside that."
        )
    return ""
