"""How good the reviewing is, by reviewer and brand."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert
from support.reviewing import NOON, Make, act, ask

from ipml.records import Verdict
from ipml.review.quality.assessment import ReviewerQuality, assess_reviewers, list_disputes
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.queue import decide_bulk, enqueue, preview_bulk
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.storage.tables import second_verdicts

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
        token = ask(engine, preview_bulk, some, "ana", verdict, settings=SETTINGS, now=NOON).digest
        said = {"ground": ground, "token": token, "settings": SETTINGS, "now": NOON}
        act(engine, decide_bulk, some, "ana", verdict, **said)
    return engine


def _say(engine: Engine, name: str, kind: str, verdicts: Mapping[int, Verdict]) -> None:
    row = {"kind": kind, "ground": "", "note": "", "reviewer": name, "decided_at": LATER, "token": 9}
    rows = [{**row, "case_id": case, "listing_id": f"L{case}", "verdict": said} for case, said in verdicts.items()]
    with writing(engine) as connection:
        connection.execute(insert(second_verdicts), rows)


def _by_name(engine: Engine) -> dict[str, ReviewerQuality]:
    return {one.name: one for one in ask(engine, assess_reviewers).reviewers}


def _like_ana(*cases: int) -> dict[int, Verdict]:
    return {case: FAKE if case % 4 < 2 else REAL for case in cases}


def test_without_a_second_look_nothing_is_known(queue: Engine):
    """Decisions alone say how much was done, not how well."""
    quality = ask(queue, assess_reviewers)
    (ana,) = quality.reviewers
    assert (ana.decided, ana.looked, quality.alpha) == (N_CASES, 0, None)
    assert ana.agreement is ana.kappa is ana.missed is ana.wronged is ana.control is ana.steadiness is None


def test_agreement_is_of_the_same_cases_by_others(queue: Engine):
    """Ben said the same of nine of twelve; for both of them that is nine of twelve."""
    _say(queue, "ben", "audit", _like_ana(*range(1, 10)) | {10: FAKE, 11: FAKE, 12: REAL})
    quality = ask(queue, assess_reviewers)
    for one in quality.reviewers:
        assert (one.agreement.share, one.agreement.n) == (0.75, 12)
        assert one.kappa.low < one.kappa.value < one.kappa.high
        assert one.kappa.value == pytest.approx(0.5, abs=0.05)
    assert quality.alpha.value == pytest.approx(0.5, abs=0.05)


def test_a_control_case_counts_for_all_who_judged_it(queue: Engine):
    """Ana decided both; one of them was right, and "cannot tell" is not right."""
    for case_id, truth in ((1, FAKE), (4, REAL)):
        act(queue, add_control_case, case_id, truth, "invoice", "lea", now=NOON)
    _say(queue, "ben", "control", {1: UNSURE})
    found = _by_name(queue)
    assert (found["ana"].control.share, found["ana"].control.n) == (0.5, 2)
    assert (found["ben"].control.share, found["ben"].control.n) == (0, 1)


def test_a_repeat_says_how_steady_one_is_and_nothing_else(queue: Engine):
    """Ana's second review of her own cases is no agreement with another."""
    _say(queue, "ana", "repeat", _like_ana(1, 2, 3) | {4: REAL})
    ana = _by_name(queue)["ana"]
    assert (ana.steadiness.share, ana.steadiness.n, ana.looked, ana.agreement) == (0.75, 4, 4, None)


def test_who_errs_more_is_seen_to_by_known_items(queue: Engine):
    """Ben misses half of the counterfeits that ana finds, and his rate says so."""
    fakes = [case for case in range(1, N_CASES + 1) if case % 4 < 2]
    for case in fakes:
        act(queue, add_control_case, case, FAKE, "test purchase", "lea", now=NOON)
    _say(queue, "ben", "control", {case: REAL if number % 2 else FAKE for number, case in enumerate(fakes)})
    found = _by_name(queue)
    ana, ben = found["ana"], found["ben"]
    assert ben.missed.share > 0.2 > ana.missed.share
    assert ben.missed.n == len(fakes)


def test_brands_of_which_little_was_seen_are_left_out(queue: Engine):
    """Ten looks at a brand are the least that is shown."""
    _say(queue, "ben", "audit", _like_ana(*range(1, N_CASES + 1, 2), 2))
    assert set(_by_name(queue)["ben"].by_brand) == {"Acme"}


def test_a_leads_word_on_what_two_disagreed_about_is_no_agreement(queue: Engine):
    """It was asked for because they disagreed: with one of them it must agree."""
    _say(queue, "ben", "first", {1: FAKE})
    _say(queue, "cleo", "second", {1: REAL})
    found = _by_name(queue)
    assert found["ben"].agreement.n == 1
    assert found["ana"].agreement is None


def test_disputes_are_audits_that_say_the_opposite(queue: Engine):
    """Neither doubt nor agreement is a dispute; what is known for sure comes first."""
    _say(queue, "ben", "audit", {1: FAKE, 3: REAL, 5: UNSURE, 8: FAKE, 2: FAKE})
    act(queue, add_control_case, 10, FAKE, "test purchase", "lea", now=NOON)
    assert [(one.case_id, one.decided, one.said, one.by) for one in ask(queue, list_disputes)] == [
        (10, "genuine", "counterfeit", "known"),
        (2, "genuine", "counterfeit", "ben"),
    ]
