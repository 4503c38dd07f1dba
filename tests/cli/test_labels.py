"""`ipml data labels` writes what reviewers decided."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.databases import copy_sqlite

from ipml.cli import make_commands
from ipml.listings.readers import read_listings
from ipml.listings.schema import frame_to_listings
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing

MONDAY, TUESDAY = datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return a database with a counterfeit listing decided on Monday, and a genuine one on Tuesday noon."""
    url = copy_sqlite(tmp_path)
    engine = open_database(url)
    for listing_id, verdict, now in (
        ("L1", Verdict.COUNTERFEIT, MONDAY),
        ("L2", Verdict.GENUINE, TUESDAY.replace(hour=12)),
    ):
        listing = Listing(listing_id, "s1", "NA", price=12.5, currency="EUR", observed_at=MONDAY)
        enqueue(engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "m1")])
        ground = "test_purchase" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(connection, claim(connection, "ana", now=now), verdict, ground=ground, now=now)
    engine.dispose()
    return url


def run(url: str, target: Path, *options: str) -> Result:
    """Run the command into a file."""
    return CliRunner().invoke(make_commands(), ["data", "labels", "--out", str(target), "--database", url, *options])


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_labels_are_listings_that_training_reads(url: str, tmp_path: Path, suffix: str):
    """The file is read back without a problem: the listings as judged, with their truth."""
    target = tmp_path / f"labels{suffix}"
    result = run(url, target)
    assert result.stdout.startswith("2 labels, 1 of them counterfeit")
    (validation,) = read_listings(target)
    assert validation.problems == ()
    first, second = frame_to_listings(validation.listings)
    assert (first.listing_id, first.title, first.price) == ("L1", "NA", 12.5)
    assert (first.is_counterfeit, first.labelled_at, first.label_weight) == (True, MONDAY, 1.0)
    assert second.is_counterfeit is False


@pytest.mark.parametrize(
    ("known_by", "count"),
    [("2024-05-05", 0), ("2024-05-06", 1), ("2024-05-07T11:59:59", 1), ("2024-05-07T14:00:00+0200", 2)],
)
def test_only_what_was_known_by_a_moment_is_written(url: str, tmp_path: Path, known_by: str, count: int):
    """A date is its first moment in UTC; a zone is honoured."""
    result = run(url, tmp_path / "labels.parquet", "--known-by", known_by)
    assert result.stdout.startswith(f"{count} labels")


def test_a_database_that_is_not_there_gives_no_file(tmp_path: Path):
    """A misspelt database is the user's mistake, and leaves nothing behind."""
    result = run(f"sqlite:///{tmp_path}/no.db", tmp_path / "labels.csv")
    assert "no such file" in str(result.exception)
    assert list(tmp_path.iterdir()) == []
