# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP, version 3, with OpenSSH's extensions: the protocol, and the two ways to a server, paramiko and the program ssh."""
