# SPDX-License-Identifier: GPL-3.0-or-later
"""FTP by ftplib, with what it lacks: implicit TLS, one TLS session for both connections, listings of servers without MLSD."""
