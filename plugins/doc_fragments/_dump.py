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
          - The same, read from this credential of the systemd unit that runs the job.
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
          - Other names for databases when they are restored, each as V(name=new name). Code in views, triggers, routines
            and events that names the database itself is not changed.
          - For example V(['moodle=moodle_copy']).
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
          - The same, read from this credential of the systemd unit that runs the job.
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
          - The same, read from this credential of the systemd unit that runs the job.
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
              - The same, read from this credential of the systemd unit that runs the job.
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
