"""However listings, withdrawals and events are ordered, parted, joined, repeated, sent at once: the end is the same."""

import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.databases import copy_sqlite, on_both
from support.transactions import check_sound
from web.intake_server import start

from ipml.review.cases import PENDING
from ipml.storage.database import open_database, reading
from ipml.storage.tables import cases, listings, seller_events

pytestmark = pytest.mark.slow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Send = Callable[[str, dict[str, Any]], int]
Item = tuple[str, dict[str, Any]]  # "listings", "withdrawn" or "events", and what stands in it


def moment(hour: int) -> str:
    """Return a moment so many hours after noon."""
    return (NOON + timedelta(hours=hour)).isoformat()


def make_listing(number: int, hour: int, title: str) -> Item:
    """Return an observation of a listing; those of a number that ends in 0 wait for people."""
    said = {"listing_id": f"T{number}", "seller_id": f"s{number % 3}", "title": title, "observed_at": moment(hour)}
    return "listings", said | {"price": 79.9, "currency": "EUR"}


def make_withdrawal(number: int, hour: int) -> Item:
    """Return that a listing is gone."""
    return "withdrawn", {"listing_id": f"T{number}", "observed_at": moment(hour)}


def make_event(number: int) -> Item:
    """Return an event, always the same under its number."""
    said = {"event_id": f"e{number}", "seller_id": f"s{number % 3}", "kind": "sold", "amount": number % 5}
    return "events", said | {"occurred_at": moment(number % 7), "known_at": moment(number % 7 + 1)}


NUMBERS, HOURS = st.sampled_from([10, 11, 20]), st.integers(0, 3)


def submit(batch: list[Item], send: Send) -> bool:
    """Send the items of a batch; tell whether all were accepted.

    They go in as few requests as may be: in one, each listing stands once for a moment. Listings that were refused
    with a withdrawal go without it, or two batches could wait for one another for ever.
    """
    sent = {name: [one for kind, one in batch if kind == name] for name in ("listings", "withdrawn", "events")}
    statuses = [send("/v1/events", {"events": sent["events"]})] if sent["events"] else []
    waiting, gone = sent["listings"], sent["withdrawn"]
    while waiting or gone:
        first = {(one["listing_id"], one["observed_at"]): one for one in reversed(waiting)}
        waiting = [one for one in waiting if not any(one is taken for taken in first.values())]
        statuses.append(send("/v1/listings", {"listings": list(first.values()), "withdrawn": gone}))
        if statuses[-1] != 200 and first:
            assert send("/v1/listings", {"listings": list(first.values())}) == 200
        gone = []
    assert set(statuses) <= {200, 422}, statuses  # 422: a withdrawal came before its listing
    return set(statuses) <= {200}


def submit_until_accepted(batches: list[list[Item]], send: Send, at_once: int = 1) -> None:
    """Send batches, and those that were refused again behind the others."""
    for _ in range(len(batches) + 1):
        with ThreadPoolExecutor(at_once) as pool:
            accepted = list(pool.map(lambda batch: submit(batch, send), batches))
        batches = [batch for batch, is_done in zip(batches, accepted, strict=True) if not is_done]
        if not batches:
            return
    raise AssertionError(batches)


def read_end(engine: Engine) -> dict[str, Any]:
    """Return what is known at the end, without numbers, moments that say when it came, and what was drawn by lot."""
    with reading(engine) as connection:
        columns = (listings.c.listing_id, listings.c.sent, listings.c.seen_at, listings.c.withdrawn_at)
        known = sorted(map(tuple, connection.execute(select(*columns))), key=repr)
        numbers = [row[0] for row in known]
        waiting = select(cases.c.listing_id).where(cases.c.state.in_(PENDING), cases.c.lane != "explored")
        waiting = waiting.where(cases.c.listing_id.in_(numbers))
        events = [seller_events.c.event_id, seller_events.c.kind, seller_events.c.millionths, seller_events.c.known_at]
        return {
            "listings": known,
            "waiting": sorted(connection.scalars(waiting)),
            "events": sorted(map(tuple, connection.execute(select(*events)))),
        }


@contextmanager
def serving(*urls: str) -> Iterator[list[tuple[subprocess.Popen[str], str]]]:
    """Run a server of each database within a block."""
    started: list[tuple[subprocess.Popen[str], str]] = []
    try:
        for url in urls:
            started.append(start(url))
        yield started
    finally:
        for server, _ in started:
            server.kill()
            server.communicate()


@on_both
def test_two_servers_of_which_one_is_killed(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sent to both at once and again where nothing was answered, the end is that of one server, in order and once."""
    items = [make_listing(number, hour, f"Bag {hour}") for number in range(40) for hour in range(3)]
    items += [make_withdrawal(number, 1 + number % 3) for number in range(0, 40, 3)]
    items += [make_event(number) for number in range(60)]
    shuffled = random.Random(7).sample(items * 2, 2 * len(items))
    batches = [shuffled[place : place + 5] for place in range(0, len(shuffled), 5)]
    other_url, turns = copy_sqlite(tmp_path_factory.mktemp("one")), count()
    with serving(database_url, database_url, other_url) as started, httpx.Client(timeout=60) as client:
        doomed = started[0][0]
        doubtful, sound, other = (address for _, address in started)

        def send_somewhere(path: str, body: dict[str, Any]) -> int:
            turn = next(turns)
            if turn == len(batches) // 3:
                doomed.kill()
            for address in (doubtful, sound) if turn % 2 else (sound,):
                with suppress(httpx.TransportError):
                    return client.post(address + path, json=body).status_code
            raise AssertionError("the sound server did not answer")

        submit_until_accepted(batches, send_somewhere, at_once=4)
        submit_until_accepted([items], lambda path, body: client.post(other + path, json=body).status_code)
    engine, one = open_database(database_url), open_database(other_url)
    assert read_end(engine) == read_end(one)
    with reading(engine) as connection:
        check_sound(connection)
    engine.dispose()
    one.dispose()
