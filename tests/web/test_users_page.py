"""Users, roles and policies on pages for admins."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.staff import CHEAP, PASSWORD

from ipml.enforcement.policy import BUNDLED
from ipml.errors import Conflict
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, disable_user, list_users, set_role
from ipml.web.app import make_app


@pytest.fixture
def admin(engine: Engine, visitor: Callable) -> TestClient:
    """Return an admin's browser."""
    with writing(engine) as connection:
        add_user(connection, "adam", PASSWORD, Role.ADMIN, CHEAP)
    return visitor("adam")


def number_of(engine: Engine, name: str) -> int:
    """Return the number of a user."""
    with reading(engine) as connection:
        return next(one.user_id for one in list_users(connection) if one.name == name)


def noted(engine: Engine, user_id: int) -> list[tuple[str, str]]:
    """Return who did what to a user, by the audit trail."""
    with reading(engine) as connection:
        return [(row.actor, row.action) for row in audit.list_rows(connection, f"user:{user_id}")]


def password_on(page: str) -> str:
    """Return the password that a page shows."""
    found = re.search(r'class="password">([^<]+)<', page)
    assert found
    return found[1]


def test_a_user_is_added_with_a_password_shown_once(engine: Engine, admin: TestClient) -> None:
    """They log in by it, as what they were added; the trail names the admin."""
    page = admin.post("/users", data={"name": "nia", "role": "lead"}).text
    password = password_on(page)
    assert password not in admin.get("/users").text
    browser = TestClient(admin.app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
    assert browser.post("/login", data={"name": "nia", "password": password}).status_code == 303
    assert browser.get("/appeals").status_code == 200
    assert noted(engine, number_of(engine, "nia")) == [("adam", "user added")]


def test_a_name_that_cannot_be_is_refused(admin: TestClient) -> None:
    """It is taken, or nobody's; what was typed stays."""
    for name in ("ana", "two words", "ipml", "", "\u0430na"):
        answer = admin.post("/users", data={"name": name, "role": "lead"})
        assert answer.status_code in (400, 409), name
        assert '<code class="password">' not in answer.text


def test_a_user_gets_a_role_and_is_shut_out_and_in(engine: Engine, admin: TestClient, ana: TestClient) -> None:
    """Each change ends their sessions and is in the trail, in the admin's name."""
    number = number_of(engine, "ana")
    assert ana.get("/").status_code == 200
    assert admin.post(f"/users/{number}/role", data={"role": "viewer"}).status_code == 303
    assert ana.get("/").headers["location"].startswith("/login")
    for act in ("sessions", "disable", "enable"):
        assert admin.post(f"/users/{number}/{act}").status_code == 303
    deeds = [action for actor, action in noted(engine, number) if actor == "adam"]
    assert deeds == ["role changed", "sessions ended", "user disabled", "user enabled"]


def test_a_password_is_reset(engine: Engine, admin: TestClient) -> None:
    """The old one is worth nothing, the new one is shown once; one's own is changed elsewhere."""
    password = password_on(admin.post(f"/users/{number_of(engine, 'ana')}/password").text)
    browser = TestClient(admin.app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
    assert browser.post("/login", data={"name": "ana", "password": PASSWORD}).status_code == 401
    assert browser.post("/login", data={"name": "ana", "password": password}).status_code == 303
    assert admin.post(f"/users/{number_of(engine, 'adam')}/password").status_code == 409


def test_nobody_takes_away_the_last_admin(engine: Engine, admin: TestClient) -> None:
    """Neither the page nor a command; another admin makes it possible."""
    number = number_of(engine, "adam")
    for act, said in (("disable", {}), ("role", {"role": "lead"})):
        answer = admin.post(f"/users/{number}/{act}", data=said)
        assert answer.status_code == 409
        assert "is the last admin" in answer.text
    with writing(engine) as connection, pytest.raises(Conflict, match="last admin"):
        set_role(connection, "adam", Role.VIEWER)
    with writing(engine) as connection:
        set_role(connection, "adam", Role.ADMIN)
        add_user(connection, "eve", None, Role.ADMIN)
        disable_user(connection, "adam")
    with writing(engine) as connection, pytest.raises(Conflict, match="last admin"):
        disable_user(connection, "eve")


def test_the_roles_say_what_each_may_do(admin: TestClient) -> None:
    """From the table of permissions."""
    page = admin.get("/roles").text
    row = page.partition("Decide cases</th>")[2].partition("</tr>")[0]
    assert re.findall(r'hidden">(may not|may)<', row) == ["may not", "may not", "may", "may", "may"]


def test_policies_show_what_differs_from_the_bundled(engine: Engine, admin: TestClient, tmp_path: Path) -> None:
    """Which file, its digest, and rule by rule both values; one that changed since is said to be not in force."""
    page = admin.get("/policies").text
    assert page.count("It says the same as the bundled policy.") == 3
    own = tmp_path / "own.toml"
    text = BUNDLED.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("overdue_hours"))
    own.write_text(text.replace(line, "overdue_hours = 7.5"), encoding="utf-8")
    admin.app.state.policy = make_app(engine, Settings(policy_enforcement=own), cost=CHEAP).state.policy
    admin.app.state.settings = Settings(policy_enforcement=own)
    page = admin.get("/policies").text
    assert "1 difference from" in page
    assert "<ins>7.5</ins>" in page
    assert str(own) in page
    assert "otherwise than what is in force" not in page
    own.write_text(text.replace(line, "overdue_hours = 8.5"), encoding="utf-8")
    assert "otherwise than what is in force" in admin.get("/policies").text
