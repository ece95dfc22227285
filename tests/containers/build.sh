#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the images that the tests use, unless they exist: debian:bookworm, and each that is named.
#   debian:bookworm                 made by debootstrap from this machine's mirror when no registry has given it
#   fleet-backup/restore:bookworm   the stock tools of RESTORE.txt, and no Python
#   fleet-backup/host:bookworm      a host with systemd, cron, sshd and Python
#   fleet-backup/servers:bookworm   the same with database servers, Docker and more; after host
#   fleet-backup/redis:bookworm     a redis server
#   fleet-backup/mariadb:bookworm   a MariaDB server
#   fleet-backup/postgresql:bookworm   a PostgreSQL server
# Needs a running Docker daemon; making debian:bookworm needs root and debootstrap.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

has() { docker image inspect "$1" >/dev/null 2>&1; }

if ! has debian:bookworm; then
  # shellcheck disable=SC2016 # the placeholder is apt's
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" ${mirror:+"$mirror"} >"$folder.log" || {
    tail -n 20 "$folder.log" >&2
    exit 1
  }
  rm -f "$folder.log"
  tar -C "$folder" -c . | docker import - debian:bookworm >/dev/null
fi
for image in "${@:-restore}"; do
  if ! has "fleet-backup/$image:bookworm"; then
    folder=$here/$image
    [[ -d $folder ]] || folder=$here/../../extensions/molecule/$image
    DOCKER_BUILDKIT=0 docker build --quiet --tag "fleet-backup/$image:bookworm" "$folder"
  fi
done
