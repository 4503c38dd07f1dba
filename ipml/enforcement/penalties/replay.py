"""What the ladder makes of the strikes of a seller, one by one, without a database but by the same code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ipml.enforcement.penalties.book import Strike, bound_weight, reweigh
from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.standing import find_standing
from ipml.enforcement.penalties.steps import (
    BY_ITSELF,
    TAKEN_BACK,
    find_outdated,
    find_steps,
    find_uncarried,
    impose,
    is_settled,
    list_told,
    make_penalty,
)

_DIGEST = "replayed"


@dataclass(frozen=True, slots=True)
class Event:
    """A strike that is counted, or taken back, at a moment."""

    at: datetime
    strike: Strike
    is_taken_back: bool = False


def list_events(strikes: Iterable[Strike]) -> list[Event]:
    """Return what happened to strikes, in the order in which it did: of one moment what was counted goes first."""
    events: list[Event] = []
    for strike in strikes:
        events.append(Event(strike.struck_at, replace(strike, taken_back_at=None)))
        if strike.taken_back_at is not None:
            events.append(Event(strike.taken_back_at, strike, is_taken_back=True))
    return sorted(events, key=lambda event: (event.at, event.is_taken_back, event.strike.decision_id))


def replay(strikes: Iterable[Strike], rules: PenaltyRules) -> list[Penalty]:
    """Return the penalties that a seller's strikes would have led to under some rules; none is confirmed or lifted.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> replay([], load_enforcement_policy().penalties)
    []
    """
    standing: dict[int, Strike] = {}
    made: list[Penalty] = []
    weights: dict[int, float] = {}  # of what was decided together the heaviest
    last_seen = datetime.min.replace(tzinfo=UTC)
    for event in list_events(reweigh(strike, rules) for strike in strikes):
        strike = event.strike
        standing[strike.strike_id] = strike
        if event.is_taken_back:
            made = _without_uncarried(list(standing.values()), made, rules, event)
            continue
        tie = strike.made_with if rules.offence.decided_together and strike.made_with else -strike.strike_id
        weights[tie] = max(weights.get(tie, 0.0), strike.weight)
        last_seen = max(last_seen, strike.seen_at)
        most_weight = bound_weight(sum(weights.values()), rules, len(made))
        if not is_settled(most_weight, last_seen, made, rules, event.at):
            made = _climb(strike, list(standing.values()), made, rules)
    return made


def _climb(strike: Strike, strikes: list[Strike], before: list[Penalty], rules: PenaltyRules) -> list[Penalty]:
    at = strike.struck_at
    standing = find_standing(strikes, list_told(before), rules, at)
    steps = find_steps(standing, before, at)
    made = before
    for rung, is_imposed in ((steps.imposed, True), (steps.proposed, False)):
        if rung is None:
            continue
        needless = find_outdated(made, rung) if is_imposed else []
        made = [replace(one, ended_as="over", ended_at=at) if one in needless else one for one in made]
        penalty = replace(make_penalty(strike, standing, rung, rules, _DIGEST), penalty_id=len(made) + 1)
        made.append(impose(penalty, BY_ITSELF, at, rules) if is_imposed else penalty)
    return made


def _without_uncarried(
    strikes: list[Strike], before: list[Penalty], rules: PenaltyRules, event: Event
) -> list[Penalty]:
    gone = {one.penalty_id for one in find_uncarried(strikes, before, {_DIGEST: rules}, event.strike.struck_at)}
    return [_take_back(one, event.at) if one.penalty_id in gone else one for one in before]


def _take_back(penalty: Penalty, at: datetime) -> Penalty:
    return replace(penalty, ended_as=TAKEN_BACK, ended_at=penalty.ended_at or at)
