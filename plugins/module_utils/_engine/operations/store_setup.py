# SPDX-License-Identifier: GPL-3.0-or-later
"""Get a person's consent that a store uses their account, try it, and keep what it gives where the store's description says."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ..errors import ConfigurationError, FleetBackupError, InterruptedRunError
from ..interruption import uninterrupted
from ..job import Config, StoreConfig, parse_config
from ..job_files import Description
from ..person import Person
from ..replacement import Replacement
from ..result import Result
from ..secret import Secret
from ..stores import NAMES, Store, load
from .local_file import LocalFile, changing


@dataclass
class StoreSetupResult(Result):
    """``account``: whose it is, ``free``: the bytes left there, None where the service does not tell. ``written``: files that
    were made or replaced. What was granted is in no field.
    """

    store: str = ""
    driver: str = ""
    account: t.Optional[str] = None
    free: t.Optional[int] = None
    written: t.List[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._granted: t.Optional[str] = None

    def granted(self) -> t.Optional[str]:
        """What was granted, when it was not to be written: secret, for the one who asked and nobody else."""
        return self._granted


def set_up_store(
    config: t.Optional[Config],
    folder: t.Optional[str],
    name: str,
    person: Person,
    *,
    driver: t.Optional[str] = None,
    options: t.Optional[t.Mapping[str, str]] = None,
    device: bool = False,
    keep: bool = True,
) -> StoreSetupResult:
    """Set up the store ``name``: one of ``config``, or a new one of this ``driver`` with these ``options``.

    A new one is written to ``conf.d/local.json`` in ``folder``, where the job files are (None: there is no such folder).
    ``device``: ask by a short code instead of a browser. Without ``keep`` nothing is written, and what was granted is to be had
    from the result's granted() alone.
    """
    result = StoreSetupResult("store setup", config.host if config else None, store=name)
    result.begin()
    try:
        known = next((store for store in config.stores if store.name == name), None) if config else None
        if known is not None:
            if driver or options:
                raise ConfigurationError("store %s: is in the configuration; what it is like is changed there" % name)
            setup = _Setup(known, None)
        else:
            setup = _new(name, driver, dict(options or {}), folder, keep, config, person)
        result.driver = setup.driver
        setup.run(result, person, device, keep)
    except (FleetBackupError, InterruptedRunError) as error:
        result.fail(error)
    result.end()
    return result


class _Setup:
    """``store``: its description; ``addition``: for one that is new, where the job files are and what is to stand in them."""

    def __init__(self, store: StoreConfig, addition: t.Optional[t.Tuple[str, Description]]) -> None:
        self.driver = store.driver
        self._name = store.name
        self._class = _consenting(store.driver, store.name)
        self._granted = t.cast(str, self._class.granted)
        self._options = dict(store.options)
        self._addition = addition
        if self._options[self._granted] is None:
            raise ConfigurationError("store %s: has no %s, so nobody's consent is needed" % (self._name, self._granted))

    def run(self, result: StoreSetupResult, person: Person, device: bool, keep: bool) -> None:
        # What can be written is known before a person takes the trouble.
        with contextlib.ExitStack() as files:
            writing: t.Dict[str, Replacement] = {}
            lacking = [name for name in self._class.asks_with if self._is_lacking(name)]
            for name in [*lacking, self._granted] if keep else ():
                writing[name] = files.enter_context(_secret_file(self._file(name)))
            if keep and self._addition:
                with self._adding(*self._addition) as local:
                    local.try_writing()
            values = {name: person.ask_secret("%s (%s): " % (name, _help(self._class, name))) for name in lacking}
            self._options.update((name, Secret("value", value, name)) for name, value in values.items())
            token = values[self._granted] = self._class.ask_consent(self._name, self._options, person, device)
            store = self._class(self._name, {**self._options, self._granted: Secret("value", token, self._granted)})
            result.account, result.free = store.whose(), store.free_space()
            if not keep:
                result._granted = token
                return
            adding = self._adding(*self._addition) if self._addition else contextlib.nullcontext()
            with adding as local, uninterrupted():
                for name, file in writing.items():
                    file.write(values[name].encode("utf-8") + b"\n")
                    file.commit()
                    result.written.append(file.path)
                if local is not None:
                    local.write()
                    result.written.append(local.local_path)
                result.changed = True

    @contextlib.contextmanager
    def _adding(self, folder: str, description: Description) -> t.Iterator[LocalFile]:
        """The host's own file with the store in it, checked with all others."""
        with changing(folder) as local:
            local.local["stores"] = [*local.local.get("stores", []), description]
            local.config()
            yield local

    def _is_lacking(self, name: str) -> bool:
        secret = self._options[name]
        return isinstance(secret, Secret) and secret.file is not None and not os.path.exists(secret.file)

    def _file(self, name: str) -> str:
        secret: Secret = self._options[name]
        if secret.file is None:
            raise ConfigurationError(
                "store %s: %s is given as %s, which cannot be written: give it as %s_file, or print it (--print) and put it where"
                " it belongs yourself" % (self._name, name, secret.way, name)
            )
        return secret.file


def _new(
    name: str, driver: t.Optional[str], options: t.Dict[str, t.Any], folder: t.Optional[str], keep: bool,
    config: t.Optional[Config], person: Person,
) -> _Setup:  # fmt: skip
    """A store that is not there yet; what is missing of its description is asked for."""
    if keep and folder is None:
        there = ", ".join(store.name for store in config.stores) if config else ""
        raise ConfigurationError(
            "there is no store %r in this configuration, which is one file; put it there, or name one that is: %s"
            % (name, there or "none")
        )
    if driver is None:
        offered = [driver for driver in NAMES if load(driver).granted]
        driver = offered[person.choose("There is no store %s yet. Where shall it be?" % name, offered)]
    kind = _consenting(driver, name)
    folder = os.path.abspath(folder or ".")
    given = {option.name: option for option in kind.OPTIONS}
    for option in (given[key] for key in options if key in given and given[key].secret):
        name = option.name
        raise ConfigurationError("%s: arguments can be seen by others; give %s_file, or nothing to be asked" % (name, name))
    for wanted in (*kind.asks_with, t.cast(str, kind.granted)):
        if given[wanted].secret:
            if not any(key.startswith(wanted + "_") for key in options):
                options[wanted + "_file"] = os.path.join(folder, "%s.%s" % (name, wanted))
        elif wanted not in options:
            options[wanted] = person.ask("%s (%s): " % (wanted, _help(kind, wanted)))
    description = {"name": name, driver: options}
    (store,) = parse_config({"host": "localhost", "stores": [description]}).stores
    return _Setup(store, (folder, description))


def _consenting(driver: str, name: str) -> t.Type[Store]:
    kind = load(driver)
    if kind.granted is None:
        others = ", ".join(other for other in NAMES if load(other).granted)
        raise ConfigurationError("store %s: %s needs nobody's consent; only these do: %s" % (name, driver, others))
    return kind


def _help(kind: t.Type[Store], name: str) -> str:
    return next(option.help for option in kind.OPTIONS if option.name == name).rstrip(".").replace("O(", "").replace(")", "")


def _secret_file(path: str) -> Replacement:
    """A file for its owner's eyes only; one that is there keeps what its owner and group may do."""
    with contextlib.suppress(OSError):  # it is not there, or what comes next says what is wrong
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        if mode & stat.S_IRWXO:
            os.chmod(path, mode & ~stat.S_IRWXO)
    return Replacement(path, 0o600)
