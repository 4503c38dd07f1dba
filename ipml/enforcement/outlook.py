"""What the decision "counterfeit" on a case would lead to, before it is made: nothing is written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row

from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.penalties import find_steps, list_told
from ipml.enforcement.penalties.standing import Standing, Strike, find_standing, find_strikes
from ipml.enforcement.penalties.strikes import describe
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import PenaltyKind, Restriction
from ipml.enforcement.statements.facts import state
from ipml.enforcement.statements.letter import Letter, write_letter
from ipml.enforcement.takedown.measures import Choice
from ipml.records import Decision, Listing, Verdict
from ipml.review.cases import find_case
from ipml.review.grounds import GROUNDS
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.pseudonyms import find_pseudonym

_NOBODY = ""  # stands for the pseudonym of a seller who has none yet


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a decision that a listing is counterfeit would lead to.

    Attributes
    ----------
    measures : tuple of (str, tuple of str)
        What would be done to the listing and why, each with the grounds on which it would.
    now, then : Standing
        Where the seller stands, and would stand; of several grounds by the heaviest.
    imposed, proposed : PenaltyKind or None
        The penalty that would follow by itself, and the one that a lead would be asked about.
    letter : Letter
        What the seller would be told of the measure, on the first ground.
    """

    measures: tuple[tuple[str, tuple[str, ...]], ...]
    now: Standing
    then: Standing
    imposed: PenaltyKind | None
    proposed: PenaltyKind | None
    letter: Letter


def foresee(engine: Engine, case_id: int, policy: EnforcementPolicy, *, now: datetime | None = None) -> Outlook:
    """Return what the decision "counterfeit" on a case would lead to.

    Raises
    ------
    CaseNotFound

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.records import ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag, mirror"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> outlook = foresee(engine, 1, load_enforcement_policy())
    >>> outlook.measures[0][0], outlook.imposed.value
    ('remove, as usual', 'warn')
    """
    at = now or datetime.now(UTC)
    with reading(engine) as connection:
        case = find_case(connection, case_id)
        scored = decode(case.snapshot)
        choices = {ground: policy.measures.choose(scored.listing, scored.score, ground) for ground in GROUNDS}
        before, after, imposed, proposed = _climb(connection, case, policy, at)
        first, choice = next(iter(choices.items()))
        restriction = _restrict(case, scored.listing, first, choice, at)
    statement = state(restriction, policy.statements, puid="…", at=at, reasons=scored.reasons)
    return Outlook(
        measures=_group(choices),
        now=before,
        then=after,
        imposed=imposed,
        proposed=proposed,
        letter=write_letter(statement, scored.listing.title, scored.listing.listing_id, policy.statements),
    )


def _group(choices: dict[str, Choice]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    ways = dict.fromkeys(choice.why for choice in choices.values())
    return tuple((why, tuple(ground for ground, choice in choices.items() if choice.why == why)) for why in ways)


def _climb(
    connection: Connection, case: Row[Any], policy: EnforcementPolicy, at: datetime
) -> tuple[Standing, Standing, PenaltyKind | None, PenaltyKind | None]:
    """Return where the seller stands and would stand, and what would be imposed and proposed."""
    rules = policy.penalties
    pseudonym = find_pseudonym(connection, case.seller_id)
    # As if nothing had been decided on this case: whoever takes a further look at it must not see that it was.
    strikes = [] if pseudonym is None else _others(find_strikes(connection, pseudonym), case.case_id)
    known = {strike.strike_id for strike in strikes}
    penalties = [] if pseudonym is None else find_penalties(connection, pseudonym=pseudonym, at=at)
    before = [penalty for penalty in penalties if penalty.strike_id in known]
    told = list_told(before)
    then = find_standing([*strikes, _strike(connection, case, policy, at)], told, rules, at)
    steps = find_steps(then, before, at)
    kinds = [None if rung is None else rules.ladder[rung].kind for rung in (steps.imposed, steps.proposed)]
    return find_standing(strikes, told, rules, at), then, kinds[0], kinds[1]


def _others(strikes: list[Strike], case_id: int) -> list[Strike]:
    return [strike for strike in strikes if strike.case_id != case_id]


def _strike(connection: Connection, case: Row[Any], policy: EnforcementPolicy, at: datetime) -> Strike:
    """Return the strike that the heaviest ground would give."""
    ground = max(GROUNDS, key=lambda ground: policy.penalties.weigh(ground, case.category))
    decision = Decision(0, case.case_id, case.listing_id, Verdict.COUNTERFEIT, ground, "", _NOBODY, at)
    facts = describe(connection, case, decision, policy)
    return Strike(0, **facts, pseudonym=_NOBODY, policy_digest=policy.digest)


def _restrict(case: Row[Any], listing: Listing, ground: str, choice: Choice, at: datetime) -> Restriction:
    restriction = Restriction("measure:0", choice.kind, _NOBODY, case.case_id, 0, listing, ground, at)
    return replace(restriction, until=choice.until(at), territories=choice.territories)
