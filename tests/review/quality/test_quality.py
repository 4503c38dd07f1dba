"""How good the reviewing is, by reviewer and brand, what cases most probably are, and measures of agreement."""

import random
from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from sqlalchemy import Engine
from support.reviewing import NOON, Make, say_again
from support.transactions import act, ask

from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.group_decisions import BulkRequest, decide_bulk, preview_bulk
from ipml.review.quality import assessment
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.rates import cohen_kappa, fleiss_kappa, krippendorff_alpha
from ipml.review.reversals import ReviewContext
from ipml.settings import Settings

FAKE, REAL, UNSURE = Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL
N_CASES, LATER = 24, NOON + timedelta(days=20)
SETTINGS = Settings(audit_share=0, repeat_share=0, control_share=0)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 24 cases of two brands, of which ana called every other counterfeit."""
    brands = ("Acme", "Nordhale")
    enqueue(engine, [make_scored(f"L{number}", brand=brands[number % 2 == 0]) for number in range(1, N_CASES + 1)])
    for verdict, ground in ((FAKE, "known_goods"), (REAL, "")):
        some = [case for case, said in _like_ana(*range(1, N_CASES + 1)).items() if said is verdict]
        request = BulkRequest(some, "ana", verdict, ground)
        token = ask(engine, preview_bulk, request, settings=SETTINGS, now=NOON).digest
        act(engine, decide_bulk, request, token=token, now=NOON, context=ReviewContext(SETTINGS))
    return engine


def _by_name(engine: Engine) -> dict[str, assessment.ReviewerQuality]:
    return {one.name: one for one in ask(engine, assessment.assess_reviewers).reviewers}


def _like_ana(*cases: int) -> dict[int, Verdict]:
    return {case: FAKE if case % 4 < 2 else REAL for case in cases}


def test_without_a_second_look_nothing_is_known(queue: Engine):
    """Decisions alone say how much was done, not how well; a repeat says how steady one is and nothing else."""
    quality = ask(queue, assessment.assess_reviewers)
    (ana,) = quality.reviewers
    assert (ana.decided, ana.looked, quality.alpha) == (N_CASES, 0, None)
    assert ana.agreement is ana.kappa is ana.missed is ana.wronged is ana.control is ana.steadiness is None
    say_again(queue, "ana", _like_ana(1, 2, 3) | {4: REAL}, LATER, "repeat")  # which is no agreement with another
    ana = _by_name(queue)["ana"]
    assert (ana.steadiness.share, ana.steadiness.n, ana.looked, ana.agreement) == (0.75, 4, 4, None)


def test_agreement_is_of_the_same_cases_by_others(queue: Engine):
    """Ben said the same of nine of twelve; for both that is nine of twelve, and brands need ten looks to be shown."""
    say_again(queue, "ben", _like_ana(*range(1, 10)) | {10: FAKE, 11: FAKE, 12: REAL}, LATER)
    quality = ask(queue, assessment.assess_reviewers)
    for one in quality.reviewers:
        assert (one.agreement.share, one.agreement.n) == (0.75, 12)
        assert one.kappa.low < one.kappa.value < one.kappa.high
        assert one.kappa.value == pytest.approx(0.5, abs=0.05)
    assert quality.alpha.value == pytest.approx(0.5, abs=0.05)
    assert _by_name(queue)["ben"].by_brand == {}
    say_again(queue, "ben", _like_ana(13, 15, 17, 19), LATER)
    assert set(_by_name(queue)["ben"].by_brand) == {"Acme"}  # of which ten were looked at


def test_a_control_case_counts_for_who_met_it_as_one(queue: Engine):
    """Ana's ordinary verdict, from which the case may have been chosen, is no test; "cannot tell" is not right."""
    for case_id, truth in ((1, FAKE), (4, REAL)):
        act(queue, add_control_case, case_id, truth, "invoice", "lea", now=NOON)
    say_again(queue, "ben", {1: UNSURE, 4: REAL}, LATER, "control")
    found = _by_name(queue)
    assert found["ana"].control is None
    assert (found["ben"].control.share, found["ben"].control.n) == (0.5, 2)


def test_who_errs_more_is_seen_to_by_known_items(queue: Engine):
    """Ben misses half of the counterfeits that ana finds, and his rate says so."""
    fakes = [case for case in range(1, N_CASES + 1) if case % 4 < 2]
    for case in fakes:
        act(queue, add_control_case, case, FAKE, "test purchase", "lea", now=NOON)
    say_again(queue, "ben", {case: REAL if number % 2 else FAKE for number, case in enumerate(fakes)}, LATER, "control")
    found = _by_name(queue)
    ana, ben = found["ana"], found["ben"]
    assert ben.missed.share > 0.2 > ana.missed.share
    assert ben.missed.n == len(fakes)


def test_a_leads_word_on_what_two_disagreed_about_is_no_agreement(queue: Engine):
    """It was asked for because they disagreed: with one of them it must agree."""
    say_again(queue, "ben", {1: FAKE}, LATER, "first")
    say_again(queue, "cleo", {1: REAL}, LATER, "second")
    found = _by_name(queue)
    assert found["ben"].agreement.n == 1
    assert found["ana"].agreement is None


def test_disputes_are_audits_that_say_the_opposite(queue: Engine):
    """Neither doubt nor agreement is a dispute; what is known for sure comes first."""
    say_again(queue, "ben", {1: FAKE, 3: REAL, 5: UNSURE, 8: FAKE, 2: FAKE}, LATER)
    act(queue, add_control_case, 10, FAKE, "test purchase", "lea", now=NOON)
    expected = [(10, "genuine", "counterfeit", "known"), (2, "genuine", "counterfeit", "ben")]
    assert [(one.case_id, one.decided, one.said, one.by) for one in ask(queue, assessment.list_disputes)] == expected


NAMES = ("ana", "ben", "cleo", "dan", "eve", "fay")
MISSED = (0.03, 0.05, 0.10, 0.10, 0.20, 0.30)
WRONGED = (0.02, 0.10, 0.05, 0.02, 0.10, 0.05)


def say(case_id: int, reviewer: str, verdict: Verdict, kind: str = "audit") -> assessment.Judgement:
    """Return a judgement."""
    return assessment.Judgement(case_id, "Acme" if case_id % 2 else "Nordhale", reviewer, verdict, kind, NOON)


def simulate(n_cases: int, second_reviews: int, seed: int) -> tuple[list[assessment.Judgement], dict[int, bool]]:
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
def simulated() -> tuple[list[assessment.Judgement], dict[int, bool]]:
    """Return what two of six reviewers said of each of 6,000 cases, and the truth."""
    return simulate(6_000, 2, seed=3)


@pytest.fixture(scope="module")
def found(simulated) -> assessment.Consensus:
    """Return what is found of them where the truth of every tenth case is known."""
    said, truth = simulated
    return assessment.find_consensus(said, {case_id: truth[case_id] for case_id in range(0, 6_000, 10)})


def test_error_rates_are_recovered(simulated, found: assessment.Consensus):
    """Each is within three points of what one counts who knows the truth, and its interval says how sure it is."""
    said, truth = simulated
    for name, missed, wronged in zip(NAMES, MISSED, WRONGED, strict=True):
        mine = [one for one in said if one.reviewer == name]
        errs = {sort: [one.verdict for one in mine if truth[one.case_id] == sort] for sort in (True, False)}
        assert abs(found.missed(name).share - errs[True].count(Verdict.GENUINE) / len(errs[True])) < 0.03
        assert abs(found.wronged(name).share - errs[False].count(Verdict.COUNTERFEIT) / len(errs[False])) < 0.03
        for rate, true in ((found.missed(name), missed), (found.wronged(name), wronged)):
            assert rate.low - 0.02 < true < rate.high + 0.02
    # Of cases that are counterfeit with some probability that share is, within eight points.
    for low, high in ((0.0, 0.1), (0.1, 0.9), (0.9, 1.0)):
        inside = {case: chance for case, chance in found.chances.items() if low <= chance <= high}
        assert abs(np.mean(list(inside.values())) - np.mean([truth[case] for case in inside])) < 0.08


def test_the_better_reviewer_weighs_more(simulated):
    """Where ana and fay contradict each other, ana is believed; one error makes nobody new wrong half of the time."""
    verdicts = (Verdict.GENUINE, Verdict.COUNTERFEIT)
    said = [*simulated[0], say(0, "new", Verdict.GENUINE), say(7, "new", Verdict.COUNTERFEIT)]
    for case_id, (own, other) in ((9_998, verdicts), (9_999, verdicts[::-1])):
        said += [say(case_id, "ana", own), say(case_id, "fay", other)]
    found = assessment.find_consensus(said)
    assert found.chances[9_998] < 0.5 < found.chances[9_999]
    rate = found.missed("new")
    assert 0.05 < rate.share < 0.25
    assert rate.high - rate.low > 0.2


def test_what_is_known_stays():
    """No number of votes changes the truth of a test purchase, and it tells of those who said otherwise."""
    said = [say(1, name, Verdict.GENUINE) for name in NAMES]
    before, after = assessment.find_consensus(said), assessment.find_consensus(said, {1: True})
    assert (before.chances[1] < 0.01, after.chances[1]) == (True, 1)
    assert after.missed("ana").share > before.missed("ana").share
    nothing = assessment.find_consensus([])
    assert (dict(nothing.chances), nothing.reviewers) == ({}, ())


def test_the_order_of_judgements_changes_nothing(simulated, found: assessment.Consensus):
    """The figures are those of the same person, and those by brand together are all there are."""
    said = simulated[0][:1_000]
    one, other = assessment.find_consensus(said), assessment.find_consensus(said[::-1])
    assert one.missed("ana").share == pytest.approx(other.missed("ana").share, abs=1e-6)
    assert one.chances[3] == pytest.approx(other.chances[3], abs=1e-6)
    assert sum(found.missed("fay", brand).n for brand in ("Acme", "Nordhale")) == pytest.approx(found.missed("fay").n)


def test_a_second_look_at_ones_own_case_is_no_second_voice():
    """Nor is "cannot tell" a voice for either."""
    once = assessment.find_consensus([say(1, "ana", Verdict.COUNTERFEIT)])
    twice = assessment.find_consensus(
        [say(1, "ana", Verdict.COUNTERFEIT), say(1, "ana", Verdict.COUNTERFEIT, "repeat")]
    )
    assert once.chances == twice.chances
    unsure = assessment.find_consensus([say(1, "ana", Verdict.CANNOT_TELL), say(2, "ana", Verdict.ESCALATE)])
    assert unsure.chances[1] == pytest.approx(unsure.chances[2])


WORDS = st.sampled_from(["counterfeit", "genuine", "cannot tell"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=40)
# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011): four observers, twelve units, some missing.
OBSERVERS = ("12332141 2   ", "12332241 25 3", " 3332342 251 ", "12332441 251 ")
# The table of ten subjects and fourteen raters by which Fleiss' kappa is commonly shown.
FOURTEEN = (
    *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
    *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
)


def test_the_published_figures_come_out():
    """Alpha of two observers 0.095, of four 0.743, kappa of fourteen 0.210; of nothing, or one judge, none."""
    two = list(zip("0100000010", "1110010000", strict=True))
    four = ["".join(unit).replace(" ", "") for unit in zip(*OBSERVERS, strict=True)]
    fourteen = ["".join(word * times for word, times in zip("abcde", row, strict=True)) for row in FOURTEEN]
    assert krippendorff_alpha(two).value == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(four).value == pytest.approx(0.743, abs=5e-4)
    assert fleiss_kappa(fourteen).value == pytest.approx(0.210, abs=5e-4)
    assert cohen_kappa([("a", "a"), ("b", "b")]).value == 1
    everything = list(product("ab", "ab"))
    assert cohen_kappa(everything).value == fleiss_kappa(everything).value == 0
    assert cohen_kappa([]) is fleiss_kappa(["a"]) is krippendorff_alpha(["a", "b"]) is None


@given(PAIRS)
def test_cohens_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]):
    """Wherever it is defined; that is, unless both only ever said one word."""
    found = cohen_kappa(pairs)
    if len({word for pair in pairs for word in pair}) == 1:
        assert found is None
    else:
        assert found.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


@pytest.mark.parametrize("measure", [cohen_kappa, fleiss_kappa, krippendorff_alpha])
@given(pairs=PAIRS)
def test_the_interval_holds_the_value_and_is_never_empty(measure, pairs: list[tuple[str, str]]):
    """Even of those who never disagreed, as little was seen of them."""
    found = measure(pairs)
    if found is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high
        assert found.n == len(pairs)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of 200 samples of 100 pairs, at least 180 intervals hold the kappa of what they were drawn from."""
    population = [("a", "a")] * 50 + [("a", "b")] * 10 + [("b", "a")] * 5 + [("b", "b")] * 35
    truth = cohen_kappa(population).value
    rng = random.Random(1)
    found = [cohen_kappa(rng.choices(population, k=100)) for _ in range(200)]
    assert sum(one.low <= truth <= one.high for one in found) >= 180
