"""Sessions: how long they hold, and what ends them at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, update
from support.staff import CHEAP, use_session

from ipml.errors import NotFound
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import sessions
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import list_sessions, log_out_everywhere, open_session
from ipml.web.accounts.users import disable_user, enable_user, list_users, set_password, set_role

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def token(engine: Engine) -> str:
    """Return a session of ana that begins at nine."""
    with writing(engine) as connection:
        return open_session(connection, list_users(connection)[0], hours=12, now=NOW)


def is_alive(engine: Engine, token: str, at: datetime) -> bool:
    """Tell whether a session opens the page at a moment."""
    return use_session(engine, token, at) is not None


def test_a_session_that_is_not_used_ends(engine: Engine, token: str) -> None:
    """After an hour without a request the login is over, and does not come back."""
    assert is_alive(engine, token, NOW + 59 * MINUTE)
    assert is_alive(engine, token, NOW + 118 * MINUTE)
    assert not is_alive(engine, token, NOW + 178 * MINUTE)
    assert not is_alive(engine, token, NOW + 178 * MINUTE)


def test_looking_seldom_writes(engine: Engine, token: str) -> None:
    """A session notes its use once a minute and no more often, so that pages need no lock of the database."""
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    for seconds in range(0, 180, 5):
        assert is_alive(engine, token, NOW + timedelta(seconds=seconds))
    assert sum(statement.startswith("UPDATE sessions") for statement in statements) == 2


def test_a_clock_that_jumps(engine: Engine, token: str) -> None:
    """Set back an hour, the clock ends no session early; set forward a day, it ends them all."""
    assert is_alive(engine, token, NOW - 60 * MINUTE)
    assert is_alive(engine, token, NOW + 30 * MINUTE)
    assert not is_alive(engine, token, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "change",
    [
        lambda connection: set_role(connection, "ana", Role.LEAD),
        lambda connection: set_role(connection, "ana", Role.VIEWER),
        lambda connection: set_password(connection, "ana", "another long password", CHEAP),
        lambda connection: disable_user(connection, "ana"),
        lambda connection: log_out_everywhere(connection, "ana"),
    ],
    ids=["more", "less", "password", "disabled", "logged out"],
)
def test_what_changes_a_person_ends_their_sessions(engine: Engine, visitor: Callable, change: Callable) -> None:
    """Every browser of the person is out at the next click, others are not, and it is in the audit trail."""
    browsers, other = [visitor("ana"), visitor("ana")], visitor("bo")
    before = [browser.cookies["ipml"] for browser in browsers]
    assert before[0] != before[1]
    with writing(engine) as connection:
        change(connection)
    assert [browser.get("/").status_code for browser in browsers] == [303, 303]
    assert other.get("/").status_code == 200
    with reading(engine) as connection:
        ana = list_users(connection)[0]
        assert len(audit.list_rows(connection, f"user:{ana.user_id}")) == 2


def test_a_new_role_counts_from_the_next_login(engine: Engine, visitor: Callable) -> None:
    """After the change the same person logs in with what they may do now."""
    browser = visitor("vic")
    assert browser.post("/next").status_code == 403
    with writing(engine) as connection:
        set_role(connection, "vic", Role.REVIEWER)
    assert visitor("vic").post("/next").status_code == 303


def test_a_person_who_was_let_in_again_needs_a_new_login(engine: Engine, visitor: Callable) -> None:
    """Sessions from before stay dead."""
    browser = visitor("ana")
    with writing(engine) as connection:
        disable_user(connection, "ana")
        enable_user(connection, "ana")
    assert browser.get("/").status_code == 303
    assert visitor("ana").get("/").status_code == 200


def test_sessions_can_be_listed_and_ended(engine: Engine, token: str) -> None:
    """An operator sees since when somebody is logged in, without the token, and can end it."""
    use_session(engine, token, NOW + 5 * MINUTE)
    with writing(engine) as connection:
        (session,) = list_sessions(connection, "ana", NOW + 6 * MINUTE)
        assert (session.created_at, session.seen_at) == (NOW, NOW + 5 * MINUTE)
        assert log_out_everywhere(connection, "ana") == 1
        assert list_sessions(connection, "ana", NOW) == []
    for call in (list_sessions, log_out_everywhere):
        with pytest.raises(NotFound, match="No user"), writing(engine) as connection:
            call(connection, "nobody")


def test_a_page_is_one_transaction(engine: Engine, visitor: Callable) -> None:
    """Who asks is found in the transaction of the page; that a session is used is noted after it, once a minute.

    A case that is not theirs yet is looked at first, and claimed in a second one; a page that follows writes nothing.
    """
    lead, begun = visitor("lea"), []
    lead.get("/cases/1")
    event.listen(engine, "begin", begun.append)
    for path in ("/", "/cases/1", "/cases/1/seller", "/dashboard", "/appeals", "/notifiers", "/networks", "/referrals"):
        begun.clear()
        assert lead.get(path).status_code == 200
        assert len(begun) == 1, path
    begun.clear()
    assert visitor().get("/cases/1").status_code == 303
    assert begun == []


def test_whatever_comes_of_a_request_its_session_was_used(engine: Engine, visitor: Callable) -> None:
    """A page that is not there, one that is not for this person, and a form that is refused keep a session alive."""
    reviewer, long_ago = visitor("ana"), datetime.now(UTC) - 50 * MINUTE
    wrong = {"choice": "genuine", "token": "1", "key": "k" * 16, "until": "2026-05-01T00:00:00Z"}
    for ask in (
        lambda: reviewer.get("/cases/999"),
        lambda: reviewer.get("/appeals"),
        lambda: reviewer.get("/?state=nonsense"),
        lambda: reviewer.post("/cases/1/decide", data=wrong),
    ):
        with writing(engine) as connection:
            connection.execute(update(sessions).values(seen_at=long_ago))
        assert ask().status_code in (400, 403, 404, 409)
        with reading(engine) as connection:
            assert list_sessions(connection, "ana")[0].seen_at > long_ago
