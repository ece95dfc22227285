# SPDX-License-Identifier: GPL-3.0-or-later
"""ed25519 by the program ssh-keygen (OpenSSH 8.1 or newer)."""

from __future__ import annotations

import os
import shutil
import tempfile

from ..errors import ConfigurationError, MissingDependencyError
from ..process import Finished, run
from .keys import SigningKey
from .signature import NAMESPACE, Signature
from .wire import InvalidError

_PROGRAM = "ssh-keygen"
_TIMEOUT = 60.0


def available() -> bool:
    return shutil.which(_PROGRAM) is not None


def generate(folder: str, comment: str) -> bytes:
    """The file of a new private key, which is made below ``folder``: it must never lie where others may look."""
    with tempfile.TemporaryDirectory(prefix=".signing-key-", dir=folder) as place:
        path = os.path.join(place, "key")
        finished = run([_PROGRAM, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], timeout=_TIMEOUT)
        finished.check("making a key to sign with", MissingDependencyError)
        with open(path, "rb") as file:
            return file.read()


def sign(data: bytes, key: SigningKey) -> Signature:
    """Raises ConfigurationError when the key file cannot be used, MissingDependencyError."""
    # Without an agent: the key in the file is meant, and the agent is a person's.
    arguments = [_PROGRAM, "-Y", "sign", "-f", key.path, "-n", NAMESPACE]
    finished = run(arguments, stdin=data, env={"SSH_AUTH_SOCK": ""}, timeout=_TIMEOUT)
    _check_age(finished)
    finished.check("signing with %s" % key.path, ConfigurationError)
    try:
        return Signature.from_bytes(finished.stdout)
    except InvalidError as error:
        raise MissingDependencyError("%s wrote a signature that cannot be used: %s" % (_PROGRAM, error)) from None


def is_valid(data: bytes, signature: Signature) -> bool:
    """Raises MissingDependencyError when the program does not say clearly that the signature is right or wrong."""
    with tempfile.TemporaryDirectory(prefix="fleet-backup-") as place:
        signers, written = os.path.join(place, "allowed_signers"), os.path.join(place, "signature")
        # One line of our own: which key is allowed for whom is decided elsewhere, in the same way for both implementations.
        _write(signers, b"signer %s\n" % signature.public.text.encode("ascii"))
        _write(written, signature.to_bytes())
        arguments = [_PROGRAM, "-Y", "verify", "-f", signers, "-I", "signer", "-n", NAMESPACE, "-s", written]
        finished = run(arguments, stdin=data, timeout=_TIMEOUT)
    if not finished.succeeded and b"incorrect signature" in finished.stderr:
        return False
    _check_age(finished)
    finished.check("checking a signature", MissingDependencyError)
    return True


def _check_age(finished: Finished) -> None:
    if not finished.succeeded and (b"unknown option" in finished.stderr or b"illegal option" in finished.stderr):
        raise MissingDependencyError(
            "%s is older than OpenSSH 8.1 and cannot sign; install a newer one, or the Python library cryptography" % _PROGRAM
        )


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
