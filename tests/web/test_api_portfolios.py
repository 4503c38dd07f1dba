"""What a seller lists over the HTTP API counts for what the seller lists next, as it does in files."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select

from ipml.listings.schema import validate_record
from ipml.model.model_file import save_model
from ipml.scoring.online_scoring import ServedModel
from ipml.storage.database import reading
from ipml.storage.tables import portfolio_listings, portfolios
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.requests import Access

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def model(classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("saved") / "market"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder


@pytest.fixture
def start(engine: Engine, model: Path, open_door: Callable) -> Callable[[], httpx.Client]:
    """Return what starts a server, and gives a client of it."""

    def open_api() -> httpx.Client:
        served = ServedModel(str(model))
        assert served.refresh()
        return open_door(make_api(served, Metrics(served), Access(), {}, engine))

    return open_api


def make(number: int, seller: str = "dawn-outlet") -> dict[str, Any]:
    """Return a copy that a seller offers, minute after minute."""
    said = {"listing_id": f"{seller}-{number}", "seller_id": seller, "title": f"AAA replica watch 1:1, number {number}"}
    return said | {"observed_at": (MORNING + timedelta(minutes=number)).isoformat()}


def submit(api: httpx.Client, listing: dict[str, Any]) -> float:
    """Submit a listing, and return its score."""
    (known,) = api.post("/v1/listings", json=listing).raise_for_status().json()["listings"]
    return float(known["score"])


def read_tables(engine: Engine) -> list[Any]:
    """Return all that is stored in portfolios."""
    with reading(engine) as connection:
        return [connection.execute(select(table)).all() for table in (portfolios, portfolio_listings)]


def test_ten_copies_of_a_morning_are_known_by_noon(
    engine: Engine, model: Path, start: Callable[[], httpx.Client]
) -> None:
    """Each is scored as portfolios in memory have it, also after a restart, and so is what is only scored."""
    scorer = ServedModel(str(model)).take().scorer
    memory, expected = scorer.start_portfolios(), []
    for number in range(11):
        record = validate_record(make(number))
        expected.append(scorer.score(record, memory, explain=False).score)
        scorer.take_in(record, memory)
    first, second = start(), start()
    assert [submit((first, second)[number % 2], make(number)) for number in range(10)] == pytest.approx(expected[:10])
    restarted, before = start(), read_tables(engine)
    for _ in range(2):
        for number in (10, 4):
            answer = restarted.post("/v1/score?portfolios=true", json=make(number)).raise_for_status()
            assert answer.json()["scores"][0]["score"] == pytest.approx(expected[number])
        alone = restarted.post("/v1/score", json=make(10)).raise_for_status().json()["scores"][0]["score"]
        assert alone < expected[10]
    assert read_tables(engine) == before
    assert submit(restarted, make(10)) == pytest.approx(expected[10])
    assert expected[10] > submit(restarted, make(10, "stranger"))
