# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis (and Valkey): a consistent copy of all keys from a running server, and putting it back while the server is down."""
