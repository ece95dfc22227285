# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lack the library, the program, or both: real processes that cannot find them."""

from __future__ import annotations

import pytest

from _engine.signing import host_key, verify

SIGN = """
from _engine.signing import host_key, library, sign, verify
key = host_key(sys.argv[1])
signature = sign(b"data", key)
if verify(b"data", signature) != key.public:
    raise SystemExit("verify found another key")
sys.stdout.write("%s %s" % ("cryptography" in sys.modules, library.available()))
sys.stdout.flush()
sys.stdout.buffer.write(b"\\n" + signature)
"""

REFUSED = """
from _engine.errors import MissingDependencyError
from _engine.signing import host_key, sign, verify
for act in (lambda: host_key(sys.argv[1]), lambda: verify(b"data", open(sys.argv[2], "rb").read())):
    try:
        act()
    except MissingDependencyError as error:
        sys.stdout.write("%s\\n" % error)
"""

# Stands for the ssh-keygen of OpenSSH 8.0, which knows no -Y.
OLD = '#!/bin/sh\necho "ssh-keygen: unknown option -- Y" >&2\nexit 1\n'


@pytest.mark.parametrize("without", ["cryptography", "ssh-keygen"])
def test_one_of_the_two_is_enough(without, python, tmp_path):
    process = python(SIGN, tmp_path, without=[without])
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"")
    says, _, signature = output.partition(b"\n")
    library = without == "ssh-keygen"
    assert says == b"%r %r" % (library, library)
    assert verify(b"data", signature) == host_key(str(tmp_path)).public


def test_the_library_is_not_imported_before_it_is_needed(python):
    process = python("import _engine.signing\nsys.stdout.write(str('cryptography' in sys.modules))")
    assert process.communicate(timeout=60) == (b"False", b"")


def test_without_both_the_message_names_both_and_the_option(python, tmp_path):
    from _engine.signing import sign

    (tmp_path / "sig").write_bytes(sign(b"data", host_key(str(tmp_path / "other"))))
    process = python(REFUSED, tmp_path / "state", tmp_path / "sig", without=["cryptography", "ssh-keygen"])
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"")
    making, checking = output.decode().splitlines()
    for message, option in ((making, "option sign"), (checking, "option trusted_hosts")):
        assert option in message and "cryptography" in message and "ssh-keygen" in message
    assert not (tmp_path / "state" / "signing_key").exists()


def test_an_ssh_keygen_that_is_too_old_says_so(make_key, monkeypatch, tmp_path):
    from _engine.errors import MissingDependencyError
    from _engine.signing import library, sign

    key = host_key("/nowhere", str(make_key()))
    signature = sign(b"data", key)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh-keygen").write_text(OLD)
    (programs / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(library, "available", lambda: False)
    for act in (lambda: sign(b"data", key), lambda: verify(b"data", signature)):
        with pytest.raises(MissingDependencyError, match=r"older than OpenSSH 8\.1"):
            act()


def test_an_ssh_keygen_that_fails_is_no_verdict(make_key, monkeypatch, tmp_path):
    from _engine.errors import MissingDependencyError
    from _engine.signing import library, sign

    signature = sign(b"data", host_key("/nowhere", str(make_key())))
    (tmp_path / "ssh-keygen").write_text('#!/bin/sh\necho "out of memory" >&2\nexit 255\n')
    (tmp_path / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(library, "available", lambda: False)
    with pytest.raises(MissingDependencyError, match="out of memory"):
        verify(b"data", signature)
