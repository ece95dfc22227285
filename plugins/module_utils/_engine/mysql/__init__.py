# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB and MySQL: dumping, reading a dump, putting it back."""
