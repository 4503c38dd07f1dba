"""`ipml data labels` writes what reviewers decided."""

from datetime import UTC, datetime

from support.databases import copy_sqlite

from ipml.listings.readers import read_listings
from ipml.listings.schema import frame_to_listings
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing

MONDAY, TUESDAY = datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, 12, tzinfo=UTC)


def test_labels_are_listings_that_training_reads(ipml, tmp_path):
    """Read back without a problem, with their truth; a date is its first moment in UTC, and a zone is honoured."""
    engine = open_database(copy_sqlite(tmp_path))
    for listing_id, verdict, now in (("L1", Verdict.COUNTERFEIT, MONDAY), ("L2", Verdict.GENUINE, TUESDAY)):
        listing = Listing(listing_id, "s1", "NA", price=12.5, currency="EUR", observed_at=MONDAY)
        enqueue(engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "m1")])
        ground = "test_purchase" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(connection, claim(connection, "ana", now=now), verdict, ground=ground, now=now)
    engine.dispose()
    for suffix in ("parquet", "jsonl", "csv"):
        assert ipml(f"data labels --out labels.{suffix}").out.startswith("2 labels, 1 of them counterfeit")
        (validation,) = read_listings(tmp_path / f"labels.{suffix}")
        assert validation.problems == ()
        first, second = frame_to_listings(validation.listings)
        assert (first.listing_id, first.title, first.price) == ("L1", "NA", 12.5)
        assert (first.is_counterfeit, first.labelled_at, first.label_weight) == (True, MONDAY, 1.0)
        assert second.is_counterfeit is False
    moments = {"2024-05-05": 0, "2024-05-06": 1, "2024-05-07T11:59:59": 1, "2024-05-07T14:00:00+0200": 2}
    said = {moment: ipml("data labels --force --out labels.csv --known-by", moment).out[:8] for moment in moments}
    assert said == {moment: f"{count} labels" for moment, count in moments.items()}
