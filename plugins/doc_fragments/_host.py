# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of a host. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  host:
    description:
      - The name under which this host's backups are stored. It is never guessed.
    type: str
  stores:
    description:
      - The places that keep backups.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the store.
        type: str
        required: true
      bandwidth_limit:
        description:
          - The most bytes a second that are written to the store and read from it.
          - For example V(5MB).
        type: str
      retries:
        description:
          - How often an object is sent again, or sent or read on from where it was, when the store failed in a way that may
            pass. There are growing pauses between.
        type: int
        default: 5
      stall_timeout:
        description:
          - A run goes on without the store when that takes nothing for so long.
        type: str
        default: 15m
      wait:
        description:
          - Slow the run down when the store falls behind by more than C(spool_size), instead of leaving it out of the run.
        type: bool
        default: false
      write_only:
        description:
          - 'This host may write to the store, but neither list, nor read, nor delete: a stolen host then cannot destroy its
            backups. A run relies on what the host itself has recorded of earlier ones, and cannot take back what a failed
            one left.'
        type: bool
        default: false
      retention:
        description:
          - Which backups C(prune) keeps on this store, instead of what the job says.
        type: dict
        suboptions:
          keep_last:
            description:
              - Keep the newest backups, this many.
            type: int
          keep_hourly:
            description:
              - Keep the newest backup of each of the last hours that have one, this many.
            type: int
          keep_daily:
            description:
              - Keep the newest backup of each of the last days that have one, this many.
            type: int
          keep_weekly:
            description:
              - Keep the newest backup of each of the last ISO weeks that have one, this many.
            type: int
          keep_monthly:
            description:
              - Keep the newest backup of each of the last months that have one, this many.
            type: int
          keep_yearly:
            description:
              - Keep the newest backup of each of the last years that have one, this many.
            type: int
          keep_within:
            description:
              - Keep every backup that is younger than this.
            type: str
          min_keep:
            description:
              - Never go below this many backups, whatever the other rules say.
            type: int
            default: 1
          max_delete:
            description:
              - 'The most that one run may remove from a store, a number of backups or a share of all that are there. A run
                that would remove more removes nothing and fails, until somebody has looked at it. Without it there is no
                limit: a job that is pruned more seldom than it is backed up loses most of its backups each time.'
              - For example V(50%).
            type: str
          tags:
            description:
              - Rules for the backups of one tag. They are then kept by these rules alone.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The tag.
                type: str
                required: true
              keep_last:
                description:
                  - Keep the newest backups, this many.
                type: int
              keep_hourly:
                description:
                  - Keep the newest backup of each of the last hours that have one, this many.
                type: int
              keep_daily:
                description:
                  - Keep the newest backup of each of the last days that have one, this many.
                type: int
              keep_weekly:
                description:
                  - Keep the newest backup of each of the last ISO weeks that have one, this many.
                type: int
              keep_monthly:
                description:
                  - Keep the newest backup of each of the last months that have one, this many.
                type: int
              keep_yearly:
                description:
                  - Keep the newest backup of each of the last years that have one, this many.
                type: int
              keep_within:
                description:
                  - Keep every backup that is younger than this.
                type: str
      dropbox:
        description:
          - 'A folder of Dropbox: of a whole Dropbox, or of an app''s own folder in it.'
        type: dict
        suboptions:
          app_key:
            description:
              - The key of the app, from Dropbox's app console.
              - For example V(a1b2c3d4e5f6g7h).
            type: str
            required: true
          app_secret:
            description:
              - The secret of the app. Not needed for a refresh token that was made without it (PKCE).
            type: str
          app_secret_file:
            description:
              - The same, read from this file.
            type: path
          app_secret_env:
            description:
              - The same, read from this environment variable.
            type: str
          app_secret_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          refresh_token:
            description:
              - What gives the app access to somebody's Dropbox; C(fleet-backup store setup) gets it (docs/stores.md).
            type: str
          refresh_token_file:
            description:
              - The same, read from this file.
            type: path
          refresh_token_env:
            description:
              - The same, read from this environment variable.
            type: str
          refresh_token_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          path:
            description:
              - 'The folder below which everything lies, from the root of what the app may see. It must exist. Default: that
                root.'
              - For example V(backups/prod).
            type: str
          app_folder:
            description:
              - Where the app's own folder lies in the Dropbox, when the app may see no more than that. Only links need it.
              - For example V(Apps/fleet-backup).
            type: str
          chunk_size:
            description:
              - How much of an object is sent at once, and kept in memory until it arrived. At most 128 MiB.
            type: str
            default: 8MiB
          timeout:
            description:
              - How long to wait for an answer that does not come.
            type: str
            default: 60s
          ca_bundle:
            description:
              - The certificates of the authorities that the server's certificate may be signed by.
            type: path
          endpoint_url:
            description:
              - The address of what stands in for Dropbox, a gateway or a test server. It is asked for access tokens too.
              - For example V(https://dropbox-gateway.example.org).
            type: str
      ftp:
        description:
          - A folder on an FTP server, with TLS unless it is told otherwise.
        type: dict
        suboptions:
          host:
            description:
              - 'The server: the name that its certificate is for.'
              - For example V(ftp.example.org).
            type: str
            required: true
          port:
            description:
              - The server's port. By default 21, with implicit TLS 990.
            type: int
          user:
            description:
              - Who logs in.
              - For example V(backup).
            type: str
            required: true
          password:
            description:
              - The password to log in with.
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
          path:
            description:
              - The folder on the server. It is made when it is missing; its parent must exist, so that a disk that is not
                mounted is noticed. Without a leading slash it begins at the folder that a login begins in.
              - For example V(backups).
            type: str
            required: true
          tls:
            description:
              - 'How the connection is protected: V(explicit), TLS begins on the usual port (AUTH TLS); V(implicit), TLS from
                the first byte on; V(none), everything goes in the clear, the password first, and bytes that are changed on
                their way are not noticed without O(stores[].ftp.read_back).'
            type: str
            default: explicit
            choices:
              - explicit
              - implicit
              - none
          ca_file:
            description:
              - The certificates that the server's may be signed by. By default those that the system trusts.
            type: path
          timeout:
            description:
              - How long the server may take to answer before it counts as unreachable.
            type: str
            default: 60s
          read_back:
            description:
              - Read back what was written, and compare it, before a backup counts. It doubles the traffic. Without it only
                the size is compared.
            type: bool
            default: false
      gdrive:
        description:
          - 'A folder of Google Drive: of a person''s own drive, or of a shared one.'
        type: dict
        suboptions:
          folder_id:
            description:
              - 'The folder below which everything lies: the last part of its address in the browser. Default: the person''s
                drive.'
              - For example V(1AbCdEfGhIjKlMnOpQrStUvWxYz012345).
            type: str
            default: root
          path:
            description:
              - Folders below that one, which are made when they are missing.
              - For example V(backups/prod).
            type: str
          client_id:
            description:
              - The id of the OAuth client, with O(stores[].gdrive.refresh_token).
            type: str
          client_secret:
            description:
              - The secret of the OAuth client.
            type: str
          client_secret_file:
            description:
              - The same, read from this file.
            type: path
          client_secret_env:
            description:
              - The same, read from this environment variable.
            type: str
          client_secret_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          refresh_token:
            description:
              - What gives access to the drive of a person; C(fleet-backup store setup) gets it (docs/stores.md).
            type: str
          refresh_token_file:
            description:
              - The same, read from this file.
            type: path
          refresh_token_env:
            description:
              - The same, read from this environment variable.
            type: str
          refresh_token_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          service_account:
            description:
              - 'The key of a service account (JSON), instead of a refresh token. It has no storage of its own: it needs a
                folder of a shared drive, or a O(stores[].gdrive.subject).'
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
          subject:
            description:
              - The person for whom the service account acts (domain-wide delegation).
              - For example V(backup@example.org).
            type: str
          chunk_size:
            description:
              - How much of an object is sent at once, and kept in memory until it arrived. A multiple of 256 KiB.
            type: str
            default: 8MiB
          timeout:
            description:
              - How long to wait for an answer that does not come.
            type: str
            default: 60s
          ca_bundle:
            description:
              - The certificates of the authorities that the server's certificate may be signed by.
            type: path
          endpoint_url:
            description:
              - The address of what stands in for Google, a gateway or a test server. It is asked for access tokens too.
              - For example V(https://drive-gateway.example.org).
            type: str
      local:
        description:
          - 'A folder of this host: a disk, or anything that is mounted.'
        type: dict
        suboptions:
          path:
            description:
              - The folder. Backups lie below it, by host and job. It is made when it is missing; its parent must exist, so
                that a disk that is not mounted is noticed.
              - For example V(/var/backups/fleet).
            type: path
            required: true
          read_back:
            description:
              - Read back from the disk what was written, past the system's cache, and compare it, before a backup counts.
                It takes as long as reading the backup once.
            type: bool
            default: false
      rclone:
        description:
          - Any remote of a configuration of rclone (OneDrive, Azure, B2, WebDAV, ...), through the program C(rclone).
        type: dict
        suboptions:
          remote:
            description:
              - 'The remote and the folder in it. The remote stands in the configuration of rclone, or in its environment.
                What it needs does not belong here: every user of the host would see it.'
              - For example V(onedrive:backups).
            type: str
            required: true
          config:
            description:
              - 'The configuration of rclone. Default: that of the user.'
              - For example V(/etc/fleet-backup/rclone.conf).
            type: path
          config_password:
            description:
              - What the configuration is encrypted with.
            type: str
          config_password_file:
            description:
              - The same, read from this file.
            type: path
          config_password_env:
            description:
              - The same, read from this environment variable.
            type: str
          config_password_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          program:
            description:
              - The program, if it is not called rclone or not on the path.
            type: str
            default: rclone
          timeout:
            description:
              - How long to wait for an answer that does not come.
            type: str
            default: 5m
      s3:
        description:
          - A bucket of Amazon S3, or of any server or service that speaks its protocol (MinIO, Ceph, Wasabi, B2, R2, SeaweedFS,
            ...).
        type: dict
        suboptions:
          bucket:
            description:
              - The bucket. It must exist.
              - For example V(acme-backups).
            type: str
            required: true
          prefix:
            description:
              - A folder in the bucket below which everything lies.
              - For example V(prod).
            type: str
          endpoint_url:
            description:
              - The address of a server or service other than Amazon's.
              - For example V(https://s3.eu-central-003.backblazeb2.com).
            type: str
          region:
            description:
              - 'The region of the bucket. Default: what the host''s AWS configuration says.'
              - For example V(eu-west-1).
            type: str
          access_key:
            description:
              - The id of the access key. Without it, the credentials are those that the host has by its environment, its
                AWS configuration or its role.
            type: str
          access_key_file:
            description:
              - The same, read from this file.
            type: path
          access_key_env:
            description:
              - The same, read from this environment variable.
            type: str
          access_key_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          secret_key:
            description:
              - The secret of the access key.
            type: str
          secret_key_file:
            description:
              - The same, read from this file.
            type: path
          secret_key_env:
            description:
              - The same, read from this environment variable.
            type: str
          secret_key_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          session_token:
            description:
              - The token that belongs to temporary credentials.
            type: str
          session_token_file:
            description:
              - The same, read from this file.
            type: path
          session_token_env:
            description:
              - The same, read from this environment variable.
            type: str
          session_token_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          profile:
            description:
              - The profile of the host's AWS configuration to use.
              - For example V(backup).
            type: str
          path_style:
            description:
              - 'Name the bucket in the path and not in the host name. Default: as soon as O(stores[].s3.endpoint_url) is
                given.'
            type: bool
          ca_bundle:
            description:
              - The certificates of the authorities that the server's certificate may be signed by.
            type: path
          timeout:
            description:
              - How long to wait for an answer that does not come.
            type: str
            default: 60s
          part_size:
            description:
              - Larger objects are sent in parts of this size. It grows by itself where an object would need too many. Up
                to 32 MiB of parts are on their way at once.
            type: str
            default: 8MiB
          parallel:
            description:
              - How many parts of an object are sent at once.
            type: int
            default: 4
          checksum:
            description:
              - What the server compares of each part before it takes it. V(md5) is for servers that know no other.
            type: str
            default: sha256
            choices:
              - sha256
              - crc32
              - md5
          conditional_create:
            description:
              - Let the server refuse to overwrite (C(If-None-Match)). Without it, only a look before tells whether a key
                is taken, for which the host must be allowed to read.
            type: bool
            default: true
          storage_class:
            description:
              - The storage class of new objects.
              - For example V(STANDARD_IA).
            type: str
          encryption:
            description:
              - 'Let the server encrypt new objects: with keys of its own, or with those of its key management.'
            type: str
            choices:
              - AES256
              - aws:kms
              - aws:kms:dsse
          kms_key_id:
            description:
              - 'The key of the key management. Default: the bucket''s.'
            type: str
          object_lock_mode:
            description:
              - 'Lock new objects, so that nobody can remove them for O(stores[].s3.object_lock_days): V(governance) but people
                with a special permission, V(compliance) nobody at all. The bucket must have been made for it.'
            type: str
            choices:
              - governance
              - compliance
          object_lock_days:
            description:
              - How many days new objects are locked.
            type: int
      sftp:
        description:
          - A folder on a server that is reached by SSH.
        type: dict
        suboptions:
          host:
            description:
              - 'The server: its name or address; with O(stores[].sftp.connection=ssh) also a name in the user''s configuration
                of ssh.'
              - For example V(backup.example.org).
            type: str
            required: true
          port:
            description:
              - The server's port. By default 22, or what the configuration of ssh says.
            type: int
          user:
            description:
              - Who logs in. By default the user that runs the backup, or whom the configuration of ssh says.
            type: str
          path:
            description:
              - 'The folder on the server. It is made when it is missing; its parent must exist, so that a disk that is not
                mounted is noticed. It begins at the root that the account sees (with ChrootDirectory: its own), or without
                a leading slash at the folder that a login begins in.'
              - For example V(backups).
            type: str
            required: true
          key_file:
            description:
              - The file of the private key to log in with. Then neither other keys nor an agent are asked.
            type: path
          passphrase:
            description:
              - The passphrase of O(stores[].sftp.key_file).
            type: str
          passphrase_file:
            description:
              - The same, read from this file.
            type: path
          passphrase_env:
            description:
              - The same, read from this environment variable.
            type: str
          passphrase_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          password:
            description:
              - 'The password to log in with. Keys are better: a server that was taken over learns a password.'
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
          agent:
            description:
              - Ask a running ssh-agent for keys, when neither a key nor a password is given.
            type: bool
            default: true
          host_key:
            description:
              - The server's public key, its type first, as ssh-keyscan prints them. Instead of O(stores[].sftp.known_hosts).
              - For example V(ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI...).
            type: str
          known_hosts:
            description:
              - The file that tells the server's key. By default the user's own and the system's. A server whose key is not
                known is always refused.
            type: path
          connection:
            description:
              - 'What carries the connection: the Python library paramiko; or the program ssh, which is faster, needs no library,
                and honours the user''s configuration of ssh (jump hosts, aliases), but takes keys and agents only.'
            type: str
            default: paramiko
            choices:
              - paramiko
              - ssh
          timeout:
            description:
              - How long the server may take to answer before it counts as unreachable.
            type: str
            default: 60s
          keepalive:
            description:
              - How often to send a sign of life, so that firewalls keep a connection that waits.
            type: str
            default: 30s
          read_back:
            description:
              - Read back what was written, and compare it, before a backup counts. It doubles the traffic.
            type: bool
            default: false
  jobs:
    description:
      - The jobs of this host.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the job.
        type: str
        required: true
      sources:
        description:
          - What to read, and later to write back.
        type: list
        required: true
        elements: dict
        suboptions:
          name:
            description:
              - The name of the source; its component in a backup has the same.
            type: str
            required: true
          files:
            description:
              - Files and folders, with all their metadata.
            type: dict
            suboptions:
              paths:
                description:
                  - The folders and files to read. A link named here is followed; links below are stored as links.
                  - For example V(['/srv/app/uploads']).
                type: list
                required: true
                elements: path
              exclude:
                description:
                  - Patterns of what to leave out, as in C(.gitignore), relative to each path.
                  - For example V(['*.tmp', '__pycache__/']).
                type: list
                elements: str
              include:
                description:
                  - Patterns of what to read, as in C(.gitignore). Without any, everything that is not excluded.
                type: list
                elements: str
              exclude_caches:
                description:
                  - Leave out the content of folders that a C(CACHEDIR.TAG) marks as a cache.
                type: bool
                default: false
              exclude_if_present:
                description:
                  - Leave out the content of folders that hold a file of one of these names.
                type: list
                elements: str
              one_file_system:
                description:
                  - Do not enter other file systems that are mounted below the paths.
                type: bool
                default: false
              on_unreadable:
                description:
                  - What it means when a file or folder cannot be read.
                type: str
                default: warning
                choices:
                  - warning
                  - failure
              on_changed:
                description:
                  - What it means when a file changes or vanishes while it is read.
                type: str
                default: warning
                choices:
                  - ignore
                  - warning
                  - failure
              detect:
                description:
                  - 'How an incremental backup tells that a file has not changed. V(times): by its size, times and inode.
                    V(checksum): by reading it again.'
                type: str
                default: times
                choices:
                  - times
                  - checksum
          sqlite:
            description:
              - An SQLite database, copied consistently while the application writes to it.
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
                  - How thoroughly the copy is checked. V(full) also compares every index with its table; V(quick) does not,
                    which is much faster for databases with many large indexes.
                type: str
                default: full
                choices:
                  - full
                  - quick
              on_corrupt:
                description:
                  - What to do when the check finds damage. V(failure) keeps no backup, so that a damaged database never pushes
                    out good backups; V(warning) keeps what there is, for the day when there is nothing better.
                type: str
                default: failure
                choices:
                  - failure
                  - warning
              foreign_key_check:
                description:
                  - Look for rows that refer to rows that do not exist, and warn of them. Turn it off for an application that
                    never cared.
                type: bool
                default: true
              timeout:
                description:
                  - How long to wait for a lock that another process holds.
                type: str
                default: 60s
          postgresql:
            description:
              - Databases of a PostgreSQL server, each with everything in it in one snapshot, and what the server has outside
                of them.
            type: dict
            suboptions:
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
                  - 'The role to connect as. Default: the one called like the user who runs the programs (O(jobs[].sources[].postgresql.run_as)),
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
                  - 'Whether the connection is encrypted, and whether the server must prove who it is. Default: V(prefer),
                    as everywhere.'
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
                  - 'The Docker daemon that runs the O(jobs[].sources[].postgresql.container). Default: as the environment
                    (C(DOCKER_HOST)) says, else the host''s own.'
                  - For example V(unix:///run/user/1000/docker.sock).
                type: str
              run_as:
                description:
                  - 'The user that the programs run as. On the host only root can choose another one. Default: the user who
                    runs the backup; in a O(jobs[].sources[].postgresql.container) the one that it is made for.'
                  - For example V(postgres).
                type: str
              databases:
                description:
                  - 'The databases: names, patterns such as V(shop_*), or V(all) for all but the templates. One that is named
                    and is not there is an error.'
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
                  - 'Of a restore: how many tables, indexes and constraints it works on at the same time. Default: as many
                    as there are cores, at most 8.'
                type: int
              restore_as:
                description:
                  - Other names for databases when they are restored, each as V(name=new name). Code in the database that
                    names the database itself (views, triggers, routines and events of MariaDB and MySQL may) is not changed.
                  - For example V(['shop=shop_copy']).
                type: list
                elements: str
              terminate_connections:
                description:
                  - 'Of a restore: end the connections that others have to a database that is to be replaced. Without it a
                    restore fails while there are any.'
                type: bool
                default: false
          rows:
            description:
              - Rows of chosen tables of a database as JSON lines, all or those of one tenant, in full or what has changed.
            type: dict
            suboptions:
              postgresql:
                description:
                  - A PostgreSQL database. Either this or O(jobs[].sources[].rows.sqlite).
                type: dict
                suboptions:
                  database:
                    description:
                      - Its name.
                    type: str
                    required: true
                  host:
                    description:
                      - 'The server: a name, an address, or the folder of its socket. Default: the socket where the programs
                        look for it.'
                      - For example V(/var/run/postgresql).
                    type: str
                  port:
                    description:
                      - 'Its port, also the number in the name of a socket. Default: 5432.'
                    type: int
                  user:
                    description:
                      - 'The role to connect as. Default: the one called like the user who runs the programs (O(jobs[].sources[].rows.postgresql.run_as)),
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
                      - 'Whether the connection is encrypted, and whether the server must prove who it is. Default: V(prefer),
                        as everywhere.'
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
                      - The folder of psql and pg_dump, where there are several versions. They must not be older than the
                        server.
                      - For example V(/usr/lib/postgresql/15/bin).
                    type: path
                  maintenance_database:
                    description:
                      - The database to connect to for what concerns the whole server.
                    type: str
                    default: postgres
                  container:
                    description:
                      - 'The container, by name or id, in which the programs run. It must be running and have them. Default:
                        they run on the host. Needs the Python package docker.'
                      - For example V(moodle-db-1).
                    type: str
                  docker_host:
                    description:
                      - 'The Docker daemon that runs the O(jobs[].sources[].rows.postgresql.container). Default: as the environment
                        (C(DOCKER_HOST)) says, else the host''s own.'
                      - For example V(unix:///run/user/1000/docker.sock).
                    type: str
                  run_as:
                    description:
                      - 'The user that the programs run as. On the host only root can choose another one. Default: the user
                        who runs the backup; in a O(jobs[].sources[].rows.postgresql.container) the one that it is made for.'
                      - For example V(postgres).
                    type: str
              sqlite:
                description:
                  - An SQLite database. Either this or O(jobs[].sources[].rows.postgresql).
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
                      - The column that holds when a row was last changed; the database or the application sets it on every
                        change. An increment then reads only the rows that are younger than the backup before. Without it
                        every backup reads them all. In PostgreSQL a timestamp; in SQLite a text in the form of ISO 8601,
                        or seconds or milliseconds since 1970.
                      - For example V(updated_at).
                    type: str
                  key:
                    description:
                      - 'The columns that tell a row from all others. Default: the primary key.'
                    type: list
                    elements: str
              tenants:
                description:
                  - A query that lists the tenants, one text or number a row. The job then takes a backup for each of them,
                    under the name V(job@tenant).
                  - For example V(SELECT id FROM tenant WHERE active).
                type: str
              tenant:
                description:
                  - The one tenant whose rows are backed up. Set by itself where O(jobs[].sources[].rows.tenants) lists them.
                type: str
              overlap:
                description:
                  - How far an increment reaches back beyond the backup before and the oldest transaction that was open then,
                    for clocks that differ and for applications that set the time long before they commit.
                type: str
                default: 10m
              deletions:
                description:
                  - How an increment learns of rows that are gone. V(keys) lists the keys of all rows each time; V(ignore)
                    does not, so that rows deleted since the last full backup come back with a restore.
                type: str
                default: keys
                choices:
                  - keys
                  - ignore
          docker_volume:
            description:
              - Docker volumes of this host, with all metadata of their files; the containers that use them can be stopped
                or paused meanwhile.
            type: dict
            suboptions:
              volumes:
                description:
                  - The volumes, by name.
                  - For example V(['moodle_moodledata']).
                type: list
                elements: str
              project:
                description:
                  - 'Instead of O(jobs[].sources[].docker_volume.volumes): all volumes of this compose project.'
                  - For example V(moodle).
                type: str
              labels:
                description:
                  - 'Instead of O(jobs[].sources[].docker_volume.volumes): all volumes that have these labels, each C(name)
                    or C(name=value).'
                  - For example V(['backup=yes']).
                type: list
                elements: str
              containers:
                description:
                  - 'What to do with the running containers that use the volumes, while these are read. V(stop) them: their
                    files are then whole. V(pause) them: the files are as after a power failure. V(leave) them alone: files
                    that change meanwhile are told. The label C(fleet.backup.containers) of a container, with one of the three,
                    wins. Whatever happens to the backup, they go on afterwards.'
                type: str
                default: leave
                choices:
                  - stop
                  - pause
                  - leave
              stop_timeout:
                description:
                  - How long a container has to stop before it is killed.
                type: str
                default: 30s
              docker_host:
                description:
                  - 'The unix socket of the host''s Docker daemon. Default: as the environment (C(DOCKER_HOST)) says, else
                    the usual one.'
                  - For example V(unix:///run/user/1000/docker.sock).
                type: str
              exclude:
                description:
                  - Patterns of what to leave out, as in C(.gitignore), relative to each path.
                  - For example V(['*.tmp', '__pycache__/']).
                type: list
                elements: str
              include:
                description:
                  - Patterns of what to read, as in C(.gitignore). Without any, everything that is not excluded.
                type: list
                elements: str
              exclude_caches:
                description:
                  - Leave out the content of folders that a C(CACHEDIR.TAG) marks as a cache.
                type: bool
                default: false
              exclude_if_present:
                description:
                  - Leave out the content of folders that hold a file of one of these names.
                type: list
                elements: str
              on_unreadable:
                description:
                  - What it means when a file or folder cannot be read.
                type: str
                default: warning
                choices:
                  - warning
                  - failure
              on_changed:
                description:
                  - What it means when a file changes or vanishes while it is read.
                type: str
                default: warning
                choices:
                  - ignore
                  - warning
                  - failure
              detect:
                description:
                  - 'How an incremental backup tells that a file has not changed. V(times): by its size, times and inode.
                    V(checksum): by reading it again.'
                type: str
                default: times
                choices:
                  - times
                  - checksum
          firestore:
            description:
              - 'A Firestore database: its collections, with all that is below them, as lines of JSON, all as they were at
                one moment.'
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
                  - 'The key of a service account (JSON, as the console gives it). Default: the credentials of the environment,
                    or those of the machine.'
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
          mysql:
            description:
              - Databases of a MariaDB or MySQL server, on the host, over TCP or in a container, by its own dump program.
            type: dict
            suboptions:
              databases:
                description:
                  - The databases, by name or pattern (C(*), C(?)), or V(all). Those of the server itself are never among
                    them.
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
                  - The password of O(jobs[].sources[].mysql.user).
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
                  - Insist on TLS. The certificate is checked only with O(jobs[].sources[].mysql.tls_ca).
                type: bool
                default: false
              tls_ca:
                description:
                  - The certificate, where the programs run, of the authority that the server's must be signed by.
                type: path
              non_transactional:
                description:
                  - What to do when there are tables that a snapshot cannot hold still (MyISAM, Aria). V(refuse) fails; V(lock)
                    locks all tables against writing while the dump is read; V(warn) goes on and warns.
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
                  - Other names for databases when they are restored, each as V(name=new name). Code in the database that
                    names the database itself (views, triggers, routines and events of MariaDB and MySQL may) is not changed.
                  - For example V(['shop=shop_copy']).
                type: list
                elements: str
              timeout:
                description:
                  - How long the programs may give no data, or take none, before they are stopped.
                type: str
              container:
                description:
                  - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they
                    run on the host. Needs the Python package docker.'
                  - For example V(moodle-db-1).
                type: str
              docker_host:
                description:
                  - 'The Docker daemon that runs the O(jobs[].sources[].mysql.container). Default: as the environment (C(DOCKER_HOST))
                    says, else the host''s own.'
                  - For example V(unix:///run/user/1000/docker.sock).
                type: str
              run_as:
                description:
                  - 'The user that the programs run as. On the host only root can choose another one. Default: the user who
                    runs the backup; in a O(jobs[].sources[].mysql.container) the one that it is made for.'
                  - For example V(postgres).
                type: str
          command:
            description:
              - What a command of the user's writes to its standard output; another command reads it back on its standard
                input.
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
                  - The program and its arguments that read the same on standard input when it is restored. Without it, a
                    backup can be restored into a folder only, as a file.
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
                  - 'Variables that are added to the environment of both commands, for secrets above all: arguments can be
                    seen by all users of a host.'
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
                  - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they
                    run on the host. Needs the Python package docker.'
                  - For example V(moodle-db-1).
                type: str
              docker_host:
                description:
                  - 'The Docker daemon that runs the O(jobs[].sources[].command.container). Default: as the environment (C(DOCKER_HOST))
                    says, else the host''s own.'
                  - For example V(unix:///run/user/1000/docker.sock).
                type: str
              run_as:
                description:
                  - 'The user that the programs run as. On the host only root can choose another one. Default: the user who
                    runs the backup; in a O(jobs[].sources[].command.container) the one that it is made for.'
                  - For example V(postgres).
                type: str
          redis:
            description:
              - 'A Redis (or Valkey) server: all of its keys as they were at one moment, as an RDB file.'
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
                  - 'Instead of O(jobs[].sources[].redis.host) and O(jobs[].sources[].redis.port): its unix socket.'
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
                  - 'How the copy is made. V(replication): the server sends it as to a new replica; needs redis-cli 7. V(save):
                    it is saved into the server''s own folder (BGSAVE) and read there, on this host or in the container.'
                type: str
                default: replication
                choices:
                  - replication
                  - save
              data_dir:
                description:
                  - 'The server''s data folder, for restoring into it; in a O(jobs[].sources[].redis.container), as that sees
                    it. Default: as the server said.'
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
                  - 'The container, by name or id, in which the programs run. It must be running and have them. Default: they
                    run on the host. Needs the Python package docker.'
                  - For example V(moodle-db-1).
                type: str
              docker_host:
                description:
                  - 'The Docker daemon that runs the O(jobs[].sources[].redis.container). Default: as the environment (C(DOCKER_HOST))
                    says, else the host''s own.'
                  - For example V(unix:///run/user/1000/docker.sock).
                type: str
              run_as:
                description:
                  - 'The user that the programs run as. On the host only root can choose another one. Default: the user who
                    runs the backup; in a O(jobs[].sources[].redis.container) the one that it is made for.'
                  - For example V(postgres).
                type: str
      stores:
        description:
          - The names of the stores that each get a copy.
        type: list
        required: true
        elements: str
      format:
        description:
          - The archive format of trees of files.
        type: str
        default: tar
        choices:
          - tar
          - zip
      compression:
        description:
          - How components are compressed.
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
      encryption:
        description:
          - Encrypt all that tells of the content, in the format of age. Names of components, sizes and counts stay readable.
        type: dict
        suboptions:
          recipients:
            description:
              - Public keys (C(age1...)) that can decrypt the backups; each of them alone can. The host needs no secret for
                it.
              - For example V(['age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p']).
            type: list
            elements: str
          passphrase:
            description:
              - A passphrase instead of public keys. The host then knows it.
            type: str
          passphrase_file:
            description:
              - The same, read from this file.
            type: path
          passphrase_env:
            description:
              - The same, read from this environment variable.
            type: str
          passphrase_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
      retention:
        description:
          - Which backups C(prune) keeps. Without any rule it keeps all.
        type: dict
        suboptions:
          keep_last:
            description:
              - Keep the newest backups, this many.
            type: int
          keep_hourly:
            description:
              - Keep the newest backup of each of the last hours that have one, this many.
            type: int
          keep_daily:
            description:
              - Keep the newest backup of each of the last days that have one, this many.
            type: int
          keep_weekly:
            description:
              - Keep the newest backup of each of the last ISO weeks that have one, this many.
            type: int
          keep_monthly:
            description:
              - Keep the newest backup of each of the last months that have one, this many.
            type: int
          keep_yearly:
            description:
              - Keep the newest backup of each of the last years that have one, this many.
            type: int
          keep_within:
            description:
              - Keep every backup that is younger than this.
            type: str
          min_keep:
            description:
              - Never go below this many backups, whatever the other rules say.
            type: int
            default: 1
          max_delete:
            description:
              - 'The most that one run may remove from a store, a number of backups or a share of all that are there. A run
                that would remove more removes nothing and fails, until somebody has looked at it. Without it there is no
                limit: a job that is pruned more seldom than it is backed up loses most of its backups each time.'
              - For example V(50%).
            type: str
          tags:
            description:
              - Rules for the backups of one tag. They are then kept by these rules alone.
            type: list
            elements: dict
            suboptions:
              name:
                description:
                  - The tag.
                type: str
                required: true
              keep_last:
                description:
                  - Keep the newest backups, this many.
                type: int
              keep_hourly:
                description:
                  - Keep the newest backup of each of the last hours that have one, this many.
                type: int
              keep_daily:
                description:
                  - Keep the newest backup of each of the last days that have one, this many.
                type: int
              keep_weekly:
                description:
                  - Keep the newest backup of each of the last ISO weeks that have one, this many.
                type: int
              keep_monthly:
                description:
                  - Keep the newest backup of each of the last months that have one, this many.
                type: int
              keep_yearly:
                description:
                  - Keep the newest backup of each of the last years that have one, this many.
                type: int
              keep_within:
                description:
                  - Keep every backup that is younger than this.
                type: str
          after_backup:
            description:
              - Prune by these rules after each backup that succeeded, on every store that this host may delete from. When
                that fails, the run has a warning; the backup stands.
            type: bool
            default: false
      guard:
        description:
          - 'When a backup is suspicious, because it may be of what was lost: a component shrank, is empty, or misses tables
            that were there. It is kept, but counts neither as fresh nor for the retention, and nothing older goes until it
            is accepted.'
        type: dict
        suboptions:
          enabled:
            description:
              - Whether backups are judged at all.
            type: bool
            default: true
          shrink:
            description:
              - The share of its usual entries or bytes (the median of the last seven backups) that a component may lose.
                One that is empty and was not is always suspicious.
            type: str
            default: 75%
          rows:
            description:
              - A table that had at least this many rows, and has none, is suspicious.
            type: int
            default: 100
      hooks:
        description:
          - Programs to run around a backup or a restore.
        type: dict
        suboptions:
          before:
            description:
              - Run before a backup. The first that fails stops the run.
            type: list
            elements: dict
            suboptions:
              command:
                description:
                  - The program and its arguments. No shell is involved.
                type: list
                required: true
                elements: str
              timeout:
                description:
                  - How long it may run before it is killed and counts as failed.
                type: str
                default: 10m
          after:
            description:
              - Run after a backup that was committed.
            type: list
            elements: dict
            suboptions:
              command:
                description:
                  - The program and its arguments. No shell is involved.
                type: list
                required: true
                elements: str
              timeout:
                description:
                  - How long it may run before it is killed and counts as failed.
                type: str
                default: 10m
          on_failure:
            description:
              - Run when a backup failed, whatever made it fail.
            type: list
            elements: dict
            suboptions:
              command:
                description:
                  - The program and its arguments. No shell is involved.
                type: list
                required: true
                elements: str
              timeout:
                description:
                  - How long it may run before it is killed and counts as failed.
                type: str
                default: 10m
          before_restore:
            description:
              - Run before a restore writes anything, to stop a service, say.
            type: list
            elements: dict
            suboptions:
              command:
                description:
                  - The program and its arguments. No shell is involved.
                type: list
                required: true
                elements: str
              timeout:
                description:
                  - How long it may run before it is killed and counts as failed.
                type: str
                default: 10m
          after_restore:
            description:
              - Run after a restore, also after one that failed and was undone.
            type: list
            elements: dict
            suboptions:
              command:
                description:
                  - The program and its arguments. No shell is involved.
                type: list
                required: true
                elements: str
              timeout:
                description:
                  - How long it may run before it is killed and counts as failed.
                type: str
                default: 10m
      timezone:
        description:
          - 'The time zone of the retention''s hours, days, weeks, months and years, as in the IANA database. Default: the
            host''s.'
          - For example V(Europe/Madrid).
        type: str
      full_every:
        description:
          - A run that asks for an increment takes a full backup when the last full one is older than this.
        type: str
        default: 30d
      max_increments:
        description:
          - The same when there are this many increments since the last full one.
        type: int
      delta_cache:
        description:
          - How much of the last full dumps and large files this host may keep (0600, below C(state_dir)) where it could not
            read them back from the stores, because they are encrypted or far away. In increments, databases and large files
            are then stored as what has changed since; without such a copy, or with V(0), in full.
        type: str
        default: 2GiB
      delta_from:
        description:
          - 'In increments, changed files of at least this size are stored as what has changed. It needs the format V(tar),
            the compression V(zstd), and the older bytes: see O(jobs[].delta_cache).'
        type: str
        default: 16MiB
      volume_size:
        description:
          - Split what a source leaves into numbered volumes of at most this size. An upload that fails is then repeated from
            the beginning of its volume, and a store or a disk that takes no large files does too. Without it each source
            leaves one volume, however large.
          - For example V(1GiB).
        type: str
      schedules:
        description:
          - When operations on this job run by themselves.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - 'The name of the schedule. Default: the tag of a run, else the operation.'
            type: str
          operation:
            description:
              - 'What is done: V(run) takes a backup; the others work on those that are there.'
            type: str
            default: run
            choices:
              - run
              - verify
              - prune
              - copy
          at:
            description:
              - The time of day, in 24 hours.
              - For example V(02:30).
            type: str
          weekday:
            description:
              - 'With O(jobs[].schedules[].at), the days of the week, separated by commas: sunday, monday, tuesday, wednesday,
                thursday, friday, saturday. Without it, or O(jobs[].schedules[].day), every day.'
              - For example V(monday,thursday).
            type: str
          day:
            description:
              - With O(jobs[].schedules[].at), the day of the month. Months without that day are left out.
            type: int
          every:
            description:
              - 'Every so often, from midnight on: V(15m), V(1h), V(6h).'
              - For example V(6h).
            type: str
          cron:
            description:
              - The five fields of crontab(5), for all that the others cannot say.
              - For example V(30 2 1,15 * *).
            type: str
          timezone:
            description:
              - The time zone that it is meant in (IANA). Only systemd knows others than the host's.
              - For example V(Europe/Madrid).
            type: str
          splay:
            description:
              - Start within this time after that, each host at a moment of its own that stays the same, so that a fleet does
                not hit a store at once. Not with O(jobs[].schedules[].cron).
            type: str
            default: 0s
          tag:
            description:
              - 'The tag of the backup. Default: with O(jobs[].schedules[].at), C(daily), C(weekly) or C(monthly); else C(scheduled).'
            type: str
          kind:
            description:
              - The kind of the backup.
            type: str
            default: full
            choices:
              - full
              - differential
              - incremental
          level:
            description:
              - How thoroughly backups are verified.
            type: str
            default: hashes
            choices:
              - quick
              - hashes
              - data
          sample:
            description:
              - Verify this share each time, so that successive runs go through all of it.
              - For example V(5%).
            type: str
          enabled:
            description:
              - Whether it is in force.
            type: bool
            default: true
      notify:
        description:
          - The names of the notifiers that are told how operations on this job end.
        type: list
        elements: str
      spool_size:
        description:
          - How many bytes are kept on this host, below C(state_dir), for stores that are slower than others, and to send
            them again. One store on this host alone needs none.
        type: str
        default: 1GiB
      max_age:
        description:
          - The backup counts as stale when the newest is older than this.
          - For example V(26h).
        type: str
      lock_timeout:
        description:
          - How long to wait for another run of the same job.
        type: str
        default: 0s
  notifiers:
    description:
      - The ways to tell people how operations end.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the notifier.
        type: str
        required: true
      'on':
        description:
          - What it is told. A notifier for which silence means something is told everything.
        type: list
        default:
          - warning
          - failure
          - stale
        choices:
          - success
          - warning
          - failure
          - stale
        elements: str
      language:
        description:
          - The language of its messages.
        type: str
        default: en
        choices:
          - en
          - es
      mail:
        description:
          - Mail over SMTP (RFC 5321), with STARTTLS (RFC 3207), TLS from the start (RFC 8314) or neither.
        type: dict
        suboptions:
          to:
            description:
              - Who gets the mail.
              - For example V(['ops@example.org']).
            type: list
            required: true
            elements: str
          from:
            description:
              - 'The address that it comes from. Default: O(notifiers[].mail.username) when that is an address.'
            type: str
          preset:
            description:
              - 'Fills in the server of a provider. With C(port: 465) TLS is used from the start.'
            type: str
            choices:
              - gmail
              - office365
          server:
            description:
              - The host name of the SMTP server.
            type: str
          port:
            description:
              - 'Its port. Default: 587 with V(starttls), 465 with V(tls), 25 with V(none).'
            type: int
          security:
            description:
              - 'How the connection is protected. Default: V(starttls), and V(tls) on port 465. V(none): all is sent in the
                clear.'
            type: str
            choices:
              - starttls
              - tls
              - none
          username:
            description:
              - The account at the server.
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
          ca_file:
            description:
              - Certificates of the authorities to trust instead of the system's (PEM).
            type: path
          timeout:
            description:
              - How long it may take to tell.
            type: str
            default: 30s
      webhook:
        description:
          - A POST of JSON to a URL, signed with a shared secret.
        type: dict
        suboptions:
          url:
            description:
              - Where to send it.
            type: str
          url_file:
            description:
              - The same, read from this file.
            type: path
          url_env:
            description:
              - The same, read from this environment variable.
            type: str
          url_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          secret:
            description:
              - What the body is signed with, so that the receiver knows who sent it.
            type: str
          secret_file:
            description:
              - The same, read from this file.
            type: path
          secret_env:
            description:
              - The same, read from this environment variable.
            type: str
          secret_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          authorization:
            description:
              - The value of the header C(Authorization), such as C(Bearer ...).
            type: str
          authorization_file:
            description:
              - The same, read from this file.
            type: path
          authorization_env:
            description:
              - The same, read from this environment variable.
            type: str
          authorization_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          ca_file:
            description:
              - Certificates of the authorities to trust instead of the system's (PEM).
            type: path
          timeout:
            description:
              - How long it may take to tell.
            type: str
            default: 30s
      apprise:
        description:
          - Slack, Teams, Telegram, Matrix and a hundred others, through the library Apprise.
        type: dict
        suboptions:
          urls:
            description:
              - The Apprise URLs, separated by white space. They hold tokens, so better name a file.
              - For example V(slack://TokenA/TokenB/TokenC/#backups).
            type: str
          urls_file:
            description:
              - The same, read from this file.
            type: path
          urls_env:
            description:
              - The same, read from this environment variable.
            type: str
          urls_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
      healthcheck:
        description:
          - Pings of a dead man's switch (Healthchecks.io and those like it), which tells people when no ping comes.
        type: dict
        suboptions:
          url:
            description:
              - The ping URL of the check.
              - For example V(https://hc-ping.com/00000000-0000-0000-0000-000000000000).
            type: str
          url_file:
            description:
              - The same, read from this file.
            type: path
          url_env:
            description:
              - The same, read from this environment variable.
            type: str
          url_credential:
            description:
              - The same, from this credential of systemd, in C(/etc/credstore) or C(/etc/credstore.encrypted).
            type: str
          ca_file:
            description:
              - Certificates of the authorities to trust instead of the system's (PEM).
            type: path
          timeout:
            description:
              - How long it may take to tell.
            type: str
            default: 30s
      prometheus:
        description:
          - Metrics of each job in a file for the textfile collector of Prometheus' node exporter, replaced as a whole.
        type: dict
        suboptions:
          directory:
            description:
              - 'The folder of the textfile collector. The file is C(fleet_backup_<job>.prom), readable by all: it holds names
                and numbers only.'
              - For example V(/var/lib/prometheus/node-exporter).
            type: path
            required: true
  sign:
    description:
      - Sign every backup with a key of this host, so that a forged or altered one is found out by all who know the public
        key.
    type: bool
    default: false
  signing_key:
    description:
      - 'An OpenSSH ed25519 private key to sign with, such as the host key of the SSH server. Default: one of its own, made
        in O(state_dir) when it is first needed.'
      - For example V(/etc/ssh/ssh_host_ed25519_key).
    type: path
  trusted_hosts:
    description:
      - Keys that may sign backups, as lines of OpenSSH's allowed signers; the principal is the host. With any, only backups
        that are signed by their host count.
    type: list
    elements: str
  scheduler:
    description:
      - 'Which scheduler of the host runs schedules. V(auto): systemd if it runs, else cron; Task Scheduler on Windows.'
    type: str
    default: auto
    choices:
      - auto
      - systemd
      - cron
      - task_scheduler
  scheduler_account:
    description:
      - 'The account that Task Scheduler runs schedules as on Windows, by default SYSTEM. No password is kept: an account
        of the host reaches only what lies on it, a group managed service account (its name ends with C($)) the network too.
        It must be able to read the job files and to write to O(state_dir): the module M(fleet.backup.agent) sees to that.'
      - For example V(ACME\\backup$).
    type: str
  schedules_enabled:
    description:
      - One switch for all schedules of this host.
    type: bool
    default: true
  state_dir:
    description:
      - Where status files, locks and logs are kept.
      - For example V(/var/lib/fleet-backup).
    type: path
"""
