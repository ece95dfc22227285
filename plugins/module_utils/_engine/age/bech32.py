# SPDX-License-Identifier: GPL-3.0-or-later
"""Bech32 (BIP 173, https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki) without its limit of length, as age has it."""

from __future__ import annotations

import typing as t

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(prefix: str, data: bytes) -> str:
    """``prefix`` (lower case), ``1``, the data and its checksum; all in lower case."""
    groups = _regroup(data, 8, 5, True) or []
    remainder = _checksum(_expand(prefix) + groups + [0] * 6) ^ 1
    groups += [remainder >> 5 * (5 - n) & 31 for n in range(6)]
    return prefix + "1" + "".join(_ALPHABET[group] for group in groups)


def decode(text: str) -> t.Tuple[str, bytes]:
    """Return ``(prefix, data)``, the prefix in the case in which it was written.

    Raises ValueError, whose message says what is wrong and nothing of the text, which may be a secret.
    """
    lower = text.lower()
    if text not in (lower, text.upper()):
        raise ValueError("it has both small and capital letters")
    prefix, one, encoded = lower.rpartition("1")
    if not one or not prefix or len(encoded) < 6 or not all(33 <= ord(c) <= 126 for c in prefix):
        raise ValueError("it is no Bech32 text (a prefix, the digit 1, then letters and digits)")
    groups = [_ALPHABET.find(c) for c in encoded]
    if -1 in groups:
        raise ValueError("it has a character that no key has")
    if _checksum(_expand(prefix) + groups) != 1:
        raise ValueError("its checksum is wrong; was it copied completely and without a slip?")
    data = _regroup(groups[:-6], 5, 8, False)
    if data is None:
        raise ValueError("its end is not what an encoder writes")
    return text[: len(prefix)], bytes(data)


def _checksum(values: t.Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for n, generator in enumerate(_GENERATOR):
            if top >> n & 1:
                check ^= generator
    return check


def _expand(prefix: str) -> t.List[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(values: t.Iterable[int], width: int, to: int, pad: bool) -> t.Optional[t.List[int]]:
    """The same bits in groups of another width; None when bits are left over that are no padding."""
    bits = count = 0
    groups = []
    for value in values:
        bits = bits << width | value
        count += width
        while count >= to:
            count -= to
            groups.append(bits >> count)
            bits &= (1 << count) - 1
    if pad:
        return groups + [bits << to - count] if count else groups
    return None if bits or count >= width else groups
