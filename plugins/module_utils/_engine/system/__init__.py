# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to the operating system: locks, ids, open flags, vectored reads, xattrs, durable renames.

Everything that differs between POSIX and Windows is here, and nowhere else.
"""

from __future__ import annotations

import os

if os.name == "nt":
    from .windows import (
        GROUP_OPTIONS,
        HAS_DIR_FD,
        OPEN_READ,
        archive_name,
        as_user,
        current_user,
        end_group,
        group_id,
        group_name,
        is_superuser,
        list_xattrs,
        list_xattrs_at,
        lock_file,
        open_folder,
        open_to_others,
        read_into,
        remove_xattr,
        set_xattr,
        sync_folder,
        user_id,
        user_name,
        widen_pipe,
    )
else:
    from .posix import (
        GROUP_OPTIONS,
        HAS_DIR_FD,
        OPEN_READ,
        archive_name,
        as_user,
        current_user,
        end_group,
        group_id,
        group_name,
        is_superuser,
        list_xattrs,
        list_xattrs_at,
        lock_file,
        open_folder,
        open_to_others,
        read_into,
        remove_xattr,
        set_xattr,
        sync_folder,
        user_id,
        user_name,
        widen_pipe,
    )

__all__ = [
    "GROUP_OPTIONS",
    "HAS_DIR_FD",
    "OPEN_READ",
    "archive_name",
    "as_user",
    "current_user",
    "end_group",
    "group_id",
    "group_name",
    "is_superuser",
    "list_xattrs",
    "list_xattrs_at",
    "lock_file",
    "open_folder",
    "open_to_others",
    "read_into",
    "remove_xattr",
    "set_xattr",
    "sync_folder",
    "user_id",
    "user_name",
    "widen_pipe",
]
