"""A whole scored file goes into the queue, and drawn cases have their share of the reviewers' time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select
from support.databases import read_tables
from support.reviewing import NOON, Make
from support.transactions import act, ask

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import Enqueued, IntakeResult, IntakeSelection, enqueue, enqueue_batch, enqueue_placed
from ipml.review.arrivals.snapshot import make_key
from ipml.review.cases import count_cases, history
from ipml.review.claims import claim, is_turn, release
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.exports import export_labels
from ipml.review.sampling.exploration import make_sampling_hash
from ipml.review.worklists.search import browse_cases
from ipml.settings import Settings
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
    return enqueue_batch(engine, lambda: iter(file), IntakeSelection(top=top, explore=explore), now=NOON)


def test_a_file_sent_again_changes_nothing(engine: Engine, file: list[ScoredListing]):
    """In another order, too: the same draws and counts, and no new row; after an interruption it is completed."""
    readings = [iter(()), iter(file)]
    enqueue_batch(
        engine, readings.pop, IntakeSelection(top=TOP, explore=0.3), now=NOON
    )  # the second reading finds nothing left
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
    rows = ask(engine, Connection.execute, select(sample_strata))
    known = set(ask(engine, Connection.scalars, select(cases.c.listing_id)))
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
            decide(connection, DecisionRequest(taken, Verdict.GENUINE))
    with reading(engine) as connection:
        odds = [(table.c.lane, table.c.sampling_probability) for table in (cases, decisions)]
        query = select(cases.c.listing_id, *odds[0], *odds[1])
        rows = connection.execute(query.join(decisions, decisions.c.case_id == cases.c.case_id)).all()
    assert all((row[1], row[2]) == (row[3], row[4]) for row in rows)
    assert {row[2] for row in rows if row[1] == "ranked"} == {1.0}
    assert all(0 < row[2] < 1 for row in rows if row[1] == "explored")
    labels = ask(engine, export_labels)
    told = {label.listing.listing_id: label.sampling_probability for label in labels}
    assert told == {row[0]: row[2] for row in rows}


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
    assert {case.scored.listing.listing_id for case in ask(engine, browse_cases, limit=500)} == drawn
    assert ask(engine, verify).is_intact
    assert len(set(bytes.fromhex(seed))) > 8
    assert seed not in str(read_tables(engine)["audit"])


def test_another_top_of_the_same_file_is_another_sift(engine: Engine, file: list[ScoredListing]):
    """What was drawn first and is sure now moves up to the ranked cases."""
    send(engine, file, explore=0.5)
    send(engine, file, top=200, explore=0.5)
    rows = ask(engine, Connection.execute, select(cases.c.listing_id, cases.c.lane, cases.c.sampling_probability))
    digests = ask(engine, Connection.execute, select(samples.c.file_digest, samples.c.digest))
    first = {f"L{number}" for number in range(100, 300)}
    assert all(row.lane == "ranked" and row.sampling_probability == 1 for row in rows if row.listing_id in first)
    assert [len(set(column)) for column in zip(*digests, strict=True)] == [1, 2]


def test_a_case_from_elsewhere_has_no_odds(engine: Engine, file: list[ScoredListing]):
    """What was enqueued one by one, or without a place, was not drawn from anything."""
    enqueue(engine, file[:1])
    assert [(case.sampling_probability, case.lane) for case in ask(engine, browse_cases)] == [(None, "ranked")]
    assert not {"sampling_probability", "lane"} & ask(engine, history, 1)[0].payload.keys()
    assert enqueue_placed(engine, [(file[1], None)], now=NOON) == Enqueued(added=1)


QUARTER = Settings(explore=0.25)  # of the time


@pytest.fixture
def queue(seeded: Engine, file: list[ScoredListing]) -> Engine:
    """Return a queue of 60 ranked cases, with about twenty drawn beside them."""
    enqueue_batch(seeded, lambda: file, IntakeSelection(top=60, explore=QUARTER.explore), now=NOON)
    return seeded


def take(engine: Engine, settings: Settings = QUARTER) -> tuple[str, float]:
    """Decide the next case; return its lane and lot."""
    taken = act(engine, claim, "ana", settings=settings, now=NOON)
    act(engine, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON)
    with reading(engine) as connection:
        query = select(cases.c.lane, cases.c.random_order).where(cases.c.case_id == taken.case_id)
        return tuple(connection.execute(query).one())


@given(st.floats(0.01, 0.99), st.integers(1, 400))
def test_the_share_holds_within_one_case(share: float, count: int):
    """After any number of turns, as many were of drawn cases as the share says, rounded down."""
    drawn = 0
    for taken in range(count):
        drawn += is_turn(share, taken, drawn)
    assert abs(drawn - share * count) < 1 + 1e-6


def test_both_lanes_are_worked(queue: Engine):
    """While both wait, every fourth case is a drawn one, and drawn cases come in the order of their lots."""
    taken = [take(queue) for _ in range(40)]
    assert [lane for lane, _ in taken] == ["ranked", "ranked", "ranked", "explored"] * 10
    to_uniform = [random_order for lane, random_order in taken if lane == "explored"]
    assert to_uniform == sorted(to_uniform)


def test_cases_that_are_held_count_as_taken(queue: Engine):
    """Many who claim at once share the turns."""
    held = [act(queue, claim, f"r{number}", settings=QUARTER, now=NOON).case_id for number in range(20)]
    assert sum(_lanes(queue)[case_id] == "explored" for case_id in held) == 5


def test_a_released_turn_comes_again(queue: Engine):
    """Who gives a drawn case back, or loses it with the lease, has not used its turn: its lot is the lowest still."""
    for _ in range(3):
        take(queue)
    first = act(queue, claim, "ana", settings=QUARTER, now=NOON)
    act(queue, release, first, now=NOON)
    assert _lanes(queue)[first.case_id] == "explored"
    assert act(queue, claim, "bo", settings=QUARTER, now=NOON).case_id == first.case_id
    later = NOON + timedelta(hours=1)
    assert act(queue, claim, "cleo", settings=QUARTER, now=later).case_id == first.case_id


def test_without_a_share_drawn_cases_come_last(queue: Engine):
    """Who turns exploration off is shown the ranked cases first, and then the drawn ones, to the last case."""
    waiting = len(ask(queue, Connection.execute, select(cases.c.case_id)))
    lanes = [take(queue, settings=Settings(explore=0))[0] for _ in range(waiting)]
    assert lanes == ["ranked"] * 60 + ["explored"] * (waiting - 60)
    assert waiting > 62
    assert act(queue, claim, "ana", settings=QUARTER, now=NOON) is None


def test_after_a_time_without_drawn_cases_they_come_a_few_at_a_time(seeded: Engine, file: list[ScoredListing]):
    """What was missed is not made up for all at once."""
    enqueue_batch(seeded, lambda: file[240:], now=NOON)  # all of it, so that nothing is drawn
    for _ in range(40):
        take(seeded)
    enqueue_batch(seeded, lambda: file[:240], IntakeSelection(top=60, explore=QUARTER.explore), now=NOON)
    lanes = [take(seeded)[0] for _ in range(20)]
    assert lanes.count("explored") <= 5 + 5
    assert "ranked" in lanes[:6]


def _lanes(engine: Engine) -> dict[int, str]:
    return dict(ask(engine, Connection.execute, select(cases.c.case_id, cases.c.lane)))
