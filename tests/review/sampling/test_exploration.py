"""Which listings of a file or a stream are shown or drawn, and with what probability."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select
from support.databases import copy_memory
from support.reviewing import as_model, judge
from support.transactions import act, ask

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.ranking.policy import IntakeRule, load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank
from ipml.review.sampling.estimates import Stretch, estimate, read_stretches, summarise
from ipml.review.sampling.exploration import (
    DEPTHS,
    Sample,
    SamplingRule,
    choose_shown,
    draw_sample,
    is_drawn,
    make_sampling_hash,
    stratify,
    to_uniform,
)
from ipml.review.sampling.stream_samples import place_in_stream
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.storage.tables import cases, seeds

SCORES = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=200).map(
    lambda scores: np.sort(np.array(scores, dtype=float))[np.argsort(np.sort(np.array(scores)) * -1, kind="stable")]
)
RULES = st.builds(SamplingRule, st.floats(0.001, 0.9), st.floats(0.05, 1), st.integers(1, 30), st.integers(1, 12))


@given(SCORES, st.integers(0, 200), RULES)
def test_strata_cover_every_place_once(scores: np.ndarray, sure: int, rule: SamplingRule):
    """None is empty, every listing can be drawn, what is shown for its score is sure, and draws are as many as set."""
    sure = min(sure, len(scores))
    strata = stratify(scores, sure, rule)
    places = [place for stratum in strata for place in range(stratum.first, stratum.last + 1)]
    assert places == list(range(1, len(scores) + 1))
    assert all(stratum.listings > 0 for stratum in strata)
    assert all(0 < stratum.sampling_probability <= 1 for stratum in strata) or not sure
    assert all(stratum.sampling_probability == 1 for stratum in strata if stratum.is_sure)
    assert sum(stratum.listings for stratum in strata if stratum.is_sure) == sure
    rest = [stratum for stratum in strata if not stratum.is_sure]
    expected = sum(stratum.sampling_probability * stratum.listings for stratum in rest)
    if all(stratum.sampling_probability < 1 for stratum in rest) and rest:
        assert expected == pytest.approx(rule.expected_draws(sure))
    assert expected <= rule.expected_draws(sure) * (1 + 1e-9)


def test_odds_are_higher_where_a_review_tells_more():
    """A listing that may be either is drawn more often than one that is nearly sure to be genuine."""
    strata = stratify(np.geomspace(0.5, 0.0005, 20_000), 1_000, SamplingRule(0.3))
    sampling_probability = [stratum.sampling_probability for stratum in strata if not stratum.is_sure]
    assert sampling_probability == sorted(sampling_probability, reverse=True)
    assert sampling_probability[0] > 2 * sampling_probability[-1]


def test_a_stratum_ends_where_precision_is_asked_for():
    """After the first 100, 1,000 and 5,000, and before what the model could not judge."""
    ends = {stratum.last for stratum in stratify(np.linspace(1, 0, 6_000), 50, SamplingRule(0.05))}
    assert ends >= {50, *DEPTHS, 6_000}
    last = stratify(np.append(np.linspace(1, 0, 90), [np.nan] * 10), 20, SamplingRule(0.2))[-1]
    assert (last.first, last.highest_score, last.lowest_score) == (91, None, None)
    assert last.sampling_probability > 0


def test_a_share_that_leaves_no_time_is_refused():
    """Drawn listings cannot have all the time, and a score that is no probability would spoil the odds of others."""
    for share in (-0.1, 1.0, 1.5, float("nan")):
        with pytest.raises(UnusableSetting, match="share of exploration"):
            SamplingRule(share)
    for score in (-0.1, 1.5):
        with pytest.raises(UnstorableValue, match="score"):
            draw_sample(make_file([0.5, score]), "00", SamplingRule(0.05), top=1)


def test_another_seed_or_model_draws_others():
    """A listing's draw follows from seed, model and listing, and from nothing else."""
    keys = [f"A{number}" for number in range(500)]
    draws = [
        [make_sampling_hash(seed)(model, key) for key in keys]
        for seed, model in (("00", "m1"), ("00", "m1"), ("01", "m1"), ("00", "m2"))
    ]
    assert (draws[0], len({hashed for draw in draws[1:] for hashed in draw})) == (draws[1], 1_500)


def test_draws_are_even():
    """Of many listings the share drawn is that of the odds (within four standard errors)."""
    n, draw = 20_000, make_sampling_hash("ab" * 32)
    hashes = [draw("m1", f"2024-05-01 {number}") for number in range(n)]
    for odds in (0.01, 0.3):
        assert abs(is_drawn(hashes, np.full(n, odds)).mean() - odds) < 4 * np.sqrt(odds * (1 - odds) / n)
    assert is_drawn([0, 2**64 - 1], np.ones(2)).all()  # the highest ticket, too, is below 1
    assert to_uniform([0])[0] == 0


FILE = st.lists(st.none() | st.floats(0, 1) | st.sampled_from([0.2, 0.5]), max_size=40)
SEEDS = st.binary(min_size=1, max_size=32).map(bytes.hex)


def make_file(scores: list[float | None]) -> list[ScoredListing]:
    """Return a scored listing for each score."""
    return [
        ScoredListing(Listing(f"L{number}", "s1", "Leather wallet"), score, None, (), (), None, "m1")
        for number, score in enumerate(scores)
    ]


def sure_rows(sample: Sample) -> list[int]:
    """Return the rows shown for their score."""
    return [row for row, place in sample.places.items() if place.lane == "ranked"]


@given(FILE, SEEDS, st.integers(1, 50), st.floats(0, 1))
def test_the_most_suspicious_are_shown(scores: list[float | None], seed: str, top: int, min_score: float):
    """What is not sure is never above what is, and nothing below the least score is sure."""
    file = make_file(scores)
    sample = draw_sample(file, seed, SamplingRule(0.2), top=top, min_score=min_score)
    good = sorted((score for score in scores if score is not None and score >= min_score), reverse=True)
    assert sorted((scores[row] for row in sure_rows(sample)), reverse=True) == good[:top]
    everything = draw_sample(file, seed, SamplingRule(0.2))  # without options all is sure, in the order of the file
    assert [item for item, _ in choose_shown(file, everything)] == file
    assert all((place.lane, place.sampling_probability) == ("ranked", 1) for place in everything.places.values())


@given(FILE, SEEDS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(scores: list[float | None], seed: str, top: int, order: random.Random):
    """The same listings are shown, and the file is known again; a listing that is in it twice counts once."""
    file = make_file(scores)
    files = (file, order.sample(file, len(file)), [*file, *file])
    samples = [draw_sample(some, seed, SamplingRule(0.4), top=top) for some in files]
    assert len({(one.listings, one.shown, one.digest) for one in samples}) == 1
    shown = [
        {item.listing.listing_id: place for item, place in choose_shown(some, sample)}
        for some, sample in zip(files[:2], samples[:2], strict=True)
    ]
    assert shown[0] == shown[1]


@given(FILE, st.sets(st.integers(0, 39)), st.integers(0, 30))
def test_listings_with_a_warning_have_a_stratum_and_a_share_of_the_draws_of_their_own(scores, warned, top):
    """But for those shown for their score, which are the same; and no more are drawn in all."""
    rule, file = SamplingRule(0.3, warned=0.4), make_file(scores)
    said = [replace(one, warning="unread" if row in warned else None) for row, one in enumerate(file)]
    sample = draw_sample(said, "07", rule, top=top)
    assert sure_rows(sample) == sure_rows(draw_sample(file, "07", rule, top=top))
    rest, draws = [stratum for stratum in sample.strata if not stratum.is_sure], rule.expected_draws(sample.sure)
    assert sum(stratum.sampling_probability * stratum.listings for stratum in rest) <= draws * (1 + 1e-9)
    n_warned = sum(score is not None for row, score in enumerate(scores) if row in warned - {*sure_rows(sample)})
    n_judged = sum(score is not None for score in scores)
    for own in [stratum for stratum in rest if stratum.last == n_judged and n_warned]:
        assert (own.listings, own.first) == (n_warned, n_judged - n_warned + 1)
        assert own.sampling_probability * n_warned >= min(n_warned, rule.warned * draws) * (1 - 1e-9)


def test_counts_are_those_of_what_is_shown():
    """Each stratum says how many of it became cases, and at any time those taken in order of lots are a fair sample."""
    sample = draw_sample(make_file([number / 6_000 for number in range(6_000)]), "07", SamplingRule(0.5), top=1_000)
    shown = [place.stratum for place in sample.places.values()]
    assert sample.shown == tuple(shown.count(number) for number in range(len(sample.strata)))
    for number, stratum in enumerate(sample.strata):
        lots = [place.random_order for place in sample.places.values() if place.stratum == number]
        if stratum.is_sure:
            assert set(lots) == {None}
        else:
            assert abs(sum(lots) / len(lots) - 0.5) < 4 * (1 / 12 / len(lots)) ** 0.5


def test_among_equal_scores_the_draw_is_still_fair():
    """Which of them are sure does not decide which of the others are drawn (within four standard errors)."""
    sample = draw_sample(make_file([0.5] * 4_000), "07", SamplingRule(0.5), top=1_000)
    assert len(sure_rows(sample)) == 1_000
    drawn = len(sample.places) - 1_000
    assert abs(drawn - 1_000) < 4 * (3_000 * (1 / 3) * (2 / 3)) ** 0.5


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
    """Over many seeds its mean is the truth, with listings of which the titles could not be read as without."""
    stream = [
        replace(one, warning="unread" if row % 3 else None) for row, one in enumerate(score(make_stream(300), False))
    ]
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
