"""What all tests share: where real data lies, and how properties are searched."""

import gc
import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine
from support.databases import copy_postgres, copy_sqlite, open_hasty
from support.postgres import Server, choose_folder, shared_server

from ipml.records import Highlight, Listing, Reason, ScoredListing

# Timing is measured in benchmarks; a property is not wrong because the kernel was being compiled.
settings.register_profile("ipml", deadline=None, derandomize="CI" in os.environ, print_blob=True, max_examples=60)
settings.register_profile("thorough", settings.get_profile("ipml"), max_examples=1_000)  # --hypothesis-profile=thorough
settings.register_profile("few", settings.get_profile("ipml"), max_examples=10)  # for another release of Python
settings.load_profile("ipml")

DATA = Path(os.environ.get("IPML_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()

COMPILED = Path(__file__).parents[1] / "ipml"


def pytest_configure(config: pytest.Config) -> None:
    """Collect without looking for garbage, and throw away machine code that was made from other sources."""
    gc.disable()
    _forget_outdated_code(config)


def pytest_collection_finish() -> None:
    """Look for garbage among what the tests make, and not each time in the thousands of tests that stay."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 20)


def _forget_outdated_code(config: pytest.Config) -> None:
    """Remove what numba would run though it is outdated: it looks at a function's own file, not at what it calls."""
    if hasattr(config, "workerinput"):
        return
    compiled = re.compile(r"^@(\w*njit|inner)\b", re.MULTILINE)
    sources = sorted(path for path in COMPILED.rglob("*.py") if compiled.search(path.read_text(encoding="utf-8")))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    noted = COMPILED / "__pycache__" / "compiled_from.sha256"
    if not noted.exists() or noted.read_text() != digest:
        for path in (
            [*COMPILED.rglob("__pycache__/*.nbi"), *COMPILED.rglob("__pycache__/*.nbc")] if noted.exists() else ()
        ):
            path.unlink(missing_ok=True)
        noted.parent.mkdir(exist_ok=True)
        noted.write_text(digest)


# Seconds that whole modules take, roughly, of marked tests or of the fast ones. The longest begin first: one that began
# last would go on alone, with the other processes idle; so would a module of one long test. The others follow by their
# number of tests.
SECONDS = {
    "tests/scoring/test_spark.py": 340,
    "tests/test_notebooks.py": 240,
    "tests/test_benchmark.py": 180,
    "tests/scoring/batch/test_workers.py": 165,
    "tests/scoring/batch/test_resuming.py": 145,
    "tests/listings/test_hostile_files.py": 135,
    "tests/cli/test_demo.py": 100,
    "tests/model/training/test_unseen.py": 95,
    "tests/web/test_browser.py": 95,
    "tests/storage/test_backup.py": 90,
    "tests/model/test_selection.py": 85,
    "tests/web/test_enforcement_browser.py": 75,
    "tests/test_install.py": 70,
    "tests/model/drift/test_drift.py": 60,
    "tests/storage/test_migrations.py": 60,
    "tests/review/test_many_reviewers.py": 55,
    "tests/scoring/batch/test_file_scoring.py": 55,
    "tests/review/test_parity.py": 50,
    "tests/model/training/test_training.py": 50,
    "tests/web/test_fuzz.py": 45,
    "tests/enforcement/privacy/test_erasure.py": 45,
    "tests/cli/test_serve.py": 45,
    "tests/simulation/year/test_run.py": 45,
    "tests/web/test_killed_page.py": 40,
    "tests/cli/test_promote.py": 40,
    "tests/model/training/test_sweep.py": 40,
    "tests/review/sampling/test_estimates.py": 40,
    "tests/web/test_network_browser.py": 40,
    "tests/cooperation/reports/test_as_of.py": 40,
    "tests/web/test_connections.py": 40,
    "tests/simulation/test_difficulty.py": 35,
    "tests/cli/test_bad_input.py": 30,
    "tests/enforcement/test_killed.py": 25,
    "tests/storage/test_row_digests.py": 25,
    "tests/cli/test_doctor.py": 25,
    "tests/scoring/test_online_scoring.py": 25,
    "tests/review/sampling/test_batches.py": 25,
    "tests/review/sampling/test_turns.py": 25,
    "tests/review/ranking/test_value_orders.py": 25,
    "tests/web/test_access_table.py": 25,
    "tests/enforcement/test_story.py": 20,
    "tests/test_street.py": 20,
    "tests/cli/test_reproduce.py": 20,
    "tests/web/test_case_page.py": 20,
    "tests/web/test_api_malformed.py": 20,
    "tests/enforcement/appeals/test_appeals.py": 20,
    "tests/web/test_notices_page.py": 20,
    "tests/model/promotion/test_promotion.py": 20,
    "tests/cli/test_train.py": 20,
    "tests/model/training/test_reproduction.py": 20,
    "tests/web/test_cooperation_browser.py": 20,
    "tests/cooperation/notices/test_killed.py": 20,
    "tests/cooperation/referrals/test_worth.py": 15,
    "tests/enforcement/appeals/test_appeals_at_once.py": 15,
}


@pytest.hookimpl(trylast=True)  # after tests are left out by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that take longest first; the tests of each stay together and in their order."""
    modules = [item.nodeid.partition("::")[0] for item in items]
    n_tests = Counter(modules)
    order = {name: (-SECONDS.get(name, 0), -n_tests[name], place) for place, name in enumerate(dict.fromkeys(modules))}
    items.sort(key=lambda item: order[item.nodeid.partition("::")[0]])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each process of a run where the server that they share is, and with whose end it stops."""
    node.workerinput["postgres"] = (str(choose_folder()), os.getpid())


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Server:
    """Return the PostgreSQL of this run; skip, saying so, where there is none."""
    folder, run = getattr(request.config, "workerinput", {}).get("postgres", (choose_folder(), os.getpid()))
    server = shared_server(Path(folder), run)
    if server is None:
        pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
    return server


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database whose tables are up to date and empty; on SQLite unless a test asks for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield copy_sqlite(tmp_path)
    else:
        with copy_postgres(request.getfixturevalue("postgres")) as url:
            yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Give that database, open."""
    engine = open_hasty(database_url)
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

    def make(
        listing_id: str = "L1", score: float | None = 0.5, model_version: str = "m1", **fields: Any
    ) -> ScoredListing:
        observed = {
            "seller_id": "s1",
            "title": "Leather wallet",
            "observed_at": datetime(2024, 5, 1, tzinfo=UTC),
        }
        reasons = (Reason("price__below_quarter", "Price is low", 1.5),)
        listing = Listing(listing_id, **(observed | fields))
        return ScoredListing(listing, score, None, reasons, (Highlight(0, 7, 0.5),), None, model_version)

    return make
