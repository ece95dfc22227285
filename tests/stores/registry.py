# SPDX-License-Identifier: GPL-3.0-or-later
"""The places in which the contract is tried."""

from __future__ import annotations

import typing as t

import pytest

from .dropbox_place import DropboxPlace
from .ftp_place import FtpClearPlace, FtpImplicitPlace, FtpPlace, FtpReadBackPlace, VsftpdPlace
from .gdrive_place import GdrivePlace
from .local_place import LocalPlace, LocalReadBackPlace
from .place import Place
from .rclone_place import RcloneFolderPlace
from .s3_place import S3Md5Place, S3Place
from .sftp_place import SftpPlace, SftpProgramPlace, SftpReadBackPlace

PLACES: t.Dict[str, t.Type[Place]] = {
    "dropbox": DropboxPlace,
    "ftp": FtpPlace,
    "ftp-clear": FtpClearPlace,
    "ftp-implicit": FtpImplicitPlace,
    "ftp-read-back": FtpReadBackPlace,
    "ftp-vsftpd": VsftpdPlace,
    "gdrive": GdrivePlace,
    "local": LocalPlace,
    "local-read-back": LocalReadBackPlace,
    "rclone": RcloneFolderPlace,
    "s3": S3Place,
    "s3-md5": S3Md5Place,
    "sftp": SftpPlace,
    "sftp-program": SftpProgramPlace,
    "sftp-read-back": SftpReadBackPlace,
}


def needs(*features: str) -> pytest.MarkDecorator:
    """Run a test only for the places that have all these features (README.md)."""
    return pytest.mark.needs(*features)
