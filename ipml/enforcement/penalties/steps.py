"""What a seller's standing changes: what is imposed, what is proposed, and which penalties no strikes carry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ipml.enforcement.penalties.book import Strike
from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.standing import (
    NO_RUNG,
    Standing,
    Told,
    find_cap,
    find_standing,
    list_remembered,
    without_person,
)

TAKEN_BACK = "taken back"
BY_ITSELF = "ipml"


@dataclass(frozen=True, slots=True)
class Steps:
    """Places of the rungs that are imposed and proposed now; None: none."""

    imposed: int | None
    proposed: int | None


def find_steps(standing: Standing, before: Collection[Penalty], at: datetime) -> Steps:
    """Return what is new in a standing: what is harder than all that holds already."""
    in_force = _hardest_rung(before, at)
    imposed = standing.due if standing.due > in_force else None
    is_asked = any(one.is_open and one.rung > standing.due for one in before)
    is_new = standing.proposed > max(standing.due, in_force) and not is_asked
    return Steps(imposed, standing.proposed if is_new else None)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a penalty: it is "imposed" or "proposed", as `sentences` say, or a proposal that is "over"."""

    what: str
    penalty: Penalty
    sentences: tuple[str, ...] = ()


def take_steps(
    strike: Strike, strikes: Sequence[Strike], before: Sequence[Penalty], rules: PenaltyRules, digest: str
) -> list[Step]:
    """Return what a strike leads to where it is the last of a seller's strikes; new penalties have no number yet."""
    at = strike.struck_at
    return _make_steps(strike, find_standing(strikes, list_told(before), rules, at), before, rules, digest, at)


def take_over(
    strikes: Collection[Strike],
    before: Sequence[Penalty],
    lost: Collection[Penalty],
    rules: PenaltyRules,
    digest: str,
    at: datetime,
) -> list[Step]:
    """Return what the strikes that still stand carry in the place of penalties that a moment ago were taken back.

    It is no harder than what it takes the place of, and lasts no longer: to lose a strike makes nothing worse. What a
    person lifted or dismissed, or what was over, does not come back.

    Parameters
    ----------
    before : sequence of Penalty
        Of the seller, as they are now.
    lost : collection of Penalty
        Those that were in force or proposed until now, as they were.
    """
    left = [strike for strike in strikes if strike.counts_at(at)]
    if not left or not lost:
        return []
    held = [one for one in lost if not one.is_open]
    most_due = max((one.rung for one in held), default=NO_RUNG)
    most = max(one.rung for one in lost)
    found = find_standing(left, list_told(before), rules, at)
    standing = replace(found, due=min(found.due, most_due), proposed=min(found.proposed, most))
    last = max(left, key=lambda strike: strike.strike_id)
    return [_end_with(step, held) for step in _make_steps(last, standing, before, rules, digest, at)]


def _end_with(step: Step, held: Collection[Penalty]) -> Step:
    """Let what takes the place of penalties end with the last of those that were as hard."""
    ends = [one.until for one in held if one.rung >= step.penalty.rung]
    known = [end for end in (*ends, step.penalty.until) if end is not None]
    if step.what != "imposed" or None in ends or not known:
        return step
    last = max(end for end in ends if end is not None)
    return replace(step, penalty=replace(step.penalty, until=min(last, step.penalty.until or last)))


def _make_steps(
    strike: Strike, standing: Standing, before: Sequence[Penalty], rules: PenaltyRules, digest: str, at: datetime
) -> list[Step]:
    found = find_steps(standing, before, at)
    taken: list[Step] = []
    if found.imposed is not None:
        outdated = find_outdated(before, found.imposed)
        taken += [Step("over", replace(one, ended_as="over", ended_at=at, ended_by=BY_ITSELF)) for one in outdated]
        imposed = impose(make_penalty(strike, standing, found.imposed, rules, digest, at), BY_ITSELF, at, rules)
        taken.append(Step("imposed", imposed, standing.sentences))
    if found.proposed is not None:
        proposed = make_penalty(strike, standing, found.proposed, rules, digest, at)
        taken.append(Step("proposed", proposed, standing.sentences))
    return taken


def after_steps(before: Sequence[Penalty], taken: Sequence[Step]) -> list[Penalty]:
    """Return a seller's penalties as they are once some steps were taken, in order."""
    over = {name_penalty(step.penalty): step.penalty for step in taken if step.what == "over"}
    kept = [over.get(name_penalty(one), one) for one in before]
    return kept + [step.penalty for step in taken if step.what != "over"]


def name_penalty(penalty: Penalty) -> tuple[int, int]:
    """Return what tells a penalty from every other, even while it has no number: its last strike, and its rung."""
    return penalty.strike_id, penalty.rung


def is_settled(
    most_weight: float, last_seen: datetime, before: Collection[Penalty], rules: PenaltyRules, at: datetime
) -> bool:
    """Say, without looking at strikes one by one, whether they surely change nothing; else they must be looked at.

    A sweep may find thousands of listings of one seller: once they are warned and a lead is asked, the rest is quick.

    Parameters
    ----------
    most_weight : float
        The offences weigh together no more than this.
    last_seen : datetime
        When the last of the listings was seen up.
    """
    if not rules.ladder:
        return True
    in_force, top = _hardest_rung(before, at), len(rules.ladder) - 1
    cap = find_cap(last_seen, list_remembered(list_told(before), rules, at), rules)
    by_weight = rules.rung_at(most_weight)
    if in_force < without_person(min(cap, by_weight + 1, top), rules):
        return False
    highest = top if most_weight >= rules.flagrant_weight else min(by_weight + 1, cap, top)
    return highest <= in_force or any(one.is_open and one.rung > in_force for one in before)


def _hardest_rung(before: Collection[Penalty], at: datetime) -> int:
    return max((one.rung for one in before if one.is_in_force(at)), default=NO_RUNG)


def find_outdated(before: Collection[Penalty], rung: int) -> list[Penalty]:
    """Return the open proposals that a penalty of a rung makes needless."""
    return [one for one in before if one.is_open and one.rung <= rung]


def make_penalty(
    strike: Strike, standing: Standing, rung: int, rules: PenaltyRules, digest: str, at: datetime
) -> Penalty:
    """Return the penalty of a rung as a proposal, with no number yet."""
    content = (strike.pseudonym, strike.strike_id, rules.ladder[rung].kind, rung, standing.weight, standing.size)
    return Penalty(0, *content, digest, at)


def impose(penalty: Penalty, by: str, at: datetime, rules: PenaltyRules) -> Penalty:
    """Return a proposal as it is once somebody, or the policy, has imposed it."""
    days = rules.ladder[penalty.rung].days
    return replace(penalty, imposed_by=by, imposed_at=at, until=None if days is None else at + timedelta(days=days))


def list_told(before: Collection[Penalty]) -> list[Told]:
    """Return the penalties that a seller was told of, but for those whose strikes were taken back."""
    return [Told(one.rung, one.imposed_at) for one in before if one.imposed_at and one.ended_as != TAKEN_BACK]


def find_uncarried(
    strikes: Sequence[Strike], before: Sequence[Penalty], rules_of: Mapping[str, PenaltyRules], since: datetime
) -> Iterator[Penalty]:
    """Give the penalties that would not have come about by the strikes that still stand, in order.

    Each is looked at as of the moment it was proposed, under the policy of then and with what was known of the seller
    then; a penalty that goes is no notice for those after it.

    Parameters
    ----------
    since : datetime
        When the strike was made that was taken back last: it carries no penalty from before.
    """
    left = [strike for strike in strikes if strike.taken_back_at is None]
    told: list[Told] = []
    for penalty in before:
        if penalty.ended_as == TAKEN_BACK:
            continue
        if penalty.proposed_at >= since and not _is_carried(penalty, left, told, rules_of[penalty.policy_digest]):
            yield penalty
        elif penalty.imposed_at is not None:
            told.append(Told(penalty.rung, penalty.imposed_at))


def _is_carried(penalty: Penalty, left: Sequence[Strike], told: Sequence[Told], rules: PenaltyRules) -> bool:
    earlier = [one for one in told if one.imposed_at <= penalty.proposed_at]
    standing = find_standing(left, earlier, rules, penalty.proposed_at, penalty.size)
    return penalty.rung <= (standing.due if penalty.imposed_by == BY_ITSELF else standing.proposed)
