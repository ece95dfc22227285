# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of a host. Written by tools/generate.py from the engine's option declarations; do not edit.

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t

SPEC: t.Dict[str, t.Any] = {
    "host": {"type": "str"},
    "stores": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "bandwidth_limit": {"type": "str"},
            "retries": {"type": "int", "default": 5},
            "stall_timeout": {"type": "str", "default": "15m"},
            "wait": {"type": "bool", "default": False},
            "write_only": {"type": "bool", "default": False},
            "local": {
                "type": "dict",
                "required": True,
                "options": {"path": {"type": "path", "required": True}, "read_back": {"type": "bool", "default": False}},
            },
        },
    },
    "jobs": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "sources": {
                "type": "list",
                "required": True,
                "elements": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "files": {
                        "type": "dict",
                        "options": {
                            "paths": {"type": "list", "required": True, "elements": "path"},
                            "exclude": {"type": "list", "elements": "str"},
                            "include": {"type": "list", "elements": "str"},
                            "exclude_caches": {"type": "bool", "default": False},
                            "exclude_if_present": {"type": "list", "elements": "str"},
                            "one_file_system": {"type": "bool", "default": False},
                            "on_unreadable": {"type": "str", "default": "warning", "choices": ["warning", "failure"]},
                            "on_changed": {"type": "str", "default": "warning", "choices": ["ignore", "warning", "failure"]},
                            "detect": {"type": "str", "default": "times", "choices": ["times", "checksum"]},
                        },
                    },
                    "sqlite": {
                        "type": "dict",
                        "options": {
                            "path": {"type": "path", "required": True},
                            "integrity_check": {"type": "str", "default": "full", "choices": ["full", "quick"]},
                            "on_corrupt": {"type": "str", "default": "failure", "choices": ["failure", "warning"]},
                            "foreign_key_check": {"type": "bool", "default": True},
                            "timeout": {"type": "str", "default": "60s"},
                        },
                    },
                    "docker_volume": {
                        "type": "dict",
                        "options": {
                            "volumes": {"type": "list", "elements": "str"},
                            "project": {"type": "str"},
                            "labels": {"type": "list", "elements": "str"},
                            "containers": {"type": "str", "default": "leave", "choices": ["stop", "pause", "leave"]},
                            "stop_timeout": {"type": "str", "default": "30s"},
                            "docker_host": {"type": "str"},
                            "exclude": {"type": "list", "elements": "str"},
                            "include": {"type": "list", "elements": "str"},
                            "exclude_caches": {"type": "bool", "default": False},
                            "exclude_if_present": {"type": "list", "elements": "str"},
                            "on_unreadable": {"type": "str", "default": "warning", "choices": ["warning", "failure"]},
                            "on_changed": {"type": "str", "default": "warning", "choices": ["ignore", "warning", "failure"]},
                            "detect": {"type": "str", "default": "times", "choices": ["times", "checksum"]},
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
                },
                "required_one_of": [["files", "sqlite", "docker_volume", "firestore"]],
                "mutually_exclusive": [["files", "sqlite", "docker_volume", "firestore"]],
            },
            "stores": {"type": "list", "required": True, "elements": "str"},
            "format": {"type": "str", "default": "tar", "choices": ["tar", "zip"]},
            "compression": {
                "type": "dict",
                "options": {"algorithm": {"type": "str", "choices": ["zstd", "gzip", "none"]}, "level": {"type": "int"}},
            },
            "encryption": {
                "type": "dict",
                "options": {
                    "recipients": {"type": "list", "elements": "str"},
                    "passphrase": {"type": "str", "no_log": True},
                    "passphrase_file": {"type": "path", "no_log": False},
                    "passphrase_env": {"type": "str", "no_log": False},
                    "passphrase_credential": {"type": "str", "no_log": False},
                },
            },
            "retention": {
                "type": "dict",
                "options": {
                    "keep_last": {"type": "int"},
                    "keep_hourly": {"type": "int"},
                    "keep_daily": {"type": "int"},
                    "keep_weekly": {"type": "int"},
                    "keep_monthly": {"type": "int"},
                    "keep_yearly": {"type": "int"},
                    "keep_within": {"type": "str"},
                    "min_keep": {"type": "int", "default": 1},
                    "max_delete": {"type": "str"},
                    "tags": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "name": {"type": "str", "required": True},
                            "keep_last": {"type": "int"},
                            "keep_hourly": {"type": "int"},
                            "keep_daily": {"type": "int"},
                            "keep_weekly": {"type": "int"},
                            "keep_monthly": {"type": "int"},
                            "keep_yearly": {"type": "int"},
                            "keep_within": {"type": "str"},
                        },
                    },
                },
            },
            "guard": {
                "type": "dict",
                "options": {
                    "enabled": {"type": "bool", "default": True},
                    "shrink": {"type": "str", "default": "75%"},
                    "rows": {"type": "int", "default": 100},
                },
            },
            "hooks": {
                "type": "dict",
                "options": {
                    "before": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "command": {"type": "list", "required": True, "elements": "str"},
                            "timeout": {"type": "str", "default": "10m"},
                        },
                    },
                    "after": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "command": {"type": "list", "required": True, "elements": "str"},
                            "timeout": {"type": "str", "default": "10m"},
                        },
                    },
                    "on_failure": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "command": {"type": "list", "required": True, "elements": "str"},
                            "timeout": {"type": "str", "default": "10m"},
                        },
                    },
                    "before_restore": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "command": {"type": "list", "required": True, "elements": "str"},
                            "timeout": {"type": "str", "default": "10m"},
                        },
                    },
                    "after_restore": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "command": {"type": "list", "required": True, "elements": "str"},
                            "timeout": {"type": "str", "default": "10m"},
                        },
                    },
                },
            },
            "timezone": {"type": "str"},
            "full_every": {"type": "str", "default": "30d"},
            "max_increments": {"type": "int"},
            "delta_cache": {"type": "str", "default": "2GiB"},
            "volume_size": {"type": "str"},
            "schedules": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "name": {"type": "str"},
                    "operation": {"type": "str", "default": "run", "choices": ["run", "verify", "prune", "copy"]},
                    "at": {"type": "str"},
                    "weekday": {"type": "str"},
                    "day": {"type": "int"},
                    "every": {"type": "str"},
                    "cron": {"type": "str"},
                    "timezone": {"type": "str"},
                    "splay": {"type": "str", "default": "0s"},
                    "tag": {"type": "str"},
                    "kind": {"type": "str", "default": "full", "choices": ["full", "differential", "incremental"]},
                    "level": {"type": "str", "default": "hashes", "choices": ["quick", "hashes", "data"]},
                    "sample": {"type": "str"},
                    "enabled": {"type": "bool", "default": True},
                },
            },
            "notify": {"type": "list", "elements": "str"},
            "spool_size": {"type": "str", "default": "1GiB"},
            "max_age": {"type": "str"},
            "lock_timeout": {"type": "str", "default": "0s"},
        },
    },
    "notifiers": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "on": {
                "type": "list",
                "default": ["warning", "failure", "stale"],
                "choices": ["success", "warning", "failure", "stale"],
                "elements": "str",
            },
            "language": {"type": "str", "default": "en", "choices": ["en", "es"]},
            "mail": {
                "type": "dict",
                "options": {
                    "to": {"type": "list", "required": True, "elements": "str"},
                    "from": {"type": "str"},
                    "preset": {"type": "str", "choices": ["gmail", "office365"]},
                    "server": {"type": "str"},
                    "port": {"type": "int"},
                    "security": {"type": "str", "choices": ["starttls", "tls", "none"]},
                    "username": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                    "password_file": {"type": "path", "no_log": False},
                    "password_env": {"type": "str", "no_log": False},
                    "password_credential": {"type": "str", "no_log": False},
                    "ca_file": {"type": "path", "no_log": False},
                    "timeout": {"type": "str", "default": "30s"},
                },
            },
            "webhook": {
                "type": "dict",
                "options": {
                    "url": {"type": "str", "no_log": True},
                    "url_file": {"type": "path", "no_log": False},
                    "url_env": {"type": "str", "no_log": False},
                    "url_credential": {"type": "str", "no_log": False},
                    "secret": {"type": "str", "no_log": True},
                    "secret_file": {"type": "path", "no_log": False},
                    "secret_env": {"type": "str", "no_log": False},
                    "secret_credential": {"type": "str", "no_log": False},
                    "authorization": {"type": "str", "no_log": True},
                    "authorization_file": {"type": "path", "no_log": False},
                    "authorization_env": {"type": "str", "no_log": False},
                    "authorization_credential": {"type": "str", "no_log": False},
                    "ca_file": {"type": "path", "no_log": False},
                    "timeout": {"type": "str", "default": "30s"},
                },
            },
            "apprise": {
                "type": "dict",
                "options": {
                    "urls": {"type": "str", "no_log": True},
                    "urls_file": {"type": "path", "no_log": False},
                    "urls_env": {"type": "str", "no_log": False},
                    "urls_credential": {"type": "str", "no_log": False},
                },
            },
            "healthcheck": {
                "type": "dict",
                "options": {
                    "url": {"type": "str", "no_log": True},
                    "url_file": {"type": "path", "no_log": False},
                    "url_env": {"type": "str", "no_log": False},
                    "url_credential": {"type": "str", "no_log": False},
                    "ca_file": {"type": "path", "no_log": False},
                    "timeout": {"type": "str", "default": "30s"},
                },
            },
            "prometheus": {"type": "dict", "options": {"directory": {"type": "path", "required": True}}},
        },
        "required_one_of": [["mail", "webhook", "apprise", "healthcheck", "prometheus"]],
        "mutually_exclusive": [["mail", "webhook", "apprise", "healthcheck", "prometheus"]],
    },
    "sign": {"type": "bool", "default": False},
    "signing_key": {"type": "path"},
    "trusted_hosts": {"type": "list", "elements": "str"},
    "scheduler": {"type": "str", "default": "auto", "choices": ["auto", "systemd", "cron", "task_scheduler"]},
    "schedules_enabled": {"type": "bool", "default": True},
    "state_dir": {"type": "path"},
}
