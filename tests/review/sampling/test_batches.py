"""A whole scored file goes into the queue."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, select
from support.databases import read_tables
from support.reviewing import NOON, Make, ask

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import IntakeResult, enqueue_batch, enqueue_placed
from ipml.review.arrivals.snapshot import make_key
from ipml.review.exports import export_labels
from ipml.review.queue import Enqueued, claim, count_cases, decide, enqueue, history, list_cases
from ipml.review.sampling.exploration import make_sampling_hash
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, sample_strata, samples, seeds

pytestmark = pytest.mark.slow

N_LISTINGS, TOP = 300, 60


@pytest.fixture
def file(make_scored: Make) -> list[ScoredListing]:
    """Return a scored file of 300 listings."""
    return [make_scored(f"L{number}", number / N_LISTINGS) for number in range(N_LISTINGS)]


def send(engine: Engine, file: list[ScoredListing], top: int = TOP, explore: float = 0.3) -> IntakeResult:
    """Enqueue a file."""
    return enqueue_batch(engine, lambda: iter(file), top=top, explore=explore, now=NOON)


def test_a_file_sent_again_changes_nothing(engine: Engine, file: list[ScoredListing]):
    """In another order, too: the same draws and counts, and no new row; after an interruption it is completed."""
    readings = [iter(()), iter(file)]
    enqueue_batch(engine, readings.pop, top=TOP, explore=0.3, now=NOON)  # the second reading finds nothing left
    assert ask(engine, count_cases)["open"] == 0
    first = send(engine, file)
    before = read_tables(engine)
    assert len(before["samples"]) == 1
    assert len(before["sample_cases"]) == first.enqueued.added == TOP + first.drawn
    again = send(engine, file[::-1])
    assert again == replace(first, enqueued=Enqueued(unchanged=first.enqueued.added))
    assert read_tables(engine) == before


def test_of_what_is_not_shown_only_counts_are_kept(engine: Engine, file: list[ScoredListing]):
    """The strata add up to the file; of a listing that was passed over there is no trace."""
    batch = send(engine, file)
    with reading(engine) as connection:
        rows = connection.execute(select(sample_strata)).all()
        known = set(connection.scalars(select(cases.c.listing_id)))
    passed = {item.listing.listing_id for item in file} - known
    assert sum(row.listings for row in rows) == batch.listings == N_LISTINGS
    assert sum(row.shown for row in rows) == len(known) == TOP + batch.drawn
    everything = str(read_tables(engine))
    assert passed
    assert not any(f"'{listing_id}'" in everything for listing_id in passed)


def test_every_case_carries_its_odds(engine: Engine, file: list[ScoredListing]):
    """So do its decision and its label; a sure case was shown with odds 1."""
    send(engine, file)
    with writing(engine) as connection:
        while taken := claim(connection, "ana"):
            decide(connection, taken, Verdict.GENUINE)
    with reading(engine) as connection:
        odds = [(table.c.lane, table.c.sampling_probability) for table in (cases, decisions)]
        query = select(cases.c.listing_id, *odds[0], *odds[1])
        rows = connection.execute(query.join(decisions, decisions.c.case_id == cases.c.case_id)).all()
    assert all((row[1], row[2]) == (row[3], row[4]) for row in rows)
    assert {row[2] for row in rows if row[1] == "ranked"} == {1.0}
    assert all(0 < row[2] < 1 for row in rows if row[1] == "explored")
    labels = ask(engine, export_labels)
    assert {label.listing.listing_id: label.sampling_probability for label in labels} == {
        row[0]: row[2] for row in rows
    }


def test_the_draws_follow_from_the_seed(engine: Engine, file: list[ScoredListing]):
    """Who knows the seed and the strata can check each draw; it is random, and told nowhere in the audit."""
    send(engine, file)
    with reading(engine) as connection:
        seed = connection.scalars(select(seeds.c.seed)).one()
        strata = connection.execute(select(sample_strata).order_by(sample_strata.c.stratum)).all()
    draw, drawn = make_sampling_hash(seed), set()
    for place, item in enumerate(reversed(file), start=1):
        odds = next(row.sampling_probability for row in strata if row.first <= place <= row.last)
        if draw("m1", make_key(item.listing)) / 2**64 < odds:
            drawn.add(item.listing.listing_id)
    assert {case.scored.listing.listing_id for case in ask(engine, list_cases, limit=500)} == drawn
    assert ask(engine, verify).is_intact
    assert len(set(bytes.fromhex(seed))) > 8
    assert seed not in str(read_tables(engine)["audit"])


def test_another_top_of_the_same_file_is_another_sift(engine: Engine, file: list[ScoredListing]):
    """What was drawn first and is sure now moves up to the ranked cases."""
    send(engine, file, explore=0.5)
    send(engine, file, top=200, explore=0.5)
    with reading(engine) as connection:
        rows = connection.execute(select(cases.c.listing_id, cases.c.lane, cases.c.sampling_probability)).all()
        digests = connection.execute(select(samples.c.file_digest, samples.c.digest)).all()
    first = {f"L{number}" for number in range(100, 300)}
    assert all(row.lane == "ranked" and row.sampling_probability == 1 for row in rows if row.listing_id in first)
    assert [len(set(column)) for column in zip(*digests, strict=True)] == [1, 2]


def test_a_case_from_elsewhere_has_no_odds(engine: Engine, file: list[ScoredListing]):
    """What was enqueued one by one, or without a place, was not drawn from anything."""
    enqueue(engine, file[:1])
    assert [(case.sampling_probability, case.lane) for case in ask(engine, list_cases)] == [(None, "ranked")]
    assert not {"sampling_probability", "lane"} & ask(engine, history, 1)[0].payload.keys()
    assert enqueue_placed(engine, [(file[1], None)], now=NOON) == Enqueued(added=1)
