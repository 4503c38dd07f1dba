"""What the reviewed listings say of all: weighted counts and their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import NOON, Make
from support.transactions import ask

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sampling.estimates import (
    LEAST_DRAWS,
    Cell,
    EstimatedFigure,
    Estimates,
    count_drawn,
    count_sure,
    estimate,
)
from ipml.review.worklists.search import browse_cases
from ipml.storage.database import writing

TOP, EXPLORE = 100, 0.4


def make_file(make_scored: Make, count: int = 1_000, model_version: str = "m1") -> list[ScoredListing]:
    """Return a scored file; of its listings every third of the better half is counterfeit, by its number."""
    return [make_scored(f"{model_version}-{number}", number / count, model_version) for number in range(count)]


def is_counterfeit(item: ScoredListing) -> bool:
    """Return the truth of a listing."""
    return item.score >= 0.5 and int(item.listing.listing_id.split("-")[1]) % 3 == 0


def send(engine: Engine, file: Sequence[ScoredListing], now: datetime = NOON) -> None:
    """Enqueue a file: 100 for their score, and about 67 of the others."""
    enqueue_batch(engine, lambda: file, IntakeSelection(top=TOP, explore=EXPLORE), now=now)


def judge(engine: Engine, case_id: int | None = None, verdict: Verdict | None = None, by: str = "ana") -> bool:
    """Decide a case as the truth says, or as told; False if none is left."""
    with writing(engine) as connection:
        taken = claim(connection, by, case_id, now=NOON)
        if taken is None:
            return False
        scored = get_case(connection, taken.case_id).scored
        verdict = verdict or (Verdict.COUNTERFEIT if is_counterfeit(scored) else Verdict.GENUINE)
        ground = "known_goods" if verdict is Verdict.COUNTERFEIT else ""
        decide(connection, DecisionRequest(taken, verdict, ground), now=NOON)
        return True


def judge_all(engine: Engine, verdict: Verdict | None = None) -> None:
    """Decide all cases that wait."""
    while judge(engine, verdict=verdict):
        pass


def figure(estimates: Estimates, name: str) -> EstimatedFigure:
    """Return the figure of a name."""
    return next(one for one in estimates.figures if one.name == name)


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_is_not_reviewed_yet_widens_the_interval(seeded: Engine, make_scored: Make):
    """Of the first hundred forty are reviewed: the other sixty may be anything; an escalated one is not reviewed."""
    send(seeded, make_file(make_scored))
    for case in ask(seeded, browse_cases, limit=40):
        judge(seeded, case.case_id)
    estimates = ask(seeded, estimate)
    first, prevalence = figure(estimates, "precision at 100"), figure(estimates, "prevalence")
    assert first.high - first.low == pytest.approx(0.6)
    assert first.low < first.value < first.high
    # No drawn case is reviewed, so that of the file as a whole nothing is said.
    assert (prevalence.value, prevalence.reviews, estimates.uncovered) == (None, 40, 1_000)
    waiting = ask(seeded, browse_cases, limit=500)
    best = next(case.case_id for case in waiting if case.lane == "ranked")
    drawn = [case.case_id for case in waiting if case.lane == "explored"]
    for number in drawn[:9]:
        judge(seeded, number)
    assert figure(ask(seeded, estimate), "prevalence").value is None  # a handful says nothing
    for number in drawn[9:]:
        judge(seeded, number)
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.uncovered) == (60, 0)
    assert figure(estimates, "prevalence").high - figure(estimates, "prevalence").low > 60 / 1_000
    for verdict, by, reviews in ((Verdict.ESCALATE, "ana", 40), (Verdict.GENUINE, "lea", 41)):
        judge(seeded, best, verdict, by)
        estimates = ask(seeded, estimate)
        assert (figure(estimates, "precision at 100").reviews, estimates.waiting) == (reviews, 100 - reviews)


@pytest.mark.slow
def test_picking_cases_out_of_turn_does_not_bend_the_estimate(seeded: Engine, make_scored: Make):
    """Who decides the suspicious of the drawn cases first moves the naive figure only."""
    send(seeded, make_file(make_scored))
    fakes = [
        case.case_id
        for case in ask(seeded, browse_cases, limit=500)
        if case.lane == "explored" and is_counterfeit(case.scored)
    ]
    for number in fakes:
        judge(seeded, number)
    estimates = ask(seeded, estimate)
    # Only those count that come before the first that waits, and these are a fair sample still.
    assert estimates.drawn_reviewed < len(fakes) == figure(estimates, "prevalence").reviews


@pytest.mark.slow
def test_who_cannot_tell_gives_no_review(seeded: Engine, make_scored: Make):
    """Such a case is done, and says nothing either way."""
    enqueue(seeded, [make_scored("m1-1", 0.9)])  # what came by itself is a sample of nothing
    judge_all(seeded)
    assert (ask(seeded, estimate).listings, ask(seeded, estimate).files) == (0, 0)
    send(seeded, make_file(make_scored, model_version="m2"))
    judge_all(seeded, Verdict.CANNOT_TELL)
    estimates = ask(seeded, estimate)
    assert (estimates.waiting, estimates.drawn_reviewed) == (0, 0)
    assert {one.value for one in estimates.figures} == {None}


@pytest.mark.slow
def test_of_several_files_each_counts_by_its_own_odds(seeded: Engine, make_scored: Make):
    """Two give the figures of both, and since a moment those of the second; one that is sent again counts once."""
    one, other = make_file(make_scored, 300), make_file(make_scored, 500, "m2")
    enqueue_batch(seeded, lambda: one, IntakeSelection(top=50, explore=EXPLORE), now=NOON)
    send(seeded, one)
    send(seeded, other, NOON + timedelta(days=1))
    judge_all(seeded)
    both, last = (ask(seeded, estimate, since=since) for since in (None, NOON + timedelta(hours=1)))
    assert (both.files, both.listings, last.files, last.listings) == (2, 800, 1, 500)
    for estimates, files in ((both, [*one, *other]), (last, other)):
        prevalence = figure(estimates, "prevalence")
        assert prevalence.low <= np.mean([is_counterfeit(item) for item in files]) <= prevalence.high


@pytest.mark.slow
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


@st.composite
def drawn_cells(draw: st.DrawFn, least: int = 0) -> list[Cell]:
    """Give strata of listings from which some were drawn and reviewed."""
    cells = []
    for _ in range(draw(st.integers(1, 8))):
        reviewed = draw(st.integers(least, 40))
        listings = draw(st.integers(max(1, reviewed), 10_000))
        found = draw(st.integers(0, reviewed))
        weight = listings / reviewed if reviewed else 0.0
        cells.append(Cell(listings, draw(st.floats(0, 1)), reviewed, found, weight=weight))
    return cells


@given(drawn_cells())
def test_an_interval_holds_its_value_and_only_what_can_be(cells: list[Cell]):
    """No fewer counterfeits than none, no more than all; too few reviews give nothing."""
    total = count_drawn(cells)
    if sum(cell.reviewed for cell in cells) < LEAST_DRAWS:
        assert total is None
    else:
        listings = sum(cell.listings for cell in cells)
        assert -1e-6 <= total.low <= total.value + 1e-6
        assert total.value - 1e-6 <= total.high <= listings + 1e-6


@given(drawn_cells(least=12))
def test_each_stratum_counts_by_its_own_share(cells: list[Cell]):
    """With enough draws in each, the value is the sum of listings times the share found (Hájek)."""
    expected = sum(cell.listings * cell.counterfeit / cell.reviewed for cell in cells)
    assert count_drawn(cells).value == pytest.approx(expected)


@given(st.integers(LEAST_DRAWS, 200), st.floats(0, 1))
def test_finding_nothing_is_not_knowing_that_there_is_nothing(reviewed: int, mean_score: float):
    """The interval of zero counterfeits does not close, and is narrower the more were reviewed."""
    counts = (reviewed, 2 * reviewed)
    totals = [count_drawn([Cell(100_000, mean_score, count, 0, weight=100_000 / count)]) for count in counts]
    assert totals[0].value == 0
    assert totals[0].low == pytest.approx(0, abs=1e-6)
    assert totals[0].high > totals[1].high > 100_000 * 2 / (2 * reviewed + 4)


def test_what_was_reviewed_in_full_is_known():
    """Drawn with odds 1 and all reviewed, the interval closes; files with other odds are weighted by them."""
    total = count_drawn([Cell(50, 0.1, 50, 7, weight=1.0)])
    assert total.value == total.low == total.high == pytest.approx(7)
    cells = [Cell(100, 0.2, 10, 10, weight=10.0), Cell(1_000, 0.2, 10, 0, weight=100.0)]
    assert count_drawn(cells).value == pytest.approx(100)


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0, 1))
def test_what_waits_may_be_anything(reviewed: int, waiting: int, mean_score: float):
    """The interval goes from none to all of the waiting cases being counterfeit."""
    found = reviewed // 2
    total = count_sure([Cell(reviewed + waiting, mean_score, reviewed, found, waiting)])
    assert (total.low, total.high) == (pytest.approx(found), pytest.approx(found + waiting))
    assert total.low - 1e-9 <= total.value <= total.high + 1e-9


def test_intervals_cover_the_truth_as_often_as_they_say():
    """Over 2,000 samples of a market whose counterfeits the scores tell badly: in 95 of 100 or a few more."""
    covered = [low <= truth <= high for truth, low, high in _replays(2_000)]
    assert 0.94 <= np.mean(covered) <= 0.995


def _replays(count: int) -> Iterator[tuple[int, float, float]]:
    random = np.random.default_rng(5)
    listings = np.array([1_000, 2_000, 5_000, 20_000, 40_000])
    counterfeit = np.array([500, 300, 200, 150, 60])
    scores = np.array([0.7, 0.2, 0.1, 0.01, 0.001])
    sampling_probability = 28 / listings
    for _ in range(count):
        reviewed = random.binomial(listings, sampling_probability)
        found = random.hypergeometric(counterfeit, listings - counterfeit, reviewed)
        cells = [
            Cell(int(n), float(score), int(m), int(x), weight=1 / float(one))
            for n, score, m, x, one in zip(listings, scores, reviewed, found, sampling_probability, strict=True)
        ]
        total = count_drawn(cells)
        yield int(counterfeit.sum()), total.low, total.high
