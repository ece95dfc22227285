# SPDX-License-Identifier: GPL-3.0-or-later
"""Time zones by their names in the IANA database.

Windows brings no such database along, and some containers have none; the Python library tzdata is one too.
"""

from __future__ import annotations

import datetime
import zoneinfo

from .errors import ConfigurationError, MissingDependencyError


def zone(name: str) -> datetime.tzinfo:
    """Return the zone. Raises ConfigurationError for an unknown one, MissingDependencyError where none is known at all."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        if not has_zones():
            raise MissingDependencyError(
                "the time zone %s is not known: this host has no IANA database; install the Python library tzdata" % name
            ) from None
        raise ConfigurationError("%r is no time zone of this host's IANA database (Europe/Madrid, UTC, ...)" % name) from None


def has_zones() -> bool:
    """Whether this host, or a library, has the database."""
    try:
        zoneinfo.ZoneInfo("UTC")
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        return False
    return True
