"""Climbing the ladder: what new strikes lead to is reckoned seller by seller, strike by strike, and kept together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import dropwhile, groupby

from sqlalchemy import Connection

from ipml.enforcement.penalties.book import Strike, bound_weight, find_strikes_of
from ipml.enforcement.penalties.imposed import (
    Penalty,
    change_penalty,
    describe_change,
    keep_penalties,
    select_penalties,
)
from ipml.enforcement.penalties.messages import draft_imposed
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.steps import BY_ITSELF, Step, after_steps, is_settled, name_penalty, take_steps
from ipml.enforcement.penalties.sums import Sum, sum_up_before
from ipml.enforcement.policy import EnforcementPolicy
from ipml.storage import audit, outbox
from ipml.storage.database import Lock, serialise
from ipml.storage.keyrings import Keyring
from ipml.storage.tables import penalties


def climb_all(
    connection: Connection, strikes: Sequence[Strike], policy: EnforcementPolicy, keys: Keyring
) -> list[Penalty]:
    """Impose and propose what strikes lead to that were just counted, as if they had been counted one by one.

    Parameters
    ----------
    strikes : sequence of Strike
        The last of their sellers, in order.
    policy : EnforcementPolicy
        That must be kept (`ipml.enforcement.policy.keep_policy`).
    keys : Keyring
        Of the sellers.

    Returns
    -------
    list of Penalty
        What was imposed by itself, in order; see `ipml.enforcement.penalties.ladder.climb`.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)  # of two decisions on a seller the second sees what the first led to
    imposed: list[Penalty] = []
    for at, together in groupby(strikes, key=lambda strike: strike.struck_at):
        steps = _reckon(connection, list(together), policy, at)
        imposed += keep_steps(connection, steps, policy.penalties, keys, at)
    return imposed


@dataclass(slots=True)
class _Seller:
    """A seller while new strikes are counted: the sum of all up to the one that is looked at, and the penalties."""

    sum: Sum
    penalties: list[Penalty]
    rules: PenaltyRules
    at: datetime

    def is_settled_by(self, strike: Strike) -> bool:
        """Count a strike, and say whether it surely changes nothing."""
        self.sum.add(strike, self.rules)
        weight = bound_weight(self.sum.weight, self.rules, len(self.penalties))
        return is_settled(weight, self.sum.last_seen or self.at, self.penalties, self.rules, self.at)


def _reckon(connection: Connection, new: Sequence[Strike], policy: EnforcementPolicy, at: datetime) -> list[Step]:
    """Return the steps that strikes of one moment lead to, in the order of the strikes."""
    rules = policy.penalties
    sums = sum_up_before(connection, new, rules, at)
    sellers = {pseudonym: _Seller(found, [], rules, at) for pseudonym, found in sums.items()}
    for penalty in select_penalties(connection, penalties.c.pseudonym.in_(sellers)):
        sellers[penalty.pseudonym].penalties.append(penalty)
    # A sweep may find thousands of listings of one seller: their strikes are read only where they may change something.
    telling = {name: list(dropwhile(sellers[name].is_settled_by, _of(new, name))) for name in sellers}
    book = find_strikes_of(connection, [name for name, left in telling.items() if left])
    steps: dict[int, list[Step]] = {strike.strike_id: [] for strike in new}
    for name, strikes in book.items():
        seller = sellers[name]
        for place, strike in enumerate(telling[name]):
            if place > 0 and seller.is_settled_by(strike):
                continue
            counted = [one for one in strikes if one.strike_id <= strike.strike_id]
            taken = take_steps(strike, counted, seller.penalties, rules, policy.digest)
            seller.penalties = after_steps(seller.penalties, taken)
            steps[strike.strike_id] = taken
    return [step for taken in steps.values() for step in taken]


def _of(strikes: Sequence[Strike], pseudonym: str) -> list[Strike]:
    return [strike for strike in strikes if strike.pseudonym == pseudonym]


def keep_steps(
    connection: Connection, steps: Sequence[Step], rules: PenaltyRules, keys: Keyring, at: datetime
) -> list[Penalty]:
    """Keep what became of penalties, tell the platform, note all of it, and return what was imposed."""
    if not steps:
        return []
    numbers = _keep_new(connection, steps, keys)
    done = [replace(step, penalty=_number(step.penalty, numbers)) for step in steps]
    for step in done:
        if step.what == "over" and name_penalty(step.penalty) not in numbers:
            change_penalty(connection, step.penalty, ended_as="over", ended_at=at, ended_by=BY_ITSELF)
    imposed = [step.penalty for step in done if step.what == "imposed"]
    outbox.put_all(connection, [draft_imposed(one, rules.ladder[one.rung], at, keys) for one in imposed], keys)
    deeds = [describe_change(step.penalty, f"penalty {step.what}", BY_ITSELF, at) for step in done]
    audit.append_deeds(connection, deeds)
    return imposed


def _keep_new(connection: Connection, steps: Sequence[Step], keys: Keyring) -> dict[tuple[int, int], int]:
    """Append the penalties that are new, as they are in the end, and return their numbers."""
    sentences = {name_penalty(step.penalty): step.sentences for step in steps if step.what != "over"}
    latest = {name_penalty(step.penalty): step.penalty for step in steps}
    new = [(latest[name], said) for name, said in sentences.items()]
    return dict(zip(sentences, keep_penalties(connection, new, keys), strict=True))


def _number(penalty: Penalty, numbers: dict[tuple[int, int], int]) -> Penalty:
    return replace(penalty, penalty_id=numbers.get(name_penalty(penalty), penalty.penalty_id))
