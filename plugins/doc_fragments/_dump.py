# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a dump. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  sqlite:
    description:
      - An SQLite database.
    type: dict
    suboptions:
      path:
        description:
          - The database file.
          - For example V(/srv/marketplace/vehicle_marketplace.db).
        type: path
        required: true
      integrity_check:
        description:
          - How thoroughly the copy is checked. V(full) also compares every index with its table; V(quick) does not, which
            is much faster for databases with many large indexes.
        type: str
        default: full
        choices:
          - full
          - quick
      on_corrupt:
        description:
          - What to do when the check finds damage. V(failure) keeps no backup, so that a damaged database never pushes out
            good backups; V(warning) keeps what there is, for the day when there is nothing better.
        type: str
        default: failure
        choices:
          - failure
          - warning
      foreign_key_check:
        description:
          - Look for rows that refer to rows that do not exist, and warn of them. Turn it off for an application that never
            cared.
        type: bool
        default: true
      timeout:
        description:
          - How long to wait for a lock that another process holds.
        type: str
        default: 60s
  mysql:
    description:
      - Databases of a MariaDB or MySQL server, as SQL.
    type: dict
    suboptions:
      databases:
        description:
          - The databases, by name or pattern (C(*), C(?)), or V(all). Those of the server itself are never among them.
          - For example V(['moodle']).
        type: list
        default:
          - all
        elements: str
      exclude:
        description:
          - Databases that are left out, by name or pattern.
          - For example V(['test_*']).
        type: list
        elements: str
      host:
        description:
          - 'The server''s address. Default: this host, by the socket that the client programs know.'
        type: str
      port:
        description:
          - The server's port.
        type: int
      socket:
        description:
          - The server's socket, where the programs run.
        type: path
      user:
        description:
          - 'The account. Default: as the option files of the client programs say.'
        type: str
      password:
        description:
          - The password of O(mysql.user).
        type: str
      password_file:
        description:
          - The same, read from this file.
        type: path
      password_env:
        description:
          - The same, read from this environment variable.
        type: str
      password_credential:
        description:
          - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
        type: str
      tls:
        description:
          - Insist on TLS. The certificate is checked only with O(mysql.tls_ca).
        type: bool
        default: false
      tls_ca:
        description:
          - The certificate, where the programs run, of the authority that the server's must be signed by.
        type: path
      non_transactional:
        description:
          - What to do when there are tables that a snapshot cannot hold still (MyISAM, Aria). V(refuse) fails; V(lock) locks
            all tables against writing while the dump is read; V(warn) goes on and warns.
        type: str
        default: refuse
        choices:
          - refuse
          - lock
          - warn
      accounts:
        description:
          - Also back up accounts, roles and grants, as an entry of their own. A restore makes those that are missing.
        type: bool
        default: true
      restore_as:
        description:
          - Other names for databases when they are restored, each as V(name=new name). Code in the database that names the
            database itself (views, triggers, routines and events of MariaDB and MySQL may) is not changed.
          - For example V(['shop=shop_copy']).
        type: list
        elements: str
      timeout:
        description:
          - How long the programs may give no data, or take none, before they are stopped.
        type: str
      container:
        description:
          - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they run
            on the host. Needs the Python package docker.'
          - For example V(moodle-db-1).
        type: str
      docker_host:
        description:
          - 'The Docker daemon that runs the O(mysql.container). Default: as the environment (C(DOCKER_HOST)) says, else the
            host''s own.'
          - For example V(unix:///run/user/1000/docker.sock).
        type: str
      run_as:
        description:
          - 'The user that the programs run as. On the host only root can choose another one. Default: the user who runs the
            backup; in a O(mysql.container) the one that it is made for.'
          - For example V(postgres).
        type: str
  postgresql:
    description:
      - Databases of a PostgreSQL server, as SQL.
    type: dict
    suboptions:
      host:
        description:
          - 'The server: a name, an address, or the folder of its socket. Default: the socket where the programs look for
            it.'
          - For example V(/var/run/postgresql).
        type: str
      port:
        description:
          - 'Its port, also the number in the name of a socket. Default: 5432.'
        type: int
      user:
        description:
          - 'The role to connect as. Default: the one called like the user who runs the programs (O(postgresql.run_as)), as
            a socket with peer authentication asks for.'
          - For example V(postgres).
        type: str
      password:
        description:
          - Its password.
        type: str
      password_file:
        description:
          - The same, read from this file.
        type: path
      password_env:
        description:
          - The same, read from this environment variable.
        type: str
      password_credential:
        description:
          - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
        type: str
      sslmode:
        description:
          - 'Whether the connection is encrypted, and whether the server must prove who it is. Default: V(prefer), as everywhere.'
        type: str
        choices:
          - disable
          - allow
          - prefer
          - require
          - verify-ca
          - verify-full
      sslrootcert:
        description:
          - The certificates that the server's must be signed by (on the host of the programs).
        type: path
      sslcert:
        description:
          - The certificate to show to the server.
        type: path
      sslkey:
        description:
          - The key of that certificate.
        type: path
      connect_timeout:
        description:
          - How long a connection may take.
        type: str
        default: 30s
      programs:
        description:
          - The folder of psql and pg_dump, where there are several versions. They must not be older than the server.
          - For example V(/usr/lib/postgresql/15/bin).
        type: path
      maintenance_database:
        description:
          - The database to connect to for what concerns the whole server.
        type: str
        default: postgres
      container:
        description:
          - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they run
            on the host. Needs the Python package docker.'
          - For example V(moodle-db-1).
        type: str
      docker_host:
        description:
          - 'The Docker daemon that runs the O(postgresql.container). Default: as the environment (C(DOCKER_HOST)) says, else
            the host''s own.'
          - For example V(unix:///run/user/1000/docker.sock).
        type: str
      run_as:
        description:
          - 'The user that the programs run as. On the host only root can choose another one. Default: the user who runs the
            backup; in a O(postgresql.container) the one that it is made for.'
          - For example V(postgres).
        type: str
      databases:
        description:
          - 'The databases: names, patterns such as V(shop_*), or V(all) for all but the templates. One that is named and
            is not there is an error.'
        type: list
        default:
          - all
        elements: str
      exclude_databases:
        description:
          - 'Those of them that are left out: names or patterns.'
        type: list
        elements: str
      globals:
        description:
          - 'Also back up what belongs to no database: roles with their memberships, settings and passwords, and tablespaces.'
        type: bool
        default: true
      role_passwords:
        description:
          - Whether the hashes of the roles' passwords are part of that. Only a superuser can read them.
        type: bool
        default: true
      lock_timeout:
        description:
          - How long to wait for a table that somebody is changing. A dump that cannot lock all tables fails.
        type: str
        default: 60s
      jobs:
        description:
          - 'Of a restore: how many tables, indexes and constraints it works on at the same time. Default: as many as there
            are cores, at most 8.'
        type: int
      restore_as:
        description:
          - Other names for databases when they are restored, each as V(name=new name). Code in the database that names the
            database itself (views, triggers, routines and events of MariaDB and MySQL may) is not changed.
          - For example V(['shop=shop_copy']).
        type: list
        elements: str
      terminate_connections:
        description:
          - 'Of a restore: end the connections that others have to a database that is to be replaced. Without it a restore
            fails while there are any.'
        type: bool
        default: false
  rows:
    description:
      - Rows of chosen tables of a PostgreSQL or SQLite database, as lines of JSON.
    type: dict
    suboptions:
      postgresql:
        description:
          - A PostgreSQL database. Either this or O(rows.sqlite).
        type: dict
        suboptions:
          database:
            description:
              - Its name.
            type: str
            required: true
          host:
            description:
              - 'The server: a name, an address, or the folder of its socket. Default: the socket where the programs look
                for it.'
              - For example V(/var/run/postgresql).
            type: str
          port:
            description:
              - 'Its port, also the number in the name of a socket. Default: 5432.'
            type: int
          user:
            description:
              - 'The role to connect as. Default: the one called like the user who runs the programs (O(rows.postgresql.run_as)),
                as a socket with peer authentication asks for.'
              - For example V(postgres).
            type: str
          password:
            description:
              - Its password.
            type: str
          password_file:
            description:
              - The same, read from this file.
            type: path
          password_env:
            description:
              - The same, read from this environment variable.
            type: str
          password_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          sslmode:
            description:
              - 'Whether the connection is encrypted, and whether the server must prove who it is. Default: V(prefer), as
                everywhere.'
            type: str
            choices:
              - disable
              - allow
              - prefer
              - require
              - verify-ca
              - verify-full
          sslrootcert:
            description:
              - The certificates that the server's must be signed by (on the host of the programs).
            type: path
          sslcert:
            description:
              - The certificate to show to the server.
            type: path
          sslkey:
            description:
              - The key of that certificate.
            type: path
          connect_timeout:
            description:
              - How long a connection may take.
            type: str
            default: 30s
          programs:
            description:
              - The folder of psql and pg_dump, where there are several versions. They must not be older than the server.
              - For example V(/usr/lib/postgresql/15/bin).
            type: path
          maintenance_database:
            description:
              - The database to connect to for what concerns the whole server.
            type: str
            default: postgres
          container:
            description:
              - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they
                run on the host. Needs the Python package docker.'
              - For example V(moodle-db-1).
            type: str
          docker_host:
            description:
              - 'The Docker daemon that runs the O(rows.postgresql.container). Default: as the environment (C(DOCKER_HOST))
                says, else the host''s own.'
              - For example V(unix:///run/user/1000/docker.sock).
            type: str
          run_as:
            description:
              - 'The user that the programs run as. On the host only root can choose another one. Default: the user who runs
                the backup; in a O(rows.postgresql.container) the one that it is made for.'
              - For example V(postgres).
            type: str
      sqlite:
        description:
          - An SQLite database. Either this or O(rows.postgresql).
        type: dict
        suboptions:
          path:
            description:
              - The database file.
              - For example V(/srv/shop/shop.db).
            type: path
            required: true
          timeout:
            description:
              - How long to wait for a lock that another process holds.
            type: str
            default: 60s
      tables:
        description:
          - The tables.
        type: list
        required: true
        elements: dict
        suboptions:
          name:
            description:
              - The table; in PostgreSQL with its schema where it is not V(public).
              - For example V(public.orders).
            type: str
            required: true
          where:
            description:
              - Only the rows for which this condition in SQL holds. V(:tenant) in it stands for the tenant.
              - For example V(tenant_id = :tenant).
            type: str
          changed_column:
            description:
              - The column that holds when a row was last changed; the database or the application sets it on every change.
                An increment then reads only the rows that are younger than the backup before. Without it every backup reads
                them all. In PostgreSQL a timestamp; in SQLite a text in the form of ISO 8601, or seconds or milliseconds
                since 1970.
              - For example V(updated_at).
            type: str
          key:
            description:
              - 'The columns that tell a row from all others. Default: the primary key.'
            type: list
            elements: str
      tenants:
        description:
          - A query that lists the tenants, one text or number a row. The job then takes a backup for each of them, under
            the name V(job@tenant).
          - For example V(SELECT id FROM tenant WHERE active).
        type: str
      tenant:
        description:
          - The one tenant whose rows are backed up. Set by itself where O(rows.tenants) lists them.
        type: str
      overlap:
        description:
          - How far an increment reaches back beyond the backup before and the oldest transaction that was open then, for
            clocks that differ and for applications that set the time long before they commit.
        type: str
        default: 10m
      deletions:
        description:
          - How an increment learns of rows that are gone. V(keys) lists the keys of all rows each time; V(ignore) does not,
            so that rows deleted since the last full backup come back with a restore.
        type: str
        default: keys
        choices:
          - keys
          - ignore
  firestore:
    description:
      - A Firestore database, as lines of JSON.
    type: dict
    suboptions:
      project:
        description:
          - The id of the Google Cloud project.
          - For example V(cocheras-app).
        type: str
        required: true
      database:
        description:
          - The database of the project.
        type: str
        default: (default)
      collections:
        description:
          - 'The collections at the root to read, each with all that is below it. Default: all.'
          - For example V(['clientes', 'pagos']).
        type: list
        elements: str
      service_account:
        description:
          - 'The key of a service account (JSON, as the console gives it). Default: the credentials of the environment, or
            those of the machine.'
        type: str
      service_account_file:
        description:
          - The same, read from this file.
        type: path
      service_account_env:
        description:
          - The same, read from this environment variable.
        type: str
      service_account_credential:
        description:
          - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
        type: str
      emulator_host:
        description:
          - 'Address of a Firestore emulator, which needs no credentials. Default: as C(FIRESTORE_EMULATOR_HOST) says.'
          - For example V(127.0.0.1:8080).
        type: str
      timeout:
        description:
          - How long one answer of Firestore may take.
        type: str
        default: 60s
  redis:
    description:
      - A Redis server, as an RDB file.
    type: dict
    suboptions:
      host:
        description:
          - Where the server listens.
        type: str
        default: 127.0.0.1
      port:
        description:
          - The port it listens on.
        type: int
        default: 6379
      socket:
        description:
          - 'Instead of O(redis.host) and O(redis.port): its unix socket.'
          - For example V(/run/redis/redis-server.sock).
        type: path
      username:
        description:
          - 'The user of its access control list. Default: the one without a name.'
        type: str
      password:
        description:
          - The password. It reaches redis-cli by its environment.
        type: str
      password_file:
        description:
          - The same, read from this file.
        type: path
      password_env:
        description:
          - The same, read from this environment variable.
        type: str
      password_credential:
        description:
          - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
        type: str
      tls:
        description:
          - Speak TLS.
        type: bool
        default: false
      ca_cert:
        description:
          - 'The certificates of who may sign the server''s. Default: the system''s.'
        type: path
      method:
        description:
          - 'How the copy is made. V(replication): the server sends it as to a new replica; needs redis-cli 7. V(save): it
            is saved into the server''s own folder (BGSAVE) and read there, on this host or in the container.'
        type: str
        default: replication
        choices:
          - replication
          - save
      data_dir:
        description:
          - 'The server''s data folder, for restoring into it; in a O(redis.container), as that sees it. Default: as the server
            said.'
          - For example V(/var/lib/redis).
        type: path
      redis_cli:
        description:
          - The program redis-cli, or one like it.
          - For example V(valkey-cli).
        type: str
        default: redis-cli
      timeout:
        description:
          - How long the server may keep the backup waiting.
        type: str
        default: 10m
      container:
        description:
          - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they run
            on the host. Needs the Python package docker.'
          - For example V(moodle-db-1).
        type: str
      docker_host:
        description:
          - 'The Docker daemon that runs the O(redis.container). Default: as the environment (C(DOCKER_HOST)) says, else the
            host''s own.'
          - For example V(unix:///run/user/1000/docker.sock).
        type: str
      run_as:
        description:
          - 'The user that the programs run as. On the host only root can choose another one. Default: the user who runs the
            backup; in a O(redis.container) the one that it is made for.'
          - For example V(postgres).
        type: str
  command:
    description:
      - What a command writes.
    type: dict
    suboptions:
      command:
        description:
          - 'The program and its arguments. There is no shell: no pipes, no variables. It must exit with 0.'
          - For example V(['slapcat', '-n', '1']).
        type: list
        required: true
        elements: str
      restore_command:
        description:
          - The program and its arguments that read the same on standard input when it is restored. Without it, a backup can
            be restored into a folder only, as a file.
          - For example V(['slapadd', '-n', '1']).
        type: list
        elements: str
      ending:
        description:
          - What the name of the stored output ends with, such as V(ldif).
          - For example V(ldif).
        type: str
        default: out
      environment:
        description:
          - 'Variables that are added to the environment of both commands, for secrets above all: arguments can be seen by
            all users of a host.'
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - The name of the variable.
              - For example V(PGPASSWORD).
            type: str
            required: true
          value:
            description:
              - Its value.
            type: str
          value_file:
            description:
              - The same, read from this file.
            type: path
          value_env:
            description:
              - The same, read from this environment variable.
            type: str
          value_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
      on_empty:
        description:
          - What it means when the command succeeds and writes nothing.
        type: str
        default: failure
        choices:
          - failure
          - warning
          - ignore
      timeout:
        description:
          - How long the command may keep the backup waiting, for output or for taking input, before it is ended.
        type: str
        default: 1h
      container:
        description:
          - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they run
            on the host. Needs the Python package docker.'
          - For example V(moodle-db-1).
        type: str
      docker_host:
        description:
          - 'The Docker daemon that runs the O(command.container). Default: as the environment (C(DOCKER_HOST)) says, else
            the host''s own.'
          - For example V(unix:///run/user/1000/docker.sock).
        type: str
      run_as:
        description:
          - 'The user that the programs run as. On the host only root can choose another one. Default: the user who runs the
            backup; in a O(command.container) the one that it is made for.'
          - For example V(postgres).
        type: str
  dest:
    description:
      - The copy. It takes the place of the one before in one step.
    type: path
    required: true
  compression:
    description:
      - 'How it is compressed. Default: as its name ends.'
    type: dict
    suboptions:
      algorithm:
        description:
          - 'How data is compressed. Default: V(zstd), and V(gzip) (deflate) in a zip.'
        type: str
        choices:
          - zstd
          - gzip
          - none
      level:
        description:
          - 'The level: 1 to 19 for V(zstd) (default 3), 0 to 9 for V(gzip) (default 6).'
        type: int
"""
