# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked examples: what Ansible makes of each inventory is a configuration that a host takes, schedules and all."""

from __future__ import annotations

import base64
import json
import ntpath
import re
import typing as t

import pytest
from playing import ROOT, Ansible

from _engine.job import Config, parse_config
from _engine.schedules.planned import planned

#: Of each inventory its hosts.
EXAMPLES = {
    "cocheras": ["backup.example.org"],
    "demo": ["this-machine"],
    "marketplace": ["marketplace-win.example.org", "marketplace.example.org"],
    "moodle": ["moodle-testing.example.org", "moodle.example.org"],
    "pedidolist": ["pedidolist.example.org"],
    "siip": ["siip-win.example.org", "siip.example.org"],
}

_TOLD = (
    "{{ inventory_hostname }} {{ lookup('fleet.backup.settings') | combine({'jobs': query('fleet.backup.joined',"
    " 'fleet_backup_jobs')}) | to_json | b64encode }}"
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_host_has_what_it_needs(name, tmp_path):
    configs = configurations(name, Ansible(tmp_path))
    assert sorted(configs) == EXAMPLES[name]
    for host, config in configs.items():
        (job,) = config.jobs
        assert config.host == host and job.max_age or name == "demo"
        assert job.schedules or name in ("demo", "marketplace")
        assert len(planned(config, job, ["fleet-backup"])) == len(job.schedules)
    if name == "moodle":
        testing, production = (configs[host].jobs[0] for host in EXAMPLES[name])
        assert [s["name"] for s in testing.schedules] == ["daily"]
        assert [s["name"] for s in production.schedules] == ["daily", "often", "verify"]
        assert testing.retention != production.retention
    if name in ("marketplace", "siip"):
        windows, linux = (configs[host].jobs[0] for host in EXAMPLES[name])
        assert [source.name for source in windows.sources] == [source.name for source in linux.sources]
        assert windows.sources[0].options["path"].startswith("C:\\")


def configurations(name: str, ansible: Ansible) -> t.Dict[str, Config]:
    """Of each host of an inventory, as the host would read it."""
    inventory, play = ROOT / "inventories" / name, ansible.folder / "play.yml"
    # What people keep in a vault.
    written = "".join(path.read_text(encoding="utf-8") for path in inventory.rglob("*.yml"))
    secrets = dict.fromkeys(re.findall(r"\bvault_\w+", written), "secret")
    task = {"ansible.builtin.debug": {"msg": _TOLD}}
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    done = ansible.run("ansible-playbook", "-i", inventory, "-e", json.dumps(secrets), play, check=True)
    told = re.findall(r'"msg": "(\S+) ([\w+/=]+)"', done.stdout)
    return {host: _read_on(host, json.loads(base64.b64decode(text))) for host, text in told}


def _read_on(host: str, description: t.Dict[str, t.Any]) -> Config:
    with pytest.MonkeyPatch.context() as patch:
        if "-win." in host:
            patch.setattr("os.path.isabs", ntpath.isabs)
        return parse_config(description)
