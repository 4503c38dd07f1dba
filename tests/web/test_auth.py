"""Sessions: how they begin and end, and what the browser holds of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from support.staff import PASSWORD, use_session

from ipml.storage.database import reading, writing
from ipml.storage.tables import sessions
from ipml.web.accounts.sessions import close_session, open_session
from ipml.web.accounts.users import list_users

LOGIN = {"name": "ana", "password": PASSWORD}


def test_the_cookie_is_out_of_reach(visitor: Callable) -> None:
    """Scripts and other sites cannot use the cookie; it holds at least 128 random bits and the database none."""
    answer = visitor().post("/login", data=LOGIN)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    token, *attributes = [part.strip() for part in rest.split(";")]
    assert name == "ipml"
    assert len(token) * 6 >= 128
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(attributes)
    assert answer.headers["location"] == "/"


def test_over_https_the_cookie_is_bound_to_the_host(visitor: Callable) -> None:
    """Over https the cookie is Secure and has the __Host- prefix, and the page asks for https from then on."""
    answer = visitor(base_url="https://testserver").post("/login", data=LOGIN)
    assert answer.headers["set-cookie"].startswith("__Host-ipml=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "Domain" not in answer.headers["set-cookie"]
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


def test_tokens_are_kept_hashed(engine: Engine) -> None:
    """Who reads the database cannot take over a session."""
    with writing(engine) as connection:
        token = open_session(connection, list_users(connection)[0], hours=1)
    with reading(engine) as connection:
        kept = connection.scalars(select(sessions.c.token_hash)).all()
    assert token not in kept
    assert use_session(engine, kept[0]) is None
    with writing(engine) as connection:
        close_session(connection, None)  # to close what never was is harmless
    found = use_session(engine, token)
    with reading(engine) as connection:
        assert found == list_users(connection)[0]


def test_a_login_gives_a_new_token(visitor: Callable) -> None:
    """A token that was there before the login is not kept, and is dead if it was alive."""
    browser = visitor("ana")
    before = browser.cookies["ipml"]
    browser.post("/login", data=LOGIN)
    assert browser.cookies["ipml"] != before
    browser.cookies.set("ipml", before, domain="testserver.local")
    assert browser.get("/").status_code == 303
    browser.cookies.set("ipml", "chosen by an attacker", domain="testserver.local")
    browser.post("/login", data=LOGIN)
    assert "attacker" not in browser.cookies["ipml"]


def test_logout_ends_the_session(visitor: Callable) -> None:
    """After logging out the old token opens nothing, even if somebody kept it."""
    browser = visitor("ana")
    token = browser.cookies["ipml"]
    assert browser.post("/logout").headers["location"] == "/login"
    browser.cookies.set("ipml", token, domain="testserver.local")
    assert browser.get("/").headers["location"] == "/login?then=/"


def test_sessions_expire(engine: Engine) -> None:
    """A session lasts its hours, and is swept out when another begins."""
    with writing(engine) as connection:
        user, now = list_users(connection)[0], datetime(2026, 5, 1, tzinfo=UTC)
        token = open_session(connection, user, hours=12, now=now)
    for minutes in range(0, 12 * 60, 59):
        assert use_session(engine, token, now + timedelta(minutes=minutes)) == user
    assert use_session(engine, token, now + timedelta(hours=12)) is None
    with writing(engine) as connection:
        open_session(connection, user, hours=12, now=now + timedelta(hours=12))
    with reading(engine) as connection:
        assert len(connection.scalars(select(sessions.c.token_hash)).all()) == 1


def test_unknown_name_and_wrong_password_look_alike(visitor: Callable) -> None:
    """The answer does not tell whether a name exists."""
    browser = visitor()
    unknown = browser.post("/login", data={"name": "nobody", "password": "wrong"})
    wrong = browser.post("/login", data={"name": "ana", "password": "wrong"})
    assert (unknown.status_code, unknown.text) == (wrong.status_code, wrong.text)


def test_a_login_leads_nowhere_else(visitor: Callable) -> None:
    """After the login one is on this page, whatever a link said."""
    for then in ("https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "javascript:x"):
        assert visitor().post("/login", data={**LOGIN, "then": then}).headers["location"] == "/", then


def test_a_login_leads_back_to_the_case(visitor: Callable) -> None:
    """Who opens a case without being logged in comes to it after the login."""
    browser = visitor()
    login = browser.get("/cases/2").headers["location"]
    assert 'value="/cases/2"' in browser.get(login).text
    assert browser.post("/login", data={**LOGIN, "then": "/cases/2"}).headers["location"] == "/cases/2"


def test_the_log_holds_no_password(visitor: Callable, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever was typed into which field, the log tells the user by number, and nothing of what was typed."""
    browser = visitor()
    browser.post("/login", data={"name": "my-secret-password", "password": ""})
    browser.post("/login", data={"name": "ana", "password": "my-secret-password"})
    with reading(engine) as connection:
        ana = next(user for user in list_users(connection) if user.name == "ana")
    assert "my-secret-password" not in caplog.text
    assert f"user:{ana.user_id} from" in caplog.text
