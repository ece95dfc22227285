# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a backup is believed to be of: each way to be refused, and a message that says what to do."""

from __future__ import annotations

import datetime

import pytest

from _engine.errors import IntegrityError, UntrustedError
from _engine.signing import (
    BAD_SIGNATURE,
    EXPIRED,
    TRUSTED,
    UNKNOWN_HOST,
    UNSIGNED,
    WRONG_KEY,
    TrustedHosts,
    check,
    host_key,
    sign,
    signer_line,
)

DATA = b'{"host": "web1"}\n'
AT = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.timezone.utc)
NAME = "web1/shop/20260601T120000Z-full-daily-3f9a.json"


@pytest.fixture
def web1(tmp_path):
    return host_key(str(tmp_path / "web1"))


@pytest.fixture
def db1(tmp_path):
    return host_key(str(tmp_path / "db1"))


@pytest.fixture
def trusted(web1, db1):
    return TrustedHosts.from_text("%s\n%s\n" % (signer_line("web1", web1.public), signer_line("db1", db1.public)))


def refusal(verdict):
    """The message of a verdict that refuses; it names the backup and the host."""
    assert not verdict.trusted
    with pytest.raises(UntrustedError) as error:
        verdict.require(NAME)
    assert error.value.objects == [NAME]
    message = str(error.value)
    assert message.startswith("%s: claims to be of host %s, but " % (NAME, verdict.host))
    return message


def test_a_backup_of_the_host_is_trusted(way, web1, trusted):
    verdict = check(DATA, sign(DATA, web1), "web1", trusted, AT)
    assert (verdict.status, verdict.signer, verdict.trusted) == (TRUSTED, web1.public, True)
    verdict.require(NAME)


def test_an_altered_backup(way, web1, trusted):
    verdict = check(DATA + b" ", sign(DATA, web1), "web1", trusted, AT)
    assert (verdict.status, verdict.signer) == (BAD_SIGNATURE, None)
    message = refusal(verdict)
    assert "altered" in message and "do not use it" in message


def test_a_damaged_signature(trusted):
    verdict = check(DATA, b"", "web1", trusted, AT)
    assert verdict.status == BAD_SIGNATURE
    assert "BEGIN SSH SIGNATURE" in refusal(verdict)


def test_a_backup_without_a_signature(trusted):
    verdict = check(DATA, None, "web1", trusted, AT)
    assert verdict.status == UNSIGNED
    assert "it is not signed; " in refusal(verdict) and "option sign" in refusal(verdict)


def test_another_known_host_signed_it(web1, db1, trusted):
    verdict = check(DATA, sign(DATA, db1), "web1", trusted, AT)
    assert verdict.status == WRONG_KEY
    message = refusal(verdict)
    assert "%s of db1 (trusted_hosts, line 2)" % db1.public.fingerprint in message
    assert "the host's is %s (trusted_hosts, line 1)" % web1.public.fingerprint in message


def test_a_stranger_signed_it(tmp_path, trusted):
    stranger = host_key(str(tmp_path / "stranger"))
    verdict = check(DATA, sign(DATA, stranger), "web1", trusted, AT)
    assert (verdict.status, verdict.signer) == (WRONG_KEY, stranger.public)
    assert "%s; the host's is" % stranger.public.fingerprint in refusal(verdict)


def test_a_host_that_is_not_in_the_list(web1, trusted):
    verdict = check(DATA, sign(DATA, web1), "web9", trusted, AT)
    assert verdict.status == UNKNOWN_HOST
    message = refusal(verdict)
    assert "no key of that host is known; it was signed with the key %s of web1" % web1.public.fingerprint in message
    assert "add it to trusted_hosts" in message


def test_an_empty_list_trusts_nobody(web1):
    assert check(DATA, sign(DATA, web1), "web1", TrustedHosts([]), AT).status == UNKNOWN_HOST


def test_a_key_for_another_purpose(web1):
    trusted = TrustedHosts.from_text('web1 namespaces="git" %s' % web1.public.text)
    verdict = check(DATA, sign(DATA, web1), "web1", trusted, AT)
    assert verdict.status == WRONG_KEY
    assert "may not sign backups" in refusal(verdict)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ('valid-before="20260601115959Z"', EXPIRED),
        ('valid-before="20260601120000Z"', TRUSTED),
        ('valid-after="20260601120001Z"', EXPIRED),
        ('valid-after="20260601120000Z"', TRUSTED),
        ('valid-after="20260101Z",valid-before="20270101Z"', TRUSTED),
    ],
)
def test_a_key_counts_in_its_time(web1, options, status):
    trusted = TrustedHosts.from_text("web1 %s %s" % (options, web1.public.text))
    verdict = check(DATA, sign(DATA, web1), "web1", trusted, AT)
    assert verdict.status == status
    if status == EXPIRED:
        assert "was not valid at 2026-06-01T12:00:00+00:00 (trusted_hosts, line 1)" in refusal(verdict)


def test_a_replaced_key_is_still_that_of_the_older_backups(web1, tmp_path):
    new = host_key(str(tmp_path / "new"))
    trusted = TrustedHosts.from_text(
        'web1 valid-before="20260701Z" %s\nweb1 valid-after="20260701Z" %s\n' % (web1.public.text, new.public.text)
    )
    later = AT + datetime.timedelta(days=60)
    statuses = [check(DATA, sign(DATA, key), "web1", trusted, at).status for key in (web1, new) for at in (AT, later)]
    assert statuses == [TRUSTED, EXPIRED, EXPIRED, TRUSTED]


def test_one_line_that_allows_it_is_enough(web1):
    text = 'web1 namespaces="git" %s\nweb? valid-before="20200101Z" %s\n*,!db1 %s\n' % ((web1.public.text,) * 3)
    assert check(DATA, sign(DATA, web1), "web1", TrustedHosts.from_text(text), AT).status == TRUSTED
    assert check(DATA, sign(DATA, web1), "db1", TrustedHosts.from_text(text), AT).status == UNKNOWN_HOST


def test_whoever_handles_damage_handles_distrust():
    # Listing and pruning take a backup that cannot be believed for a damaged one.
    assert issubclass(UntrustedError, IntegrityError)
