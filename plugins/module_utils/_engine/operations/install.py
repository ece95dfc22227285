# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the command and the job file on a host, or take all of it away but the backups.

::

    <library>/versions/<version>-<8 hex of its SHA-256>/fleet-backup.pyz     this one, and the one before
    <library>/versions/.../fleet-backup.<tag>.pyz   the same with bytecode, for the interpreter that the launcher starts
    <library>/current -> versions/...
    <library>/python/<tag>/           libraries for exactly that interpreter (``cpython-311``), put first on its path
    <program>                         a launcher with an absolute interpreter
    <config>/jobs.json                0600; conf.d/local.json beside it is the host's own and never touched
    /etc/credstore.encrypted/fleet-backup.*   secrets, where they are to be credentials of systemd and no lines of that file

Each file is replaced in one step, the link last, so that a run that begins meanwhile finds the old command or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import typing as t
import zipfile
from dataclasses import dataclass, field

from .. import VERSION
from ..bytecode import with_bytecode
from ..credentials import ENCRYPTED, PREFIX, check_host, forget, holds, keep, kept
from ..errors import ConfigurationError, FleetBackupError
from ..installed import library_folder, private_libraries
from ..job import Config, parse_config
from ..job_files import DEPLOYED, JobFiles, load_config
from ..job_options import CONFIG
from ..libraries import missing, needed
from ..options import redacted, shortened, taken_out
from ..private import private_folder
from ..replacement import Replacement
from ..result import Result
from ..system import IS_WINDOWS, is_superuser, let_in
from .windows_launchers import SCRIPT, folders, launchers

_COMMAND = "fleet-backup.pyz"
_COMPILED = "fleet-backup.%s.pyz" % (sys.implementation.cache_tag or "python")
_KEPT_VERSIONS = 2

_LAUNCHER = """\
#!/bin/sh
# Written by fleet.backup; changes are lost.
FLEET_BACKUP_PROGRAM='{program}'
: "${{FLEET_BACKUP_CONFIG:={config}}}"
export FLEET_BACKUP_PROGRAM FLEET_BACKUP_CONFIG
if [ -x '{python}' ]; then
  # With bytecode; a version from before that was made lacks it.
  [ ! -e '{compiled}' ] || exec '{python}' -I '{compiled}' "$@"
  exec '{python}' -I '{command}' "$@"
fi
python=$(command -v python3) || {{ echo 'fleet-backup: {python} is gone, and there is no python3' >&2; exit 4; }}
echo "fleet-backup: {python} is gone; $python is used, perhaps without its libraries: deploy again" >&2
exec "$python" -I '{command}' "$@"
"""

_FACT = """\
#!/bin/sh
exec '{program}' status --json
"""

_LOGROTATE = """\
{state}/audit.log {{
    monthly
    rotate 24
    compress
    missingok
    notifempty
    create 0600
}}
"""


@dataclass
class Places:
    """Where everything goes. ``facts`` and ``logrotate`` are None where the host or the user has none."""

    library: str
    program: str
    config: str
    facts: t.Optional[str] = None
    logrotate: t.Optional[str] = None

    @property
    def command(self) -> t.List[str]:
        """How a scheduler calls the installed command: an absolute program, and its first arguments."""
        return [_interpreter(), "-I", os.path.join(self.library, SCRIPT)] if IS_WINDOWS else [self.program]


def default_places() -> Places:
    """The system's places for root, and on Windows; the user's own for anybody else."""
    if IS_WINDOWS:
        library, data = folders()
        return Places(library, os.path.join(library, "fleet-backup.cmd"), os.path.join(data, "config"))
    if is_superuser():
        facts = "/etc/ansible/facts.d/fleet_backup.fact"
        logrotate = "/etc/logrotate.d/fleet-backup" if os.path.isdir("/etc/logrotate.d") else None
        return Places(library_folder(), "/usr/local/bin/fleet-backup", "/etc/fleet-backup", facts, logrotate)
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return Places(
        library_folder(), os.path.join(home, ".local", "bin", "fleet-backup"), os.path.join(config, "fleet-backup")
    )  # fmt: skip


@dataclass
class InstallResult(Result):
    """``needs_command``: this version is not there, and was not given. ``missing``: libraries that the jobs need.

    ``python``: the tag, version and platform that libraries must be for. ``before`` and ``after``: what was written, by path,
    without secrets.
    """

    version: str = ""
    program: str = ""
    needs_command: bool = False
    missing: t.List[t.Dict[str, t.Optional[str]]] = field(default_factory=list)
    python: t.Dict[str, str] = field(default_factory=dict)
    before: t.Dict[str, str] = field(default_factory=dict)
    after: t.Dict[str, str] = field(default_factory=dict)


def install(
    description: t.Mapping[str, t.Any], sha256: str, places: Places, *, command: t.Optional[str] = None,
    wheels: t.Sequence[str] = (), interpreter: t.Optional[str] = None, as_credentials: bool = False, dry_run: bool = False,
) -> InstallResult:  # fmt: skip
    """Make a host run this version with these jobs.

    ``description``: the whole configuration; ``sha256``: that of the command, which lies at the path ``command`` unless the host
    has it; ``wheels``: paths of libraries to unpack for ``interpreter`` (default: the running one); ``as_credentials``: secrets
    that stand in the description become credentials of systemd instead of lines of the job file.
    """
    result = InstallResult("install", description.get("host"), dry_run=dry_run, program=places.program)
    result.begin()
    try:
        parse_config(description)
        if as_credentials:
            check_host()
        # What people set on the host must go with it, or no job would run any more.
        given = shortened(description, CONFIG)
        config = JobFiles(places.config, given).config()
        result.version = "%s-%s" % (VERSION, sha256[:8])
        result.python = _python()
        new, secrets = taken_out(given, CONFIG, _credentials_of(places)) if as_credentials else (given, {})
        _Install(places, result, config, interpreter or _interpreter()).carry_out(new, secrets, command, wheels)
    except FleetBackupError as error:
        result.fail(error)
    except OSError as error:
        result.fail(ConfigurationError("%s: %s" % (error.filename, error.strerror)))
    result.end()
    return result


def uninstall(places: Places, *, dry_run: bool = False) -> InstallResult:
    """Take everything away: schedules, command, job files, state. Backups stay."""
    result = InstallResult("uninstall", dry_run=dry_run, program=places.program)
    result.begin()
    try:
        config = load_config(places.config) if os.path.exists(os.path.join(places.config, DEPLOYED)) else None
        paths = [places.program, places.library, places.facts, places.logrotate]
        if config is not None:
            result.host = config.host
            _remove_schedules(config, places, result)
            paths.append(config.state_dir)
        for path in [*paths, places.config]:
            if path is not None and os.path.lexists(path):
                result.before[path] = "there"
                result.changed = True
                if not dry_run:
                    _remove(path)
        for name in kept(_credentials_of(places)):
            result.before[os.path.join(ENCRYPTED, name)] = "there"
            result.changed = True
            if not dry_run:
                forget(name)
        if IS_WINDOWS and not dry_run and os.path.basename(os.path.dirname(places.config)) == "fleet-backup":
            _remove_data(os.path.dirname(places.config))
    except FleetBackupError as error:
        result.fail(error)
    except OSError as error:
        result.fail(ConfigurationError("%s: %s" % (error.filename, error.strerror)))
    result.end()
    return result


class _Install:
    def __init__(self, places: Places, result: InstallResult, config: Config, interpreter: str) -> None:
        self._places = places
        self._result = result
        self._config = config
        self._interpreter = interpreter

    def carry_out(
        self,
        description: t.Mapping[str, t.Any],
        secrets: t.Mapping[str, str],
        command: t.Optional[str],
        wheels: t.Sequence[str],
    ) -> None:
        """``description``: what the job file is to hold; ``secrets``: the credentials that it names."""
        places, result = self._places, self._result
        folder = os.path.join(places.library, "versions", result.version)
        target = os.path.join(folder, _COMMAND)
        if not os.path.exists(target):
            if command is None:
                result.needs_command = True
            else:
                self._note(target, "", result.version)
                if not result.dry_run:
                    os.makedirs(folder, 0o755, exist_ok=True)
                    with open(command, "rb") as file:
                        self._replace(target, file.read(), 0o755)
        if not result.needs_command:
            self._compile(target, os.path.join(folder, _COMPILED))
        self._libraries(wheels)
        self._keep(secrets)
        self._jobs(description)
        self._forget_credentials(secrets)
        if result.needs_command:
            return
        if IS_WINDOWS:
            compiled = os.path.join(folder, _COMPILED)
            for path, text in launchers(places.library, places.program, places.config, compiled, self._interpreter).items():
                self._write(path, text, 0o755)
            if self._config.scheduler_account and not result.dry_run:
                let_in(self._config.scheduler_account, {places.config: "RX", self._config.state_dir: "M"})
            self._forget_old_versions()
            return
        texts = {"program": places.program, "config": places.config, "python": self._interpreter, "state": self._config.state_dir}
        texts["command"] = os.path.join(places.library, "current", _COMMAND)
        texts["compiled"] = os.path.join(places.library, "current", _COMPILED)
        self._link(folder)
        self._write(places.program, _LAUNCHER.format(**texts), 0o755)
        if places.facts is not None:
            self._write(places.facts, _FACT.format(**texts), 0o755)
        if places.logrotate is not None:
            self._write(places.logrotate, _LOGROTATE.format(**texts), 0o644)
        self._forget_old_versions()

    def _compile(self, command: str, compiled: str) -> None:
        # In a file of its own: a run that has the other one open goes on reading it.
        if os.path.exists(compiled):
            return
        self._note(compiled, "", self._result.version)
        if not self._result.dry_run:
            with open(command, "rb") as file:
                self._replace(compiled, with_bytecode(file.read(), compiled), 0o755)

    def _libraries(self, wheels: t.Sequence[str]) -> None:
        own = private_libraries(self._places.library)
        for wheel in sorted(wheels):
            mark = os.path.join(own, ".%s.unpacked" % os.path.basename(wheel))
            if os.path.exists(mark):
                continue
            self._note(os.path.join(own, os.path.basename(wheel)), "", "unpacked")
            if not self._result.dry_run:
                os.makedirs(own, 0o755, exist_ok=True)
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(own)  # names cannot lead out: zipfile cleans them
                with open(mark, "wb"):
                    pass
        # As the command will find them.
        sys.path.insert(0, own)
        try:
            self._result.missing = [library._asdict() for library in missing(needed(self._config))]
        finally:
            sys.path.remove(own)

    def _keep(self, secrets: t.Mapping[str, str]) -> None:
        for name, secret in secrets.items():
            if not holds(name, secret):
                self._note(os.path.join(ENCRYPTED, name), "", "(secret)")
                if not self._result.dry_run:
                    keep(name, secret)

    def _forget_credentials(self, secrets: t.Container[str]) -> None:
        for name in kept(_credentials_of(self._places)):
            if name not in secrets:
                self._note(os.path.join(ENCRYPTED, name), "there", "")
                if not self._result.dry_run:
                    forget(name)

    def _jobs(self, new: t.Mapping[str, t.Any]) -> None:
        places, path = self._places, os.path.join(self._places.config, DEPLOYED)
        try:
            with open(path, encoding="utf-8") as file:
                old: t.Any = json.load(file)
        except (OSError, ValueError):
            old = None
        if old == new:
            return
        show = (redacted(value, CONFIG) if isinstance(value, t.Mapping) else {} for value in (old, new))
        before, after = (json.dumps(value, indent=2, sort_keys=True) + "\n" if value else "" for value in show)
        # A secret that changed shows as a change, and no more.
        self._note(path, before, after if after != before else after + "(a secret has changed)\n")
        if not self._result.dry_run:
            private_folder(places.config)
            self._replace(path, json.dumps(new, indent=2).encode("utf-8") + b"\n", 0o600)
            private_folder(self._config.state_dir)

    def _link(self, folder: str) -> None:
        link = os.path.join(self._places.library, "current")
        target = os.path.join("versions", os.path.basename(folder))
        old = os.readlink(link) if os.path.islink(link) else ""
        if old == target:
            return
        self._note(link, old, target)
        if not self._result.dry_run:
            temporary = link + ".new"
            if os.path.lexists(temporary):
                os.unlink(temporary)
            os.symlink(target, temporary)
            os.replace(temporary, link)

    def _write(self, path: str, text: str, mode: int) -> None:
        try:
            with open(path, encoding="utf-8") as file:
                old = file.read()
        except (OSError, UnicodeDecodeError):
            old = ""
        if old == text:
            return
        self._note(path, old, text)
        if not self._result.dry_run:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            self._replace(path, text.encode("utf-8"), mode)

    def _replace(self, path: str, data: bytes, mode: int) -> None:
        with Replacement(path, mode) as new:
            new.write(data)
            if not IS_WINDOWS:
                os.fchmod(new.fd, mode)
            new.commit()

    def _forget_old_versions(self) -> None:
        folder = os.path.join(self._places.library, "versions")
        current = self._result.version
        names = os.listdir(folder) if os.path.isdir(folder) else []
        old = sorted((n for n in names if n != current), key=lambda n: os.stat(os.path.join(folder, n)).st_mtime, reverse=True)
        for name in old[_KEPT_VERSIONS - 1 :]:
            if not self._result.dry_run:
                # Windows does not remove what a run is reading; the next installation does.
                shutil.rmtree(os.path.join(folder, name), ignore_errors=IS_WINDOWS)
            if self._result.dry_run or not os.path.exists(os.path.join(folder, name)):
                self._note(os.path.join(folder, name), "there", "")

    def _note(self, path: str, before: str, after: str) -> None:
        self._result.before[path], self._result.after[path] = before, after
        self._result.changed = True


def _credentials_of(places: Places) -> str:
    """What the names of this installation's credentials begin with: there may be others on the host."""
    if places.config == default_places().config:
        return PREFIX
    return "%s-%s" % (PREFIX, hashlib.sha256(os.fsencode(places.config)).hexdigest()[:8])


def _remove_schedules(config: Config, places: Places, result: InstallResult) -> None:
    from .schedule import apply_schedules

    removed = apply_schedules(config, places.command, remove=True, dry_run=result.dry_run)
    if removed.error is not None:
        raise FleetBackupError(removed.error["message"])
    result.before.update(removed.before)
    result.changed = removed.changed


def _remove_data(folder: str) -> None:
    """Remove the folder of all data on Windows, unless somebody has put something of his own there."""
    with contextlib.suppress(OSError):
        if all(name.startswith(".") for name in os.listdir(folder)):
            shutil.rmtree(folder)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _interpreter() -> str:
    """The running interpreter, by the name that survives its updates."""
    return os.path.abspath(sys.executable)


def _python() -> t.Dict[str, str]:
    import platform
    import sysconfig

    return {
        "tag": sys.implementation.cache_tag or "",
        "version": "%d.%d" % sys.version_info[:2],
        "platform": sysconfig.get_platform(),
        "libc": "-".join(platform.libc_ver()),
    }
