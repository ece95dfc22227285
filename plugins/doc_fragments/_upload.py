# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of an upload. Written by tools/generate.py from the engine's option declarations; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  src:
    description:
      - The file to send.
    type: path
    required: true
  store:
    description:
      - The store that it goes to.
    type: dict
    required: true
    suboptions:
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
                their way are not noticed without O(store.ftp.read_back).'
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
              - The id of the OAuth client, with O(store.gdrive.refresh_token).
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
                folder of a shared drive, or a O(store.gdrive.subject).'
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
              - 'Name the bucket in the path and not in the host name. Default: as soon as O(store.s3.endpoint_url) is given.'
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
              - 'Lock new objects, so that nobody can remove them for O(store.s3.object_lock_days): V(governance) but people
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
              - 'The server: its name or address; with O(store.sftp.connection=ssh) also a name in the user''s configuration
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
              - The passphrase of O(store.sftp.key_file).
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
              - The server's public key, its type first, as ssh-keyscan prints them. Instead of O(store.sftp.known_hosts).
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
  key:
    description:
      - 'Its name on the store, with C(/) between folders. Default: the name of the file.'
      - For example V(exports/2026/shop.sql.zst).
    type: str
  replace:
    description:
      - Replace another file that has this name. Without it that is an error.
    type: bool
    default: false
"""
