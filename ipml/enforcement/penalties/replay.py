"""What the ladder makes of the strikes of a seller, one by one, without a database but by the same code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ipml.enforcement.penalties.book import Strike, bound_weight, reweigh
from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.steps import (
    TAKEN_BACK,
    after_steps,
    find_uncarried,
    is_settled,
    take_over,
    take_steps,
)
from ipml.enforcement.penalties.sums import Sum

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
    found = Sum()
    for event in list_events(reweigh(strike, rules) for strike in strikes):
        strike = event.strike
        standing[strike.strike_id] = strike
        if event.is_taken_back:
            made = _without_uncarried(list(standing.values()), made, rules, event)
            continue
        found.add(strike, rules)
        most_weight = bound_weight(found.weight, rules, len(made))
        if not is_settled(most_weight, found.last_seen or event.at, made, rules, event.at):
            steps = take_steps(strike, list(standing.values()), made, rules, _DIGEST)
            made = _number(after_steps(made, steps))
    return made


def _without_uncarried(
    strikes: list[Strike], before: list[Penalty], rules: PenaltyRules, event: Event
) -> list[Penalty]:
    gone = {one.penalty_id: one for one in find_uncarried(strikes, before, {_DIGEST: rules}, event.strike.struck_at)}
    left = [_take_back(one, event.at) if one.penalty_id in gone else one for one in before]
    lost = [one for one in gone.values() if one.is_open or one.is_in_force(event.at)]
    return _number(after_steps(left, take_over(strikes, left, lost, rules, _DIGEST, event.at)))


def _number(made: Iterable[Penalty]) -> list[Penalty]:
    return [replace(one, penalty_id=place) for place, one in enumerate(made, 1)]


def _take_back(penalty: Penalty, at: datetime) -> Penalty:
    return replace(penalty, ended_as=TAKEN_BACK, ended_at=penalty.ended_at or at)
