"""`ipml admin user`: adding, listing and disabling people from the command line."""

from __future__ import annotations

import pytest
from support.staff import use_session
from typer.testing import CliRunner

from ipml.cli.admin import user_app
from ipml.errors import Conflict, NotFound, Refused, UnusableSetting
from ipml.settings import Settings
from ipml.storage.database import open_database, reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import check_password, list_users

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: object) -> str:
    """Return the URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/people.db"


def run(*arguments: str, typed: str = "") -> str:
    """Run `ipml admin user` and return what it prints."""
    result = CliRunner().invoke(user_app, arguments, input=typed, catch_exceptions=False)
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
    with reading(open_database(database)) as connection:
        (user,) = list_users(connection)
    assert (user.name, user.role, user.is_active) == ("ana", Role.LEAD, False)


def test_the_password_can_come_from_a_script(database: str) -> None:
    """With --password-stdin the first line of the input is the password."""
    run("add", "bo", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
    with reading(open_database(database)) as connection:
        assert [user.role for user in list_users(connection)] == [Role.REVIEWER]


def test_mistakes_are_named(database: str) -> None:
    """An unknown role, a short password and a name that is taken are a person's mistakes, each with its name."""
    with pytest.raises(Refused, match="role: found"):
        run("add", "ana", "--role", "root", "--database", database)
    with pytest.raises(Refused, match="password: found"):
        run("add", "ana", "--password-stdin", "--database", database, typed="short\n")
    run("add", "ana", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
    with pytest.raises(Conflict, match="exists already"):
        run("add", "ana", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")


def test_what_a_person_may_do_is_changed_and_ends_their_sessions(database: str) -> None:
    """Role, password, disabling and enabling work from the command line; sessions are listed and ended."""
    run("add", "ana", "--password-stdin", "--database", database, typed=f"{PASSWORD}\n")
    engine = open_database(database)
    with writing(engine) as connection:
        (ana,) = list_users(connection)
        token = open_session(connection, ana, hours=12)
    assert "since" in run("sessions", "ana", "--database", database)
    assert "ana is a lead" in run("role", "ana", "lead", "--database", database)
    assert use_session(engine, token) is None
    with writing(engine) as connection:
        open_session(connection, ana, hours=12)
    assert "1 sessions of ana have ended." in run("sessions", "ana", "--end", "--database", database)
    told = run("password", "ana", "--database", database, typed="another long one\nanother long one\n")
    assert "another long one" not in told
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD) is None
    run("disable", "ana", "--database", database)
    with reading(engine) as connection:
        assert check_password(connection, "ana", "another long one") is None
    run("enable", "ana", "--database", database)
    with reading(engine) as connection:
        found = check_password(connection, "ana", "another long one")
    assert found is not None
    assert found.role is Role.LEAD
    engine.dispose()


def test_a_user_without_a_password_is_linked_to_a_provider(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who logs in elsewhere needs no password; the provider comes from the option, and its subject is taken once."""
    monkeypatch.setattr("ipml.settings.get_settings", lambda: Settings(oidc_issuer=None))
    run("add", "ana", "--no-password", "--database", database)
    run("add", "ben", "--no-password", "--database", database)
    engine = open_database(database)
    with reading(engine) as connection:
        assert check_password(connection, "ana", "") is None
    with pytest.raises(UnusableSetting, match="--issuer"):
        run("link", "ana", "7", "--database", database)
    issuer = ("--issuer", "https://id.example")
    assert "ana can log in by https://id.example." in run("link", "ana", "7", *issuer, "--database", database)
    with pytest.raises(Conflict, match="another user"):
        run("link", "ben", "7", *issuer, "--database", database)
    with pytest.raises(NotFound, match="No user"):
        run("link", "nobody", "8", *issuer, "--database", database)
    engine.dispose()


@pytest.mark.parametrize("command", [("enable",), ("disable",), ("sessions",), ("role", "lead"), ("password",)])
def test_who_is_not_there_is_named(database: str, command: tuple[str, ...]) -> None:
    """A name that nobody has is a person's mistake at every command."""
    run("add", "ana", "--no-password", "--database", database)
    word, *rest = command
    options = ("--password-stdin",) if word == "password" else ()
    with pytest.raises(NotFound, match="No user"):
        run(word, "nobody", *rest, *options, "--database", database, typed=f"{PASSWORD}\n")
