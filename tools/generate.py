# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what follows from the engine's option declarations, or with ``--check`` say whether it is up to date.

The declarations (options.py, job_options.py and each driver's OPTIONS) become the Ansible argument spec, its documentation, the
JSON schema of a job file and the tables of docs/options.md. Nobody writes those by hand.
"""

from __future__ import annotations

import difflib
import json
import pprint
import re
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "plugins" / "module_utils"))

import yaml  # noqa: E402

from _engine import notifiers, sources, stores  # noqa: E402
from _engine.job_options import CONFIG, JOB  # noqa: E402
from _engine.operations.archive import OPTIONS as ARCHIVE  # noqa: E402
from _engine.operations.database_dump import options as dump_options  # noqa: E402
from _engine.operations.upload import OPTIONS as UPLOAD  # noqa: E402
from _engine.options import Option, written  # noqa: E402

_REGISTRIES: t.Dict[str, t.Any] = {"sources": sources, "stores": stores, "notifiers": notifiers}
_BY_HAND = "Written by tools/generate.py from the engine's option declarations; do not edit."

#: The options that choose a job in a module: a whole description, or a job of a description that lies on the host. Which of them
#: are needed depends on others, so none is marked as required.
TARGET: t.Tuple[Option, ...] = (
    Option(
        "config",
        "path",
        "A job file of the host, or a folder of them, such as C(/etc/fleet-backup). Instead of O(job), O(stores), O(host) and"
        " O(state_dir).",
    ),
    Option("name", "name", "The name of a job in O(config)."),
    Option("job", "dict", "The job, described here.", options=JOB),
    Option(
        "tenant",
        "str",
        "Of a job whose backups are those of tenants, the one tenant that is meant. Default is each of them.",
        example="7",
    ),
    *(option for option in CONFIG if option.name != "jobs"),
)


def main(arguments: t.Sequence[str]) -> int:
    """Write the generated files, or compare them; return the exit code."""
    stale = 0
    for name, text in _generate().items():
        path = ROOT / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        stale += 1
        if "--check" in arguments:
            lines = difflib.unified_diff(old.splitlines(), text.splitlines(), name, "generated", lineterm="")
            sys.stdout.write("\n".join(lines) + "\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write("wrote %s\n" % name)
    if stale and "--check" in arguments:
        sys.stdout.write("%d generated files are out of date; run make generate\n" % stale)
        return 1
    return 0


def _generate() -> t.Dict[str, str]:
    return {
        "plugins/module_utils/_ansible/job_spec.py": _spec_module("a job", _job_specs()),
        "plugins/doc_fragments/_job.py": _fragment_module("a job", _documentation(TARGET, required=False)),
        "plugins/module_utils/_ansible/host_spec.py": _spec_module("a host", _HOST_SPEC, "from .job_spec import HOST, JOB"),
        "plugins/doc_fragments/_host.py": _fragment_module("a host", _documentation(CONFIG, required=False)),
        "plugins/module_utils/_ansible/archive_spec.py": _spec_module("an archive", {"SPEC": _spec(ARCHIVE)}),
        "plugins/doc_fragments/_archive.py": _fragment_module("an archive", _documentation(ARCHIVE)),
        "plugins/module_utils/_ansible/dump_spec.py": _spec_module("a dump", {"SPEC": _spec(dump_options())}),
        "plugins/doc_fragments/_dump.py": _fragment_module("a dump", _documentation(dump_options())),
        "plugins/module_utils/_ansible/upload_spec.py": _spec_module("an upload", {"SPEC": _spec(UPLOAD)}),
        "plugins/doc_fragments/_upload.py": _fragment_module("an upload", _documentation(UPLOAD)),
        "docs/job.schema.json": json.dumps(_schema_document(), indent=2) + "\n",
        "docs/options.md": _tables(),
    }


def _drivers(folder: str) -> t.Dict[str, t.Sequence[Option]]:
    """The options of each driver of a folder ("" has none)."""
    if not folder:
        return {}
    registry = _REGISTRIES[folder]
    return {name: registry.load(name).OPTIONS for name in registry.NAMES}


# Ansible's argument spec


def _ansible_type(kind: str) -> str:
    return kind if kind in ("str", "int", "bool", "path", "list", "dict") else "str"


def _spec(options: t.Sequence[Option], required: bool = True) -> t.Dict[str, t.Any]:
    return {option.name: _spec_option(option, required) for option in written(options)}


def _spec_option(option: Option, required: bool = True) -> t.Dict[str, t.Any]:
    spec: t.Dict[str, t.Any] = {"type": _ansible_type(option.type)}
    if option.required and required:
        spec["required"] = True
    if option.default is not None and option.type != "dict":
        spec["default"] = option.default
    if option.choices:
        spec["choices"] = list(option.choices)
    if option.secret:
        spec["no_log"] = True
    elif re.search("pass|secret|token|key|_(file|env|credential)$", option.name):
        spec["no_log"] = False  # where a secret is, or a key of a table: not a secret, though it sounds like one
    if option.type == "list":
        spec["elements"] = _ansible_type(option.elements)
    if option.options or option.drivers:
        drivers = _drivers(option.drivers)
        spec["options"] = _spec(option.options)
        spec["options"].update({name: _driver_spec(own, len(drivers) == 1) for name, own in drivers.items()})
        if len(drivers) > 1:
            spec["required_one_of"] = spec["mutually_exclusive"] = [list(drivers)]
    return spec


def _driver_spec(options: t.Sequence[Option], only: bool) -> t.Dict[str, t.Any]:
    return {"type": "dict", **({"required": True} if only else {}), "options": _spec(options)}


class _Expression:
    """Python that is written as it stands."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


#: A host is a list of jobs and what a job needs around it, so that nothing of a job is written twice.
_HOST_SPEC = {"SPEC": _Expression('{**HOST, "jobs": {"type": "list", "elements": "dict", "options": JOB}}')}


def _job_specs() -> t.Dict[str, t.Any]:
    own = {name: spec for name, spec in _spec(TARGET, required=False).items() if name in ("config", "name", "job", "tenant")}
    own["job"]["options"] = _Expression("JOB")
    around = {name: spec for name, spec in _spec(CONFIG, required=False).items() if name != "jobs"}
    return {"JOB": _spec(JOB), "HOST": around, "SPEC": _Expression("{**%r, **HOST}" % own)}


def _spec_module(what: str, specs: t.Dict[str, t.Any], imported: str = "") -> str:
    text = '''# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of %s. %s

A plain literal: importing every driver to learn its options would cost each task time.
"""

from __future__ import annotations

import typing as t
%s
%s
''' % (
        what,
        _BY_HAND,
        imported and "\n%s\n" % imported,
        "\n".join(
            "%s: t.Dict[str, t.Any] = %s" % (name, pprint.pformat(spec, width=110, sort_dicts=False))
            for name, spec in specs.items()
        ),
    )
    return _formatted(text)


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "generated.py", "-"]
    return subprocess.run(command, cwd=ROOT, input=text, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


# Ansible's documentation


def _documentation(options: t.Sequence[Option], place: str = "", required: bool = True) -> t.Dict[str, t.Any]:
    siblings = {option.name for option in options}

    def whole(found: re.Match[str]) -> str:
        # Ansible wants the whole path of an option; a declaration can only name its neighbours.
        return "O(%s%s)" % (place if found.group(1).partition("=")[0] in siblings else "", found.group(1))

    docs: t.Dict[str, t.Any] = {}
    for option in written(options):
        entry: t.Dict[str, t.Any] = {"description": [re.sub(r"O\(([^)]*)\)", whole, option.help)]}
        if option.example is not None:
            entry["description"].append("For example V(%s)." % re.sub(r"([\\)])", r"\\\1", str(option.example)))
        entry.update((key, value) for key, value in _spec_option(option, required).items() if key in _DOCUMENTED)
        if option.options or option.drivers:
            below = "%s%s%s." % (place, option.name, "[]" if option.type == "list" else "")
            entry["suboptions"] = _documentation(option.options, below)
            drivers = _drivers(option.drivers)
            for name, own in drivers.items():
                spec = {key: value for key, value in _driver_spec(own, len(drivers) == 1).items() if key in _DOCUMENTED}
                entry["suboptions"][name] = {"description": [_driver_help(option.drivers, name)], **spec}
                entry["suboptions"][name]["suboptions"] = _documentation(own, "%s%s." % (below, name))
        docs[option.name] = entry
    return docs


_DOCUMENTED = ("type", "required", "default", "choices", "elements")


def _driver_help(folder: str, name: str) -> str:
    """What a driver is: the first paragraph of its file."""
    text = t.cast(str, sys.modules[_REGISTRIES[folder].load(name).__module__].__doc__)
    return " ".join(text.split("\n\n")[0].split())


class _Dumper(yaml.SafeDumper):
    """Indents the items of lists, as ansible-lint and yamllint ask for."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def _fragment_module(what: str, options: t.Dict[str, t.Any]) -> str:
    text = yaml.dump(
        {"options": options}, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True, default_flow_style=False
    )
    return '''# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of %s. %s"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
%s"""
''' % (what, _BY_HAND, text)


# JSON schema


def _schema(option: Option, kind: str) -> t.Dict[str, t.Any]:
    if kind == "dict":
        return _schema_object(option.options, _drivers(option.drivers))
    if kind == "list":
        schema: t.Dict[str, t.Any] = {"type": "array", "items": _schema(option, option.elements)}
        return {**schema, "minItems": 1} if option.required else schema
    if kind == "int":
        limits = {"minimum": option.minimum, "maximum": option.maximum}
        return {"type": "integer", **{key: value for key, value in limits.items() if value is not None}}
    if kind == "bool":
        return {"type": "boolean"}
    text: t.Dict[str, t.Any] = {"type": "string"}
    if option.choices:
        text["enum"] = list(option.choices)
    if kind in ("size", "amount"):
        return {"anyOf": [{"type": "integer", "minimum": option.minimum or 0}, {**text, "pattern": _PATTERNS[kind]}]}
    return {**text, "pattern": _PATTERNS[kind]} if kind in _PATTERNS else text


# ECMA-262 forms of the rules in options.py and names.py.
_PATTERNS = {
    "name": "^[a-z0-9][a-z0-9_-]{0,62}$",
    "host": "^[a-z0-9][a-z0-9_.-]{0,252}$",
    "duration": "^[0-9]+\\s*[smhdw]$",
    "size": "^[0-9]+\\s*(|[KMGT]|[KMGT]iB|kB|KB|MB|GB|TB)$",
    "percent": "^[0-9]{1,3}(\\.[0-9]{1,6})?\\s*%$",
    "amount": "^([0-9]+|[0-9]{1,3}(\\.[0-9]{1,6})?\\s*%)$",
    "path": "^(/|[A-Za-z]:[\\\\/]|\\\\\\\\)",
}


def _schema_object(options: t.Sequence[Option], drivers: t.Dict[str, t.Sequence[Option]]) -> t.Dict[str, t.Any]:
    properties: t.Dict[str, t.Any] = {}
    for option in written(options):
        properties[option.name] = {"description": _plain(option.help), **_schema(option, option.type)}
        if option.default is not None:
            properties[option.name]["default"] = option.default
        if option.example is not None:
            properties[option.name]["examples"] = [option.example]
    properties.update({name: _schema_object(own, {}) for name, own in drivers.items()})
    schema: t.Dict[str, t.Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [option.name for option in options if option.required]
    if required:
        schema["required"] = required
    if drivers:
        schema["oneOf"] = [{"required": [name]} for name in drivers]
    return schema


def _schema_document() -> t.Dict[str, t.Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A job file of fleet.backup",
        "description": "The backups of one host, after the files of a folder have been joined. " + _BY_HAND,
        **_schema_object(CONFIG, {}),
    }


# Tables for people


def _plain(text: str) -> str:
    """Help without Ansible's markup."""
    return re.sub(r"\b[VCOEP]\(([^)]*)\)", r"\1", text)


def _tables() -> str:
    parts = ["# Options\n\n<!-- %s -->\n\n%s\n" % (_BY_HAND, _INTRODUCTION)]
    parts += _section("A host", "", CONFIG)
    for folder in _REGISTRIES:
        for name, own in _drivers(folder).items():
            parts.append("## %s: %s\n\n%s\n" % (folder.capitalize(), name, _driver_help(folder, name)))
            parts.append(_table(own))
    return "\n".join(parts)


_INTRODUCTION = (
    "What stands in a host's job file (JSON), in the inventory's variables and in the modules' options. A *duration* is a number"
    " with its unit, `90s`, `10m`, `26h`, `30d`, `5w`; a *size* likewise, `512M`, `1GiB` (powers of 1024), `10GB` (of 1000). A"
    " *percent* is `75%`; an *amount* is such a share, or a number. A *name* is 1 to 63 of `a-z`, `0-9`, `_` and `-`, starting"
    " with a letter or digit. A *path* is absolute."
)


def _section(title: str, place: str, options: t.Sequence[Option]) -> t.List[str]:
    parts = ["## %s\n" % title, _table(options)]
    for option in options:
        if not option.options:
            continue
        below = "%s%s%s" % (place, option.name, "[]" if option.type == "list" else "")
        if option.drivers and all(o.name == "name" for o in option.options):
            names = ", ".join("`%s`" % name for name in _drivers(option.drivers))
            parts.append("## %s\n\nA `name`, and exactly one of %s: see below.\n" % (below, names))
        else:
            parts += _section(below, below + ".", option.options)
    return parts


def _table(options: t.Sequence[Option]) -> str:
    lines = ["| option | type | default | |", "| --- | --- | --- | --- |"]
    for option in written(options):
        kind = "list of %s" % option.elements if option.type == "list" else option.type
        default = "required" if option.required else "" if option.default in (None, {}) else "`%s`" % json.dumps(option.default)
        text = re.sub(r"\b[VCOEP]\(([^)]*)\)", r"`\1`", option.help)
        if option.choices:
            text += " One of %s." % ", ".join("`%s`" % choice for choice in option.choices)
        lines.append("| `%s` | %s | %s | %s |" % (option.name, kind, default, text.replace("|", "\\|")))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
