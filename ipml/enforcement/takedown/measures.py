"""What is done to a listing: imposed by the policy or a person, replaced by a milder or harder one, lifted.

Measures on one listing are weighed together (`in_force`), whatever decision each is of. Who changes them waits for
whoever else does: all of them append to the audit trail, so its lock comes first here.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.enforcement.policy import EnforcementPolicy, parse_enforcement_policy
from ipml.enforcement.restrictions import OWN, MeasureKind, Restriction, Source
from ipml.enforcement.takedown.changes import (
    add_measure,
    find_listing,
    insert_measure,
    lift_measure,
    mark_lifted,
    note_change,
)
from ipml.enforcement.takedown.finding import Measure, find_measures, find_on_listing, get_measure
from ipml.enforcement.takedown.rules import Choice, MeasureRules
from ipml.enforcement.takedown.telling import Change, tell
from ipml.errors import MeasureNotStanding, NothingToEnforce, UnusableMeasure
from ipml.records import Decision, Verdict
from ipml.review.cases import find_case
from ipml.review.reversals import stands
from ipml.review.snapshot import decode, decode_listing
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import decisions, enforcement_policies, measures

_AT_ONCE = 100


def impose(
    connection: Connection,
    case: Row[Any],
    decision: Decision,
    policy: EnforcementPolicy,
    *,
    kind: MeasureKind | None = None,
    is_automatic: bool = False,
    source: Source = OWN,
) -> Measure:
    """Do to a listing what the policy says of a decision that it is counterfeit; asked again it does no more.

    Parameters
    ----------
    case : Row
        Of `cases`.
    kind : MeasureKind, optional
        What is done, whatever the rules for measures say.
    is_automatic : bool, default=False
        Whether the decision is a policy's and no person's.
    source : Source, default=the platform itself
        Who pointed to the listing.

    Returns
    -------
    Measure
        It is kept, and the platform's message put down, in the caller's transaction. Where the listing is down
        already by another decision no message is needed: then the listing is not put back until both are lifted.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    if earlier := find_measures(connection, decision_id=decision.decision_id, standing=True):
        return earlier[-1]
    scored = decode(case.snapshot)
    choice = policy.measures.choose(scored.listing, scored.score, decision.ground)
    if kind is not None:
        choice = Choice(kind, f"{kind}, as the policy says where nobody reviewed")
    by, at = decision.reviewer, decision.decided_at
    listing = scored.listing
    return add_measure(connection, listing, decision, policy, choice, by, at, is_automatic=is_automatic, source=source)


def impose_by_hand(
    connection: Connection,
    case_id: int,
    kind: MeasureKind,
    by: str,
    why: str,
    at: datetime,
    policy: EnforcementPolicy,
    *,
    territories: tuple[str, ...] = (),
    until: datetime | None = None,
) -> Measure:
    """Impose a measure that a person chose, on top of those there are, on a listing that was decided counterfeit.

    Raises
    ------
    NothingToEnforce
        No decision stands that it is counterfeit.
    UnusableMeasure
        Kind and territories do not fit, or it would have ended already.
    """
    _check(kind, territories, until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    case = find_case(connection, case_id)
    query = select(decisions).where(decisions.c.case_id == case_id, stands()).order_by(decisions.c.decision_id.desc())
    row = connection.execute(query.limit(1)).first()
    if row is None or row.verdict != Verdict.COUNTERFEIT:
        raise NothingToEnforce(case_id)
    listing, choice = decode_listing(case.snapshot), Choice(kind, why, territories)
    source = _source_of(connection, row.decision_id)
    return add_measure(connection, listing, row, policy, choice, by, at, until=until, source=source)


def replace(
    connection: Connection,
    measure_id: int,
    kind: MeasureKind,
    by: str,
    why: str,
    at: datetime,
    *,
    territories: tuple[str, ...] = (),
    until: datetime | None = None,
) -> Measure:
    """Put a milder or harder measure in the place of one that stands, in one step, and return it.

    Raises
    ------
    MeasureNotFound, MeasureNotStanding, UnusableMeasure
    """
    _check(kind, territories, until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    old = get_measure(connection, measure_id)
    if not old.stands:
        raise MeasureNotStanding(measure_id, old.state)
    listing, ground = find_listing(connection, old)
    before = find_on_listing(connection, listing.listing_id, old.pseudonym)
    wanted = dataclasses.replace(
        old,
        kind=kind,
        territories=territories,
        until=until,
        imposed_by=by,
        imposed_at=at,
        is_automatic=False,
        done_at=None,
        refused_at=None,
    )
    new = insert_measure(connection, wanted, why)
    mark_lifted(connection, old, by, why, at, replaced_by=new.measure_id)
    after = find_on_listing(connection, listing.listing_id, old.pseudonym)
    change = Change(new, "imposed", listing, ground, before, after, at)
    key = tell(connection, change, _rules_of(connection, old.policy_digest))
    note_change(connection, by, "imposed", new, at, key, replaces=old.measure_id)
    return get_measure(connection, new.measure_id)


def lift(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> list[Measure]:
    """Lift every measure of a decision that was wrong, and return them; those lifted before are not among them."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    standing = find_measures(connection, decision_id=decision_id, standing=True)
    return [lift_measure(connection, measure, by, why, at, corrects=True) for measure in reversed(standing)]


def lift_one(connection: Connection, measure_id: int, by: str, why: str, at: datetime) -> Measure:
    """Lift one measure, and return it.

    Raises
    ------
    MeasureNotFound, MeasureNotStanding
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    measure = get_measure(connection, measure_id)
    if not measure.stands:
        raise MeasureNotStanding(measure_id, measure.state)
    return lift_measure(connection, measure, by, why, at, corrects=True)


def end_some_due(connection: Connection, now: datetime) -> list[Measure]:
    """Lift at most a hundred measures whose time is over, in the caller's transaction, and return them."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    due = find_measures(connection, measures.c.until <= now, standing=True, at_most=_AT_ONCE)
    return [lift_measure(connection, one, "ipml", "its time is over", now, corrects=False) for one in due]


def restriction_of(connection: Connection, measure: Measure) -> Restriction:
    """Return a measure with what a statement of reasons must tell of it."""
    listing, ground = find_listing(connection, measure)
    return Restriction(
        subject=measure.subject,
        kind=measure.kind,
        pseudonym=measure.pseudonym,
        case_id=measure.case_id,
        decision_id=measure.decision_id,
        listing=listing,
        ground=ground,
        since=measure.imposed_at,
        until=measure.until,
        territories=measure.territories,
        is_automatic=measure.is_automatic,
        source=measure.source,
        is_detected=measure.is_detected,
    )


def _source_of(connection: Connection, decision_id: int) -> Source:
    """Return who pointed to the listing of a decision, as its first measure says."""
    earlier = find_measures(connection, decision_id=decision_id)
    return Source(earlier[-1].source, earlier[-1].is_detected) if earlier else OWN


def _rules_of(connection: Connection, digest: str) -> MeasureRules:
    query = select(enforcement_policies.c.policy).where(enforcement_policies.c.digest == digest)
    return parse_enforcement_policy(connection.scalars(query).one()).measures


def _check(kind: MeasureKind, territories: tuple[str, ...], until: datetime | None, at: datetime) -> None:
    if (kind is MeasureKind.REMOVE_IN) != bool(territories):
        raise UnusableMeasure(
            f"{kind} with {len(territories)} countries", "countries with remove-in and with nothing else"
        )
    if not all(len(name) == 2 and name.isascii() and name.isupper() for name in territories):
        raise UnusableMeasure(f"countries {', '.join(territories)[:80]!r}", "codes of two letters, such as DE")
    if until is not None and until <= at:
        raise UnusableMeasure(f"an end at {until:%Y-%m-%d %H:%M}", "one that is yet to come")
