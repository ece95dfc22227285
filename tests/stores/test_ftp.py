# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, servers without TLS, and what the ways of listing mean."""

from __future__ import annotations

import pytest

from _engine.errors import ConfigurationError, StoreRefusedError
from _engine.ftp.listing import Entry, _facts, _line
from _engine.options import check
from _engine.stores.ftp import FtpStore


def opened(server, **changes):
    options = {**server.options("/store"), **changes}
    return FtpStore("hosting", check({k: v for k, v in options.items() if v is not None}, FtpStore.OPTIONS, "ftp"))


@pytest.mark.parametrize("name", ["ftp_explicit", "ftp_implicit"])
def test_a_certificate_that_is_not_trusted(request, name):
    server = request.getfixturevalue(name)
    with pytest.raises(StoreRefusedError, match="its certificate is not trusted"):
        opened(server, ca_file=None).check()


def test_a_file_of_certificates_that_is_none(ftp_explicit, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ConfigurationError, match="ca_file"):
            opened(ftp_explicit, ca_file=str(tmp_path / name)).check()


def test_a_server_without_tls(ftp_none, ftp_explicit):
    with pytest.raises(StoreRefusedError, match="no TLS"):
        opened(ftp_none, tls="explicit").check()
    with pytest.raises(StoreRefusedError):
        opened(ftp_explicit, tls="none").check()
    clear, safe = opened(ftp_none), opened(ftp_explicit)
    clear.check()
    safe.check()
    assert "in the clear" in clear.remarks()[0]
    assert safe.remarks() == []


def test_listings():
    assert _line("total 12") is None
    assert _line("-rw-------    1 1000     1000            7 Nov 28 06:00 one.json") == Entry("one.json", False, 7)
    assert _line("drwx------    2 1000     1000         4096 Nov 28  2025  two spaces ") == Entry(" two spaces ", True, 4096)
    assert _line("lrwxrwxrwx    1 0        0               3 Nov 28 06:00 a -> b") is None
    assert _line("11-28-26  06:00AM       <DIR>          folder") == Entry("folder", True, 0)
    assert _line("11-28-2026  18:00               1234 file name") == Entry("file name", False, 1234)
    with pytest.raises(ValueError, match="not understood"):
        _line("once upon a time")
    assert _facts("type=file;size=7;modify=20261128060000; a b;c") == Entry("a b;c", False, 7, "20261128060000")
    assert _facts("type=cdir;perm=el; .") is None
    assert _facts("Type=dir;Size=4096; x") == Entry("x", True, 4096)
