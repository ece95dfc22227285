# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who can be asked while an operation is under way; a front provides them."""

from __future__ import annotations

import typing as t


class Person(t.Protocol):
    """A person who does not want to answer ends the operation by an exception of the front's own."""

    #: Whether they can be shown a page in a browser on this host.
    has_browser: bool

    def tell(self, text: str = "") -> None:
        """Say something."""

    def ask(self, question: str) -> str:
        """The answer to a question, stripped and not empty."""

    def ask_secret(self, question: str) -> str:
        """The same, not shown while it is typed."""

    def choose(self, title: str, items: t.Sequence[str]) -> int:
        """The position of the one of ``items`` that is chosen."""

    def show_page(self, url: str) -> None:
        """Open a page in a browser of this host."""
