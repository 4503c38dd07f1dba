"""Of a stream is estimated how much the model overlooks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, Engine, insert, select
from support.databases import copy_memory
from support.reviewing import as_model, judge
from support.transactions import act, ask

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.ranking.policy import IntakeRule, load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank
from ipml.review.sampling.estimates import Stretch, estimate, read_stretches, summarise
from ipml.review.sampling.stream_samples import place_in_stream
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.storage.tables import cases, seeds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = IntakeRule(sampling_probability=0.3)


def make_stream(count: int) -> list[Listing]:
    """Return listings, each of its own seller."""
    return [Listing(f"L{n}", f"s{n}", f"Cup {n}", description=str(n), observed_at=NOON) for n in range(count)]


def suspect(listing: Listing) -> float:
    """Return a score from 0 to 0.6 by the number of a listing."""
    return 0.6 * (int(listing.description or "") * 37 % 600) / 600


def is_counterfeit(listing: Listing) -> bool:
    """Return the truth: the model overlooks some, and is right of others."""
    return int(listing.description or "") % 9 == 0 or suspect(listing) > 0.5


def score(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Score listings by their numbers; complaints make them sure."""
    return [
        ScoredListing(one, 0.95 if one.seller_complaints else suspect(one), 0.0, (), (), None, "m1")
        for one in submitted
    ]


def estimate_stream(stream: Sequence[ScoredListing], seed: str) -> float:
    """Return the estimate of one day on which all were judged."""
    placed = [(place_in_stream(one, one.score, RULE, seed, is_sure=one.score >= 0.5), one) for one in stream]
    stretches = []
    for stratum in sorted({place.stratum for place, _ in placed}):
        some = [(place, one) for place, one in placed if place.stratum == stratum]
        place, mean = some[0][0], sum(place.expected for place, _ in some) / len(some)
        verdicts = [is_counterfeit(one.listing) for place, one in some if place.shown]
        seen, found = len(verdicts), sum(verdicts)
        of_stratum = (1, 0, 0, place.is_sure, len(some), seen, place.sampling_probability, mean)
        stretches.append(Stretch(*of_stratum, seen, found, seen, seen, found))
    return next(one.value for one in summarise(stretches).figures if one.name == "prevalence")


def test_the_estimate_is_right_on_average():
    """Over many seeds its mean is the truth."""
    stream = score(make_stream(300), False)
    truth = sum(is_counterfeit(one.listing) for one in stream) / len(stream)
    values = np.array([estimate_stream(stream, f"{seed:064x}") for seed in range(60)])
    error = values.std(ddof=1) / len(values) ** 0.5
    assert abs(values.mean() - truth) < 3 * error < 0.03


def open_stream() -> Engine:
    """Return an empty database in which many listings are drawn, the same each time."""
    engine = copy_memory()
    act(engine, Connection.execute, insert(seeds).values(seed="07" * 32, drawn_at=NOON))
    rerank(engine, QueueOrder.SCORE, load_policy().model_copy(update={"intake": RULE}), now=NOON, actor="lea")
    return engine


def review(engine: Engine, now: datetime = NOON) -> list[str]:
    """Decide the cases that wait by the truth, and return of which listings they are."""
    rows = ask(engine, Connection.execute, select(cases.c.case_id, cases.c.listing_id).where(cases.c.state == "open"))
    for row in rows:
        judge(engine, row.case_id, Verdict.COUNTERFEIT if is_fake(row.listing_id) else Verdict.GENUINE, now=now)
    return [row.listing_id for row in rows]


def is_fake(listing_id: str) -> bool:
    """Return the truth of a listing by its id."""
    return is_counterfeit(Listing(listing_id, "", "", description=listing_id[1:]))


def read(engine: Engine) -> list[Stretch]:
    """Return what was reviewed of each stratum."""
    return ask(engine, read_stretches)


def submit(engine: Engine, listings: Sequence[Listing], now: datetime = NOON) -> None:
    """Submit listings."""
    take_in(engine, [Submission(tuple(listings))], as_model(score), now)


def test_what_came_by_is_counted():
    """However it is cut; what is seen again as it was does not count again, on that day or another."""
    engine, stream = open_stream(), make_stream(100)
    for start in range(0, 100, 50):
        submit(engine, stream[start : start + 50])
    reviewed = review(engine)
    before = read(engine)
    assert sum(one.listings for one in before) == 100
    assert sum(one.shown for one in before) == sum(one.seen for one in before) == len(reviewed)
    for hours in (1, 30):
        moment = NOON + timedelta(hours=hours)
        submit(engine, [replace(one, observed_at=moment) for one in stream], moment)
    assert (read(engine), review(engine)) == (before, [])
    said = ask(engine, estimate)
    assert (said.files, said.days, said.listings, said.drawn) == (0, 1, 100, said.drawn_reviewed)
    assert {one.value for one in said.figures if one.name.startswith("precision")} == {None}


def test_what_is_changed_counts_on_another_day():
    """On the same day it is the same listing, as it is now."""
    engine, stream = open_stream(), make_stream(50)
    submit(engine, stream)
    for hours, listings in ((1, 50), (30, 100)):
        moment = NOON + timedelta(hours=hours)
        submit(engine, [replace(one, title=f"Hat {hours}", observed_at=moment) for one in stream], moment)
        assert sum(one.listings for one in read(engine)) == listings


def test_each_model_has_samples_of_its_own():
    """Listings count again where another scores them."""
    engine = open_stream()
    submit(engine, make_stream(50))
    newer = as_model(lambda some, explain: [replace(one, model_version="m2") for one in score(some, explain)], "m2")
    assert rescore_changed(engine, newer, NOON) == 50
    assert [sum(one.listings for one in read(engine) if one.sample_id == number) for number in (1, 2)] == [50, 50]


def test_what_follows_from_a_draw_does_not_change_its_weight():
    """Sellers of what was found are complained of, and their listings scored again: the estimate stays as it was."""
    engine = open_stream()
    submit(engine, make_stream(100))
    sellers = [f"s{key[1:]}" for key in review(engine) if is_fake(key)]
    before, later = read(engine), NOON + timedelta(days=1)
    act(engine, store_events, [SellerEvent(f"e-{one}", one, "complained", later, later) for one in sellers], later)
    assert rescore_changed(engine, as_model(score), later) == len(sellers) > 0
    review(engine, later)
    assert read(engine) == before
