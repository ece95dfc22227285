# SPDX-License-Identifier: GPL-3.0-or-later
"""Run real plays of this collection on this machine, and see what their tasks returned."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_HERE = ("-c", "local", "-e", "ansible_python_interpreter=%s" % sys.executable)


class Ansible:
    """Runs ansible-playbook with everything it writes in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        collections = folder / "ansible_collections" / "fleet"
        collections.mkdir(parents=True)
        (collections / "backup").symlink_to(ROOT)
        (folder / "ansible.cfg").touch()  # the user's own must not count
        temporary = str(folder / "ansible" / "tmp")
        # On this machine nothing is left in the user's home; other hosts have homes of their own.
        self._here = {"ANSIBLE_ASYNC_DIR": str(folder / "ansible" / "async"), "ANSIBLE_REMOTE_TEMP": temporary}
        self.environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
            "ANSIBLE_CALLBACKS_ENABLED": "shared_payloads",
            "ANSIBLE_COLLECTIONS_PATH": str(folder),
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_LOCAL_TEMP": temporary,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            "LC_ALL": "C.UTF-8",
        }

    def playbook(self, *arguments: t.Union[str, Path], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``ansible-playbook`` on this machine and return what came of it."""
        return self.playbook_over_ssh(*_HERE, *arguments, **{**self._here, **environment})

    def start(self, *arguments: t.Union[str, Path]) -> subprocess.Popen[bytes]:
        """Start ``ansible-playbook`` on this machine, in a session of its own, and return it while it runs."""
        command, environment = self._command("ansible-playbook", *_HERE, *arguments)
        environment.update(self._here)
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )  # fmt: skip

    def playbook_over_ssh(self, *arguments: t.Union[str, Path], **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``ansible-playbook`` on the hosts of an inventory and return what came of it."""
        return self.run("ansible-playbook", *arguments, **more)

    def run(
        self, program: str, *arguments: t.Union[str, Path], check: bool = False, **more: str
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run one of Ansible's programs and return what came of it. With ``check`` it must succeed."""
        command, environment = self._command(program, *arguments)
        environment.update(more)
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def _command(self, program: str, *arguments: t.Union[str, Path]) -> t.Tuple[t.List[str], t.Dict[str, str]]:
        command = [str(part) for part in (Path(sys.executable).with_name(program), *arguments)]
        return command, {**os.environ, **self.environment}

    def tasks(
        self,
        *tasks: t.Dict[str, t.Any],
        options: t.Sequence[str] = (),
        environment: t.Optional[t.Dict[str, str]] = None,
        **variables: t.Any,
    ) -> t.List[t.Dict[str, t.Any]]:
        """Run ``tasks`` one after another, failed ones too, and return what each registered.

        ``options`` are ansible-playbook's, and so is ``environment``; ``variables`` the play's.
        """
        registered = ["answer_%d" % number for number in range(len(tasks))]
        steps = [{**task, "register": name, "ignore_errors": True} for name, task in zip(registered, tasks)]
        # The cheapest task that there is; in letters that Ansible shows as they are.
        tell = {"ansible.builtin.debug": {"msg": "answers: {{ [%s] | to_json | b64encode }}" % ", ".join(registered)}}
        play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [*steps, tell]}
        file = self.folder / "play.yml"
        file.write_text(json.dumps([play]))
        done = self.playbook("-i", "localhost,", file, *options, **(environment or {}))
        answers = re.search(r'"answers: ([\w+/=]+)"', done.stdout)
        assert done.returncode == 0 and answers, done.stdout + done.stderr
        return t.cast(t.List[t.Dict[str, t.Any]], json.loads(base64.b64decode(answers.group(1))))
