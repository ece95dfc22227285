# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of an upload. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

SPEC: t.Dict[str, t.Any] = {
    "src": {"type": "path", "required": True},
    "store": {
        "type": "dict",
        "required": True,
        "options": {
            "ftp": {
                "type": "dict",
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int"},
                    "user": {"type": "str", "required": True},
                    "password": {"type": "str", "no_log": True},
                    "password_file": {"type": "path", "no_log": False},
                    "password_env": {"type": "str", "no_log": False},
                    "password_credential": {"type": "str", "no_log": False},
                    "path": {"type": "str", "required": True},
                    "tls": {"type": "str", "default": "explicit", "choices": ["explicit", "implicit", "none"]},
                    "ca_file": {"type": "path", "no_log": False},
                    "timeout": {"type": "str", "default": "60s"},
                    "read_back": {"type": "bool", "default": False},
                },
            },
            "local": {
                "type": "dict",
                "options": {"path": {"type": "path", "required": True}, "read_back": {"type": "bool", "default": False}},
            },
            "rclone": {
                "type": "dict",
                "options": {
                    "remote": {"type": "str", "required": True},
                    "config": {"type": "path"},
                    "config_password": {"type": "str", "no_log": True},
                    "config_password_file": {"type": "path", "no_log": False},
                    "config_password_env": {"type": "str", "no_log": False},
                    "config_password_credential": {"type": "str", "no_log": False},
                    "program": {"type": "str", "default": "rclone"},
                    "timeout": {"type": "str", "default": "5m"},
                },
            },
            "s3": {
                "type": "dict",
                "options": {
                    "bucket": {"type": "str", "required": True},
                    "prefix": {"type": "str"},
                    "endpoint_url": {"type": "str"},
                    "region": {"type": "str"},
                    "access_key": {"type": "str", "no_log": True},
                    "access_key_file": {"type": "path", "no_log": False},
                    "access_key_env": {"type": "str", "no_log": False},
                    "access_key_credential": {"type": "str", "no_log": False},
                    "secret_key": {"type": "str", "no_log": True},
                    "secret_key_file": {"type": "path", "no_log": False},
                    "secret_key_env": {"type": "str", "no_log": False},
                    "secret_key_credential": {"type": "str", "no_log": False},
                    "session_token": {"type": "str", "no_log": True},
                    "session_token_file": {"type": "path", "no_log": False},
                    "session_token_env": {"type": "str", "no_log": False},
                    "session_token_credential": {"type": "str", "no_log": False},
                    "profile": {"type": "str"},
                    "path_style": {"type": "bool"},
                    "ca_bundle": {"type": "path"},
                    "timeout": {"type": "str", "default": "60s"},
                    "part_size": {"type": "str", "default": "8MiB"},
                    "parallel": {"type": "int", "default": 4},
                    "checksum": {"type": "str", "default": "sha256", "choices": ["sha256", "crc32", "md5"]},
                    "conditional_create": {"type": "bool", "default": True},
                    "storage_class": {"type": "str"},
                    "encryption": {"type": "str", "choices": ["AES256", "aws:kms", "aws:kms:dsse"]},
                    "kms_key_id": {"type": "str", "no_log": False},
                    "object_lock_mode": {"type": "str", "choices": ["governance", "compliance"]},
                    "object_lock_days": {"type": "int"},
                },
            },
            "sftp": {
                "type": "dict",
                "options": {
                    "host": {"type": "str", "required": True},
                    "port": {"type": "int"},
                    "user": {"type": "str"},
                    "path": {"type": "str", "required": True},
                    "key_file": {"type": "path", "no_log": False},
                    "passphrase": {"type": "str", "no_log": True},
                    "passphrase_file": {"type": "path", "no_log": False},
                    "passphrase_env": {"type": "str", "no_log": False},
                    "passphrase_credential": {"type": "str", "no_log": False},
                    "password": {"type": "str", "no_log": True},
                    "password_file": {"type": "path", "no_log": False},
                    "password_env": {"type": "str", "no_log": False},
                    "password_credential": {"type": "str", "no_log": False},
                    "agent": {"type": "bool", "default": True},
                    "host_key": {"type": "str", "no_log": False},
                    "known_hosts": {"type": "path"},
                    "connection": {"type": "str", "default": "paramiko", "choices": ["paramiko", "ssh"]},
                    "timeout": {"type": "str", "default": "60s"},
                    "keepalive": {"type": "str", "default": "30s"},
                    "read_back": {"type": "bool", "default": False},
                },
            },
        },
        "required_one_of": [["ftp", "local", "rclone", "s3", "sftp"]],
        "mutually_exclusive": [["ftp", "local", "rclone", "s3", "sftp"]],
    },
    "key": {"type": "str", "no_log": False},
    "replace": {"type": "bool", "default": False},
}
