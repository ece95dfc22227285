# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of trusted hosts: what is accepted means the same to ssh-keygen, the rest is refused by line number."""

from __future__ import annotations

import datetime
import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _engine.errors import ConfigurationError
from _engine.signing import TrustedHosts, check, host_key, sign, signer_line
from _engine.signing.keys import PublicKey
from _engine.signing.patterns import matches

KEY = PublicKey(bytes(range(32)))
DATA = b"data"


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc)


def the_one(text):
    (signer,) = TrustedHosts.from_text(text).signers
    return signer


@pytest.mark.parametrize(
    ("line", "principals"),
    [
        ("web1 " + KEY.text, "web1"),
        ("\tweb1\t%s\t" % KEY.text, "web1"),
        ('web1,web2 %s a comment, "quoted" # too' % KEY.text, "web1,web2"),
        ('"web1, old" %s' % KEY.text, "web1, old"),
        ("*.example.com,!test.example.com " + KEY.text, "*.example.com,!test.example.com"),
        ("ssh-1 " + KEY.text, "ssh-1"),
        (signer_line("web1", KEY) + "\r", "web1"),
    ],
)
def test_the_names_and_the_key_of_a_line(line, principals):
    signer = the_one(line)
    assert (signer.principals, signer.key) == (principals, KEY)


def test_the_options_of_a_line():
    options = 'Namespaces="file,fleet.*",VALID-after="20260102Z",valid-before="20270102030405Z"'
    signer = the_one("web1 %s %s" % (options, KEY.text))
    assert signer.namespaces == "file,fleet.*"
    assert (signer.valid_after, signer.valid_before) == (utc(2026, 1, 2), utc(2027, 1, 2, 3, 4, 5))
    signer = the_one('web1 valid-after="202601020304Z" %s' % KEY.text)
    assert (signer.namespaces, signer.valid_after, signer.valid_before) == (None, utc(2026, 1, 2, 3, 4), None)


def test_a_time_without_a_zone_is_the_hosts(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        signer = the_one('web1 valid-after="20260101",valid-before="20260701" %s' % KEY.text)
        assert (signer.valid_after, signer.valid_before) == (utc(2026, 1, 1, 5), utc(2026, 7, 1, 4))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_comments_and_empty_lines():
    assert TrustedHosts.from_text("").signers == ()
    text = "# hosts\n\n  # more\nweb1 %s\n\t\n" % KEY.text
    assert the_one(text).place == "trusted_hosts, line 4"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("web1", "there is no key on this line"),
        (KEY.text, "there is no key on this line"),
        ("web1 ssh-ed25519", "there is no key on this line"),
        ("web1 zssh " + KEY.text, "an option is wrong"),
        ('web1 namespaces="a b ' + KEY.text, "no key on this line|an option is wrong"),
        ('"web1 ' + KEY.text, "wrongly quoted"),
        ('we"b1" ' + KEY.text, "wrongly quoted"),
        ('"web1"x ' + KEY.text, "wrongly quoted"),
        ('"" ' + KEY.text, "wrongly quoted"),
        ("web1 cert-authority " + KEY.text, "certificates are not supported"),
        ('web1 namespaces="a",Cert-Authority ' + KEY.text, "certificates are not supported"),
        ('web1 principals="a" ' + KEY.text, "an option is wrong"),
        ("web1 namespaces=git " + KEY.text, 'an option is wrong; there are namespaces="..."'),
        ("web1 namespaces " + KEY.text, "namespaces needs a value in double quotes"),
        ('web1 namespaces="" ' + KEY.text, "namespaces needs a value"),
        ('web1 namespaces="a",namespaces="b" ' + KEY.text, "namespaces stands there twice"),
        ('web1 namespaces="a"valid-after="20260101Z" ' + KEY.text, "an option is wrong"),
        ('web1 valid-after="2026-01-01" ' + KEY.text, "valid-after is no time"),
        ('web1 valid-after="20261301Z" ' + KEY.text, "valid-after is no time"),
        ('web1 valid-before="2026010199Z" ' + KEY.text, "valid-before is no time"),
        ('web1 valid-before="20260101Z",valid-after="20260101Z" ' + KEY.text, "valid-before is not later"),
        ("web1 ssh-rsa AAAA", "keys of the type ssh-rsa do not sign backups"),
        ("web1 ecdsa-sha2-nistp256 AAAA", "keys of the type ecdsa-sha2-nistp256 do not"),
        ("web1 sk-ssh-ed25519@openssh.com AAAA", "keys of the type sk-ssh-ed25519@openssh.com do not"),
        ("web1 ssh-ed25519 AAAA", "the key cannot be read: it is cut off"),
        ("web1 ssh-ed25519 AAA!", "the key cannot be read: its base64 is damaged"),
        ("web1 ssh-ed25519 \u00e9", "the key cannot be read: its base64 is damaged"),
        ("web1 %s" % KEY.text[:-4], "the key cannot be read: it is cut off"),
        ("web1 " + PublicKey(b"").text, "0 bytes; an ed25519 key has 32"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(line, message):
    with pytest.raises(ConfigurationError, match=r"^trusted_hosts, line 3: .*(%s)" % message):
        TrustedHosts.from_text("# hosts\nweb0 %s\n%s\nweb2 %s\n" % (KEY.text, line, KEY.text))


def test_every_wrong_line_is_told():
    with pytest.raises(ConfigurationError) as error:
        TrustedHosts.from_text("web1\nweb2 %s\nweb3 ssh-rsa AAAA\n" % KEY.text, "here")
    assert [p.partition(":")[0] for p in error.value.problems] == ["here, line 1", "here, line 3"]


def test_a_list_in_a_file(tmp_path):
    path = tmp_path / "trusted"
    path.write_bytes(b"web1 %s\r\n" % KEY.text.encode())
    assert TrustedHosts.from_file(str(path)).signers[0].place == "%s, line 1" % path
    path.write_text("web1 x\n")
    with pytest.raises(ConfigurationError, match="trusted, line 1: "):
        TrustedHosts.from_file(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="no text in UTF-8"):
        TrustedHosts.from_file(str(path))
    with pytest.raises(ConfigurationError, match=r"trusted_hosts: /nowhere/list: cannot be read: No such file"):
        TrustedHosts.from_file("/nowhere/list")


def test_a_private_key_in_the_list_is_not_told(make_key):
    content = make_key().read_text()
    for text in (content, "web1 " + content, content.replace("-", "")):
        with pytest.raises(ConfigurationError) as error:
            TrustedHosts.from_text(text)
        for line in content.split("\n")[1:-2]:
            assert line not in str(error.value)
    with pytest.raises(ConfigurationError, match="holds a private key"):
        TrustedHosts.from_text(content)


@pytest.mark.parametrize(
    ("patterns", "name", "expected"),
    [
        ("web1", "web1", True),
        ("web1", "web11", False),
        ("web1", "web1\n", False),
        ("web?", "web1", True),
        ("web?", "web", False),
        ("a,b,web*", "web.example.com", True),
        ("*,!web1", "web1", False),
        ("!web1,*", "web1", False),
        ("!web1", "web2", False),
        ("w.b1", "web1", False),
        ("[w]eb1", "web1", False),
        ("", "web1", False),
        ("WEB1", "web1", False),
        ("****************************b", "a" * 250, False),
    ],
)
def test_patterns(patterns, name, expected):
    assert matches(patterns, name) is expected


PRINCIPALS = ["web1", "web2", "*", "web?", "!web1,*", "*,!web2", '"web1,web2"', "w*1", "x,web1", "WEB1"]
OPTIONS = [
    [],
    ['namespaces="fleet.backup"'],
    ['namespaces="git"'],
    ['Namespaces="git,fleet.*"'],
    ['namespaces="*,!fleet.backup"'],
    ['valid-after="20260601Z"'],
    ['valid-before="20260601Z"'],
    ['valid-after="20260101"', 'VALID-BEFORE="202612312359Z"'],
    ['namespaces="fleet.*"', 'valid-before="20260531235959Z"'],
]
LINES = list(itertools.product(PRINCIPALS, OPTIONS, ["mine", "other"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=3),
    host=st.sampled_from(["web1", "web2"]),
    at=st.sampled_from(
        [utc(2025, 1, 1), utc(2026, 5, 31, 23, 59, 59), utc(2026, 6, 1), utc(2026, 6, 1, 0, 0, 1), utc(2027, 1, 1)]
    ),
)
def test_an_accepted_list_means_the_same_to_ssh_keygen(tmp_path_factory, ssh_keygen, lines, host, at):
    folder = tmp_path_factory.mktemp("lists")
    keys = {"mine": host_key(str(folder / "mine")), "other": host_key(str(folder / "other"))}
    text = "# hosts\n"
    for principals, options, owner in lines:
        text += " ".join([principals, *([",".join(options)] if options else []), keys[owner].public.text, "comment"]) + "\n"
    (folder / "list").write_text(text)
    signature = sign(DATA, keys["mine"])
    (folder / "sig").write_bytes(signature)
    arguments = ("-f", folder / "list", "-I", host, "-n", "fleet.backup", "-s", folder / "sig")
    moment = "verify-time=" + at.strftime("%Y%m%d%H%M%SZ")
    finished = ssh_keygen("-Y", "verify", "-O", moment, *arguments, data=DATA, check=False)
    assert b"invalid" not in finished.stderr
    verdict = check(DATA, signature, host, TrustedHosts.from_text(text), at)
    assert verdict.trusted is (finished.returncode == 0), (text, verdict, finished.stderr)
