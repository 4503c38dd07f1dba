"""Shared set-up of all tests: place of the real data, and search for counterexamples."""

import os
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine
from support.budget import add_budget
from support.databases import copy_postgres, copy_sqlite, open_undurable
from support.postgres import Server, choose_folder, shared_server
from support.slices import SLICES, choose_slice

from ipml.records import Highlight, Listing, Reason, ScoredListing

# Timing is measured in benchmarks; a property is not wrong because the kernel was being compiled.
settings.register_profile("ipml", deadline=None, derandomize="CI" in os.environ, print_blob=True, max_examples=20)
settings.register_profile("thorough", settings.get_profile("ipml"), max_examples=1_000)  # --hypothesis-profile=thorough
settings.register_profile("few", settings.get_profile("ipml"), max_examples=10)  # for another release of Python
settings.load_profile("ipml")

DATA = Path(os.environ.get("IPML_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()

PACKAGE = Path(__file__).parents[1] / "ipml"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in the docstrings of the package alone: to look into each file of tests takes seconds."""
    return [found for found in (yield) if type(found) is pytest.Module]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    group = parser.getgroup("ipml")
    which = "database of the tests that do not run on both (default: sqlite)"
    group.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help=which)
    group.addoption("--slice", choices=tuple(SLICES), help="run one part of the long tests, with -m ''")
    group.addoption("--budget", action="store_true", help="show processor time, and fail at twice the budget")


def pytest_configure(config: pytest.Config) -> None:
    """Measure processor time where that is asked for."""
    add_budget(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one slice of the long tests where one is asked for."""
    choose_slice(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of a run where the server that they share is, and with whose end it stops."""
    node.workerinput["postgres"] = (str(choose_folder()), os.getpid())


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Server:
    """Return the PostgreSQL of this run; skip with a reason if there is none."""
    folder, run = getattr(request.config, "workerinput", {}).get("postgres", (choose_folder(), os.getpid()))
    server = shared_server(Path(folder), run)
    if server is None:
        pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
    return server


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Return the kind of database: the option's, unless the test runs on both."""
    return str(getattr(request, "param", request.config.getoption("--database")))


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database whose tables are up to date and empty."""
    if database == "sqlite":
        yield copy_sqlite(tmp_path)
    else:
        with copy_postgres(request.getfixturevalue("postgres")) as url:
            yield url


@pytest.fixture
def engine(database_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give that database, open; its random draws are the same in each run of a test."""
    from ipml.review.sampling import exploration

    seed = sha256(request.node.nodeid.encode()).hexdigest()
    seeds = (sha256(f"{seed} {number}".encode()).hexdigest() for number in count())
    monkeypatch.setattr(exploration, "make_seed", lambda: next(seeds))
    engine = open_undurable(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real listings; skip, saying so, where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real listings at {DATA}; name their folder in IPML_DATA")
    return DATA


@pytest.fixture(scope="session")
def market():
    """Return a small simulated marketplace."""
    from ipml.simulation.marketplace import simulate_marketplace

    return simulate_marketplace(n_listings=3_000, seed=1)


@pytest.fixture(scope="session")
def classifier(market):
    """Return a classifier trained on the labelled listings of the small marketplace."""
    from ipml.features.goods import brand_table
    from ipml.model.pipeline import CounterfeitClassifier, make_features

    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    features = make_features(brand_table(market.brands))
    return CounterfeitClassifier(features, n_folds=3).fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))


@pytest.fixture
def make_scored() -> Callable[..., ScoredListing]:
    """Return a function that makes a scored listing of an id, a score and any fields of the listing."""

    def make(listing_id="L1", score=0.5, model_version="m1", **fields):
        observed = {"seller_id": "s1", "title": "Leather wallet", "observed_at": datetime(2024, 5, 1, tzinfo=UTC)}
        reasons = (Reason("price__below_quarter", "Price is low", 1.5),)
        listing = Listing(listing_id, **(observed | fields))
        return ScoredListing(listing, score, None, reasons, (Highlight(0, 7, 0.5),), None, model_version)

    return make
