# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker volumes and the containers that use them: finding them, and holding the containers while a volume is read or written."""
