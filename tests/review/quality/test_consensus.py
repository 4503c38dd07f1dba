"""What cases most probably are, and how often each reviewer errs."""

import numpy as np
import pytest
from support.reviewing import NOON

from ipml.records import Verdict
from ipml.review.quality.assessment import Consensus, Judgement, find_consensus

NAMES = ("ana", "ben", "cleo", "dan", "eve", "fay")
MISSED = (0.03, 0.05, 0.10, 0.10, 0.20, 0.30)
WRONGED = (0.02, 0.10, 0.05, 0.02, 0.10, 0.05)


def say(case_id: int, reviewer: str, verdict: Verdict, kind: str = "audit") -> Judgement:
    """Return a judgement."""
    return Judgement(case_id, "Acme" if case_id % 2 else "Nordhale", reviewer, verdict, kind, NOON)


def simulate(n_cases: int, second_reviews: int, seed: int) -> tuple[list[Judgement], dict[int, bool]]:
    """Return what reviewers of known habits said of cases, `looks` of them of each, and the truth."""
    rng = np.random.default_rng(seed)
    truth = {case_id: bool(rng.random() < 0.6) for case_id in range(n_cases)}
    said = []
    for case_id, is_counterfeit in truth.items():
        for number in rng.choice(len(NAMES), second_reviews, replace=False):
            errs = rng.random() < (MISSED if is_counterfeit else WRONGED)[number]
            verdict = Verdict.COUNTERFEIT if is_counterfeit != errs else Verdict.GENUINE
            said.append(say(case_id, NAMES[number], verdict))
    return said, truth


@pytest.fixture(scope="module")
def simulated() -> tuple[list[Judgement], dict[int, bool]]:
    """Return what two of six reviewers said of each of 6,000 cases, and the truth."""
    return simulate(6_000, 2, seed=3)


@pytest.fixture(scope="module")
def found(simulated) -> Consensus:
    """Return what is found of them where the truth of every tenth case is known."""
    said, truth = simulated
    return find_consensus(said, {case_id: truth[case_id] for case_id in range(0, 6_000, 10)})


def test_error_rates_are_recovered(simulated, found: Consensus):
    """Each is within three points of what one counts who knows the truth, and its interval says how sure it is."""
    said, truth = simulated
    for name, missed, wronged in zip(NAMES, MISSED, WRONGED, strict=True):
        mine = [one for one in said if one.reviewer == name]
        errs = {sort: [one.verdict for one in mine if truth[one.case_id] == sort] for sort in (True, False)}
        assert abs(found.missed(name).share - errs[True].count(Verdict.GENUINE) / len(errs[True])) < 0.03
        assert abs(found.wronged(name).share - errs[False].count(Verdict.COUNTERFEIT) / len(errs[False])) < 0.03
        for rate, true in ((found.missed(name), missed), (found.wronged(name), wronged)):
            assert rate.low - 0.02 < true < rate.high + 0.02


def test_chances_are_calibrated(simulated, found: Consensus):
    """Of cases that are counterfeit with some probability that share is, within eight points."""
    truth = simulated[1]
    for low, high in ((0.0, 0.1), (0.1, 0.9), (0.9, 1.0)):
        inside = {case: chance for case, chance in found.chances.items() if low <= chance <= high}
        assert abs(np.mean(list(inside.values())) - np.mean([truth[case] for case in inside])) < 0.08


def test_the_better_reviewer_weighs_more(simulated):
    """Where ana and fay contradict each other, ana is believed; one error makes nobody new wrong half of the time."""
    verdicts = (Verdict.GENUINE, Verdict.COUNTERFEIT)
    said = [*simulated[0], say(0, "new", Verdict.GENUINE), say(7, "new", Verdict.COUNTERFEIT)]
    for case_id, (own, other) in ((9_998, verdicts), (9_999, verdicts[::-1])):
        said += [say(case_id, "ana", own), say(case_id, "fay", other)]
    found = find_consensus(said)
    assert found.chances[9_998] < 0.5 < found.chances[9_999]
    rate = found.missed("new")
    assert 0.05 < rate.share < 0.25
    assert rate.high - rate.low > 0.2


def test_what_is_known_stays():
    """No number of votes changes the truth of a test purchase, and it tells of those who said otherwise."""
    said = [say(1, name, Verdict.GENUINE) for name in NAMES]
    before, after = find_consensus(said), find_consensus(said, {1: True})
    assert (before.chances[1] < 0.01, after.chances[1]) == (True, 1)
    assert after.missed("ana").share > before.missed("ana").share
    nothing = find_consensus([])
    assert (dict(nothing.chances), nothing.reviewers) == ({}, ())


def test_the_order_of_judgements_changes_nothing(simulated, found: Consensus):
    """The figures are those of the same person, and those by brand together are all there are."""
    said = simulated[0][:1_000]
    one, other = find_consensus(said), find_consensus(said[::-1])
    assert one.missed("ana").share == pytest.approx(other.missed("ana").share, abs=1e-6)
    assert one.chances[3] == pytest.approx(other.chances[3], abs=1e-6)
    assert sum(found.missed("fay", brand).n for brand in ("Acme", "Nordhale")) == pytest.approx(found.missed("fay").n)


def test_a_second_look_at_ones_own_case_is_no_second_voice():
    """Nor is "cannot tell" a voice for either."""
    once = find_consensus([say(1, "ana", Verdict.COUNTERFEIT)])
    twice = find_consensus([say(1, "ana", Verdict.COUNTERFEIT), say(1, "ana", Verdict.COUNTERFEIT, "repeat")])
    assert once.chances == twice.chances
    unsure = find_consensus([say(1, "ana", Verdict.CANNOT_TELL), say(2, "ana", Verdict.ESCALATE)])
    assert unsure.chances[1] == pytest.approx(unsure.chances[2])
