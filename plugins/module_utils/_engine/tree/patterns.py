# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns for paths, with the semantics of gitignore(5) (git 2.39; wildmatch.c and dir.c of its source).

Three things differ, all on purpose: the patterns are items of a list, so ``#`` begins no comment and an empty one is an
error; what git silently lets match nothing (a bracket that is never closed, a lone backslash at the end) is an error;
and ``?`` and ``[...]`` match one character, not one byte of it, where a name is UTF-8.
"""

from __future__ import annotations

import itertools
import re
import typing as t

_CLASSES = {
    "alnum": rb"0-9A-Za-z",
    "alpha": rb"A-Za-z",
    "blank": rb" \t",
    "cntrl": rb"\x00-\x1f\x7f",
    "digit": rb"0-9",
    "graph": rb"!-~",
    "lower": rb"a-z",
    "print": rb" -~",
    "punct": rb"!-/:-@\[-`{-~",
    "space": rb" \t-\r",
    "upper": rb"A-Z",
    "xdigit": rb"0-9A-Fa-f",
}
# RFC 3629, loosely: a lead byte and its continuation bytes; failing that, a byte that belongs to no character.
_WIDE = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
_WIDE_OR_STRAY = rb"%s|(?!%s)[\x80-\xff]" % (_WIDE, _WIDE)
_ANY = rb"(?:[\x00-.0-\x7f]|%s)" % _WIDE_OR_STRAY

_NAMED_CLASS = re.compile(r"\[:([^\]]*):\]")
_STAR, _DEEP, _TEXT, _CHARACTER = "star", "deep", "text", "character"
Token = t.Tuple[str, bytes]

_groups = itertools.count()


class Patterns:
    """A list of patterns. The last one that matches decides; ``!`` in front of one turns its verdict round.

    Raises ValueError, which names the pattern and what is wrong with it.
    """

    def __init__(self, patterns: t.Sequence[str]) -> None:
        runs: t.List[t.Tuple[bool, t.List[_Pattern]]] = []
        for pattern in map(_Pattern, patterns):
            if not runs or runs[-1][0] != pattern.verdict:
                runs.append((pattern.verdict, []))
            runs[-1][1].append(pattern)
        runs.reverse()
        # Neighbours with the same verdict are asked as one; most lists are a single run.
        self._for_directories = [(verdict, _matcher(run)) for verdict, run in runs]
        self._for_others = [(verdict, _matcher([p for p in run if not p.directories_only])) for verdict, run in runs]

    def __bool__(self) -> bool:
        return bool(self._for_directories)

    def match(self, path: bytes, is_dir: bool = False) -> t.Optional[bool]:
        """The verdict on ``path`` (separator ``/``, relative to the patterns' base): True, False (by ``!``), None (no match).

        Only the path itself is judged. Below a folder that matches, everything is meant; the caller does not descend there.
        """
        for verdict, matches in self._for_directories if is_dir else self._for_others:
            if matches(path):
                return verdict
        return None


class _Pattern:
    """One pattern, taken apart. ``anchored``: it is compared with the whole path, otherwise with the name alone."""

    def __init__(self, text: str) -> None:
        rest = _trim(text)
        self.verdict = not rest.startswith("!")
        if not self.verdict:
            rest = rest[1:]
        self.directories_only = rest.endswith("/")
        if self.directories_only:
            rest = rest[:-1]
        if rest.startswith("**/") and "/" not in rest[3:]:
            # The same as the name alone, which is asked faster.
            rest = rest[3:]
        self.anchored = "/" in rest
        if rest.startswith("/"):
            rest = rest[1:]
        try:
            if "\0" in rest:
                raise ValueError("it holds a NUL byte; no path can")
            if not rest:
                raise ValueError("it is empty")
            if "//" in rest or rest.startswith("/") or rest.endswith("/"):
                raise ValueError("it holds two slashes in a row; no path matches that")
            self.tokens = _tokens(rest, self.anchored)
        except ValueError as error:
            raise ValueError("the pattern %r is wrong: %s" % (text, error)) from None

    @property
    def literal(self) -> t.Optional[bytes]:
        """The one path or name that matches, when there is no wildcard."""
        return self.tokens[0][1] if len(self.tokens) == 1 and self.tokens[0][0] == _TEXT else None

    @property
    def suffix(self) -> t.Optional[bytes]:
        """What a matching name ends with, when the pattern is ``*`` and a text."""
        if not self.anchored and [kind for kind, _value in self.tokens] == [_STAR, _TEXT]:
            return self.tokens[1][1]
        return None

    @property
    def expression(self) -> bytes:
        return b"".join(_expressions(self.tokens))


def _matcher(patterns: t.Sequence[_Pattern]) -> t.Callable[[bytes], t.Any]:
    """A function that tells whether any of ``patterns`` matches a path; it asks as little as it can."""
    names: t.Set[bytes] = set()
    paths: t.Set[bytes] = set()
    suffixes: t.List[bytes] = []
    name_expressions: t.List[bytes] = []
    path_expressions: t.List[bytes] = []
    for pattern in patterns:
        if pattern.literal is not None:
            (paths if pattern.anchored else names).add(pattern.literal)
        elif pattern.suffix is not None:
            suffixes.append(pattern.suffix)
        else:
            (path_expressions if pattern.anchored else name_expressions).append(pattern.expression)
    endings = tuple(suffixes)
    match_name, match_path = _compile(name_expressions), _compile(path_expressions)

    if not (names or paths or name_expressions or path_expressions):
        # A suffix holds no slash, so the whole path ends with it when its name does.
        return lambda path: path.endswith(endings)
    if not (names or name_expressions or suffixes):
        if not path_expressions:
            return paths.__contains__
        return lambda path: path in paths or match_path(path)

    def matches(path: bytes) -> t.Any:
        name = path[path.rfind(b"/") + 1 :]
        return name in names or path.endswith(endings) or path in paths or match_name(name) or match_path(path)

    return matches


def _compile(expressions: t.Sequence[bytes]) -> t.Callable[[bytes], t.Any]:
    if not expressions:
        return lambda _: None
    return re.compile(b"|".join(expressions), re.DOTALL).fullmatch


def _trim(text: str) -> str:
    """Without trailing spaces, but for one that a backslash keeps."""
    stripped = text.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if backslashes % 2 and stripped != text else stripped


def _tokens(text: str, anchored: bool) -> t.List[Token]:
    tokens: t.List[Token] = []
    literal = bytearray()
    at = 0

    def add(kind: str, value: bytes = b"") -> None:
        if literal:
            tokens.append((_TEXT, bytes(literal)))
            literal.clear()
        tokens.append((kind, value))

    while at < len(text):
        character = text[at]
        at += 1
        if character == "*":
            begin = at - 1
            while text[at : at + 1] == "*":
                at += 1
            whole = (begin == 0 or text[begin - 1] == "/") and (at == len(text) or text[at] == "/")
            if anchored and at - begin > 1 and whole:
                add(_DEEP)
            else:
                add(_STAR)
        elif character == "?":
            add(_CHARACTER, _ANY)
        elif character == "[":
            expression, at = _bracket(text, at)
            add(_CHARACTER, expression)
        else:
            if character == "\\":
                if at == len(text):
                    raise ValueError("the backslash at its end escapes nothing")
                character = text[at]
                at += 1
            literal += character.encode("utf-8", "surrogateescape")
    if literal:
        tokens.append((_TEXT, bytes(literal)))
    return tokens


def _bracket(text: str, at: int) -> t.Tuple[bytes, int]:
    """The expression for the set that begins at ``at``, behind its ``[``, and where the pattern goes on."""
    narrow = bytearray()
    wide: t.List[bytes] = []
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    previous = ""
    first = True
    while first or text[at : at + 1] != "]":
        first = False
        named = _NAMED_CLASS.match(text, at)
        if named:
            if named.group(1) not in _CLASSES:
                raise ValueError("[:%s:] is no class of characters; there are %s" % (named.group(1), ", ".join(_CLASSES)))
            narrow += _CLASSES[named.group(1)]
            previous, at = "", named.end()
            continue
        is_range = text[at : at + 1] == "-" and previous and text[at + 1 : at + 2] not in ("", "]")
        character, at = _one(text, at + 1 if is_range else at)
        low = previous if is_range else character
        if character < low:
            raise ValueError("the range %s-%s runs backwards" % (low, character))
        _add_range(low, character, narrow, wide)
        previous = "" if is_range else character
    return _set_expression(bytes(narrow), wide, negated), at + 1


def _one(text: str, at: int) -> t.Tuple[str, int]:
    if text[at : at + 1] == "\\":
        at += 1
    if at >= len(text):
        raise ValueError("its bracket [ is never closed; write \\[ for the character itself")
    return text[at], at + 1


def _add_range(low: str, high: str, narrow: bytearray, wide: t.List[bytes]) -> None:
    """Add the characters from ``low`` to ``high`` to a set's ASCII part and to the alternatives for what is beyond."""
    if ord(low) < 0x80:
        narrow += b"\\x%02x-\\x%02x" % (ord(low), min(ord(high), 0x7F))
    # UTF-8 keeps the order of code points: neighbours share all bytes but the last.
    lasts: t.Dict[bytes, t.List[int]] = {}
    for code in range(max(ord(low), 0x80), ord(high) + 1):
        if 0xD800 <= code < 0xDC80 or 0xDCFF < code <= 0xDFFF:
            continue
        encoded = chr(code).encode("utf-8", "surrogateescape")
        lasts.setdefault(encoded[:-1], []).append(encoded[-1])
    wide.extend(re.escape(head) + b"[\\x%02x-\\x%02x]" % (last[0], last[-1]) for head, last in lasts.items())


def _set_expression(narrow: bytes, wide: t.Sequence[bytes], negated: bool) -> bytes:
    listed = b"|".join(([b"[%s]" % narrow] if narrow else []) + list(wide))
    # A slash is never in a set, whatever the set says.
    return (b"(?:(?!%s)%s)" if negated else b"(?:(?!/)(?:%s))") % ((listed, _ANY) if negated else listed)


def _expressions(tokens: t.Sequence[Token]) -> t.Iterator[bytes]:
    skip_slash = skip_text = False
    for number, (kind, value) in enumerate(tokens):
        if skip_text:
            skip_text = False
            continue
        if kind == _DEEP:
            last = number == len(tokens) - 1
            yield b".*" if last else b"(?:.*/)?"
            skip_slash = not last
            continue
        if kind == _STAR:
            ahead = tokens[number + 1 : number + 3]
            skip_text = [k for k, _value in ahead] == [_TEXT, _STAR] and b"/" not in ahead[0][1]
            if skip_text:
                # Between two stars the first place of a text is as good as any other. Found once and kept (a lookahead is
                # never tried again), so that many stars cost no more than one.
                group = next(_groups)
                yield b"(?=(?P<g%d>[^/]*?%s))(?P=g%d)" % (group, re.escape(ahead[0][1]), group)
            else:
                yield b"[^/]*"
        elif kind == _TEXT:
            yield re.escape(value[1:] if skip_slash else value)
        else:
            yield value
        skip_slash = False
