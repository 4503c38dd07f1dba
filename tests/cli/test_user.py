"""`ipml user`: adding, listing and disabling people from the command line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from ipml.cli.user import app
from ipml.errors import UnknownRole, UnusablePassword, UserExists
from ipml.storage.database import open_database
from ipml.web.users import Role, list_users

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: object) -> str:
    """Return the URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/people.db"


def run(*arguments: str, typed: str = "") -> str:
    """Run `ipml user` and return what it prints."""
    result = CliRunner().invoke(app, arguments, input=typed, catch_exceptions=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_a_user_is_added_listed_and_disabled(database: str) -> None:
    """What one command did, the next one shows; the password is asked for twice and never shown."""
    told = run("add", "ana", "--role", "lead", "--database", database, typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "ana may log in as lead." in told
    assert PASSWORD not in told
    assert "lead" in run("list", "--database", database)
    run("disable", "ana", "--database", database)
    (user,) = list_users(open_database(database))
    assert (user.name, user.role, user.is_active) == ("ana", Role.LEAD, False)


def test_the_password_can_come_from_a_script(database: str) -> None:
    """With --password-stdin the first line of the input is the password."""
    run("add", "bo", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
    assert [user.role for user in list_users(open_database(database))] == [Role.REVIEWER]


def test_mistakes_are_named(database: str) -> None:
    """An unknown role, a short password and a name that is taken are a person's mistakes, each with its name."""
    with pytest.raises(UnknownRole):
        run("add", "ana", "--role", "root", "--database", database)
    with pytest.raises(UnusablePassword):
        run("add", "ana", "--password-stdin", "--database", database, typed="short\n")
    run("add", "ana", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
    with pytest.raises(UserExists):
        run("add", "ana", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
