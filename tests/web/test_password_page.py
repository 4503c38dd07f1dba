"""Changing one's own password: who may, how often one may guess, and what becomes of the sessions."""

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.staff import CHEAP, PASSWORD

from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import add_user, check_password

NEW = "another long password"
FORM = {"current": PASSWORD, "new": NEW, "again": NEW}


def test_the_new_password_is_the_only_one(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Afterwards this browser goes on under a new token, every other one is out, and it is in the audit trail."""
    elsewhere, before = visitor("ana"), ana.cookies["ipml"]
    assert 'action="/password"' in ana.get("/password").text
    assert ana.post("/password", data=FORM).headers["location"] == "/"
    assert ana.cookies["ipml"] != before
    assert ana.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 303
    ana.cookies.set("ipml", before, domain="testserver.local")
    assert ana.get("/").status_code == 303
    with reading(engine) as connection:
        user = check_password(connection, "ana", NEW, CHEAP)
    assert user is not None
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD, CHEAP) is None
        last = audit.list_rows(connection, f"user:{user.user_id}")[-1]
    assert (last.actor, last.action, list(last.payload)) == ("ana", "password changed", ["row.users"])


def test_nothing_is_changed_otherwise(engine: Engine, ana: TestClient) -> None:
    """A wrong, short or mistyped password is named in a sentence; the session and the password stay."""
    new = [{"new": one, "again": one} for one in ("short", "x" * 257, "")]
    for changed in ({"current": "wrong"}, {"current": ""}, {"again": "another"}, *new):
        answer = ana.post("/password", data=FORM | changed)
        assert answer.status_code == 400, changed
        assert 'role="alert"' in answer.text
        assert NEW not in answer.text
        assert ana.get("/").status_code == 200
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD, CHEAP) is not None


def test_an_open_browser_cannot_be_used_to_guess(ana: TestClient) -> None:
    """Who finds a browser open gets ten guesses, and the right one does not help after them."""
    statuses = [ana.post("/password", data=FORM | {"current": "wrong"}).status_code for _ in range(10)]
    assert statuses == [400] * 10
    answer = ana.post("/password", data=FORM)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_who_has_no_password_is_told(engine: Engine, visitor: Callable) -> None:
    """A person of a provider sees no form, and a form sent all the same gives them no password."""
    with writing(engine) as connection:
        user = add_user(connection, "cleo", None, Role.VIEWER)
    browser = visitor()
    with writing(engine) as connection:
        browser.cookies.set("ipml", open_session(connection, user, hours=1), domain="testserver.local")
    assert "You have none here" in browser.get("/password").text
    for current in ("", "None", PASSWORD):
        answer = browser.post("/password", data=FORM | {"current": current})
        assert answer.status_code == 409
        assert "You have none here" in answer.text
    with reading(engine) as connection:
        assert check_password(connection, "cleo", NEW, CHEAP) is None
