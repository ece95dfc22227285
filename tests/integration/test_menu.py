# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu, and the restore that asks, as a person at a terminal uses them."""

from __future__ import annotations

import json
import signal

import pytest

pytest.importorskip("pty")

from terminal import Terminal

MENU = "What shall be done?"
NUMBER = "q to leave): "
VERBS = ("run", "list", "show", "verify", "restore", "prune", "check", "store", "schedule", "notify")


@pytest.fixture
def menu(cli):
    with Terminal(cli.argv("menu"), env=cli.environment()) as terminal:
        terminal.expect(MENU)
        yield terminal


def choose(terminal, verb):
    terminal.expect(NUMBER)
    terminal.type(str(VERBS.index(verb) + 1))


def test_a_backup_is_taken_and_the_command_is_shown(cli, menu):
    choose(menu, "run")
    menu.expect("Which job?")
    menu.expect("q to leave): ")
    menu.type("2")
    menu.expect("$ fleet-backup run notes")
    menu.expect("disk   success")
    menu.expect(MENU)
    menu.type("q")
    assert menu.finish() == 0
    assert len(cli.backups("notes")) == 1


@pytest.mark.parametrize("leave", ["q", "\x04", "\x03"])
def test_it_can_be_left(menu, leave):
    menu.expect(NUMBER)
    menu.type(leave)
    assert menu.finish() == 0


@pytest.mark.parametrize("verb", ["run", "list", "show", "verify", "prune"])
@pytest.mark.parametrize("leave", ["q", "\x04"])
def test_every_question_leads_back_to_the_menu(menu, verb, leave):
    choose(menu, verb)
    menu.expect("Which job?")
    menu.expect("): ")
    menu.type(leave)
    menu.expect("back to the menu")
    menu.expect(MENU)
    menu.type("q")
    assert menu.finish() == 0


def test_nonsense_is_asked_again(menu):
    menu.expect(NUMBER)
    for answer in ("", "0", "99", "run", "\x1b[A"):
        menu.type(answer)
        menu.expect("none of the numbers")
    menu.type("q")
    assert menu.finish() == 0


def test_an_error_does_not_end_the_menu_but_its_exit_code(cli, menu):
    choose(menu, "show")
    menu.expect("Which job?")
    menu.expect("): ")
    menu.type("1")
    menu.expect("there is no backup of job app yet")
    menu.expect(MENU)
    menu.type("q")
    assert menu.finish() == 12


def test_show_offers_the_backups_newest_first(cli):
    cli("run", "notes", "--tag", "daily")
    cli("run", "notes")
    old, new = cli.backups("notes")
    with Terminal(cli.argv("menu"), env=cli.environment()) as menu:
        menu.expect(MENU)
        choose(menu, "show")
        menu.expect("): ")
        menu.type("2")
        offered = menu.expect("Enter for 1): ")
        assert offered.index(new) < offered.index(old)
        menu.type("2")
        menu.expect("$ fleet-backup show %s --job notes" % old)
        menu.expect("full, daily")
        menu.expect(MENU)
        menu.type("q")
        assert menu.finish() == 0


@pytest.mark.parametrize(("answer", "left"), [("", 3), ("yes", 3), ("notes", 1)])
def test_prune_shows_first_and_removes_only_for_the_jobs_name(cli, answer, left):
    cli.config["jobs"][1]["retention"] = {"keep_last": 1}
    cli.save()
    for _ in range(3):
        cli("run", "notes")
    with Terminal(cli.argv("menu"), env=cli.environment()) as menu:
        menu.expect(MENU)
        choose(menu, "prune")
        menu.expect("): ")
        menu.type("2")
        menu.expect("would remove 2 of 3 backups")
        menu.expect("(Enter for no): ")
        menu.type(answer)
        menu.expect(MENU)
        menu.type("q")
        assert menu.finish() == 0
    assert len(cli.backups("notes")) == left


def slow_job(cli):
    """Let the backup of notes wait in a hook for ever; return what is readable when it does."""
    import os

    ready, never = cli.folder / "ready", cli.folder / "never"
    os.mkfifo(ready)
    os.mkfifo(never)
    script = 'echo > "%s"; read x < "%s"' % (ready, never)
    cli.config["jobs"][1]["hooks"] = {"before": [{"command": ["sh", "-c", script]}]}
    cli.save()
    return ready


def test_ctrl_c_ends_what_runs_and_comes_back_to_the_menu(cli):
    ready = slow_job(cli)
    with Terminal(cli.argv("menu"), env=cli.environment()) as menu:
        menu.expect(MENU)
        choose(menu, "run")
        menu.expect("): ")
        menu.type("2")
        ready.read_text()
        menu.type("\x03")
        menu.expect("stopped by SIGINT")
        menu.expect(MENU)
        menu.type("q")
        assert menu.finish() == 15
    assert cli.backups("notes") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_the_menu_too(cli, number):
    ready = slow_job(cli)
    with Terminal(cli.argv("menu"), env=cli.environment()) as menu:
        menu.expect(MENU)
        choose(menu, "run")
        menu.expect("): ")
        menu.type("2")
        ready.read_text()
        menu.process.send_signal(number)
        assert menu.finish() == 15
    line = json.loads((cli.state / "audit.log").read_text().splitlines()[-1])
    assert line["error"] == "interrupted"


def test_a_terminal_that_hangs_up_ends_the_menu(menu):
    menu.expect(NUMBER)
    menu.hang_up()
    assert menu.process.wait(60) is not None


def test_options_are_passed_on(cli):
    environment = cli.environment()
    del environment["FLEET_BACKUP_CONFIG"]
    with Terminal(cli.argv("-v", "menu", "--config", str(cli.path)), env=environment) as menu:
        menu.expect(MENU)
        choose(menu, "check")
        menu.expect("$ fleet-backup --config %s --verbose check" % cli.path)
        menu.expect(MENU)
        menu.type("q")
        assert menu.finish() == 0


def test_a_run_shows_a_bar_that_leaves_nothing_behind(cli):
    cli("run", "app")
    with Terminal(cli.argv("run", "app"), env=cli.environment()) as terminal:
        assert terminal.finish() == 0
    (backup_id,) = cli.backups("app")[1:]
    assert "back up database  [" in terminal.raw
    assert terminal.screen()[0].startswith("backup %s: " % backup_id)
    assert not [line for line in terminal.screen() if "back up" in line]


# The restore that asks


def damage(cli):
    """A backup of notes is there, and its file was changed since; return the file."""
    cli("run", "notes", "--tag", "daily")
    note = cli.folder / "notes" / "a.txt"
    note.write_text("changed")
    return note


@pytest.mark.parametrize(("answer", "code", "text"), [("notes", 0, "a note"), ("yes", 0, "a note"), ("y", 11, "changed")])
def test_overwriting_is_shown_and_confirmed_by_typing(cli, answer, code, text):
    note = damage(cli)
    with Terminal(cli.argv("restore", "notes"), env=cli.environment()) as terminal:
        terminal.expect("overwrite %s" % note)
        terminal.expect("Type notes or yes")
        terminal.expect(": ")
        assert note.read_text() == "changed"
        terminal.type(answer)
        assert terminal.finish() == code
    assert note.read_text() == text


@pytest.mark.parametrize(("key", "code"), [("\x04", 11), ("\x03", 15), ("q", 11)])
def test_leaving_the_confirmation_touches_nothing(cli, key, code):
    note = damage(cli)
    with Terminal(cli.argv("restore", "notes"), env=cli.environment()) as terminal:
        terminal.expect("anything else to leave: ")
        terminal.type(key)
        assert terminal.finish() == code
    assert note.read_text() == "changed"
    assert len(cli.backups("notes")) == 1
    cli("run", "notes")


def test_with_json_nobody_is_asked(cli):
    damage(cli)
    with Terminal(cli.argv("restore", "notes", "--json"), env=cli.environment()) as terminal:
        assert terminal.finish() == 11


def test_nothing_is_asked_when_nothing_would_be_overwritten(cli):
    note = damage(cli)
    note.unlink()
    with Terminal(cli.argv("restore", "notes"), env=cli.environment()) as terminal:
        assert terminal.finish() == 0
    assert note.read_text() == "a note"


def test_without_arguments_everything_is_asked(cli):
    cli("run", "app")
    cli("run", "app")
    (cli.folder / "app" / "config.ini").write_text("nonsense")
    old, _new = cli.backups("app")
    with Terminal(cli.argv("restore"), env=cli.environment()) as terminal:
        terminal.expect("Which job?")
        terminal.expect("q to leave): ")
        terminal.type("1")
        terminal.expect("Which backup?")
        terminal.expect("Enter for 1): ")
        terminal.type("2")
        terminal.expect("Which components?")
        terminal.expect("Enter for all): ")
        terminal.type("3")
        terminal.expect("Into which folder?")
        terminal.expect("original place): ")
        terminal.type("")
        told = terminal.expect("anything else to leave: ")
        assert old in told
        assert "overwrite %s" % (cli.folder / "app" / "config.ini") in told
        assert "database" not in told
        terminal.type("app")
        assert terminal.finish() == 0
    assert "green" in (cli.folder / "app" / "config.ini").read_text()
    assert json.loads((cli.state / "audit.log").read_text().splitlines()[-1])["what"] == old


def test_the_one_that_asks_always_wants_a_confirmation(cli):
    cli("run", "notes")
    place = cli.folder / "new"
    with Terminal(cli.argv("restore"), env=cli.environment()) as terminal:
        for answer in ("2", "", str(place)):
            terminal.expect("): ")
            terminal.type(answer)
        terminal.expect("into %s" % place)
        terminal.expect("anything else to leave: ")
        assert not place.exists()
        terminal.type("no")
        assert terminal.finish() == 11
    assert not place.exists()


@pytest.mark.parametrize("answers", [[], ["2"], ["2", "1"]])
@pytest.mark.parametrize("leave", ["q", "\x04"])
def test_every_question_of_a_restore_can_be_left(cli, answers, leave):
    note = damage(cli)
    with Terminal(cli.argv("restore"), env=cli.environment()) as terminal:
        for answer in [*answers, leave]:
            terminal.expect("): ")
            terminal.type(answer)
        assert terminal.finish() == 2
    assert note.read_text() == "changed"


def test_the_menu_restores(cli):
    note = damage(cli)
    with Terminal(cli.argv("menu"), env=cli.environment()) as menu:
        menu.expect(MENU)
        choose(menu, "restore")
        for answer in ("2", "1", ""):
            menu.expect("): ")
            menu.type(answer)
        menu.expect("anything else to leave: ")
        menu.type("notes")
        menu.expect("restored ")
        menu.expect(MENU)
        menu.type("q")
        assert menu.finish() == 0
    assert note.read_text() == "a note"


def test_a_lost_terminal_touches_nothing(cli):
    note = damage(cli)
    with Terminal(cli.argv("restore", "notes"), env=cli.environment()) as terminal:
        terminal.expect("anything else to leave: ")
        terminal.hang_up()
        assert terminal.process.wait(60) != 0
    assert note.read_text() == "changed"
