# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting a person consent that a program uses their account (OAuth 2.0, RFC 6749): what services have in common."""
