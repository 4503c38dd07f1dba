"""A marketplace's queue of a few cases, people who work it, and a client that behaves like a browser."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing
from ipml.review import queue
from ipml.settings import Settings
from ipml.storage.database import migrate, open_database
from ipml.web.app import make_app
from ipml.web.users import PasswordCost, Role, add_user

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette asks for httpx2 where only httpx is installed
    from fastapi.testclient import TestClient

CHEAP = PasswordCost(passes=1, memory_kib=8, lanes=1)
PASSWORD = "correct horse battery"

TITLES = (
    "AAA quality Vellmar tote bag 1:1 mirror, with box and card",
    "V*ellmar crossbody — best factory batch, same as shop",
    "Nordhale diver watch 41 mm automatic, super clone movement",
    "Vel\u200blmar wallet \u202eenots der\u202c zip around",
    "Aurivo headphones sealed, no box, wholesale price 10 pcs",
    "Nordhale field watch 38 mm, worn twice, papers of 2019",
    "Vellmar belt 90 cm, bought in Lyon, receipt included",
)
WEIGHTS = {
    "AAA quality": 1.7,
    "1:1 mirror": 1.4,
    "best factory batch": 1.5,
    "V*ellmar": 0.7,
    "super clone": 1.8,
    "wholesale": 0.4,
    "worn twice": -0.5,
    "papers of 2019": -0.9,
    "receipt included": -1.1,
}
SELLERS = (
    "harbour-outlet",
    "harbour-outlet",
    "kx_trade88",
    "mimi.closet",
    "kx_trade88",
    "t.berger",
    "anna_l",
)


def make_scored(number: int, **changes: object) -> ScoredListing:
    """Return the scored listing of a made-up offer; changes replace fields of the listing."""
    title, seller = TITLES[number % len(TITLES)], SELLERS[number % len(SELLERS)]
    is_young = number % len(TITLES) < 5
    brand = next((b for b in ("Nordhale", "Aurivo") if b in title), "Vellmar")
    median = {"Nordhale": 1450.0, "Aurivo": 260.0, "Vellmar": 890.0}[brand]
    share = (0.09, 0.14, 0.18, 0.11, 0.3, 0.7, 0.5)[number % len(TITLES)]
    listing = Listing(
        listing_id=f"L{number:04}",
        seller_id=seller,
        title=title,
        description="Sent within a day. Comes in a plain parcel.\nMessage me for more pictures and colours.",
        brand=brand,
        category="Bags & accessories" if brand == "Vellmar" else "Watches" if brand == "Nordhale" else "Audio",
        price=round(median * share, 2),
        currency="EUR",
        listed_at=datetime.now(UTC) - timedelta(days=2 + number),
        condition="new" if is_young else "used",
        country="DE",
        seller_age_days=9.0 if is_young else 1460.0,
        seller_sales=41.0 if is_young else 212.0,
        seller_returns=8.0 if is_young else 3.0,
        seller_complaints=5.0 if is_young else 0.0,
        seller_rating=0.68 if is_young else 0.98,
        seller_strikes=1.0 if is_young else 0.0,
        seller_listings=128.0 if is_young else 6.0,
    )
    reasons = (
        Reason(
            "price__ratio",
            f"Price is {share:.0%} of what {brand} usually costs".replace("%", " %"),
            2.4 - 4 * share,
        ),
        Reason(
            "seller__age",
            f"The seller has been here for {'9 days' if is_young else '4 years'}",
            0.9 if is_young else -1.3,
        ),
        Reason("text__replica", "Words of the replica trade in the title", 1.7 if is_young else -0.2),
        Reason(
            "seller__returns",
            "20 % of the seller's sales came back" if is_young else "Hardly anything comes back",
            0.6 if is_young else -0.5,
        ),
    )
    highlights = tuple(
        Highlight(title.index(words), title.index(words) + len(words), weight)
        for words, weight in WEIGHTS.items()
        if words in title
    )
    return ScoredListing(
        listing=replace(listing, **changes),
        score=0.985 - 0.03 * number if number < 30 else 0.05,
        log_odds=sum(reason.weight for reason in reasons),
        reasons=reasons,
        highlights=highlights,
        price_range=PriceRange(brand, "EUR", 0.45 * median, median, 1.9 * median),
        model_version="2026-11-20",
        score_low=max(0.0, 0.81 - 0.03 * number) if number < 30 else 0.01,
        score_high=min(1.0, 0.996 - 0.03 * number) if number < 30 else 0.3,
    )


@pytest.fixture
def scored() -> Callable[..., ScoredListing]:
    """Return the maker of scored listings."""
    return make_scored


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give a database in memory with a lead, two reviewers, a viewer, and seven open cases."""
    engine = open_database("sqlite://")
    migrate(engine)
    for name, role in (
        ("lea", Role.LEAD),
        ("ana", Role.REVIEWER),
        ("bo", Role.REVIEWER),
        ("vic", Role.VIEWER),
    ):
        add_user(engine, name, PASSWORD, role, CHEAP)
    queue.enqueue(engine, [make_scored(number) for number in range(7)])
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """Return the application on that database."""
    return make_app(engine, Settings(), cost=CHEAP)


@pytest.fixture
def visitor(app: FastAPI) -> Callable[..., TestClient]:
    """Return a maker of browsers: none logged in unless a name is given."""

    def visit(name: str | None = None, base_url: str = "http://testserver") -> TestClient:
        client = TestClient(app, base_url=base_url, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
        if name:
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303
        return client

    return visit


@pytest.fixture
def ana(visitor: Callable[..., TestClient]) -> TestClient:
    """Return a reviewer's browser."""
    return visitor("ana")
