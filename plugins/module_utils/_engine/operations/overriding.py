# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a source that hold for one restore, instead of the job's: another server, another name, how many at a time."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ..errors import ConfigurationError
from ..options import Option, check, written
from ..secret import WAYS
from ..sources import load

Options = t.Dict[str, t.Any]


def overridden(driver: str, options: t.Optional[Options], given: t.Mapping[str, t.Any]) -> t.Optional[Options]:
    """The checked options of a source with ``given`` in their place. Texts become numbers and lists where need be.

    ``options`` is None when the job is not known any more; then ``given`` is all there is. Raises ConfigurationError.
    """
    if not given:
        return options
    source = load(driver)
    declared = {option.name: option for option in written(source.OPTIONS)}
    for name in given:
        if name in declared and declared[name].secret:
            raise ConfigurationError(
                "options.%s: a secret is not given here as it is; name where it stands, with %s"
                % (name, " or ".join("%s_%s" % (name, way) for way in WAYS))
            )
    texts = {name: _value(declared.get(name), value) for name, value in given.items()}
    if options is None:
        result = check(texts, source.OPTIONS, "options")
    else:
        checked = check(texts, _optional(source.OPTIONS), "options")
        result = _merged(options, texts, checked)
    problems = ["options.%s" % problem for problem in source.check_options(result)]
    if problems:
        raise ConfigurationError(*problems)
    return result


def _optional(options: t.Sequence[Option]) -> t.List[Option]:
    """The same options, none of them required."""
    return [dataclasses.replace(option, required=False, options=tuple(_optional(option.options))) for option in options]


def _merged(old: Options, given: t.Mapping[str, t.Any], checked: Options) -> Options:
    """What was checked in the place of the old, as far as it was given; of a dictionary, key by key."""
    result = dict(old)
    for key, value in given.items():
        name = key if key in checked else _plain(key)
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            result[name] = _merged(old[name], value, checked[name])
        else:
            result[name] = checked[name]
    return result


def _plain(name: str) -> str:
    """The name of a secret that is given in another way."""
    return name.rpartition("_")[0]


def _value(option: t.Optional[Option], value: t.Any) -> t.Any:
    """A text from a command line as what the option takes."""
    if option is None or not isinstance(value, str):
        return value
    try:
        if option.type == "int":
            return int(value)
        if option.type == "bool":
            return {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
        if option.type in ("list", "dict") and value[:1] in ("[", "{"):
            return json.loads(value)
    except ValueError:
        return value
    return [value] if option.type == "list" else value
