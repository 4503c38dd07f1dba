"""What the reviewed listings say of all."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import NOON, Make, ask

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


def judge(engine: Engine, case_id: int | None = None, verdict: Verdict | None = None, by: str = "ana") -> bool:
    """Decide a case as the truth says, or as told; False if none is left."""
    with writing(engine) as connection:
        taken = claim(connection, by, case_id, now=NOON)
        if taken is None:
            return False
        scored = get_case(connection, taken.case_id).scored
        verdict = verdict or (Verdict.COUNTERFEIT if is_counterfeit(scored) else Verdict.GENUINE)
        ground = "known_goods" if verdict is Verdict.COUNTERFEIT else ""
        decide(connection, taken, verdict, ground=ground, now=NOON)
        return True


def judge_all(engine: Engine, verdict: Verdict | None = None) -> None:
    """Decide all cases that wait."""
    while judge(engine, verdict=verdict):
        pass


def figure(estimates: Estimates, name: str) -> EstimatedFigure:
    """Return the figure of a name."""
    return next(one for one in estimates.figures if one.name == name)


def test_with_no_file_there_is_nothing_to_say(seeded: Engine, make_scored: Make):
    """Cases that came one by one are a sample of nothing."""
    enqueue(seeded, [make_scored("m1-1", 0.9)])
    judge_all(seeded)
    estimates = ask(seeded, estimate)
    assert (estimates.listings, estimates.files) == (0, 0)
    assert {one.value for one in estimates.figures} == {None}


def test_a_queue_worked_down_tells_of_all_listings(seeded: Engine, make_scored: Make):
    """The intervals hold the truth, and the naive figures are far from it."""
    file = make_file(make_scored)
    send(seeded, file)
    judge_all(seeded)
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
    """Of the first hundred forty are reviewed: the other sixty may be anything; an escalated one is not reviewed."""
    send(seeded, make_file(make_scored))
    for case in ask(seeded, list_cases, limit=40):
        judge(seeded, case.case_id)
    estimates = ask(seeded, estimate)
    first, prevalence = figure(estimates, "precision at 100"), figure(estimates, "prevalence")
    assert first.high - first.low == pytest.approx(0.6)
    assert first.low < first.value < first.high
    # No drawn case is reviewed, so that of the file as a whole nothing is said.
    assert (prevalence.value, prevalence.reviews, estimates.uncovered) == (None, 40, 1_000)
    waiting = ask(seeded, list_cases, limit=500)
    best = next(case.case_id for case in waiting if case.lane == "ranked")
    for verdict, by, reviews in ((Verdict.ESCALATE, "ana", 40), (Verdict.GENUINE, "lea", 41)):
        judge(seeded, best, verdict, by)
        assert figure(ask(seeded, estimate), "precision at 100").reviews == reviews
    drawn = [case.case_id for case in waiting if case.lane == "explored"]
    for number in drawn[:9]:
        judge(seeded, number)
    assert figure(ask(seeded, estimate), "prevalence").value is None  # a handful says nothing
    for number in drawn[9:]:
        judge(seeded, number)
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.uncovered) == (59, 0)
    assert figure(estimates, "prevalence").high - figure(estimates, "prevalence").low > 59 / 1_000


def test_picking_cases_out_of_turn_does_not_bend_the_estimate(seeded: Engine, make_scored: Make):
    """Who decides the suspicious of the drawn cases first moves the naive figure only."""
    send(seeded, make_file(make_scored))
    fakes = [
        case.case_id
        for case in ask(seeded, list_cases, limit=500)
        if case.lane == "explored" and is_counterfeit(case.scored)
    ]
    for number in fakes:
        judge(seeded, number)
    estimates = ask(seeded, estimate)
    # Only those count that come before the first that waits, and these are a fair sample still.
    assert estimates.drawn_reviewed < len(fakes) == figure(estimates, "prevalence").reviews


def test_who_cannot_tell_gives_no_review(seeded: Engine, make_scored: Make):
    """Such a case is done, and says nothing either way."""
    send(seeded, make_file(make_scored))
    judge_all(seeded, Verdict.CANNOT_TELL)
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.drawn_reviewed) == (0, 0)
    assert {one.value for one in estimates.figures} == {None}


def test_of_several_files_each_counts_by_its_own_odds(seeded: Engine, make_scored: Make):
    """Two give the figures of both, and since a moment those of the second; one that is sent again counts once."""
    one, other = make_file(make_scored, 300), make_file(make_scored, 500, "m2")
    enqueue_batch(seeded, lambda: one, top=50, explore=EXPLORE, now=NOON)
    send(seeded, one)
    send(seeded, other, NOON + timedelta(days=1))
    judge_all(seeded)
    both, last = (ask(seeded, estimate, since=since) for since in (None, NOON + timedelta(hours=1)))
    assert (both.files, both.listings, last.files, last.listings) == (2, 800, 1, 500)
    for estimates, files in ((both, [*one, *other]), (last, other)):
        prevalence = figure(estimates, "prevalence")
        assert prevalence.low <= np.mean([is_counterfeit(item) for item in files]) <= prevalence.high


def test_intervals_cover_the_truth_over_many_draws():
    """From sample to estimate, in at least 93 % of 200 draws, and the naive figure is off by more than 5 points."""
    random = np.random.default_rng(3)
    scores = np.sort(random.beta(0.15, 1.8, 5_000))[::-1]
    labels = random.random(5_000) < scores**1.3
    truth = (labels.mean(), labels[:500].sum() / labels.sum())
    covered = []
    for _ in range(200):
        hashes = random.integers(0, 2**64 - 1, 5_000, dtype=np.uint64)
        sample = draw_sample_from_arrays(hashes, scores, SamplingRule(0.1), top=500)
        figures = summarise(_reviewed(sample, labels)).figures
        covered.append([one.low <= true <= one.high for one, true in zip(figures, truth, strict=False)])
        assert all(abs(one.naive - true) > 0.05 for one, true in zip(figures, truth, strict=False))
    assert (np.mean(covered, axis=0) >= 0.93).all()


def _reviewed(sample: Sample, labels: np.ndarray) -> list[Stretch]:
    strata = [place.stratum for place in sample.places.values()]
    found = np.bincount(strata, labels[list(sample.places)], minlength=len(sample.strata)).astype(int).tolist()
    stretches = []
    for one, n, x in zip(sample.strata, sample.shown, found, strict=True):
        of_stratum = (1, one.first, one.last, one.is_sure, one.listings, n, one.sampling_probability, one.mean_score)
        stretches.append(Stretch(*of_stratum, n, x, n, n, x))
    return stretches


def test_what_waits_for_a_lead_is_in_the_interval(seeded: Engine, make_scored: Make):
    """Whoever passes on many of the counterfeits leaves a sample that is too good; the interval holds the truth."""
    file = make_file(make_scored)
    truth = sum(is_counterfeit(item) for item in file) / len(file)
    send(seeded, file)
    fakes = [case.case_id for case in ask(seeded, list_cases, limit=500) if is_counterfeit(case.scored)]
    passed_on = [number for place, number in enumerate(fakes) if place % 10]
    for number in passed_on:
        judge(seeded, number, Verdict.ESCALATE)
    judge_all(seeded)
    before = ask(seeded, estimate)
    prevalence = figure(before, "prevalence")
    assert prevalence.low <= truth <= prevalence.high
    assert before.waiting == len(passed_on)
    for number in passed_on:  # once the lead has decided, nothing waits
        judge(seeded, number, by="lea")
    last = ask(seeded, estimate)
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
