"""`ipml queue estimate` tells of all listings from the reviewed ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.databases import copy_sqlite

from ipml.cli import make_commands
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.queue import claim, decide
from ipml.storage.database import open_database, writing


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs `ipml queue estimate` on a fresh database and gives what it prints."""
    url = copy_sqlite(tmp_path)

    def invoke(*options: str) -> str:
        result = CliRunner().invoke(
            make_commands(), ["queue", "estimate", "--database", url, *options], env={"COLUMNS": "120"}
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    invoke.url = url
    return invoke


def fill(url: str, reviews: int) -> None:
    """Enqueue 200 listings, 20 of them for their score, and review so many cases."""
    engine = open_database(url)
    file = [
        ScoredListing(Listing(f"L{number}", "s1", "Bag"), number / 200, None, (), (), None, "m1")
        for number in range(200)
    ]
    enqueue_batch(engine, lambda: file, top=20, explore=0.6)
    for _ in range(reviews):
        with writing(engine) as connection:
            if taken := claim(connection, "ana"):
                decide(connection, taken, Verdict.COUNTERFEIT, ground="test_purchase")


def test_before_the_first_file_it_says_what_to_do(ask: Callable[..., str]):
    """There is no table of nothing."""
    assert "`ipml enqueue FILE --top N`" in ask()


def test_figures_stand_beside_what_the_reviewed_say(ask: Callable[..., str]):
    """All reviewed are counterfeit: so are all listings, as far as one can tell, and the line says of how many."""
    fill(ask.url, 500)
    lines = ask().splitlines()
    (prevalence,) = [line for line in lines if "prevalence" in line]
    assert prevalence.count("100.0 %") == 3
    assert any(line.startswith("About 200 listings of 1 file; ") for line in lines)


def test_too_little_is_said_so(ask: Callable[..., str]):
    """With a few reviews the table has no estimate, and says what is missing."""
    fill(ask.url, 3)
    output = ask()
    assert "too few reviews" in output
    assert "200 listings are left out" in output


def test_a_later_day_has_no_listings(ask: Callable[..., str]):
    """--since leaves out what came before."""
    fill(ask.url, 3)
    assert "No listings came yet" in ask("--since", "2199-01-01")
