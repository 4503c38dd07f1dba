"""Tries to log in: how many are too many, from where, and for how long."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from support.databases import copy_memory
from support.staff import CHEAP, PASSWORD

from ipml.settings import Settings
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import tries
from ipml.web.accounts.sessions import LoginLimits, count_try, forget_tries, network_of
from ipml.web.app import make_app

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
WRONG = {"name": "ana", "password": "wrong"}
MINUTE = timedelta(minutes=1)


def post(app, address: str, **form: str) -> int:
    """Send the form of logins from an address, and return the status."""
    browser = TestClient(app, client=(address, 50_000), follow_redirects=False)
    return browser.post("/login", data={**WRONG, **form}, headers={"Sec-Fetch-Site": "same-origin"}).status_code


def test_the_answer_says_when_to_come_back(visitor: Callable) -> None:
    """After ten tries the answer is 429 with the seconds to wait, before anything looks at the password."""
    browser = visitor()
    assert [browser.post("/login", data=WRONG).status_code for _ in range(10)] == [401] * 10
    assert browser.post("/login", data={"name": "bo", "password": PASSWORD}).status_code == 303
    answer = browser.post("/login", data=WRONG | {"password": PASSWORD})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Try again in 15 minutes." in answer.text


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


def test_no_name_is_kept(engine: Engine) -> None:
    """People type passwords into the field of names: the database holds a hash."""
    with writing(engine) as connection:
        count_try(connection, "my secret password", "192.0.2.7", now=NOW)
    with reading(engine) as connection:
        (row,) = connection.execute(select(tries)).all()
    assert "secret" not in str(row)


def test_tries_are_swept_out(engine: Engine) -> None:
    """What counts no more is not kept."""
    for number in range(20):
        with writing(engine) as connection:
            count_try(connection, f"n{number}", "192.0.2.7", now=NOW)
    with writing(engine) as connection:
        count_try(connection, "ana", "198.51.100.1", now=NOW + 15 * MINUTE)
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
        with writing(engine) as connection:
            return count_try(connection, "ana", "192.0.2.7", now=NOW)

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(attempt, range(24)))
    assert waits.count(0) == 10
    engine.dispose()


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1_200), st.sampled_from(["ana", "bo"])), max_size=25))
def test_never_more_than_allowed_in_any_quarter_of_an_hour(arrivals: list[tuple[int, str]]) -> None:
    """In no span of 15 minutes are more tries let through than the limits say, and who waits as told gets one."""
    engine = copy_memory()
    limits = LoginLimits(for_name=3, for_address=5)
    passed: list[tuple[datetime, str]] = []
    for seconds, name in sorted(arrivals):
        at = NOW + timedelta(seconds=seconds)
        with writing(engine) as connection:
            wait = count_try(connection, name, "192.0.2.7", limits, at)
        if not wait:
            passed.append((at, name))
        span = [(moment, who) for moment, who in passed if moment > at - 15 * MINUTE]
        assert len(span) <= 5
        assert sum(who == name for _, who in span) <= 3
        if wait:
            later = at + timedelta(seconds=wait)
            free = [(moment, who) for moment, who in passed if moment > later - 15 * MINUTE]
            assert len(free) < 5
            assert sum(who == name for _, who in free) < 3
    engine.dispose()


def test_a_login_forgets_its_own_tries_alone(engine: Engine) -> None:
    """After a login the name starts anew at that address, and nowhere else."""
    limits = LoginLimits(for_name=1)
    for address in ("192.0.2.7", "198.51.100.1"):
        with writing(engine) as connection:
            assert count_try(connection, "ana", address, limits, NOW) == 0
    with writing(engine) as connection:
        forget_tries(connection, "ana", "192.0.2.7")
        assert count_try(connection, "ana", "192.0.2.7", limits, NOW) == 0
        assert count_try(connection, "ana", "198.51.100.1", limits, NOW) == 900
