# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told is there in every language."""

from __future__ import annotations

import pytest

from _engine.notifiers import LANGUAGES, Message
from _engine.notifiers.wording import _WORDS, html, subject, text

RESULT = {
    "operation": "backup", "host": "web1", "job": "app", "id": "20261122T020000Z-full-daily-3f9a", "kind": "full", "tag": "daily",
    "started": "2026-11-22T02:00:00.000Z", "duration": 3725.5, "entries": 3, "bytes": 5 << 30, "stored": 2048,
    "components": [{"name": "db", "source": "sqlite", "entries": 1, "bytes": 10, "stored": 5}],
    "copies": [
        {"store": "disk", "driver": "local", "outcome": "success", "error": None},
        {"store": "far", "driver": "s3", "outcome": "failure", "error": {"code": "x", "message": "no way"}},
    ],
    "warnings": [{"code": "w", "component": "db", "message": "warning %d" % n} for n in range(30)],
    "error": {"code": "x", "message": "two\nlines & <b>"},
}  # fmt: skip


def test_every_language_has_every_word():
    assert set(_WORDS) == set(LANGUAGES)
    for language in LANGUAGES:
        assert set(_WORDS[language]) == set(_WORDS["en"])
        assert all(_WORDS[language].values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", ["success", "warning", "failure", "stale", "test"])
def test_each_event_is_told(language, event):
    message = Message(event, {**RESULT, "newest": None, "age": None, "max_age": 3600}, "2026-11-22T02:00:00.000Z")
    assert _WORDS[language]["test" if event == "test" else event] in subject(message, language)
    told = text(message, language)
    assert "web1" in told
    page = html(message, language)
    assert "<b>" not in page
    if event == "failure":
        for part in ("1 h 2 min", "5.0 GiB", "2.0 KiB", "no way", "warning 19", _WORDS[language]["more"] % 10):
            assert part in told
            assert part in page
        assert "warning 20" not in told
