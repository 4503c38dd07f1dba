"""Users: who may be added, what is kept of a password, who can log in, and the pages on which admins see to it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from support.staff import CHEAP, PASSWORD
from support.transactions import ask, read_scalars
from support.visitors import open_browser

from ipml.enforcement.policy import BUNDLED
from ipml.errors import Conflict, NotFound, Refused
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import users
from ipml.web.accounts.oidc import is_safe_url
from ipml.web.accounts.permissions import Role, parse_role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import add_user, check_password, disable_user, list_users, set_role
from ipml.web.app import make_app


def test_only_a_hash_is_kept(engine: Engine) -> None:
    """The database holds an argon2id hash, and two users with one password have different ones."""
    hashes = read_scalars(engine, select(users.c.password_hash))
    assert all(kept.startswith("$argon2id$") and PASSWORD not in kept for kept in hashes)
    assert len(set(hashes)) == len(hashes)


def test_the_right_password_opens(engine: Engine) -> None:
    """Name and password give the user; anything else gives None, whatever letters it is made of."""
    found = ask(engine, check_password, "ana", PASSWORD, CHEAP)
    assert (found.name, found.role) == ("ana", Role.REVIEWER)
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD + "x", CHEAP) is None
        assert check_password(connection, "ana", "", CHEAP) is None
        assert check_password(connection, "Ana", PASSWORD, CHEAP) is None
    for name in ("nobody", "", "a\0b", "x" * 1000, "' OR 1=1 --", "аna"):
        assert ask(engine, check_password, name, PASSWORD, CHEAP) is None, name


def test_a_disabled_user_is_shut_out(engine: Engine) -> None:
    """Disabling ends logins, and what was done is in the audit trail without the name."""
    with writing(engine) as connection:
        disable_user(connection, "ana")
        assert check_password(connection, "ana", PASSWORD, CHEAP) is None
        user_id = next(user.user_id for user in list_users(connection) if user.name == "ana")
    audit_events = [row.action for row in ask(engine, audit.list_rows, f"user:{user_id}")]
    assert audit_events == ["user added", "user disabled"]


def test_the_address_of_a_login_provider_hides_nothing_and_nobody_reads_along():
    """It is https, or on this machine, with a host, and without a person, a fragment or an impossible port."""
    safe = ("https://id.example/x?y=1", "http://127.0.0.1:80", "http://[::1]/x", "https://id.example:65535")
    unsafe = (
        *("http://id.example", "https:///x", "https://ann@id.example", "https://@id.example", "https://id.example#x"),
    )
    unsafe += ("https://id.example:65536", "ftp://127.0.0.1", "//id.example", "javascript:x", "https://[id.example")
    assert [address for address in (*safe, *unsafe) if is_safe_url(address)] == list(safe)


def test_what_cannot_be_a_user_is_refused(engine: Engine) -> None:
    """Names that are taken or could be mistaken, short passwords and unknown roles are named as facts."""
    with pytest.raises(Conflict, match="exists already"), writing(engine) as connection:
        add_user(connection, "ana", PASSWORD, Role.ADMIN, CHEAP)
    for name in ("", "two words", "аna", "-x", "a" * 65):
        with pytest.raises(Refused, match="user name"), writing(engine) as connection:
            add_user(connection, name, PASSWORD, Role.VIEWER, CHEAP)
    for password in ("short", "x" * 257):
        with pytest.raises(Refused, match="password: found"), writing(engine) as connection:
            add_user(connection, "new", password, Role.VIEWER, CHEAP)
    with pytest.raises(NotFound, match="No user"), writing(engine) as connection:
        disable_user(connection, "nobody")
    with pytest.raises(Refused, match="role: found"):
        parse_role("root")


def test_roles_are_an_order() -> None:
    """Each role includes itself and those before it, and none after it."""
    order = [Role.VIEWER, Role.REVIEWER, Role.LEAD, Role.ADMIN]
    for place, role in enumerate(order):
        assert [role.includes(least) for least in order] == [other <= place for other in range(4)]


@pytest.fixture
def admin(engine: Engine, visitor: Callable) -> TestClient:
    """Return an admin's browser."""
    with writing(engine) as connection:
        add_user(connection, "adam", PASSWORD, Role.ADMIN, CHEAP)
    return visitor("adam")


def number_of(engine: Engine, name: str) -> int:
    """Return the number of a user."""
    return next(one.user_id for one in ask(engine, list_users) if one.name == name)


def noted(engine: Engine, user_id: int) -> list[tuple[str, str]]:
    """Return who did what to a user, by the audit trail."""
    return [(row.actor, row.action) for row in ask(engine, audit.list_rows, f"user:{user_id}")]


def password_on(page: str) -> str:
    """Return the password that a page shows."""
    found = re.search(r'class="password">([^<]+)<', page)
    return found[1]


def test_a_user_is_added_with_a_password_shown_once(engine: Engine, admin: TestClient) -> None:
    """They log in by it, as what they were added; the trail names the admin."""
    page = admin.post("/users", data={"name": "nia", "role": "lead"}).text
    password = password_on(page)
    for name in ("ana", "two words"):  # it is taken, or nobody's
        answer = admin.post("/users", data={"name": name, "role": "lead"})
        assert (answer.status_code in (400, 409), '<code class="password">' in answer.text) == (True, False)
    assert password not in admin.get("/users").text
    browser = open_browser(admin.app)
    assert browser.post("/login", data={"name": "nia", "password": password}).status_code == 303
    assert browser.get("/appeals").status_code == 200
    assert noted(engine, number_of(engine, "nia")) == [("adam", "user added"), ("nia", "logged in")]


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
    browser = open_browser(admin.app)
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
    assert page.count("Equal to the bundled policy.") == 3
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
    assert "differs from the policy in force" not in page
    own.write_text(text.replace(line, "overdue_hours = 8.5"), encoding="utf-8")
    assert "differs from the policy in force" in admin.get("/policies").text


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
    user = ask(engine, check_password, "ana", NEW, CHEAP)
    assert ask(engine, check_password, "ana", PASSWORD, CHEAP) is None
    rows = ask(engine, audit.list_rows, f"user:{user.user_id}")
    noted = [(row.actor, list(row.payload)) for row in rows if row.action == "password changed"]
    assert noted == [("ana", ["row.users"])]


def test_nothing_is_changed_otherwise(engine: Engine, ana: TestClient) -> None:
    """A wrong, short or mistyped password is named in a sentence; the session and the password stay."""
    new = [{"new": one, "again": one} for one in ("short", "x" * 257, "")]
    for changed in ({"current": "wrong"}, {"current": ""}, {"again": "another"}, *new):
        answer = ana.post("/password", data=FORM | changed)
        assert answer.status_code == 400, changed
        assert 'role="alert"' in answer.text
        assert NEW not in answer.text
        assert ana.get("/").status_code == 200
    assert ask(engine, check_password, "ana", PASSWORD, CHEAP) is not None


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
    assert ask(engine, check_password, "cleo", NEW, CHEAP) is None
