# SPDX-License-Identifier: GPL-3.0-or-later
"""age files (C2SP age specification, version 1, https://c2sp.org/age): keys, header, payload. The age tool reads them too."""
