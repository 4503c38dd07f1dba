"""Sessions: how they begin and end, what the browser holds of them, and how often a login may be tried."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, func, select, update
from support.databases import on_both
from support.staff import CHEAP, PASSWORD, use_session
from support.transactions import act, execute, read_rows, read_scalars
from support.visitors import open_browser

from ipml.errors import NotFound
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import sessions, tries
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import (
    LoginLimits,
    close_session,
    count_try,
    forget_tries,
    list_sessions,
    log_out_everywhere,
    network_of,
    open_session,
)
from ipml.web.accounts.users import disable_user, enable_user, list_users, set_password, set_role
from ipml.web.app import make_app

LOGIN = {"name": "ana", "password": PASSWORD}


def test_the_cookie_is_out_of_reach(visitor: Callable) -> None:
    """Of scripts and other sites; it holds at least 128 random bits, and over https it is bound to the host."""
    answer = visitor().post("/login", data=LOGIN)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    token, *attributes = [part.strip() for part in rest.split(";")]
    assert name == "ipml"
    assert len(token) * 6 >= 128
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(attributes)
    assert answer.headers["location"] == "/"
    answer = visitor(base_url="https://testserver").post("/login", data=LOGIN)
    assert answer.headers["set-cookie"].startswith("__Host-ipml=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "Domain" not in answer.headers["set-cookie"]
    assert "max-age=31536000" in answer.headers["strict-transport-security"]


def test_tokens_are_kept_hashed(engine: Engine) -> None:
    """Who reads the database cannot take over a session."""
    with writing(engine) as connection:
        token = open_session(connection, list_users(connection)[0], hours=1)
    kept = read_scalars(engine, select(sessions.c.token_hash))
    assert token not in kept
    assert use_session(engine, kept[0]) is None
    with writing(engine) as connection:
        close_session(connection, None)  # to close what never was is harmless
    found = use_session(engine, token)
    with reading(engine) as connection:
        assert found == list_users(connection)[0]


def test_a_token_lives_from_a_login_to_the_logout(visitor: Callable) -> None:
    """One that was there before a login is dead and not kept; after logging out the old one opens nothing."""
    browser = visitor("ana")
    before = browser.cookies["ipml"]
    browser.post("/login", data=LOGIN)
    assert browser.cookies["ipml"] != before
    browser.cookies.set("ipml", before, domain="testserver.local")
    assert browser.get("/").status_code == 303
    browser.cookies.set("ipml", "chosen by an attacker", domain="testserver.local")
    browser.post("/login", data=LOGIN)
    assert "attacker" not in browser.cookies["ipml"]
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
    act(engine, open_session, user, hours=12, now=now + timedelta(hours=12))
    assert len(read_scalars(engine, select(sessions.c.token_hash))) == 1


def test_unknown_name_and_wrong_password_look_alike(visitor: Callable) -> None:
    """The answer does not show whether a name exists; the form keeps the name."""
    browser = visitor()
    unknown = browser.post("/login", data={"name": "nobody", "password": "wrong"})
    wrong = browser.post("/login", data={"name": "ana", "password": "wrong"})
    assert 'value="nobody"' in unknown.text
    assert (unknown.status_code, unknown.text.replace("nobody", "ana")) == (wrong.status_code, wrong.text)


def test_a_browser_keeps_its_appearance(visitor: Callable) -> None:
    """Theme, density and text size are in the page itself; unknown values in the cookie give the default."""
    browser = visitor("ana")
    assert browser.post("/appearance", data={"theme": "pink", "density": "normal", "text": "normal"}).status_code == 400
    browser.post("/appearance", data={"theme": "dark", "density": "compact", "text": "large"})
    assert '<html lang="en" data-theme="dark" data-density="compact" data-text="large">' in browser.get("/").text
    browser.cookies.delete("ipml-appearance")
    browser.cookies.set("ipml-appearance", "pink.x")
    assert '<html lang="en" data-theme="system" data-density="normal" data-text="normal">' in browser.get("/").text


def test_a_login_leads_back_to_the_case_and_nowhere_else(visitor: Callable) -> None:
    """Who opens a case without being logged in comes to it; no link leads to another site."""
    browser = visitor()
    login = browser.get("/cases/2").headers["location"]
    assert 'value="/cases/2"' in browser.get(login).text
    assert browser.post("/login", data={**LOGIN, "then": "/cases/2"}).headers["location"] == "/cases/2"
    for then in ("https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "javascript:x"):
        assert visitor().post("/login", data={**LOGIN, "then": then}).headers["location"] == "/", then


def test_the_log_holds_no_password(visitor: Callable, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever was typed into which field, the log tells the user by number, and nothing of what was typed."""
    browser = visitor()
    browser.post("/login", data={"name": "my-secret-password", "password": ""})
    browser.post("/login", data={"name": "ana", "password": "my-secret-password"})
    with reading(engine) as connection:
        ana = next(user for user in list_users(connection) if user.name == "ana")
    assert "my-secret-password" not in caplog.text
    assert f"user:{ana.user_id} from" in caplog.text


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
    act(engine, change)
    assert [browser.get("/").status_code for browser in browsers] == [303, 303]
    assert other.get("/").status_code == 200
    with reading(engine) as connection:
        ana = list_users(connection)[0]
        actions = [row.action for row in audit.list_rows(connection, f"user:{ana.user_id}")]
        assert len([action for action in actions if action != "logged in"]) == 2


def test_a_new_role_counts_from_the_next_login(engine: Engine, visitor: Callable) -> None:
    """So it is when somebody was shut out and let in again: sessions from before stay dead."""
    browser = visitor("vic")
    assert browser.post("/next").status_code == 403
    act(engine, set_role, "vic", Role.REVIEWER)
    assert visitor("vic").post("/next").status_code == 303
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
    """Who asks is found in it, and a use is noted after it, once a minute; to claim a case takes a second one."""
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
    examples = (lambda: reviewer.get("/cases/999"), lambda: reviewer.get("/appeals"))
    examples += (lambda: reviewer.get("/?state=nonsense"), lambda: reviewer.post("/cases/1/decide", data=wrong))
    for ask in examples:
        execute(engine, update(sessions).values(seen_at=long_ago))
        assert ask().status_code in (400, 403, 404, 409)
        with reading(engine) as connection:
            assert list_sessions(connection, "ana")[0].seen_at > long_ago


WRONG = {"name": "ana", "password": "wrong"}


def post(app, address: str, **form: str) -> int:
    """Send the form of logins from an address, and return the status."""
    return open_browser(app, client=(address, 50_000)).post("/login", data={**WRONG, **form}).status_code


def test_the_answer_says_when_to_come_back(visitor: Callable) -> None:
    """After ten tries the answer is 429 with the seconds to wait, before anything looks at the password."""
    browser = visitor()
    assert [browser.post("/login", data=WRONG).status_code for _ in range(10)] == [401] * 10
    assert browser.post("/login", data={"name": "bo", "password": PASSWORD}).status_code == 303
    answer = browser.post("/login", data=WRONG | {"password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Try again in 15 minutes." in answer.text


@on_both
def test_all_servers_count_together_and_forget_nothing_at_a_restart(engine: Engine) -> None:
    """Tries at one process count at every other one on the same database, also at one started later."""
    for _ in range(5):
        assert post(make_app(engine, Settings(), cost=CHEAP), "192.0.2.7") == 401
        assert post(make_app(engine, Settings(), cost=CHEAP), "192.0.2.7") == 401
    assert post(make_app(engine, Settings(), cost=CHEAP), "192.0.2.7", password=PASSWORD) == 429


def test_other_addresses_are_not_locked_out(engine: Engine) -> None:
    """Who guesses for ana from elsewhere does not keep her out."""
    app = make_app(engine, Settings(), cost=CHEAP, limits=LoginLimits(for_name=2))
    assert [post(app, "192.0.2.7") for _ in range(3)] == [401, 401, 429]
    assert post(app, "198.51.100.1", password=PASSWORD) == 303


def test_one_address_cannot_go_through_all_names(engine: Engine) -> None:
    """A password tried for name after name is stopped as well; a login of one's own does not reset that."""
    app = make_app(engine, Settings(), cost=CHEAP, limits=LoginLimits(for_name=2, for_address=4))
    own = {"name": "bo", "password": PASSWORD}
    statuses = [post(app, "192.0.2.7", name=f"n{number}") for number in range(3)]
    assert [*statuses, post(app, "192.0.2.7", **own), post(app, "192.0.2.7", name="n4")] == [401, 401, 401, 303, 401]
    assert post(app, "192.0.2.7", name="n5") == 429


def test_tries_are_swept_out_and_hold_no_name(engine: Engine) -> None:
    """People type passwords into the field of names: a hash is kept, and what counts no more is not."""
    act(engine, count_try, "my secret password", "192.0.2.7", now=NOW)
    (row,) = read_rows(engine, select(tries))
    assert "secret" not in str(row)
    for number in range(20):
        act(engine, count_try, f"n{number}", "192.0.2.7", now=NOW)
    act(engine, count_try, "ana", "198.51.100.1", now=NOW + 15 * MINUTE)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tries)) == 1


def test_a_subscriber_of_ipv6_is_one_address() -> None:
    """Who has 2^64 addresses does not get as many tries; an IPv4 address is the same in either notation."""
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")


def test_ten_at_once_are_ten(tmp_path: Path) -> None:
    """Guesses sent at the same moment do not slip past the count."""
    engine = open_database(f"sqlite:///{tmp_path}/tries.db")
    migrate(engine)

    def attempt(_: int) -> int:
        return act(engine, count_try, "ana", "192.0.2.7", now=NOW)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(attempt, range(24)))
    assert waits.count(0) == 10
    engine.dispose()


def test_never_more_than_allowed_in_any_quarter_of_an_hour(engine: Engine) -> None:
    """Of one name or one address; who waits as told gets one more try, and who waits a second less gets none."""
    limits = LoginLimits(for_name=2, for_address=3)
    for at, name, wait in (
        *((0, "ana", 0), (100, "ana", 0), (200, "ana", 700), (899, "ana", 1), (899, "bo", 0), (899, "cy", 1)),
        *((900, "ana", 0), (900, "ana", 100), (900, "cy", 100), (999, "cy", 1), (1_000, "cy", 0), (1_000, "bo", 799)),
    ):
        found = act(engine, count_try, name, "192.0.2.7", limits, NOW + timedelta(seconds=at))
        assert found == wait, (at, name)


def test_a_login_forgets_its_own_tries_alone(engine: Engine) -> None:
    """After a login the name starts anew at that address, and nowhere else."""
    limits = LoginLimits(for_name=1)
    for address in ("192.0.2.7", "198.51.100.1"):
        assert act(engine, count_try, "ana", address, limits, NOW) == 0
    with writing(engine) as connection:
        forget_tries(connection, "ana", "192.0.2.7")
        assert count_try(connection, "ana", "192.0.2.7", limits, NOW) == 0
        assert count_try(connection, "ana", "198.51.100.1", limits, NOW) == 900
