"""Laws of the ladder: whatever the strikes, and in whatever order they come."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ipml.enforcement.penalties.simulation as replaying
from ipml.enforcement.penalties.penalties import find_uncarried, list_told
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.simulation import replay
from ipml.enforcement.penalties.standing import (
    Gravity,
    ImposedPenalty,
    Strike,
    find_cap,
    find_standing,
    keep_proportion,
    list_remembered,
    weigh_gravity,
)
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import PenaltyKind
from ipml.money import Money
from ipml.review.decisions import GROUNDS

from .conftest import START

FEW = settings(max_examples=max(15, settings().max_examples // 4))
RULES = load_enforcement_policy().penalties
CLOSE = len(RULES.ladder) - 1


def _strike(number, day, seen, ground, tie, value, score):
    struck_at = START + timedelta(days=day)
    facts = (None, RULES.compute_strike_weight(ground, None), score, value, 40.0, 300.0, None, tie, tie)
    moments = (struck_at - timedelta(days=seen), struck_at, struck_at + timedelta(days=365))
    return Strike(number, number, number, "ann", ground, *facts, *moments, "digest", currency="EUR")


SIXTY_DAYS = st.integers(0, 60)


@st.composite
def _strikes(draw, days=SIXTY_DAYS):
    grounds, values = st.sampled_from(sorted(GROUNDS)), st.none() | st.floats(0, 9000)
    scores = st.none() | st.floats(0, 1)
    made = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        tie = draw(st.integers(1, number))
        seen = draw(st.integers(0, 30))
        made.append(_strike(number, draw(days), seen, draw(grounds), tie, draw(values), draw(scores)))
    return made


DAYS_BEFORE = st.integers(1, 90).map(lambda day: START - timedelta(days=day))
TOLD = st.lists(st.builds(ImposedPenalty, st.integers(0, 3), DAYS_BEFORE))


@FEW
@given(strikes=_strikes(st.just(0)), told=TOLD, order=st.randoms(use_true_random=False))
def test_the_order_of_decisions_within_a_moment_does_not_matter(strikes, told, order):
    """The standing is the same, to the last digit; and so is the hardest penalty that comes of it."""
    shuffled = order.sample(strikes, len(strikes))
    assert find_standing(strikes, told, RULES, START) == find_standing(shuffled, told, RULES, START)
    numbers = [strike.decision_id for strike in strikes]
    renumbered = [replace(strike, decision_id=number) for strike, number in zip(shuffled, numbers, strict=True)]
    assert _hardest(strikes) == _hardest(renumbered)


@FEW
@given(strikes=_strikes(st.just(0)))
def test_a_sweep_of_someone_never_told_anything_leads_to_the_first_rung_at_most(strikes):
    """However much was found at once."""
    assert find_standing(strikes, [], RULES, START).due <= 0


@FEW
@given(strikes=_strikes(), gone=st.integers(0, 7))
def test_taking_a_strike_back_never_makes_a_penalty_harder(strikes, gone):
    """The hardest in force is as hard, or milder."""
    at = START + timedelta(days=90)
    place = gone % len(strikes)
    fewer = [replace(one, taken_back_at=at) if i == place else one for i, one in enumerate(strikes)]
    assert _most(replay(fewer, RULES), at) <= _most(replay(strikes, RULES), at)


@FEW
@given(strikes=_strikes(), gone=st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True))
def test_what_holds_is_what_the_valid_strikes_carry(strikes, gone):
    """After each strike taken back: nothing that they do not carry, and nothing lost that they do."""
    fewer = strikes
    for number, place in enumerate(gone):
        at, before = START + timedelta(days=61 + number), fewer
        place %= len(strikes)
        fewer = [
            replace(one, taken_back_at=one.taken_back_at or at) if i == place else one for i, one in enumerate(before)
        ]
        held, holds = replay(before, RULES), replay(fewer, RULES)
        valid = [one for one in fewer if one.taken_back_at is None]
        digests = {one.policy_digest: RULES for one in holds}
        assert not list(find_uncarried(valid, holds, digests, START - timedelta(days=90)))
        told = [one for one in holds if one.proposed_at != at]
        due = find_standing(valid, list_told(told), RULES, at)
        assert _most(holds, at) >= min(_most(held, at), due.due)
        assert _most(holds, at, or_open=True) >= min(_most(held, at, or_open=True), due.proposed)


def _most(penalties, at, or_open=False):
    found = [one.rung for one in penalties if one.is_in_force(at) or (or_open and one.is_open)]
    return max(found, default=-1)


@FEW
@given(strikes=_strikes(), undone=st.sets(st.integers(0, 7), max_size=3))
def test_what_is_passed_over_as_settled_would_have_changed_nothing(strikes, undone):
    """Looking at every strike each time gives the same penalties."""
    at = START + timedelta(days=61)
    struck = [replace(one, taken_back_at=at) if i in undone else one for i, one in enumerate(strikes)]
    quick = replay(struck, RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying, "is_settled", lambda *_: False)
        assert replay(struck, RULES) == quick


GRAVITY = st.builds(
    Gravity,
    harm=st.none() | st.floats(0, 1e5).map(lambda amount: Money(amount, "EUR")),
    is_harm_complete=st.booleans(),
    found=st.integers(1, 200),
    listings=st.none() | st.floats(1, 1e5),
    age_days=st.none() | st.floats(0, 5000),
    probability=st.floats(0, 1),
    is_first=st.booleans(),
)


@FEW
@given(values=st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["EUR", "RUB", None])), min_size=1, max_size=6))
def test_harm_is_added_up_in_one_currency_and_says_which(values):
    """What is known in another one, or in none that was kept, is not known in that of the rules."""
    made = [_strike(n, 0, 1, "declared_replica", n, value, 0.9) for n, (value, _) in enumerate(values)]
    struck = [replace(one, currency=code) for one, (_, code) in zip(made, values, strict=True)]
    gravity = weigh_gravity(struck, RULES, listings=None, age_days=None, is_first=False)
    known = [value for value, code in values if code == "EUR"]
    assert gravity.is_harm_complete == (len(known) == len(values))
    assert gravity.harm == (sum((Money(value, "EUR") for value in known), Money(0.0, "EUR")) if known else None)
    for sentence in keep_proportion(gravity, RULES.proportion).sentences:
        assert "The harm of" not in sentence or re.search(r"The harm of [\d,]+ EUR is", sentence)


@FEW
@given(gravity=GRAVITY)
@example(Gravity(Money(100.0, "EUR"), True, 1, 1.0, 0.0, 0.99, True))
def test_a_new_seller_is_not_punished_for_being_new(gravity):
    """To be new is as to be of unknown age; and one listing in one proves no large share."""
    new, unknown = replace(gravity, age_days=0.0), replace(gravity, age_days=None)
    assert keep_proportion(new, RULES.proportion) == keep_proportion(unknown, RULES.proportion)
    only = replace(gravity, found=1, listings=1.0)
    steps = [keep_proportion(one, RULES.proportion).step for one in (only, replace(only, listings=None))]
    assert steps[0] <= steps[1]


@FEW
@given(gravity=GRAVITY, more=st.floats(0, 1e5), less=st.integers(1, 200))
def test_what_is_graver_is_never_milder(gravity, more, less):
    """More harm, a smaller record or more found; the step is one rung at most, with a sentence for each reason."""
    proportion = keep_proportion(gravity, RULES.proportion)
    assert proportion.step in (-1, 0, 1)
    assert proportion.sentences or proportion.step == 0
    if gravity.harm is not None:
        worse = replace(gravity, harm=gravity.harm + Money(more, "EUR"))
        assert keep_proportion(worse, RULES.proportion).step >= proportion.step
    if gravity.listings is not None:
        larger = replace(gravity, listings=gravity.listings + more)
        assert keep_proportion(larger, RULES.proportion).step <= proportion.step
    fewer = replace(gravity, found=max(1, gravity.found - less))
    assert keep_proportion(fewer, RULES.proportion).step <= proportion.step


@FEW
@given(score=st.floats(0, 1), more=st.floats(0, 1))
def test_surer_is_never_milder(score, more):
    """What is surely counterfeit leads at least as far by itself as what is doubtful."""
    told = [ImposedPenalty(3, START - timedelta(days=90))]
    both = (score, min(1.0, score + more))
    doubtful, surer = ([_strike(i, 0, 0, "test_purchase", i, 100.0, sure) for i in range(1, 9)] for sure in both)
    assert find_standing(doubtful, told, RULES, START).due <= find_standing(surer, told, RULES, START).due


@FEW
@given(strikes=_strikes(), needs=st.lists(st.booleans(), min_size=4, max_size=4))
def test_no_rung_that_a_person_confirms_takes_force_by_itself(strikes, needs):
    """Whichever rungs the policy marks, and whatever the strikes."""
    ladder = [
        rung.model_copy(update={"needs_person": is_marked})
        for rung, is_marked in zip(RULES.ladder, (*needs, True), strict=True)
    ]
    rules = RULES.model_copy(update={"ladder": tuple(ladder)})
    for penalty in replay(strikes, rules):
        assert not rules.ladder[penalty.rung].needs_person or penalty.imposed_at is None


@FEW
@given(strikes=_strikes(), told=TOLD, flagrant=st.sampled_from([1.0, 4.0, 8.0]))
def test_whoever_is_asked_to_pass_over_rungs_is_told_so(strikes, told, flagrant):
    """Above the next rung nothing takes force by itself, a person confirms, and no sentence says that it cannot be."""
    rules = RULES.model_copy(update={"flagrant_weight": flagrant})
    at = START + timedelta(days=60)
    standing = find_standing(strikes, told, rules, at)
    cap = find_cap(max((strike.seen_at for strike in strikes), default=at), list_remembered(told, rules, at), rules)
    says = " ".join(standing.sentences)
    assert standing.due <= cap
    assert standing.due < CLOSE  # nobody is closed down without a person
    assert ("pass over rungs" in says) == (standing.proposed > cap)
    if standing.proposed > cap:
        assert standing.weight >= flagrant
        assert standing.proposed > standing.due
        assert "at most" not in says


NEUTRAL = {"small_harm": -1.0, "great_harm": 1e12, "small_share": -1.0, "large_share": 2.0, "clean_days": 1e9}


@FEW
@given(strikes=_strikes(), told=TOLD)
def test_a_sentence_says_what_happens_and_nothing_else(strikes, told):
    """A rung milder or harder than by weight alone, and a person who must confirm what were due if it was sure."""
    at = START + timedelta(days=60)

    def stand(**changes):
        proportion = RULES.proportion.model_copy(update=changes)
        return find_standing(strikes, told, RULES.model_copy(update={"proportion": proportion}), at)

    standing, by_weight, sure = stand(), stand(**NEUTRAL), stand(sure=0.0)
    says, change = " ".join(standing.sentences), {"milder": 0, "harder": 0}
    for one, plain in ((standing.due, by_weight.due), (standing.proposed, by_weight.proposed)):
        change["milder"] |= one < plain
        change["harder"] |= one > plain
    assert {word: f"a rung {word}" in says for word in change} == change
    assert ("a person must confirm" in says) == (sure.due > standing.due)


def test_a_closing_may_be_proposed_before_a_suspension_and_both_wait_for_a_person(policy):
    """In the order in which the weight reached them; each waits, and the milder one is out of date once beside it."""
    flagrant = [_strike(number, 0, 1, "test_purchase", number, 100.0, 1.0) for number in range(1, 13)]
    standing = find_standing(flagrant, [], RULES, START)
    assert standing.weight >= RULES.flagrant_weight
    assert RULES.ladder[standing.proposed].kind is PenaltyKind.CLOSE
    penalties = replay(flagrant, RULES)
    assert {one.kind for one in penalties if one.imposed_at is None} <= {PenaltyKind.SUSPEND, PenaltyKind.CLOSE}
    assert all(one.imposed_at is None for one in penalties if one.kind in (PenaltyKind.SUSPEND, PenaltyKind.CLOSE))
    assert PenaltyKind.CLOSE in {one.kind for one in penalties}
    strikes = [_strike(1, 0, 0, "test_purchase", 1, 100.0, 0.9)]
    assert replay(strikes, policy.penalties.model_copy(update={"ladder": ()})) == []


def test_a_person_confirms_from_suspension_up_unless_the_policy_says_otherwise():
    """The bundled policy says so of each rung; none closes by itself; contradictory rules are refused."""
    kinds = [(kind, kind in ("suspend", "close")) for kind in PenaltyKind]
    words = {"platform": "p", "seller": "s"}
    silent = PenaltyRules(ladder=[{"kind": kind, "weight": at, **words} for at, (kind, _) in enumerate(kinds, 1)])
    assert [(rung.kind, rung.needs_person) for rung in silent.ladder] == kinds
    assert [(rung.kind, rung.needs_person) for rung in RULES.ladder] == kinds
    (told,) = PenaltyRules(ladder=[{"kind": "suspend", "weight": 1, "needs_person": False, **words}]).ladder
    assert not told.needs_person

    def ladder(*rungs):
        return {"ladder": [{"kind": kind, "weight": weight, **words} for kind, weight in rungs]}

    for changes, fault in (
        (ladder(("warn", 2), ("limit", 1)), "must rise"),
        (ladder(("suspend", 1), ("limit", 2)), "must rise"),
        ({"ground_weight": {"hearsay": 1.0}}, "hearsay"),
        ({"proportion": {"small_harm": 10, "great_harm": 5}}, "small_harm"),
        ({"ladder": [{"kind": "close", "weight": 1, "needs_person": False, **words}]}, "by a person only"),
    ):
        with pytest.raises(ValueError, match=fault):
            PenaltyRules(**changes)


def _hardest(strikes):
    return max([one.rung for one in replay(strikes, RULES) if one.imposed_at], default=-1)
