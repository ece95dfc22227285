# SPDX-License-Identifier: GPL-3.0-or-later
"""A person for tests who is asked for access to a drive, and their browser."""

from __future__ import annotations

import re
import ssl
import sys
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

#: What a page of Dropbox says at the end.
_CODE = re.compile(r"<b>([^<]+)</b>")


class Someone:
    """Answers questions with ``answers``, in their order; a browser that is shown a page allows what it asks for."""

    def __init__(self, ca: Path, *answers: str, browser: bool = True) -> None:
        self.has_browser = browser
        self.told: t.List[str] = []
        self.asked: t.List[str] = []
        self.answers = list(answers)
        self.pages: t.List[str] = []
        self._ca = ca

    def tell(self, text: str = "") -> None:
        self.told.append(text)

    def ask(self, question: str) -> str:
        self.asked.append(question)
        # A code that a page showed is brought back from there.
        return self.answers.pop(0) if self.answers else _CODE.findall(self.pages[-1])[0]

    ask_secret = ask

    def choose(self, title: str, items: t.Sequence[str]) -> int:
        self.asked.append(title)
        return int(self.answers.pop(0))

    def show_page(self, url: str) -> None:
        self.pages.append(browse(url, str(self._ca)))


def browse(url: str, ca: str) -> str:
    """Open an address as a browser does, redirects and all; return what is shown."""
    context = ssl.create_default_context(cafile=ca)
    # The services are on this machine, whatever proxy there may be.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=30) as page:
            return t.cast(str, page.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def redirected(url: str, ca: str) -> str:
    """Where a browser ends that cannot open the last address."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: t.Any) -> None:
            return None

    context = ssl.create_default_context(cafile=ca)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), Stay
    )  # fmt: skip
    try:
        opener.open(url, timeout=30).close()
    except urllib.error.HTTPError as error:
        return str(error.headers["Location"])
    raise AssertionError("%s leads nowhere" % url)


if __name__ == "__main__":  # as $BROWSER: the certificate and, what browsers are called with, the address
    browse(sys.argv[2], sys.argv[1])
