# SPDX-License-Identifier: GPL-3.0-or-later
"""What people ask for, one file a verb. Each returns a result and raises nothing that a user could meet."""
