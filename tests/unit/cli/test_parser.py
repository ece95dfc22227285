# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import pytest

from _engine.cli import verbs
from _engine.cli.parser import check_verb, help_text, parse, split
from _engine.errors import ConfigurationError


@pytest.mark.parametrize(
    "words",
    [
        ["run", "app", "--json", "--config", "/etc/x"],
        ["--json", "--config", "/etc/x", "run", "app"],
        ["--config", "/etc/x", "run", "--json", "app"],
        ["--config=/etc/x", "--json", "run", "app"],
    ],
)
def test_common_options_stand_before_or_after_the_verb(words):
    verb, rest = split(words)
    values = parse(verb, rest)
    assert (verb, values.job, values.json, values.config) == ("run", "app", True, "/etc/x")


def test_the_value_of_an_option_is_not_the_verb():
    assert split(["--query", "run", "list", "app"]) == ("list", ["--query", "run", "app"])
    assert split(["--config", "run"]) == (None, ["--config", "run"])
    assert split([]) == (None, [])


def test_a_job_may_be_called_like_a_verb():
    verb, rest = split(["run", "list"])
    assert (verb, parse(verb, rest).job) == ("run", "list")


@pytest.mark.parametrize(("typed", "meant"), [("restor", "restore"), ("lst", "list"), ("verfy", "verify"), ("backup", None)])
def test_a_verb_that_does_not_exist(typed, meant):
    with pytest.raises(ConfigurationError) as caught:
        check_verb(typed)
    assert repr(typed) in str(caught.value)
    assert ("did you mean %s?" % meant in str(caught.value)) == (meant is not None)
    assert "prune" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["app", "--dryrun"], "there is no option --dryrun; did you mean --dry-run?"),
        (["app", "--tga=x"], "there is no option --tga=x; did you mean --tag?"),
        (["app", "web"], "'web' is one argument too many"),
        (["app", "--tag"], "--tag"),
        (["app", "--dry"], "there is no option --dry; did you mean --dry-run?"),
        (["app", "--json=1"], "--json"),
    ],
)
def test_what_is_wrong_is_told_with_a_hint(arguments, told):
    with pytest.raises(ConfigurationError) as caught:
        parse("run", arguments)
    assert told in str(caught.value)
    assert "fleet-backup run --help" in str(caught.value)


def test_options_are_not_abbreviated():
    with pytest.raises(ConfigurationError):
        parse("restore", ["app", "--del"])


def test_the_help_names_every_verb_and_fits_a_terminal():
    lines = help_text().splitlines()
    assert max(map(len, lines)) <= 120
    for verb, summary in verbs.SUMMARIES.items():
        assert any(verb in line and summary in line for line in lines)


@pytest.mark.parametrize("verb", verbs.SUMMARIES)
def test_every_verb_has_its_help(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(verb, ["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: fleet-backup %s" % verb in shown
    assert "--query" in shown


def test_an_unknown_verb_has_no_module():
    with pytest.raises(KeyError):
        verbs.load("nothing")
