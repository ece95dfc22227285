# SPDX-License-Identifier: GPL-3.0-or-later
"""The S3 protocol, as far as a store needs it, on botocore."""
