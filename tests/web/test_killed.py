"""A server is killed while listings come in, or people decide: what was answered is there."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.transactions import check_sound, read_scalars
from web.intake_server import start

from ipml.storage.database import open_database, reading
from ipml.storage.tables import cases, listings, portfolio_listings, portfolios

KILLS = int(os.environ.get("IPML_TEST_KILLS", "2"))
CLIENTS, ENOUGH = 4, 60


def count(engine: Engine, first: int) -> int:
    """Count the listings that were submitted since some number."""
    found = read_scalars(engine, select(listings.c.listing_id))
    return sum(int(listing_id[1:]) >= first for listing_id in found)


def make(number: int) -> dict[str, Any]:
    """Return a listing."""
    said = {"listing_id": f"T{number}", "seller_id": f"s{number % 7}", "title": f"Bag {number}"}
    return said | {"price": 50 + number, "currency": "EUR", "observed_at": "2026-03-01T09:30:00Z"}


def submit_until_it_dies(address: str, first: int) -> list[dict[str, Any]]:
    """Submit one listing after another; return what was answered."""
    answered: list[dict[str, Any]] = []
    with httpx.Client(base_url=address, timeout=10) as client:
        for number in range(first, first + 100_000, CLIENTS):
            try:
                answered += client.post("/v1/listings", json=make(number)).raise_for_status().json()["listings"]
            except httpx.TransportError:
                return answered
    return answered


@pytest.mark.slow
@on_both
def test_nothing_that_was_answered_is_lost_or_doubled(database_url: str) -> None:
    """Each time a new server knows all that the old one answered, and answers it alike."""
    engine = open_database(database_url)
    for kill in range(KILLS):
        server, address = start(database_url)
        first = 10_000 * kill
        with ThreadPoolExecutor(CLIENTS) as pool:
            submitting = [pool.submit(submit_until_it_dies, address, first + client) for client in range(CLIENTS)]
            while count(engine, first) < ENOUGH and not any(one.done() for one in submitting):
                pass
            server.kill()
        server.communicate()
        answered = [said for one in submitting for said in one.result()]
        assert len(answered) > CLIENTS
        server, address = start(database_url)
        try:
            with httpx.Client(base_url=address, timeout=30) as client:
                for said in answered:
                    shown = client.get(f"/v1/listings/{said['listing_id']}").json()
                    assert said.items() <= shown.items()
                again = [make(int(said["listing_id"][1:])) for said in answered][:1_000]
                assert client.post("/v1/listings", json={"listings": again}).json()["listings"] == answered[:1_000]
        finally:
            server.kill()
            server.communicate()
        with reading(engine) as connection:
            check_sound(connection)
            waiting = connection.scalars(select(cases.c.listing_id).where(cases.c.state == "open")).all()
            assert len(waiting) == len(set(waiting))
            known = set(connection.scalars(select(listings.c.listing_id).where(listings.c.score > 0.5)))
            assert known <= set(waiting)
            weighed = [*connection.execute(select(portfolio_listings.c.listing_id, portfolio_listings.c.suspicion))]
            assert sorted(row.listing_id for row in weighed) == sorted(
                connection.scalars(select(listings.c.listing_id))
            )
            sums = connection.execute(select(func.sum(portfolios.c.n), func.sum(portfolios.c.suspicion))).one()
            assert sums == (len(weighed), sum(row.suspicion for row in weighed))
    engine.dispose()
