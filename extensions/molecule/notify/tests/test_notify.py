# SPDX-License-Identifier: GPL-3.0-or-later
"""Mails arrive, over both kinds of TLS and with a password; a server that is dead harms no run, and is told later."""

import email
import email.policy
import json

import pytest
import testinfra

testinfra_hosts = ["docker://molecule-notify"]

CONNECT = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 587))'"


@pytest.fixture
def server():
    """The mail server, with an empty box, and well again afterwards."""
    made = testinfra.get_host("docker://molecule-notify-mail")
    made.run_test("rm -f /var/mail/received/new/*")
    yield made
    made.run("systemctl kill --signal=CONT mail.service")
    made.run_test("systemctl start mail.service")


def run(host, words, code=0):
    done = host.run("timeout 120 fleet-backup %s --json" % words)
    assert done.rc == code, done.stdout + done.stderr
    assert "canary-Pa55" not in done.stdout + done.stderr
    return json.loads(done.stdout)


def mails(server):
    """The mails that it took, by subject."""
    files = server.check_output("ls /var/mail/received/new").split()
    texts = [server.file("/var/mail/received/new/" + name).content for name in files]
    found = [email.message_from_bytes(text, policy=email.policy.default) for text in texts]
    return sorted(found, key=lambda mail: mail["Subject"])


def plain(mail):
    return mail.get_body(("plain",)).get_content()


def test_a_success_is_told_to_whom_wants_it(host, server):
    taken = run(host, "run shop")
    assert (taken["outcome"], taken["warnings"]) == ("success", [])
    (told,) = mails(server)
    assert told["Subject"] == "[fleet.backup] molecule-notify/shop: backup succeeded"
    assert told["X-Recipients"] == "ops@example.org, boss@example.org"
    assert taken["id"] in plain(told)
    assert "<html" in told.get_body(("html",)).get_content()


def test_a_failure_is_told_in_two_languages_over_both_kinds_of_tls(host, server):
    host.run_test("mv /srv/shop/shop.db /srv/shop/away.db")
    try:
        run(host, "run shop", 5)
    finally:
        host.run_test("mv /srv/shop/away.db /srv/shop/shop.db")
    english, spanish = mails(server)
    assert english["Subject"] == "[fleet.backup] molecule-notify/shop: backup FAILED"
    assert "/srv/shop/shop.db" in plain(english)
    assert "/srv/shop/shop.db" in plain(spanish)


@pytest.mark.parametrize("death", ["stop mail.service", "kill --signal=STOP mail.service"])
def test_a_dead_server_harms_no_run_and_is_told_by_the_next(host, server, death):
    """One that is gone, and one that takes connections and says nothing."""
    server.run_test("systemctl %s" % death)
    missed = run(host, "run shop")
    assert missed["outcome"] == "success"
    assert [warning["code"] for warning in missed["warnings"]] == ["notification"]
    assert mails(server) == []
    server.run("systemctl kill --signal=CONT mail.service")
    server.run_test("systemctl start mail.service")
    server.run_test("timeout 60 sh -c %s", "until %s 2>/dev/null; do sleep 0.2; done" % CONNECT)
    told = run(host, "run shop")
    texts = "".join(plain(mail) for mail in mails(server))
    assert missed["id"] in texts
    assert told["id"] in texts


def test_the_test_mail_of_the_playbook_arrives(host, server):
    run(host, "notify test")
    assert len(mails(server)) == 2
