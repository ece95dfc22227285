# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, roles and grants as SQL that makes those that are missing."""

from __future__ import annotations

import typing as t

from ..errors import SourceError
from .naming import quoted
from .server import Server

# Accounts that the server makes for itself.
_OWN = ("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema")


def export(server: Server) -> t.Tuple[bytes, int]:
    """The SQL, and of how many accounts and roles it is. Raises SourceError."""
    roles = "is_role" if server.is_mariadb else "'N'"
    try:
        rows = server.ask("SELECT user, host, %s FROM mysql.user ORDER BY user, host" % roles)  # noqa: S608
        accounts = [(row[0], row[1], row[2] == "Y") for row in rows if row[0] not in _OWN]
        made, grants = _statements(server, accounts)
    except SourceError as error:
        raise SourceError(
            "the accounts cannot be read, which needs SELECT on the database mysql (accounts: false leaves them out): %s" % error
        ) from None
    lines = ["--", "-- Accounts and grants", "--", "", *made, *grants, ""]
    return "\n".join(lines).encode("utf-8", "surrogateescape"), len(accounts)


def _statements(server: Server, accounts: t.Sequence[t.Tuple[str, str, bool]]) -> t.Tuple[t.List[str], t.List[str]]:
    made: t.List[str] = []
    grants: t.List[str] = []
    for user, host, is_role in accounts:
        if not user and not is_role:
            continue
        who = quoted(user) if is_role else "%s@%s" % (quoted(user), quoted(host))
        if is_role:
            made.append("CREATE ROLE IF NOT EXISTS %s;" % who)
        else:
            text = server.ask("SHOW CREATE USER %s" % who)[0][-1]
            made.append(text.replace("CREATE USER", "CREATE USER IF NOT EXISTS", 1) + ";")
        grants += [row[0] + ";" for row in server.ask("SHOW GRANTS FOR %s" % who)]
    return made, grants
