# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the job files of a host."""

from __future__ import annotations

import json
import os
import typing as t

from .errors import ConfigurationError
from .job import Config, parse_config


def load_config(path: str) -> Config:
    """Read a job file, or every ``*.json`` of a folder and of its ``conf.d``, and return the checked description.

    Lists (stores, jobs) of several files are joined. Raises ConfigurationError.
    """
    merged: t.Dict[str, t.Any] = {}
    files = _config_files(path)
    for name in files:
        part = _read_json(name)
        if not isinstance(part, dict):
            raise ConfigurationError("%s: must hold one JSON object" % name)
        for key, value in part.items():
            if isinstance(merged.get(key), list) and isinstance(value, list):
                merged[key] = merged[key] + value
            elif key in merged and merged[key] != value:
                raise ConfigurationError("%s: %s is already set to %r by another file" % (name, key, merged[key]))
            else:
                merged[key] = value
    try:
        return parse_config(merged)
    except ConfigurationError as error:
        raise ConfigurationError(*["%s: %s" % (", ".join(files), p) for p in error.problems]) from None


def _config_files(path: str) -> t.List[str]:
    if not os.path.isdir(path):
        return [path]
    files = []
    for folder in (path, os.path.join(path, "conf.d")):
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError("%s: cannot be read: %s" % (folder, error.strerror)) from None
        files += [os.path.join(folder, n) for n in names if n.endswith(".json") and not n.startswith(".")]
    if not files:
        raise ConfigurationError("%s: there is no job file (*.json) in this folder" % path)
    return files


def _read_json(path: str) -> t.Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ConfigurationError("%s: there is no such file; --config names a job file or a folder of them" % path) from None
    except OSError as error:
        raise ConfigurationError("%s: cannot be read: %s" % (path, error.strerror)) from None
    except ValueError as error:
        raise ConfigurationError("%s: is not valid JSON: %s" % (path, error)) from None
