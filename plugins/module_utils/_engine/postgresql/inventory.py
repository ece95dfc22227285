# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is on a server and in a database, asked of its catalogue: before a dump, and again after a restore."""

from __future__ import annotations

SERVER = """
SELECT json_build_object(
  'version', current_setting('server_version'), 'version_num', current_setting('server_version_num'),
  'standby', pg_is_in_recovery(),
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'databases', (SELECT json_agg(json_build_object('name', datname, 'bytes',
      CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) ORDER BY datname)
    FROM pg_database WHERE datallowconn AND NOT datistemplate),
  'roles', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles),
  'tablespaces', (SELECT json_agg(spcname ORDER BY spcname) FROM pg_tablespace))
"""

# Not what the system, a session or an extension has made.
_OWN = """
  n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '%s'::regclass AND d.objid = o.oid AND d.deptype = 'e')
"""


def _count(kind: str, catalogue: str, schema: str, condition: str = "true") -> str:
    return "SELECT %s AS kind, count(*) AS n FROM %s o JOIN pg_namespace n ON n.oid = o.%s WHERE %s AND %s GROUP BY 1" % (
        kind,
        catalogue,
        schema,
        _OWN % catalogue,
        condition,
    )


_RELATION = (
    "CASE o.relkind WHEN 'r' THEN 'tables' WHEN 'p' THEN 'partitioned tables' WHEN 'i' THEN 'indexes'"
    " WHEN 'I' THEN 'partitioned indexes' WHEN 'v' THEN 'views' WHEN 'm' THEN 'materialized views'"
    " WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'foreign tables' WHEN 'c' THEN 'composite types' ELSE 'other relations' END"
)
_OF_TABLE = (
    "SELECT '%s', count(*) FROM %s o JOIN pg_class c ON c.oid = o.%s JOIN pg_namespace n ON n.oid = c.relnamespace WHERE "
    + ("n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema' AND %s")
)

_COUNTS = " UNION ALL ".join(
    (
        _count(_RELATION, "pg_class", "relnamespace", "o.relkind <> 't'"),
        _count("'functions'", "pg_proc", "pronamespace"),
        _count("'types'", "pg_type", "typnamespace", "o.typtype IN ('d', 'e', 'r')"),
        _count("'operators'", "pg_operator", "oprnamespace"),
        _count("'collations'", "pg_collation", "collnamespace"),
        _count("'text search configurations'", "pg_ts_config", "cfgnamespace"),
        _count("'statistics'", "pg_statistic_ext", "stxnamespace"),
        # Before version 18 a NOT NULL was no constraint.
        _count("'constraints'", "pg_constraint", "connamespace", "o.contype <> 'n'"),
        _OF_TABLE % ("triggers", "pg_trigger", "tgrelid", "NOT o.tgisinternal"),
        _OF_TABLE % ("policies", "pg_policy", "polrelid", "true"),
        _OF_TABLE % ("rules", "pg_rewrite", "ev_class", "o.rulename <> '_RETURN'"),
        "SELECT 'schemas', count(*) FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'",
        "SELECT 'extensions', count(*) FROM pg_extension",
        "SELECT 'event triggers', count(*) FROM pg_event_trigger",
        "SELECT 'publications', count(*) FROM pg_publication",
        "SELECT 'default privileges', count(*) FROM pg_default_acl",
        "SELECT 'large objects', count(*) FROM pg_largeobject_metadata",
    )
)

#: The number of objects of each kind.
OBJECTS = (
    "SELECT coalesce(json_object_agg(kind, n ORDER BY kind), '{}') FROM (SELECT kind, sum(n) AS n FROM (%s) a GROUP BY 1) b"
    " WHERE n > 0" % _COUNTS
)

#: The tables whose rows a dump must hold: schema and name of each.
TABLES = (
    "SELECT coalesce(json_agg(json_build_array(n.nspname, o.relname)), '[]') FROM pg_class o JOIN pg_namespace n"
    " ON n.oid = o.relnamespace WHERE o.relkind = 'r' AND " + _OWN % "pg_class"
)

#: What CREATE DATABASE would say, and the extensions.
DATABASE = """
SELECT json_build_object('encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
  'owner', pg_get_userbyid(datdba),
  'extensions', (SELECT coalesce(json_object_agg(extname, extversion ORDER BY extname), '{}') FROM pg_extension))
FROM pg_database WHERE datname = current_database()
"""
