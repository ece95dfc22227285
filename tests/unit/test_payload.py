# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in a zip of sources, as Ansible sends it to a host."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"

SCRIPT = """
import collections, importlib, json, sys
compiled = collections.Counter()
sys.addaudithook(lambda event, details: compiled.update([details[1]] if event == "compile" else []))
sys.path.insert(0, sys.argv[1])
for name in ("_ansible", "_ansible.host_spec", "_engine.sources", "_engine.operations.verify"):
    importlib.import_module("plugins.module_utils." + name)
files = {name: module.__file__ for name, module in sys.modules.items() if name.startswith("plugins.module_utils._")}
try:
    importlib.import_module("plugins.module_utils._engine.nothing")
except ModuleNotFoundError as error:
    missing = error.name
verify = sys.modules["plugins.module_utils._engine.operations.verify"]
print(json.dumps({"files": files, "compiled": compiled, "missing": missing, "code": verify.verify.__code__.co_filename}))
"""


def test_each_module_is_compiled_once_and_knows_its_file(tmp_path):
    payload = tmp_path / "payload.zip"
    with zipfile.ZipFile(payload, "w") as archive:
        for name in ("plugins/__init__.py", "plugins/module_utils/__init__.py"):
            archive.writestr(name, b"")
        for path in MODULE_UTILS.rglob("*.py"):
            archive.write(path, "plugins/module_utils/%s" % path.relative_to(MODULE_UTILS))
    done = subprocess.run([sys.executable, "-I", "-c", SCRIPT, str(payload)], check=True, capture_output=True)
    found = json.loads(done.stdout)
    prefix = "plugins.module_utils._engine."
    assert found["files"][prefix + "sources"] == "%s/plugins/module_utils/_engine/sources/__init__.py" % payload
    assert found["files"][prefix + "errors"] == "%s/plugins/module_utils/_engine/errors.py" % payload
    assert found["code"] == found["files"][prefix + "operations.verify"]
    assert found["missing"] == prefix + "nothing"
    twice = [file for name, file in found["files"].items() if name.count(".") > 2 and found["compiled"][file] != 1]
    assert twice == []
