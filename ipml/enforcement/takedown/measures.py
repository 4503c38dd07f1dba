"""What is done to a listing: imposed by the policy or a person, replaced by a milder or harder one, lifted.

Measures on one listing are weighed together (`in_force`), whatever decision each is of. Who changes them waits for
whoever else does: all of them append to the audit trail, so its lock comes first here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.enforcement.decided import Decided, read_decided
from ipml.enforcement.policy import EnforcementPolicy, keep_policy, parse_enforcement_policy
from ipml.enforcement.restrictions import OWN, MeasureKind, Restriction, Source
from ipml.enforcement.takedown.changes import (
    Wanted,
    add_measures,
    find_listing,
    insert_measures,
    lift_measure,
    mark_lifted,
    note_change,
    want_measure,
)
from ipml.enforcement.takedown.finding import Measure, find_measures, find_on_listing, get_measure
from ipml.enforcement.takedown.rules import Choice, MeasureRules
from ipml.enforcement.takedown.telling import Change, tell
from ipml.errors import MeasureNotStanding, NothingToEnforce, UnusableMeasure
from ipml.records import Decision, Listing, Verdict
from ipml.review.cases import find_case
from ipml.review.reversals import stands
from ipml.review.snapshot import decode_listing
from ipml.storage.database import Lock, serialise
from ipml.storage.keyrings import Keyring, read_keys
from ipml.storage.pseudonyms import pseudonym_of
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
        already by another decision it is not put back until both are lifted.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    keep_policy(connection, policy, decision.decided_at)
    decided, keys = read_decided(connection, [(case, decision)], {case.case_id: source})
    (imposed,) = impose_all(connection, decided, policy, keys, kind=kind, is_automatic=is_automatic)
    return imposed


def impose_all(
    connection: Connection,
    decided: Sequence[Decided],
    policy: EnforcementPolicy,
    keys: Keyring,
    *,
    kind: MeasureKind | None = None,
    is_automatic: bool = False,
) -> list[Measure]:
    """Do what `impose` does for decisions that were made together, under a policy that is kept (`keep_policy`)."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    imposed = _find_imposed(connection, decided)
    new = [one for one in decided if one.decision.decision_id not in imposed]
    wanted = [_want(one, policy, kind, is_automatic) for one in new]
    imposed |= {measure.decision_id: measure for measure in add_measures(connection, wanted, policy, keys)}
    return [imposed[one.decision.decision_id] for one in decided]


def _find_imposed(connection: Connection, decided: Sequence[Decided]) -> dict[int, Measure]:
    """Return the measures that stand by some decisions already: of each the first."""
    is_theirs = measures.c.decision_id.in_([one.decision.decision_id for one in decided])
    return {measure.decision_id: measure for measure in find_measures(connection, is_theirs, standing=True)}


def _want(one: Decided, policy: EnforcementPolicy, kind: MeasureKind | None, is_automatic: bool) -> Wanted:
    decision, listing = one.decision, one.scored.listing
    choice = policy.measures.choose(listing, one.scored.score, decision.ground)
    if kind is not None:
        choice = Choice(kind, f"{kind}, as the policy says where nobody reviewed")
    chosen = (decision, policy, choice, decision.reviewer, decision.decided_at)
    return want_measure(listing, one.pseudonym, *chosen, is_automatic=is_automatic, source=one.source)


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
    keep_policy(connection, policy, at)
    pseudonym = pseudonym_of(connection, case.seller_id, now=at)
    listing, choice = decode_listing(case.snapshot), Choice(kind, why, territories)
    source = _source_of(connection, row.decision_id)
    wanted = want_measure(listing, pseudonym, row, policy, choice, by, at, until=until, source=source)
    (imposed,) = add_measures(connection, [wanted], policy, read_keys(connection, [pseudonym]))
    return imposed


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
    (number,) = insert_measures(connection, [(wanted, why)], read_keys(connection, [old.pseudonym]))
    new = dataclasses.replace(wanted, measure_id=number)
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
    return make_restriction(measure, *find_listing(connection, measure))


def make_restriction(measure: Measure, listing: Listing, ground: str) -> Restriction:
    """Return what `restriction_of` does, where the listing as it was decided on, and the ground, are known."""
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
