# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of hosts that ssh knows already, from files that the real ssh-keygen hashed."""

from __future__ import annotations

import pytest

from _engine.signing import TrustedHosts, check, host_key, known_keys, sign, signer_line
from _engine.signing.keys import PublicKey
from _engine.signing.verdict import TRUSTED, WRONG_KEY

ONE, TWO, THREE = (PublicKey(bytes([n]) * 32) for n in (1, 2, 3))


def keys_of(text, *names):
    return known_keys(text, {"web1": names})["web1"]


@pytest.mark.parametrize(
    ("line", "name", "found"),
    [
        ("web1.example.com %s" % ONE.text, "web1.example.com", True),
        ("web1.example.com,10.0.0.1 %s comment" % ONE.text, "10.0.0.1", True),
        ("Web1.Example.com %s" % ONE.text, "WEB1.example.COM", True),
        ("web1.example.com %s" % ONE.text, "web1", False),
        ("*.example.com,!web1.example.com %s" % ONE.text, "web1.example.com", False),
        ("*.example.com,!web1.example.com %s" % ONE.text, "web2.example.com", True),
        ("[web1]:2222 %s" % ONE.text, "[web1]:2222", True),
        ("[web1]:2222 %s" % ONE.text, "web1", False),
        ("#web1 %s" % ONE.text, "web1", False),
        ("@cert-authority web1 %s" % ONE.text, "web1", False),
        ("@revoked web1 %s" % ONE.text, "web1", False),
        ("web1 ssh-rsa AAAA", "web1", False),
        ("web1 ssh-ed25519 AAAA", "web1", False),
        ("web1 ssh-ed25519", "web1", False),
        ("|1|x|y %s" % ONE.text, "web1", False),
        ("", "", False),
    ],
)
def test_a_line(line, name, found):
    assert keys_of(line, name) == ([ONE] if found else [])


def test_hashed_names_are_found(ssh_keygen, tmp_path):
    path = tmp_path / "known_hosts"
    path.write_text("web1.example.com,10.0.0.1 %s\n[web2]:2222 %s\n" % (ONE.text, TWO.text))
    ssh_keygen("-q", "-H", "-f", path)
    text = path.read_text()
    assert "web" not in text and text.count("|1|") == 3
    addresses = {"web1": ["nothing", "10.0.0.1"], "web2": ["[web2]:2222"], "web3": ["10.0.0.11"]}
    assert known_keys(text, addresses) == {"web1": [ONE], "web2": [TWO], "web3": []}


def test_a_revoked_key_counts_nowhere():
    text = "web1 %s\nweb1 %s\n@revoked * %s\n" % (ONE.text, TWO.text, ONE.text)
    assert keys_of(text, "web1") == [TWO]


def test_a_host_may_have_several_keys_each_once():
    text = "web1 %s\n10.0.0.1 %s\nweb1 %s\nweb2 %s\n" % (ONE.text, ONE.text, TWO.text, THREE.text)
    assert keys_of(text, "web1", "10.0.0.1") == [ONE, TWO]


def test_a_host_that_signs_with_its_ssh_key_is_trusted_as_known(make_key, ssh_keygen, tmp_path):
    path = make_key("ssh_host_ed25519_key")
    at_ssh = tmp_path / "known_hosts"
    at_ssh.write_text("10.0.0.1 %s" % path.with_suffix(".pub").read_text())
    ssh_keygen("-q", "-H", "-f", at_ssh)
    keys = known_keys(at_ssh.read_text(), {"web1": ["10.0.0.1"]})
    trusted = TrustedHosts.from_text("\n".join(signer_line(host, key) for host in keys for key in keys[host]))
    from _engine.result import utc_now

    signature = sign(b"data", host_key("/nowhere", str(path)))
    assert check(b"data", signature, "web1", trusted, utc_now()).status == TRUSTED
    signature = sign(b"data", host_key(str(tmp_path / "state")))
    assert check(b"data", signature, "web1", trusted, utc_now()).status == WRONG_KEY
