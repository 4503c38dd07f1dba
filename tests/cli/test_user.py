"""`ipml admin user`: adding, listing and disabling people from the command line."""

import pytest
from support.databases import copy_sqlite
from typer.testing import CliRunner

from ipml.cli.admin import user_app
from ipml.errors import IpmlError, NotFound
from ipml.settings import Settings
from ipml.storage.database import open_database, reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import check_password, list_users

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path):
    """Return an empty database."""
    return copy_sqlite(tmp_path)


@pytest.fixture
def run(database):
    """Return a function that runs a line of `ipml admin user` and returns what it prints."""

    def invoke(line: str, typed: str = "") -> str:
        arguments = [*line.split(), "--database", database]
        result = CliRunner().invoke(user_app, arguments, input=typed, catch_exceptions=False)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return invoke


def test_a_user_is_added_listed_and_changed(run, database):
    """What one command did, the next one shows; passwords are asked for twice and never shown; sessions end."""
    told = run("add ana --role lead", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "ana may log in as lead." in told
    assert PASSWORD not in told
    assert "lead" in run("list")
    engine = open_database(database)
    with writing(engine) as connection:
        (ana,) = list_users(connection)
        open_session(connection, ana, hours=12)
    assert "since" in run("sessions ana")
    assert "1 sessions of ana have ended." in run("sessions ana --end")
    assert "ana is a reviewer" in run("role ana reviewer")
    assert "another long one" not in run("password ana", typed="another long one\nanother long one\n")
    run("disable ana")
    with reading(engine) as connection:
        assert [(user.name, user.role, user.is_active) for user in list_users(connection)] == [
            ("ana", Role.REVIEWER, False)
        ]
        assert check_password(connection, "ana", "another long one") is None
    run("enable ana")
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD) is None
        assert check_password(connection, "ana", "another long one").role is Role.REVIEWER
    engine.dispose()


def test_mistakes_are_named(run, subtests, monkeypatch):
    """An unknown role, a short password, a name that is taken or that nobody has, and no provider to log in by."""
    monkeypatch.setattr("ipml.settings.get_settings", lambda: Settings(oidc_issuer=None))
    run("add ana --no-password")
    run("add ben --no-password")
    issuer = "--issuer https://id.example"
    assert "ana can log in by https://id.example." in run(f"link ana 7 {issuer}")
    wrong = {
        "add eve --role root": "role: found",
        "add eve --password-stdin": "password: found",
        "add ana --no-password": "exists already",
        "link ana 7": "--issuer",
        f"link ben 7 {issuer}": "another user",
        f"link nobody 8 {issuer}": "No user",
    }
    wrong |= dict.fromkeys(("enable nobody", "disable nobody", "sessions nobody", "role nobody lead"), "No user")
    for line, words in wrong.items():
        with subtests.test(line=line), pytest.raises(IpmlError, match=words):
            run(line, typed="short\n")
    with pytest.raises(NotFound, match="No user"):
        run("password nobody --password-stdin", typed=f"{PASSWORD}\n")
