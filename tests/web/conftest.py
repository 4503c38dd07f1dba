"""A marketplace's queue of a few cases, people who work it, and a client that behaves like a browser."""

import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.types import ASGIApp
from support.browser import log_in, note_complaints, start_browser
from support.databases import copy_memory, copy_postgres, save_memory
from support.staff import CHEAP, PASSWORD

from ipml.listings.fields import make_json_schema
from ipml.listings.schema import check_records
from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing, Unlike
from ipml.review.arrivals.intake import enqueue
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.database import open_database, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from ipml.web.app import make_app
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access, make_desk

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette asks for httpx2 where only httpx is installed
    from fastapi.testclient import TestClient
    from support.visitors import open_browser

TITLES = (
    "AAA quality Vellmar tote bag 1:1 mirror, with box and card",
    "V*ellmar crossbody — best factory batch, same as shop",
    "Nordhale diver watch 41 mm automatic, super clone movement",
    "Vel\u200blmar wallet \u202eenots der\u202c zip around",
    "Aurivo headphones sealed, no box, wholesale price 10 pcs",
    "Nordhale field watch 38 mm, worn twice, papers of 2019",
    "Vellmar belt 90 cm, bought in Lyon, receipt included",
)
READINGS = {1: "vellmar crossbody - best factory batch, same as shop", 3: "vellmar wallet stoned zip around"}
DESCRIPTION = "Sent within a day. Comes in a plain parcel.\nMessage me for more pictures and colours."
WEIGHTS = {"AAA quality": 1.7, "1:1 mirror": 1.4, "best factory batch": 1.5, "V*ellmar": 0.7, "super clone": 1.8}
WEIGHTS |= {"wholesale": 0.4, "worn twice": -0.5, "papers of 2019": -0.9, "receipt included": -1.1}
BASE_RATE = -2.9
SELLERS = ("harbour-outlet", "harbour-outlet", "kx_trade88", "mimi.closet", "kx_trade88", "t.berger", "anna_l")


def make_scored(number: int, **changes: object) -> ScoredListing:
    """Return the scored listing of a made-up offer; changes replace fields of the listing."""
    title, seller = TITLES[number % len(TITLES)], SELLERS[number % len(SELLERS)]
    is_young = number % len(TITLES) < 5
    brand = next((b for b in ("Nordhale", "Aurivo") if b in title), "Vellmar")
    median = {"Nordhale": 1450.0, "Aurivo": 260.0, "Vellmar": 890.0}[brand]
    # A title that comes again costs more each time: it is no near-duplicate, which would wait for the first.
    share = (0.09, 0.14, 0.18, 0.11, 0.3, 0.7, 0.5)[number % len(TITLES)] * 1.2 ** (number // len(TITLES))
    listing = Listing(
        listing_id=f"L{number:04}",
        seller_id=seller,
        title=title,
        description=DESCRIPTION,
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
    price = f"Price is {share:.0%} of what {brand} usually costs".replace("%", " %")
    here = f"The seller has been here for {'9 days' if is_young else '4 years'}"
    returns = "20 % of the seller's sales came back" if is_young else "Hardly anything comes back"
    reasons = (
        Reason("price__ratio", price, 2.4 - 4 * share),
        Reason("seller__age", here, 0.9 if is_young else -1.3),
        Reason("text__replica", "Words of the replica trade in the title", 1.7 if is_young else -0.2),
        Reason("seller__returns", returns, 0.6 if is_young else -0.5),
    )
    highlights = tuple(
        Highlight(title.index(words), title.index(words) + len(words), weight)
        for words, weight in WEIGHTS.items()
        if words in title
    )
    return ScoredListing(
        listing=replace(listing, **changes),
        score=0.985 - 0.03 * number if number < 30 else 0.05,
        log_odds=BASE_RATE + sum(reason.weight for reason in reasons),
        reasons=reasons,
        highlights=highlights,
        price_range=PriceRange(brand, "EUR", 0.45 * median, median, 1.9 * median),
        model_version="2026-11-20",
        score_low=max(0.0, 0.81 - 0.03 * number) if number < 30 else 0.01,
        score_high=min(1.0, 0.996 - 0.03 * number) if number < 30 else 0.3,
        description_highlights=(Highlight(30, 42, 0.6), Highlight(44, 54, 0.9)) if is_young else (),
        read_as=READINGS.get(number % len(TITLES)),
        base_rate=BASE_RATE,
    )


@pytest.fixture(scope="session", autouse=True)
def shared_loop() -> Iterator[None]:
    """Let all browsers of a process use one event loop, and none begin one of its own for each request."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "portal", portal)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start the system's browser; skip, saying so, where it is absent."""
    with start_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable]:
    """Return what opens a page of the test's address as somebody logged in; the browser must not complain of any."""
    with ExitStack() as until_end:
        complaints: list[list[str]] = []

        def open_as(name: str = "ana", **options: Any) -> Any:
            context = browser.new_context(**options)
            until_end.callback(context.close)
            page = context.new_page()
            complaints.append(note_complaints(page))
            log_in(page, request.getfixturevalue("address"), name)
            return page

        yield open_as
    assert not any(complaints), complaints


@pytest.fixture(scope="session")
def scored() -> Callable:
    """Return the maker of scored listings."""
    return make_scored


@pytest.fixture(scope="module")
def filled() -> bytes:
    """Return a database in memory with a lead, two reviewers, a viewer, and seven open cases."""
    engine = copy_memory()
    _fill(engine)
    return save_memory(engine)


@pytest.fixture
def engine(database: str, request: pytest.FixtureRequest, filled: bytes) -> Iterator[Engine]:
    """Give a database with four users and seven open cases; SQLite's is in memory."""
    with ExitStack() as until_end:
        if database == "sqlite":
            engine = copy_memory(filled)
        else:
            engine = open_database(until_end.enter_context(copy_postgres(request.getfixturevalue("postgres"))))
            _fill(engine)
        until_end.callback(engine.dispose)
        yield engine


def _fill(engine: Engine) -> None:
    for name, role in (("lea", Role.LEAD), ("ana", Role.REVIEWER), ("bo", Role.REVIEWER), ("vic", Role.VIEWER)):
        with writing(engine) as connection:
            add_user(connection, name, PASSWORD, role, CHEAP)
    enqueue(engine, [make_scored(number) for number in range(7)])


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    """Return the application on that database."""
    return make_app(engine, Settings(), cost=CHEAP)


@pytest.fixture
def visitor(app: FastAPI) -> Callable:
    """Return a maker of browsers: none logged in unless a name is given."""

    def visit(name: str | None = None, base_url: str = "http://testserver") -> TestClient:
        return open_browser(app, name, base_url=base_url)

    return visit


@pytest.fixture
def ana(visitor: Callable) -> TestClient:
    """Return a reviewer's browser."""
    return visitor("ana")


class Judge:
    """A model without learning: it checks listings as a real one does, and gives all the same score."""

    def __init__(self, version: str = "judge/1", score: float = 0.25) -> None:
        self.version, self.loaded_at, self._score = version, datetime.now(UTC), score
        self.unlike: tuple[Unlike, ...] = ()

    def check(self, listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
        """Return listings as records."""
        return check_records(listings)

    def score_records(self, records, explain, others=None):
        """Return listings, each with the one score unless it has no letter, and what was said beforehand of all."""
        return [self._judge(listing, explain) for listing in records], self.unlike

    def explain_again(self, scored: ScoredListing) -> ScoredListing:
        """Return a listing with reasons."""
        return self._judge(scored.listing, True)

    def _judge(self, listing: Listing, explain: bool) -> ScoredListing:
        if not any(map(str.isalnum, listing.title)):
            return ScoredListing(listing, None, None, (), (), None, self.version, "the title has no letters")
        reasons = (Reason("title", "Says “replica”", 1.5),) if explain else ()
        highlights = (Highlight(0, 1, 1.5),) if explain else ()
        usual = PriceRange("Vellmar", "EUR", 400.0, 890.0, 1700.0) if explain else None
        return ScoredListing(listing, self._score, -1.1, reasons, highlights, usual, self.version, None, 0.1, 0.5)


class Judges:
    """Where the model of the moment is found: `judge`, which a test may replace."""

    def __init__(self) -> None:
        self.judge: Judge | None = Judge()
        self.n_reloads = self.n_failures = 0

    def current(self) -> Judge | None:
        """Return the judge of the moment."""
        return self.judge


@pytest.fixture
def judges() -> Judges:
    """Return a source of models whose model a test may replace."""
    return Judges()


@pytest.fixture
def open_door() -> Iterator[Callable]:
    """Return what serves an application on a free port of this machine, and gives a client of it."""
    with ExitStack() as until_end:
        yield lambda app: until_end.enter_context(serve(app))


@pytest.fixture
def api(judges: Judges, open_door: Callable) -> httpx.Client:
    """Return a client of the API that this machine may use without a key."""
    return open_door(make_open_api(judges))


@pytest.fixture
def stored_api(judges: Judges, engine: Engine, open_door: Callable) -> httpx.Client:
    """Return a client of such an API beside the database."""
    return open_door(make_open_api(judges, engine=engine))


@pytest.fixture
def lead(visitor: Callable) -> TestClient:
    """Return a lead's browser."""
    return visitor("lea")


@pytest.fixture(scope="module")
def shared_api() -> Iterator[httpx.Client]:
    """Give one client to all tests of a file that only send."""
    with serve(make_open_api(Judges())) as client:
        yield client


@pytest.fixture(scope="module")
def share_door() -> Iterator[Callable]:
    """Return what serves the API to all tests of a file, by a rule and beside a database, and gives a client of it."""
    with ExitStack() as until_end:
        yield lambda access, engine: until_end.enter_context(serve(make_open_api(Judges(), access, engine)))


def make_open_api(judges: Judges, access: Access | None = None, engine: Engine | None = None) -> ASGIApp:
    """Return the API with its requests counted."""
    metrics, desk = Metrics(judges), None if engine is None else make_desk(engine, DEFAULT_SETTINGS)
    return metrics.measure(make_api(judges, metrics, access or Access(), make_json_schema(), desk))


@contextmanager
def serve(app: ASGIApp) -> Iterator[httpx.Client]:
    """Serve an application by a real server within a block, and give a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=30, verify=False) as client:  # to read certificates takes longer
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def make_server_app() -> Callable[..., ASGIApp]:
    """Return the maker of the API as an application."""
    return make_open_api
