# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of a dump. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

SPEC: t.Dict[str, t.Any] = {
    "sqlite": {
        "type": "dict",
        "options": {
            "path": {"type": "path", "required": True},
            "integrity_check": {"type": "str", "default": "full", "choices": ["full", "quick"]},
            "on_corrupt": {"type": "str", "default": "failure", "choices": ["failure", "warning"]},
            "foreign_key_check": {"type": "bool", "default": True, "no_log": False},
            "timeout": {"type": "str", "default": "60s"},
        },
    },
    "mysql": {
        "type": "dict",
        "options": {
            "databases": {"type": "list", "default": ["all"], "elements": "str"},
            "exclude": {"type": "list", "elements": "str"},
            "host": {"type": "str"},
            "port": {"type": "int"},
            "socket": {"type": "path"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "password_file": {"type": "path", "no_log": False},
            "password_env": {"type": "str", "no_log": False},
            "password_credential": {"type": "str", "no_log": False},
            "tls": {"type": "bool", "default": False},
            "tls_ca": {"type": "path"},
            "non_transactional": {"type": "str", "default": "refuse", "choices": ["refuse", "lock", "warn"]},
            "accounts": {"type": "bool", "default": True},
            "restore_as": {"type": "list", "elements": "str"},
            "timeout": {"type": "str"},
            "container": {"type": "str"},
            "docker_host": {"type": "str"},
            "run_as": {"type": "str"},
        },
    },
    "firestore": {
        "type": "dict",
        "options": {
            "project": {"type": "str", "required": True},
            "database": {"type": "str", "default": "(default)"},
            "collections": {"type": "list", "elements": "str"},
            "service_account": {"type": "str", "no_log": True},
            "service_account_file": {"type": "path", "no_log": False},
            "service_account_env": {"type": "str", "no_log": False},
            "service_account_credential": {"type": "str", "no_log": False},
            "emulator_host": {"type": "str"},
            "timeout": {"type": "str", "default": "60s"},
        },
    },
    "redis": {
        "type": "dict",
        "options": {
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 6379},
            "socket": {"type": "path"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "password_file": {"type": "path", "no_log": False},
            "password_env": {"type": "str", "no_log": False},
            "password_credential": {"type": "str", "no_log": False},
            "tls": {"type": "bool", "default": False},
            "ca_cert": {"type": "path"},
            "method": {"type": "str", "default": "replication", "choices": ["replication", "save"]},
            "data_dir": {"type": "path"},
            "redis_cli": {"type": "str", "default": "redis-cli"},
            "timeout": {"type": "str", "default": "10m"},
            "container": {"type": "str"},
            "docker_host": {"type": "str"},
            "run_as": {"type": "str"},
        },
    },
    "command": {
        "type": "dict",
        "options": {
            "command": {"type": "list", "required": True, "elements": "str"},
            "restore_command": {"type": "list", "elements": "str"},
            "ending": {"type": "str", "default": "out"},
            "environment": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "value": {"type": "str", "no_log": True},
                    "value_file": {"type": "path", "no_log": False},
                    "value_env": {"type": "str", "no_log": False},
                    "value_credential": {"type": "str", "no_log": False},
                },
            },
            "on_empty": {"type": "str", "default": "failure", "choices": ["failure", "warning", "ignore"]},
            "timeout": {"type": "str", "default": "1h"},
            "container": {"type": "str"},
            "docker_host": {"type": "str"},
            "run_as": {"type": "str"},
        },
    },
    "dest": {"type": "path", "required": True},
    "compression": {
        "type": "dict",
        "options": {"algorithm": {"type": "str", "choices": ["zstd", "gzip", "none"]}, "level": {"type": "int"}},
    },
}
