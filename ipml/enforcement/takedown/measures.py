"""What is done to a listing: imposed by the policy or a person, replaced by a milder or harder one, lifted.

Measures on one listing are weighed together (`in_force`), whatever decision each is of. Who changes them waits for
whoever else does: all of them append to the audit trail, so its lock comes first here.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.enforcement.policy import EnforcementPolicy, keep_policy, parse_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, Restriction
from ipml.enforcement.takedown.finding import Measure, find_measures, find_on_listing, get_measure
from ipml.enforcement.takedown.rules import Choice, MeasureRules
from ipml.enforcement.takedown.telling import Change, tell
from ipml.errors import MeasureNotStanding, NothingToEnforce, SellerErased, UnusableMeasure
from ipml.records import Decision, Listing, Verdict
from ipml.review.cases import find_case
from ipml.review.reversals import stands
from ipml.review.snapshot import decode, decode_listing
from ipml.storage import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.pseudonyms import pseudonym_of, seal
from ipml.storage.tables import decisions, enforcement_policies, measures

_AT_ONCE = 100


def impose(
    connection: Connection,
    case: Row[Any],
    decision: Decision,
    policy: EnforcementPolicy,
    *,
    is_automatic: bool = False,
) -> Measure:
    """Do to a listing what the policy says of a decision that it is counterfeit; asked again it does no more.

    Parameters
    ----------
    case : Row
        Of `cases`.
    is_automatic : bool, default=False
        Whether the decision is a policy's and no person's.

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
    by, at = decision.reviewer, decision.decided_at
    return _impose(connection, scored.listing, decision, policy, choice, by, at, is_automatic=is_automatic)


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
    return _impose(connection, listing, row, policy, choice, by, at, until=until)


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
    listing, ground = _find_listing(connection, old)
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
    new = _insert(connection, wanted, why)
    _end(connection, old, by, why, at, replaced_by=new.measure_id)
    after = find_on_listing(connection, listing.listing_id, old.pseudonym)
    change = Change(new, "imposed", listing, ground, before, after, at)
    key = tell(connection, change, _rules_of(connection, old.policy_digest))
    _note(connection, by, "imposed", new, at, key, replaces=old.measure_id)
    return get_measure(connection, new.measure_id)


def lift(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> list[Measure]:
    """Lift every measure of a decision that was wrong, and return them; those lifted before are not among them."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    standing = find_measures(connection, decision_id=decision_id, standing=True)
    return [_lift(connection, measure, by, why, at, corrects=True) for measure in reversed(standing)]


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
    return _lift(connection, measure, by, why, at, corrects=True)


def end_due(engine: Engine, now: datetime) -> list[Measure]:
    """Lift the measures whose time is over by a moment, in portions, and return them."""
    ended: list[Measure] = []
    while True:
        with writing(engine) as connection:
            due = end_some_due(connection, now)
        if not due:
            return ended
        ended += due


def end_some_due(connection: Connection, now: datetime) -> list[Measure]:
    """Lift at most a hundred measures whose time is over, in the caller's transaction, and return them."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    due = find_measures(connection, measures.c.until <= now, standing=True, at_most=_AT_ONCE)
    return [_lift(connection, one, "ipml", "its time is over", now, corrects=False) for one in due]


def restriction_of(connection: Connection, measure: Measure) -> Restriction:
    """Return a measure with what a statement of reasons must tell of it."""
    listing, ground = _find_listing(connection, measure)
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
    )


def _impose(
    connection: Connection,
    listing: Listing,
    decision: Decision | Row[Any],
    policy: EnforcementPolicy,
    choice: Choice,
    by: str,
    at: datetime,
    *,
    until: datetime | None = None,
    is_automatic: bool = False,
) -> Measure:
    pseudonym = pseudonym_of(connection, listing.seller_id, now=at)
    before = find_on_listing(connection, listing.listing_id, pseudonym)
    wanted = Measure(
        measure_id=0,
        decision_id=decision.decision_id,
        case_id=decision.case_id,
        pseudonym=pseudonym,
        kind=choice.kind,
        territories=choice.territories,
        until=until or choice.until(at),
        policy_digest=keep_policy(connection, policy, at),
        imposed_by=by,
        imposed_at=at,
        listed_at=listing.listed_at,
        sales_before=None if listing.listing_sales is None else int(listing.listing_sales),
        is_automatic=is_automatic,
    )
    new = _insert(connection, wanted, choice.why)
    change = Change(new, "imposed", listing, decision.ground, before, [*before, new], at)
    key = tell(connection, change, policy.measures)
    _note(connection, by, "imposed", new, at, key)
    return get_measure(connection, new.measure_id)


def _insert(connection: Connection, wanted: Measure, why: str) -> Measure:
    fields = {name: getattr(wanted, name) for name in Measure.__slots__ if name != "measure_id"}
    fields |= {"kind": wanted.kind.value, "territories": ",".join(wanted.territories)}
    fields["why"] = _seal(connection, wanted.pseudonym, why)
    query = insert(measures).values(fields).returning(measures.c.measure_id)
    return dataclasses.replace(wanted, measure_id=connection.scalars(query).one())


def _lift(connection: Connection, measure: Measure, by: str, why: str, at: datetime, *, corrects: bool) -> Measure:
    listing, ground = _find_listing(connection, measure)
    before = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    _end(connection, measure, by, why, at)
    after = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    change = Change(measure, "lifted", listing, ground, before, after, at)
    key = tell(connection, change, None, corrects=corrects)
    _note(connection, by, "lifted", measure, at, key)
    return get_measure(connection, measure.measure_id)


def _end(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, replaced_by: int | None = None
) -> None:
    fields = {"lifted_by": by, "lifted_at": at, "why_lifted": _seal(connection, measure.pseudonym, why)}
    fields |= {"replaced_by": replaced_by, "refused_at": None, "why_refused": None}
    connection.execute(update(measures).where(measures.c.measure_id == measure.measure_id).values(fields))


def _note(
    connection: Connection,
    by: str,
    action: str,
    measure: Measure,
    at: datetime,
    key: str | None,
    replaces: int | None = None,
) -> None:
    payload: dict[str, audit.Value] = {"case": measure.case_id, "decision": measure.decision_id, "message": key}
    if action == "imposed":
        payload |= {"kind": measure.kind.value, "territories": ",".join(measure.territories)}
        payload["until"] = None if measure.until is None else measure.until.isoformat()
        payload["policy"] = measure.policy_digest
        payload |= {"automatic": measure.is_automatic, "replaces": replaces}
    audit.append(connection, by, action, measure.subject, payload, at=at)


def _seal(connection: Connection, pseudonym: str, text: str) -> str | None:
    try:
        return seal(connection, pseudonym, text) if text else None
    except SellerErased:
        return None


def _find_listing(connection: Connection, measure: Measure) -> tuple[Listing, str]:
    """Return the listing of a measure as it was decided on, and the ground of the decision."""
    ground = connection.scalar(select(decisions.c.ground).where(decisions.c.decision_id == measure.decision_id))
    return decode_listing(find_case(connection, measure.case_id).snapshot), ground or ""


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
