# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when the machine, the disk, the kernel or the user gets in the way."""
