# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules applied by a backup itself, once it stands."""

from __future__ import annotations

import jobs
import pytest

from _engine.errors import ConfigurationError
from _engine.job import parse_config
from _engine.operations.backup import backup
from _engine.operations.restore import RestoreRequest, restore


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("a")
    return tmp_path / "tree"


def configure(tmp_path, tree, **retention):
    return jobs.configure(tmp_path, jobs.files(tree), retention={"keep_last": 1, **retention})


def there(config):
    return jobs.catalog(config).scan().complete


def test_what_the_rules_do_not_keep_goes_after_a_backup_that_succeeded(tmp_path, tree):
    config = configure(tmp_path, tree, after_backup=True)
    first, second = jobs.take(config), jobs.take(config)
    assert (first.pruned, second.pruned, second.outcome) == ([], [first.id], "success")
    assert there(config) == [second.id]
    # A safety backup prunes nothing: the restore that takes it still reads what might go.
    (tree / "a").write_text("b")
    restored = restore(config, "app", RestoreRequest(confirm=True))
    assert (restored.error, there(config)) == (None, [second.id, restored.safety_backup])
    # Nor does one that failed.
    (tree / "a").unlink()
    tree.rmdir()
    assert backup(config, config.jobs[0]).error["code"] == "source"
    assert there(config) == [second.id, restored.safety_backup]


def test_a_prune_that_fails_costs_the_run_a_warning(tmp_path, tree):
    plain = configure(tmp_path, tree)
    old = [jobs.take(plain).id for _n in range(3)]
    config = configure(tmp_path, tree, after_backup=True, max_delete="1")
    result = jobs.take(config)
    assert (result.outcome, [w.code for w in result.warnings], result.pruned) == ("warning", ["not-pruned"], [])
    assert "more than max_delete (1) allows" in result.warnings[0].message
    assert there(config) == [*old, result.id]


def test_a_host_that_may_only_write_cannot(tmp_path, tree):
    described = jobs.describe(tmp_path, jobs.files(tree), retention={"keep_last": 1, "after_backup": True})
    described["stores"][0]["write_only"] = True
    with pytest.raises(ConfigurationError, match="after_backup: all stores of the job are write_only"):
        parse_config(described)
