"""Who may do what by commands: every command, in every role, against the one table."""

import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
import typer
from support.databases import copy_memory, copy_sqlite, read_tables
from support.staff import STAFF, add_staff

from ipml.cli import make_commands
from ipml.errors import Forbidden, IpmlError
from ipml.storage.database import open_database, reading, writing
from ipml.web.accounts.permissions import LEAST_ROLES, PURPOSES, Action
from ipml.web.accounts.users import add_user, disable_user, has_admin

WHY = ("--why", "x")
ACTING: dict[str, tuple[Action, tuple[str, ...]]] = {
    "enforce measure impose": (Action.CHANGE_MEASURES, ("1", "--kind", "label", *WHY)),
    "outbox retry": (Action.SETTLE_MESSAGES, ("--all",)),
    "enforce penalty link": (Action.CHANGE_PENALTIES, ("1", "review")),
    "enforce appeal withdraw": (Action.DECIDE_APPEALS, ("1", "--seller", "s1")),
    "enforce appeal holder-acted": (Action.DECIDE_APPEALS, ("1", "--withdrew")),
    "enforce automatic withdraw": (Action.CHANGE_AUTOMATION, ("Acme", *WHY)),
    "enforce automatic allow": (Action.CHANGE_AUTOMATION, ("Acme", *WHY)),
    "queue control": (Action.KEEP_CONTROL_CASES, ("1", "--truth", "genuine", "--source", "bought")),
    "queue pictures": (Action.KEEP_PICTURES, ("--drop", "1")),
    "queue control --remove": (Action.KEEP_CONTROL_CASES, ("1",)),
    "queue rerank": (Action.RANK_QUEUE, ()),
    "queue relistings": (Action.RANK_QUEUE, ("--remember",)),
    "evidence export": (Action.EXPORT_EVIDENCE, ("1",)),
    "seller hold": (Action.HOLD_RECORDS, ("s1", *WHY, "--until", "2999-12-31")),
    "seller hold --end": (Action.HOLD_RECORDS, ("s1",)),
    "seller erase": (Action.ERASE_PEOPLE, ("s1", *WHY, "--yes")),
    "cooperate notifier appoint": (Action.JUDGE_NOTIFIERS, ("flags@ngo.example", "--ground", "no. 12")),
    "cooperate notifier erase": (Action.ERASE_PEOPLE, ("flags@ngo.example", "--yes")),
    "worker": (Action.START_JOBS, ("--start", "retention")),
    "admin user add": (Action.MANAGE_USERS, ("new", "--no-password")),
    "admin user password": (Action.MANAGE_USERS, ("vic", "--password-stdin")),
    "admin user link": (Action.MANAGE_USERS, ("vic", "7", "--issuer", "https://id.example")),
    "admin user sells": (Action.MANAGE_USERS, ("vic", "s1")),
}
"""What takes a person with a role, and a line of each."""
MORE = {"cooperate referral build", "seller lists load"}
"""What takes a person as well, and more than one line to try."""
UNATTENDED = """outbox deliver, enforce appeal file, enforce statement send, seller retention,
    cooperate notice import, audit anchor, audit key, evidence stamp, enqueue, admin backup, admin restore,
    demo, serve, data simulate, model train, score, data portfolios, model promote, model rollback, model reproduce,
    model sweep, cooperate network find"""
"""What a timer may run, what takes in what others say, and what has no user as there is no database behind it."""


ROOT: Any = make_commands()


def list_commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Give every command with its name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from list_commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(list_commands(ROOT))


def test_who_acts_is_asked_exactly_where_a_person_acts():
    """A command takes --by if and only if it stands among those that a person with a role may give."""
    asks = {name for name, command in COMMANDS.items() if any(one.name == "by" for one in command.params)}
    assert asks == {line.partition(" --")[0] for line in ACTING} | MORE
    unattended = {name.strip() for name in UNATTENDED.split(",")}
    assert unattended <= set(COMMANDS)
    assert not unattended & asks


def test_every_action_is_in_the_table():
    """Each is done by people from a role up, or by programs, or both."""
    assert set(LEAST_ROLES) | set(PURPOSES.values()) == set(Action)


def run(*line: str) -> BaseException | None:
    """Run a command, and return what it ended with."""
    with redirect_stdout(StringIO()):
        try:
            ROOT.main(list(line), standalone_mode=False)
        except (IpmlError, SystemExit, typer.Abort) as error:
            return error
    return None


@pytest.mark.slow
def test_every_command_by_every_role(tmp_path, monkeypatch):
    """Whose role is too low, and who is nobody, is refused in one line and changes nothing; others are not refused."""
    monkeypatch.chdir(tmp_path)
    wrong = []
    for name in (*STAFF, "nobody_at_all"):
        monkeypatch.setattr("sys.stdin", StringIO("correct horse battery\n"))
        engine = open_database(copy_sqlite(tmp_path))
        add_staff(engine)
        allowed = [command for command, (action, _) in ACTING.items() if name in STAFF and STAFF[name].may(action)]
        before = read_tables(engine)
        for command in sorted(ACTING, key=allowed.__contains__):  # first those that are refused
            if allowed and command == allowed[0]:
                assert read_tables(engine) == before
            action, arguments = ACTING[command]
            error = run(*command.split(), *arguments, "--by", name, "--database", str(engine.url))
            said = rf"takes an? {LEAST_ROLES[action]}\. .* --by"
            is_right = isinstance(error, Forbidden) and re.search(said, str(error))
            if (command in allowed) == bool(is_right) or (command in allowed and isinstance(error, Forbidden)):
                wrong.append((command, name, error))
        assert allowed or read_tables(engine) == before
        engine.dispose()
    assert wrong == []


def test_whoever_has_the_command_line_manages_users_until_there_is_an_admin(ipml, tmp_path):
    """The first admin has to come from somewhere; from then on an admin it must be; who was disabled acts no more."""
    url = copy_sqlite(tmp_path)
    assert ipml("admin user add --no-password rita --role reviewer").exit_code == 0
    assert ipml("admin user add --no-password adam --role admin").exit_code == 0
    assert ipml("admin user add --no-password eve --role admin").is_refusal("to manage users takes an admin")
    assert ipml("admin user add --no-password eve --role lead --by rita").exit_code == 2
    assert ipml("admin user add --no-password eve --role lead --by adam").exit_code == 0
    with writing(open_database(url)) as connection:
        disable_user(connection, "eve", "adam")
    assert ipml("enforce penalty link 1 review --by eve").is_refusal("user 'eve': is no active user")


def test_nobody_bears_the_name_of_what_is_no_person():
    """Else their decisions could not be told from what nobody decided."""
    engine = copy_memory()
    for name in ("ipml", "Platform", "policy"):
        with pytest.raises(IpmlError), writing(engine) as connection:
            add_user(connection, name, None)
    with reading(engine) as connection:
        assert not has_admin(connection)
