#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for ansible.windows.win_command (options as its version 1.11.0 documents them), on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

from ansible.module_utils.basic import AnsibleModule

PATHS = ("chdir", "creates", "removes")


def main():
    spec = {name: {"type": "str"} for name in ("_raw_params", "cmd", "stdin", "output_encoding_override", *PATHS)}
    spec["argv"] = {"type": "list", "elements": "str"}
    ways = [("_raw_params", "cmd", "argv")]
    module = AnsibleModule(spec, mutually_exclusive=ways, required_one_of=ways, supports_check_mode=False)
    with open(os.environ["FLEET_BACKUP_WINDOWS"], encoding="utf-8") as file:
        host = json.load(file)

    def expanded(path):
        # Options of the type path expand variables; argv does not.
        return re.sub(r"%(\w+)%", lambda found: host["environment"][found.group(1).upper()], path).replace("\\", "/")

    told = {name: expanded(module.params[name]) for name in PATHS if module.params[name]}
    if "removes" in told and not os.path.exists(told["removes"]):
        module.exit_json(changed=False, skipped=True, rc=0, msg="skipped, since %s does not exist" % told["removes"])
    argv = module.params["argv"]
    if argv[:2] != [host["launcher"], "-3"]:
        module.fail_json(msg="The system cannot find the file specified", rc=2, changed=False)
    argv = argv[2:]
    if argv[0] != "-I":
        module.fail_json(msg="the interpreter is not isolated", changed=False)
    # Only a path relative to chdir has backslashes here.
    command = [sys.executable, host["rules"], argv[1].replace("\\", "/"), *argv[2:]]
    environment = {**os.environ, **host["environment"], "PATH": host["programs"] + os.pathsep + os.environ["PATH"]}
    environment["PYTHONIOENCODING"] = "cp1252"
    done = subprocess.run(
        command, cwd=told.get("chdir"), env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    result = {
        "changed": True,
        "rc": done.returncode,
        "stdout": done.stdout.decode("cp1252"),
        "stderr": done.stderr.decode("cp1252"),
        "cmd": subprocess.list2cmdline(argv),
    }
    if done.returncode:
        module.fail_json(msg="non-zero return code", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
