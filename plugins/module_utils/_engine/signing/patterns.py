# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of name patterns, as OpenSSH has them (ssh_config(5), PATTERNS): ``*.example.com,!test?.example.com``."""

from __future__ import annotations

import functools
import re
import typing as t


def matches(patterns: str, name: str) -> bool:
    """True when a pattern of the comma-separated list matches ``name``, and none that begins with ``!`` does."""
    wanted, unwanted = _compile(patterns)
    return bool(wanted.match(name)) and not unwanted.match(name)


@functools.lru_cache(maxsize=65536)
def _compile(patterns: str) -> t.Tuple[t.Pattern[str], t.Pattern[str]]:
    items = patterns.split(",")
    return _any_of(i for i in items if not i.startswith("!")), _any_of(i[1:] for i in items if i.startswith("!"))


def _any_of(patterns: t.Iterable[str]) -> t.Pattern[str]:
    # Without any pattern: an expression that nothing matches.
    return re.compile("(?:%s)\\Z" % ("|".join(map(_expression, patterns)) or "(?!)"), re.DOTALL)


def _expression(pattern: str) -> str:
    wildcards = {"*": ".*", "?": "."}
    # Stars in a row mean one star, and would take the expression for ever.
    return "".join(wildcards.get(c, re.escape(c)) for c in re.sub(r"\*+", "*", pattern))
