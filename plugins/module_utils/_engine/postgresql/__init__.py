# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: what its dumps are made of, its programs, and putting databases back."""
