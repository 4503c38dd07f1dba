"""What the reviewed listings say of all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.queue import claim, decide, enqueue, get_case, list_cases
from ipml.review.sampling.estimates import Cell, EstimatedFigure, Estimates, Stretch, count_drawn, estimate, summarise
from ipml.review.sampling.exploration import Sample, SamplingRule, draw_sample_from_arrays
from ipml.storage.database import writing

pytestmark = pytest.mark.slow

TOP, EXPLORE = 100, 0.4


def make_file(make_scored: Make, count: int = 1_000, model_version: str = "m1") -> list[ScoredListing]:
    """Return a scored file; of its listings every third of the better half is counterfeit, by its number."""
    return [make_scored(f"{model_version}-{number}", number / count, model_version) for number in range(count)]


def is_counterfeit(item: ScoredListing) -> bool:
    """Return the truth of a listing."""
    return item.score >= 0.5 and int(item.listing.listing_id.split("-")[1]) % 3 == 0


def send(engine: Engine, file: Sequence[ScoredListing], now: datetime = NOON) -> None:
    """Enqueue a file: 100 for their score, and about 67 of the others."""
    enqueue_batch(engine, lambda: file, top=TOP, explore=EXPLORE, now=now)


def judge(engine: Engine, case_id: int | None = None, verdict: Verdict | None = None) -> bool:
    """Decide a case as the truth says, or as told; False if none is left."""
    taken = act(engine, claim, "ana", case_id, now=NOON)
    if taken is None:
        return False
    scored = ask(engine, get_case, taken.case_id).scored
    verdict = verdict or (Verdict.COUNTERFEIT if is_counterfeit(scored) else Verdict.GENUINE)
    act(engine, decide, taken, verdict, ground="known_goods" if verdict is Verdict.COUNTERFEIT else "", now=NOON)
    return True


def figure(estimates: Estimates, name: str) -> EstimatedFigure:
    """Return the figure of a name."""
    return next(one for one in estimates.figures if one.name == name)


def test_with_no_file_there_is_nothing_to_say(seeded: Engine, make_scored: Make):
    """Cases that came one by one are a sample of nothing."""
    enqueue(seeded, [make_scored()])
    taken = act(seeded, claim, "ana", now=NOON)
    act(seeded, decide, taken, Verdict.GENUINE, now=NOON)
    estimates = ask(seeded, estimate)
    assert (estimates.listings, estimates.files) == (0, 0)
    assert {one.value for one in estimates.figures} == {None}


def test_a_queue_worked_down_tells_of_all_listings(seeded: Engine, make_scored: Make):
    """The intervals hold the truth, and the naive figures are far from it."""
    file = make_file(make_scored)
    send(seeded, file)
    while judge(seeded):
        pass
    estimates = ask(seeded, estimate)
    assert (estimates.listings, estimates.waiting, estimates.uncovered) == (1_000, 0, 0)
    truth = [is_counterfeit(item) for item in file]
    prevalence, recall = figure(estimates, "prevalence"), figure(estimates, "recall of the queue")
    assert prevalence.low <= sum(truth) / 1_000 <= prevalence.high
    assert recall.low <= sum(truth[-TOP:]) / sum(truth) <= recall.high
    assert recall.naive - recall.high > 0.05
    first = figure(estimates, "precision at 100")
    assert first.value == first.low == first.high == first.naive == sum(truth[-TOP:]) / TOP


def test_what_is_not_reviewed_yet_widens_the_interval(seeded: Engine, make_scored: Make):
    """Of the first hundred forty are reviewed: the other sixty may be anything."""
    send(seeded, make_file(make_scored))
    listed = ask(seeded, list_cases, limit=40)
    for case in listed:
        judge(seeded, case.case_id)
    estimates = ask(seeded, estimate)
    first, prevalence = figure(estimates, "precision at 100"), figure(estimates, "prevalence")
    assert first.high - first.low == pytest.approx(0.6)
    assert first.low < first.value < first.high
    # No drawn case is reviewed, so that of the file as a whole nothing is said.
    assert (prevalence.value, prevalence.reviews, estimates.uncovered) == (None, 40, 1_000)
    drawn = [case for case in ask(seeded, list_cases, limit=500) if case.lane == "explored"]
    for case in drawn:
        judge(seeded, case.case_id)
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.uncovered) == (60, 0)
    assert figure(estimates, "prevalence").high - figure(estimates, "prevalence").low > 60 / 1_000


def test_picking_cases_out_of_turn_does_not_bend_the_estimate(seeded: Engine, make_scored: Make):
    """Who decides the suspicious of the drawn cases first moves the naive figure only."""
    send(seeded, make_file(make_scored))
    drawn = [case for case in ask(seeded, list_cases, limit=500) if case.lane == "explored"]
    first = act(seeded, claim, "bo", now=NOON + timedelta(days=1))  # a ranked one, for another day
    for case in [case for case in drawn if is_counterfeit(case.scored)]:
        judge(seeded, case.case_id)
    estimates = ask(seeded, estimate)
    # Only those count that come before the first that waits, and these are a fair sample still.
    assert estimates.drawn_reviewed < sum(is_counterfeit(case.scored) for case in drawn)
    assert figure(estimates, "prevalence").reviews == sum(is_counterfeit(case.scored) for case in drawn)
    assert first is not None


def test_too_few_reviews_say_nothing(seeded: Engine, make_scored: Make):
    """With a handful of drawn cases reviewed there is a naive figure and no other."""
    send(seeded, make_file(make_scored))
    for _ in range(60):
        judge(seeded)
    estimates = ask(seeded, estimate)
    assert 0 < estimates.drawn_reviewed < 10
    assert figure(estimates, "prevalence").value is None
    assert figure(estimates, "prevalence").naive is not None


def test_who_cannot_tell_gives_no_review(seeded: Engine, make_scored: Make):
    """Such a case is done, and says nothing either way."""
    send(seeded, make_file(make_scored))
    while judge(seeded, verdict=Verdict.CANNOT_TELL):
        pass
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.drawn_reviewed) == (0, 0)
    assert {one.value for one in estimates.figures} == {None}


def test_an_escalated_case_counts_once_decided(seeded: Engine, make_scored: Make):
    """The lead's verdict stands, not the wish for one."""
    send(seeded, make_file(make_scored))
    best = ask(seeded, list_cases, limit=1)[0].case_id
    judge(seeded, best, Verdict.ESCALATE)
    with writing(seeded) as connection:
        assert figure(estimate(connection), "precision at 100").reviews == 0
        taken = claim(connection, "lea", best, now=NOON)
        decide(connection, taken, Verdict.GENUINE, now=NOON)
        assert figure(estimate(connection), "precision at 100").reviews == 1


@pytest.mark.slow
def test_of_several_files_each_counts_by_its_own_odds(seeded: Engine, make_scored: Make):
    """Two files of the same market give the figures of both, and since a moment those of the second."""
    one, other = make_file(make_scored, 300), make_file(make_scored, 500, "m2")
    send(seeded, one)
    send(seeded, other, NOON + timedelta(days=1))
    while judge(seeded):
        pass
    both, last = ask(seeded, estimate), ask(seeded, estimate, since=NOON + timedelta(hours=1))
    assert (both.files, both.listings, last.files, last.listings) == (2, 800, 1, 500)
    for estimates, files in ((both, [*one, *other]), (last, other)):
        prevalence = figure(estimates, "prevalence")
        assert prevalence.low <= np.mean([is_counterfeit(item) for item in files]) <= prevalence.high


def test_a_file_sent_with_another_top_is_not_counted_twice(seeded: Engine, make_scored: Make):
    """The last time counts."""
    file = make_file(make_scored, 300)
    send(seeded, file)
    enqueue_batch(seeded, lambda: file, top=50, explore=EXPLORE, now=NOON)
    while judge(seeded):
        pass
    assert (ask(seeded, estimate).files, ask(seeded, estimate).listings) == (1, 300)


def test_intervals_cover_the_truth_over_many_draws():
    """From sample to estimate, in at least 93 % of 200 draws, and the naive figure is off by more than 5 points."""
    random = np.random.default_rng(3)
    scores = np.sort(random.beta(0.15, 1.8, 5_000))[::-1]
    labels = random.random(5_000) < scores**1.3
    truth = (labels.mean(), labels[:500].sum() / labels.sum())
    covered = []
    for _ in range(200):
        hashes = random.integers(0, 2**64 - 1, 5_000, dtype=np.uint64)
        figures = summarise(
            _reviewed(draw_sample_from_arrays(hashes, scores, SamplingRule(0.1), top=500), labels)
        ).figures
        covered.append([one.low <= true <= one.high for one, true in zip(figures, truth, strict=False)])
        assert all(abs(one.naive - true) > 0.05 for one, true in zip(figures, truth, strict=False))
    assert (np.mean(covered, axis=0) >= 0.93).all()


def _reviewed(sample: Sample, labels: np.ndarray) -> list[Stretch]:
    strata = [place.stratum for place in sample.places.values()]
    found = np.bincount(strata, labels[list(sample.places)], minlength=len(sample.strata)).astype(int).tolist()
    return [
        Stretch(
            1,
            one.first,
            one.last,
            one.is_sure,
            one.listings,
            n,
            one.sampling_probability,
            one.mean_score,
            n,
            x,
            n,
            n,
            x,
        )
        for one, n, x in zip(sample.strata, sample.shown, found, strict=True)
    ]


@pytest.mark.parametrize("escalated", [0.3, 0.9])
def test_what_waits_for_a_lead_is_in_the_interval(seeded: Engine, make_scored: Make, escalated: float):
    """Whoever passes on many of the counterfeits leaves a sample that is too good; the interval holds the truth."""
    file = make_file(make_scored)
    truth = sum(is_counterfeit(item) for item in file) / len(file)
    random = np.random.default_rng(11)
    send(seeded, file)
    passed_on = 0
    with writing(seeded) as connection:
        while taken := claim(connection, "ana", now=NOON):
            is_fake = is_counterfeit(get_case(connection, taken.case_id).scored)
            if is_fake and random.random() < escalated:
                verdict, passed_on = Verdict.ESCALATE, passed_on + 1
            else:
                verdict = Verdict.COUNTERFEIT if is_fake else Verdict.GENUINE
            decide(connection, taken, verdict, ground="known_goods" if verdict is Verdict.COUNTERFEIT else "", now=NOON)
        estimates = estimate(connection)
    prevalence = figure(estimates, "prevalence")
    assert prevalence.low <= truth <= prevalence.high
    assert estimates.waiting == passed_on
    with writing(seeded) as connection:
        for case in list_cases(connection, state="escalated", limit=500):  # once the lead has decided, nothing waits
            taken = claim(connection, "lea", case.case_id, now=NOON)
            decide(connection, taken, Verdict.COUNTERFEIT, ground="known_goods", now=NOON)
        last = estimate(connection)
    assert last.waiting == 0
    assert prevalence.low <= figure(last, "prevalence").low <= truth <= figure(last, "prevalence").high


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), st.floats(0, 1)), min_size=1, max_size=5))
def test_the_interval_holds_whatever_the_lead_may_say(rows):
    """Whatever is decided of what waits, the estimate made then lies within the interval given before."""
    cells = [Cell(1_000, 0.2, reviewed, reviewed // 3, held, weight=20.0) for reviewed, held, _ in rows]
    before = count_drawn(cells)
    said = [round(held * share) for _, held, share in rows]
    after = count_drawn(
        [
            replace(cell, waiting=0, reviewed=cell.reviewed + cell.waiting, counterfeit=cell.counterfeit + found)
            for cell, found in zip(cells, said, strict=True)
        ]
    )
    if before is not None and after is not None:
        assert before.low <= before.value <= before.high
        assert before.low - 1e-6 <= after.value <= before.high + 1e-6
