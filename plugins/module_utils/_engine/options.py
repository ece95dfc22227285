# SPDX-License-Identifier: GPL-3.0-or-later
"""One declaration per option; checking values against it.

From the same declarations come the Ansible argument specs, the doc fragments, the JSON schema of a job file
and the tables of the docs (tools/generate.py).
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t
from dataclasses import dataclass

from .errors import ConfigurationError
from .names import HOST_RULE, NAME_RULE, is_host, is_name
from .secret import WAYS, is_credential
from .secret import given as given_secret

_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d+)\s*(|K|M|G|T|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)\Z")
_UNITS = {"": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS.update({u: 1 << (10 * n) for n, u in enumerate("KMGT", 1)})
_UNITS.update({u + "iB": 1 << (10 * n) for n, u in enumerate("KMGT", 1)})
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%\Z")


@dataclass(frozen=True)
class Option:
    """One option: what the user writes, what is allowed, what it means.

    ``type`` is one of ``str``, ``int``, ``bool``, ``path`` (absolute), ``name``, ``host``, ``duration`` (``"26h"``,
    checked to seconds), ``size`` (``"1GiB"``, checked to bytes), ``percent`` (``"75%"``, checked to 0.75), ``amount``
    (``"50%"`` or ``20``, checked to an Amount), ``list`` (of ``elements``) and ``dict`` (of ``options``).
    ``drivers`` (on a dict, or a list of dicts) names a folder of drivers: besides its ``options`` the dict then takes
    exactly one key more, the driver's name, whose value is a dict of that driver's own options.

    A ``secret`` may also be given as ``<name>_file``, ``_env`` or ``_credential``; checked, it is a secret.Secret.
    """

    name: str
    type: str
    help: str
    required: bool = False
    default: t.Any = None
    choices: t.Tuple[str, ...] = ()
    elements: str = "str"
    options: t.Tuple[Option, ...] = ()
    drivers: str = ""
    minimum: t.Optional[int] = None
    maximum: t.Optional[int] = None
    secret: bool = False
    example: t.Any = None


def written(options: t.Sequence[Option]) -> t.List[Option]:
    """The options as people can write them: each secret in all its ways."""
    result: t.List[Option] = []
    for option in options:
        # None of the ways is required: one of them is.
        result.append(dataclasses.replace(option, required=False) if option.secret else option)
        if option.secret:
            result += [
                Option("%s_%s" % (option.name, way), "path" if way == "file" else "str", text) for way, text in WAYS.items()
            ]
    return result


def redacted(value: t.Mapping[str, t.Any], options: t.Sequence[Option], drivers: str = "") -> t.Dict[str, t.Any]:
    """``value``, as people wrote it, with every secret replaced by a word."""
    shown = dict(value)
    for option in options:
        given = shown.get(option.name)
        if given is None:
            continue
        if option.secret:
            shown[option.name] = "(secret)"
        elif option.type == "dict" and isinstance(given, dict):
            shown[option.name] = redacted(given, option.options, option.drivers)
        elif option.elements == "dict" and isinstance(given, list):
            shown[option.name] = [redacted(g, option.options, option.drivers) if isinstance(g, dict) else g for g in given]
    if drivers:
        for name in _registry(drivers).NAMES:
            if isinstance(shown.get(name), dict):
                shown[name] = redacted(shown[name], _registry(drivers).load(name).OPTIONS)
    return shown


def taken_out(
    value: t.Mapping[str, t.Any], options: t.Sequence[Option], place: str, drivers: str = ""
) -> t.Tuple[t.Dict[str, t.Any], t.Dict[str, str]]:
    """``value`` with every secret that stands in it named as a credential instead, and these secrets by the credential's name.

    ``place``: what the names begin with.
    """
    left, secrets = dict(value), {}

    def descend(name: str, given: t.Any, inner: t.Sequence[Option], registry: str) -> t.Any:
        if not isinstance(given, dict):
            return given
        rest, found = taken_out(given, inner, "%s.%s" % (place, name), registry)
        secrets.update(found)
        return rest

    for option in options:
        given = left.get(option.name)
        if option.secret and isinstance(given, str):
            credential = "%s.%s" % (place, option.name)
            left[option.name + "_credential"] = credential
            secrets[credential] = left.pop(option.name)
        elif option.type == "dict":
            left[option.name] = descend(option.name, given, option.options, option.drivers)
        elif option.elements == "dict" and isinstance(given, list):
            left[option.name] = [
                descend("%s.%s" % (option.name, _label(item, n)), item, option.options, option.drivers)
                for n, item in enumerate(given)
            ]
    for name in _registry(drivers).NAMES if drivers else ():
        if name in left:
            left[name] = descend(name, left[name], _registry(drivers).load(name).OPTIONS, "")
    return {key: item for key, item in left.items() if item is not None}, secrets


def _label(item: t.Any, number: int) -> str:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) and is_credential(name) else str(number)


def shortened(value: t.Mapping[str, t.Any], options: t.Sequence[Option], drivers: str = "") -> t.Dict[str, t.Any]:
    """``value`` without what says nothing: Ansible fills in every option that nobody gave."""
    short = {key: item for key, item in value.items() if item is not None}
    for option in options:
        given = short.get(option.name)
        if option.type == "dict" and isinstance(given, dict):
            given = short[option.name] = shortened(given, option.options, option.drivers)
        elif option.elements == "dict" and isinstance(given, list):
            short[option.name] = [shortened(g, option.options, option.drivers) if isinstance(g, dict) else g for g in given]
        if option.name in short and not option.secret and (given == option.default or given == [] or given == {}):
            del short[option.name]
    if drivers:
        for name in _registry(drivers).NAMES:
            if isinstance(short.get(name), dict):
                short[name] = shortened(short[name], _registry(drivers).load(name).OPTIONS)
    return short


def seconds(text: str) -> int:
    """Return the seconds of a duration such as ``90s``, ``10m``, ``26h``, ``30d`` or ``5w``. Raises ValueError."""
    found = _DURATION.match(text)
    if not found:
        raise ValueError("a duration is a number with s, m, h, d or w, such as 26h or 30d, not %r" % text)
    return int(found.group(1)) * _SECONDS[found.group(2)]


def size_bytes(text: str) -> int:
    """Return the bytes of a size such as ``512M``, ``1GiB`` or ``10GB``. Raises ValueError."""
    found = _SIZE.match(text)
    if not found:
        raise ValueError(
            "a size is a number with K, M, G or T (KiB... likewise; kB, MB, GB, TB are powers of 1000), not %r" % text
        )
    return int(found.group(1)) * _UNITS[found.group(2)]


def percent(text: str) -> float:
    """Return ``75%`` or ``0.5%`` as a share of 1. Raises ValueError."""
    found = _PERCENT.match(text)
    if not found or float(found.group(1)) > 100:
        raise ValueError("a share is a number up to 100 with %%, such as 75%%, not %r" % text)
    return float(found.group(1)) / 100


class Amount(t.NamedTuple):
    """So many, or such a share of all."""

    text: str
    number: float
    is_share: bool

    def of(self, total: int) -> int:
        """How many that is at most."""
        return int(total * self.number) if self.is_share else int(self.number)


def amount(text: str) -> Amount:
    """Return ``20`` or ``50%`` as an Amount. Raises ValueError."""
    if text.isascii() and text.isdigit():
        return Amount(text, int(text), False)
    try:
        return Amount(text, percent(text), True)
    except ValueError:
        raise ValueError("an amount is a number such as 20, or a share such as 50%%, not %r" % text) from None


def check(value: t.Any, options: t.Sequence[Option], place: str) -> t.Dict[str, t.Any]:
    """Return ``value`` checked against ``options``, with defaults filled in and durations and sizes as numbers.

    Raises ConfigurationError with every problem found, each naming its place (``jobs[0].sources[1].files.paths``).
    """
    problems: t.List[str] = []
    result = _check_dict(value, options, "", place, problems)
    if problems:
        raise ConfigurationError(*problems)
    return result


def _check_dict(value: t.Any, options: t.Sequence[Option], drivers: str, place: str, problems: t.List[str]) -> t.Dict[str, t.Any]:
    if not isinstance(value, dict):
        problems.append("%s: must be a dictionary, not %s" % (place or "the configuration", _kind_of(value)))
        return {}
    result: t.Dict[str, t.Any] = {}
    known = {option.name: option for option in written(options)}
    prefix = place + "." if place else ""
    chosen = []
    for key in value:
        if key in known:
            continue
        if drivers and key in _registry(drivers).NAMES:
            # Ansible fills in every suboption of a spec: an absent driver arrives as None.
            if value[key] is not None:
                chosen.append(key)
            continue
        allowed = list(known) + (list(_registry(drivers).NAMES) if drivers else [])
        problems.append("%s%s: unknown key%s" % (prefix, key, _suggest(str(key), allowed)))
    for option in options:
        if option.secret:
            result[option.name] = secret = given_secret(value, option.name, prefix, problems)
            if secret is None and option.required and not any(value.get(o.name) for o in written([option])):
                problems.append("%s%s: is missing; it is required: %s" % (prefix, option.name, option.help))
            continue
        given = value.get(option.name)
        if given is None:
            if option.required:
                problems.append("%s%s: is missing; it is required: %s" % (prefix, option.name, option.help))
            given = option.default
            if given is None:
                result[option.name] = [] if option.type == "list" else None
                continue
        result[option.name] = _check_value(given, option, option.type, prefix + option.name, problems)
    if drivers:
        names = ", ".join(_registry(drivers).NAMES)
        if len(chosen) != 1:
            problems.append(
                "%s: must name exactly one of %s; %s"
                % (place, names, "it names none" if not chosen else "it names %s" % " and ".join(chosen))
            )
        else:
            driver = chosen[0]
            result["driver"] = driver
            result["options"] = _check_dict(value[driver], _registry(drivers).load(driver).OPTIONS, "", prefix + driver, problems)
    return result


def _check_value(value: t.Any, option: Option, kind: str, place: str, problems: t.List[str]) -> t.Any:
    if kind == "dict":
        return _check_dict(value, option.options, option.drivers, place, problems)
    if kind == "list":
        if not isinstance(value, (list, tuple)):
            problems.append("%s: must be a list, not %s" % (place, _kind_of(value)))
            return []
        if option.required and not value:
            problems.append("%s: must not be empty: %s" % (place, option.help))
        items = [_check_value(item, option, option.elements, "%s[%d]" % (place, n), problems) for n, item in enumerate(value)]
        if option.elements == "dict" and any(o.name == "name" for o in option.options):
            _check_unique(items, place, problems)
        return items
    if kind == "bool":
        if not isinstance(value, bool):
            problems.append("%s: must be true or false, not %r" % (place, value))
        return value
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            problems.append("%s: must be a whole number, not %r" % (place, value))
            return value
        if option.minimum is not None and value < option.minimum:
            problems.append("%s: must be at least %d, not %d" % (place, option.minimum, value))
        if option.maximum is not None and value > option.maximum:
            problems.append("%s: must be at most %d, not %d" % (place, option.maximum, value))
        return value
    if kind in _MEASURES and isinstance(value, int) and not isinstance(value, bool):
        if kind in ("size", "amount") and value >= 0:
            return _check_text(str(value), option, kind, place, problems)
        example = "75%" if kind == "percent" else "26h"
        problems.append("%s: must be a text with its unit, such as %s, not %r" % (place, example, value))
        return value
    if not isinstance(value, str):
        problems.append("%s: must be a text, not %s" % (place, _kind_of(value)))
        return value
    return _check_text(value, option, kind, place, problems)


_MEASURES: t.Dict[str, t.Callable[[str], t.Any]] = {
    "duration": seconds,
    "size": size_bytes,
    "percent": percent,
    "amount": amount,
}


def _check_text(value: str, option: Option, kind: str, place: str, problems: t.List[str]) -> t.Any:
    if kind in _MEASURES:
        try:
            measured = _MEASURES[kind](value)
        except ValueError as error:
            problems.append("%s: %s" % (place, error))
        else:
            if option.minimum is not None and measured < option.minimum:
                problems.append("%s: must be at least %d, not %s" % (place, option.minimum, value))
            return measured
    elif kind == "name" and not is_name(value):
        problems.append("%s: %r is no valid name: %s" % (place, value, NAME_RULE))
    elif kind == "host" and not is_host(value):
        problems.append("%s: %r is no valid host name: %s" % (place, value, HOST_RULE))
    elif kind == "path":
        if "\0" in value:
            problems.append("%s: %r holds a NUL byte; no path can" % (place, value))
        elif not os.path.isabs(value):
            problems.append("%s: %r is not absolute; write the whole path, starting at the root" % (place, value))
        else:
            return os.path.normpath(value)
    elif option.choices and value not in option.choices:
        problems.append("%s: %r is none of %s" % (place, value, ", ".join(option.choices)))
    elif kind == "str" and not value and option.required:
        problems.append("%s: must not be empty" % place)
    return value


def _check_unique(items: t.Sequence[t.Any], place: str, problems: t.List[str]) -> None:
    seen: t.Dict[str, int] = {}
    for n, item in enumerate(items):
        name = item.get("name")
        if name in seen:
            problems.append(
                "%s[%d].name: %r is already the name of %s[%d]; names must differ" % (place, n, name, place, seen[name])
            )
        elif name is not None:
            seen[name] = n


def _registry(folder: str) -> t.Any:
    """The registry of a folder of drivers (its NAMES and load())."""
    if folder == "sources":
        from . import sources

        return sources
    if folder == "notifiers":
        from . import notifiers

        return notifiers
    from . import stores

    return stores


def _suggest(key: str, allowed: t.Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, allowed, 1)
    return "; did you mean %s?" % near[0] if near else "; allowed: %s" % ", ".join(allowed)


def _kind_of(value: t.Any) -> str:
    names = {dict: "a dictionary", list: "a list", str: "a text", int: "a number", bool: "true/false", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)
