# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``restore_as``: other names for databases when they are restored, the same for every source that has them."""

from __future__ import annotations

import typing as t

from .options import Option

OPTION = Option(
    "restore_as",
    "list",
    "Other names for databases when they are restored, each as V(name=new name). Code in the database that names the database"
    " itself (views, triggers, routines and events of MariaDB and MySQL may) is not changed.",
    example=["shop=shop_copy"],
)


def check_restore_as(options: t.Mapping[str, t.Any]) -> t.List[str]:
    """What is wrong with the option, of checked options (see Source.check_options)."""
    return ["restore_as: %r is not of the form name=new name" % text for text in options["restore_as"] if not all(_pair(text))]


def new_names(options: t.Mapping[str, t.Any]) -> t.Dict[str, str]:
    """The new names of databases by their old ones."""
    return dict(map(_pair, options["restore_as"]))


def _pair(text: str) -> t.Tuple[str, str]:
    old, _sign, new = text.partition("=")
    return old.strip(), new.strip()
