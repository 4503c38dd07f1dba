"""Changes: imposes, replaces and lifts measures, with messages and audit rows, in the caller's transaction.

The measures on a listing count together (`in_force`), across decisions and sellers. All changes append to the audit
trail, so its lock is taken first, and they wait for each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from ipml.enforcement.context import BY_POLICY, DecidedCase, EnforcementContext, FirstDecision, open_context
from ipml.enforcement.policy import EnforcementPolicy, find_policy
from ipml.enforcement.restrictions import OWN, MeasureKind, Restriction
from ipml.enforcement.takedown.handed_over import make_placeholder_id, read_listing, release_ended
from ipml.enforcement.takedown.measures import (
    ChosenMeasure,
    Measure,
    MeasureRules,
    find_measures,
    find_on_listing,
    find_on_listings,
    find_sources,
    get_measure,
)
from ipml.enforcement.takedown.messages import Announcing, MeasureChange, draft_corrections
from ipml.errors import Conflict
from ipml.kit.moments import write_moment
from ipml.records import Listing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase, find_case
from ipml.review.decisions import make_decision
from ipml.review.reversals import stands
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.row_digests import name_rows
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import Keyring, read_keys, read_sellers
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import decisions, measures


@dataclass(frozen=True, slots=True)
class MeasureOrder:
    """A measure ordered by a lead; `territories` are the countries for `MeasureKind.REMOVE_IN`.

    `why` is for the record and has at most 2,000 characters.
    """

    kind: MeasureKind
    why: str
    territories: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WantedMeasure:
    """A measure to be imposed, with its decision and reason; it has no number yet."""

    decided: DecidedCase
    measure: Measure
    why: str


def want_measure(one: DecidedCase, policy: EnforcementPolicy, choice: ChosenMeasure) -> WantedMeasure:
    """Return a chosen measure as it is to be imposed with the decision."""
    sales, at = one.listing.listing_sales, one.decision.decided_at
    measure = Measure(
        measure_id=0,
        decision_id=one.decision.decision_id,
        case_id=one.case.case_id,
        pseudonym=one.pseudonym,
        kind=choice.kind,
        territories=choice.territories,
        until=choice.until(at),
        policy_digest=policy.digest,
        imposed_by=one.decision.reviewer,
        imposed_at=at,
        listed_at=one.listing.listed_at,
        sales_before=None if sales is None else int(sales),
        is_automatic=one.origin == BY_POLICY,
        source=one.source.source,
        is_detected=one.source.is_detected,
    )
    return WantedMeasure(one, measure, choice.why)


def _add_measures(
    context: EnforcementContext, wanted: Sequence[WantedMeasure], before: Mapping[str, Sequence[Measure]]
) -> list[Measure]:
    """Impose measures as if one after the other; `before` holds all there ever were on each listing."""
    numbers = insert_measures(context.connection, [(draft.measure, draft.why) for draft in wanted], context.keys)
    telling = Announcing(context.connection, context.policy.measures, context.keys)
    on_listing = {place: list(there) for place, there in before.items()}
    imposed: list[Measure] = []
    audit_events: list[audit.AuditEvent] = []
    for draft, number in zip(wanted, numbers, strict=True):
        new, listing = dataclasses.replace(draft.measure, measure_id=number), draft.decided.listing
        there = on_listing.setdefault(listing.listing_id, [])
        ground = draft.decided.decision.ground
        change = MeasureChange(new, "imposed", listing, ground, list(there), [*there, new], new.imposed_at)
        audit_events.append(describe_change(change, new.imposed_by, telling.tell(change)))
        there.append(new)
        imposed.append(new)
    telling.store_effects()
    context.drafts.extend(telling.drafts)
    audit.append_events(context.batch, audit_events)
    return imposed


def insert_measures(connection: Connection, wanted: Sequence[tuple[Measure, str]], keys: Keyring) -> list[int]:
    """Store measures with their reasons, and return their numbers."""
    return append_rows(connection, measures, [_columns(measure, why, keys) for measure, why in wanted])


def _columns(measure: Measure, why: str, keys: Keyring) -> dict[str, Any]:
    fields = {name: getattr(measure, name) for name in Measure.__slots__ if name != "measure_id"}
    is_told = why and measure.pseudonym in keys
    encrypted = keys.encrypt(measure.pseudonym, why) if is_told else None
    return fields | {"kind": measure.kind.value, "territories": ",".join(measure.territories), "why": encrypted}


def lift_measure(connection: Connection, measure: Measure, by: str, why: str, at: datetime) -> MeasureChange:
    """Lift a measure in force, with messages and audit row."""
    listing, ground = _find_listing(connection, measure)
    before = find_on_listing(connection, listing.listing_id)
    lifted = _mark_lifted(connection, measure, by, why, at)
    after = _put_in_place(lifted, before)
    change = MeasureChange(lifted, "lifted", listing, ground, before, after, at)
    _tell_and_note(connection, change, by, None)
    release_ended(connection, measure.case_id, by, at)
    return change


def _mark_lifted(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, replaced_by: int | None = None
) -> Measure:
    fields: dict[str, Any] = {"lifted_by": by, "lifted_at": at, "replaced_by": replaced_by, "refused_at": None}
    encrypted = outbox.encrypt_if_told(connection, measure.pseudonym, why) if why else None
    change = update(measures).where(measures.c.measure_id == measure.measure_id)
    connection.execute(change.values(**fields, why_lifted=encrypted, why_refused=None))
    return dataclasses.replace(measure, **fields)


def _put_in_place(changed: Measure, on_listing: Sequence[Measure]) -> list[Measure]:
    return [changed if other.measure_id == changed.measure_id else other for other in on_listing]


def _tell_and_note(
    connection: Connection,
    change: MeasureChange,
    by: str,
    rules: MeasureRules | None,
    *,
    replaces: int | None = None,
) -> None:
    """Send the messages about a change, and note the key of the platform's message in the audit trail."""
    keys = read_keys(connection, [change.measure.pseudonym])
    change_told, seller_id = change, change.listing.seller_id
    is_held = change.listing.listing_id != make_placeholder_id(change.measure.case_id)
    if change.measure.pseudonym not in keys and is_held:  # the seller was erased, and another sells the listing now
        names, keys = read_sellers(connection, [seller_id], now=change.at)
        change_told = dataclasses.replace(
            change, measure=dataclasses.replace(change.measure, pseudonym=names[seller_id])
        )
    telling = Announcing(connection, rules, keys)
    key = telling.tell(change_told)
    telling.store_effects()
    outbox.put_all(connection, telling.drafts, keys)
    audit.append_events(connection, [describe_change(change, by, key, replaces)])


def describe_change(change: MeasureChange, by: str, key: str | None, replaces: int | None = None) -> audit.AuditEvent:
    """Return the audit event of a measure imposed or lifted."""
    measure = change.measure
    payload: dict[str, audit.Value] = {"case": measure.case_id, "decision": measure.decision_id, "message": key}
    if change.verb == "imposed":
        payload |= {"kind": measure.kind.value, "territories": ",".join(measure.territories)}
        payload["until"] = None if measure.until is None else write_moment(measure.until)
        payload["policy"] = measure.policy_digest
        payload |= {"automatic": measure.is_automatic, "replaces": replaces, "source": measure.source}
    replaced = () if replaces is None else name_rows("measure", [replaces])
    return audit.AuditEvent(change.at, by, change.verb, measure.subject, payload, replaced)


def _find_listing(connection: Connection, measure: Measure) -> tuple[Listing, str]:
    """Return the listing of a measure, like `read_listing`, and the ground of its decision."""
    ground = connection.scalar(select(decisions.c.ground).where(decisions.c.decision_id == measure.decision_id))
    return read_listing(connection, measure.case_id, measure.decision_id), ground or ""


def impose(
    context: EnforcementContext, decided: Sequence[DecidedCase], firsts: Sequence[FirstDecision]
) -> list[Measure]:
    """Impose the policy's measures for new decisions "counterfeit".

    A listing already taken down by another decision returns only when both are lifted.
    """
    decided_again = [
        case.listing.listing_id for case, first in zip(decided, firsts, strict=True) if not first.is_itself
    ]
    drafts = [_choose(case, context.policy) for case in decided]
    return _add_measures(context, drafts, find_on_listings(context.connection, decided_again))


def _choose(case: DecidedCase, policy: EnforcementPolicy) -> WantedMeasure:
    choice = policy.measures.choose(case.listing, case.scored.score, case.decision.ground)
    if case.origin == BY_POLICY and (kind := policy.automatic.measure):
        choice = ChosenMeasure(kind, f"{kind}, as the policy says where nobody reviewed")
    return want_measure(case, policy, choice)


def impose_by_hand(
    connection: Connection,
    case_id: int,
    order: MeasureOrder,
    by: str,
    at: datetime,
    policy: EnforcementPolicy,
) -> Measure:
    """Impose a person's further measure on a listing decided counterfeit.

    Raises Conflict if no decision in force says counterfeit; Conflict if kind and territories do not fit, the end has
    passed, or the listing was erased.
    """
    _check(order.kind, order.territories, order.until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    case = find_case(connection, case_id)
    _refuse_erased(case)
    query = select(decisions).where(decisions.c.case_id == case_id, stands()).order_by(decisions.c.decision_id.desc())
    row = connection.execute(query.limit(1)).first()
    if row is None or row.verdict != Verdict.COUNTERFEIT:
        raise Conflict(f"case {case_id}", "found no standing decision that it is counterfeit", "Decide it first.")
    names, keys = read_sellers(connection, [case.seller_id], now=at)
    pseudonym, scored = names[case.seller_id], decode(case.snapshot)
    choice = ChosenMeasure(order.kind, order.why, order.territories)
    source = find_sources(connection, [row.decision_id]).get(row.decision_id, OWN)
    decided = DecidedCase(case, make_decision(row), row.origin, scored, pseudonym, source)
    draft = want_measure(decided, policy, choice)
    by_hand = dataclasses.replace(draft.measure, imposed_by=by, imposed_at=at, until=order.until, is_automatic=False)
    draft = dataclasses.replace(draft, measure=by_hand)
    with audit.collect(connection) as batch, open_context(batch, policy, keys, at) as context:
        return _add_measures(context, [draft], find_on_listings(connection, [decided.listing.listing_id]))[0]


def replace(connection: Connection, measure_id: int, order: MeasureOrder, by: str, at: datetime) -> Measure:
    """Replace a measure in force by a milder or harder one, and return the new one. Raises NotFound or Conflict."""
    _check(order.kind, order.territories, order.until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    old = _get_standing(connection, measure_id)
    _refuse_erased(find_case(connection, old.case_id))
    listing, ground = _find_listing(connection, old)
    before = find_on_listing(connection, listing.listing_id)
    draft = dataclasses.replace(
        old,
        kind=order.kind,
        territories=order.territories,
        until=order.until,
        imposed_by=by,
        imposed_at=at,
        is_automatic=False,
        done_at=None,
        refused_at=None,
    )
    (number,) = insert_measures(connection, [(draft, order.why)], read_keys(connection, [old.pseudonym]))
    new = dataclasses.replace(draft, measure_id=number)
    after = [*_put_in_place(_mark_lifted(connection, old, by, order.why, at, replaced_by=number), before), new]
    change = MeasureChange(new, "imposed", listing, ground, before, after, at)
    rules = find_policy(connection, old.policy_digest).measures
    _tell_and_note(connection, change, by, rules, replaces=old.measure_id)
    return new


def lift(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> list[MeasureChange]:
    """Lift every measure in force of a reversed decision, and have buyers notified; return the lifted measures."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    imposed = find_measures(connection, decision_id=decision_id)
    lifted = [lift_measure(connection, measure, by, why, at) for measure in reversed(imposed) if measure.stands]
    if imposed:
        _correct_buyers(connection, imposed[0], at)
    return lifted


def _correct_buyers(connection: Connection, measure: Measure, at: datetime) -> None:
    """Have buyers notified of the error unless another finding against the seller's goods is in force."""
    keys = read_keys(connection, [measure.pseudonym])
    if measure.pseudonym not in keys:
        return  # goods of an erased seller cannot be named
    listing, ground = _find_listing(connection, measure)
    on_listing = find_on_listing(connection, listing.listing_id)
    of_seller = [other for other in on_listing if other.pseudonym == measure.pseudonym]
    is_standing = decisions.c.decision_id.in_({other.decision_id for other in of_seller}), stands()
    if connection.scalar(select(decisions.c.decision_id).where(*is_standing).limit(1)) is None:
        outbox.put_all(connection, draft_corrections(connection, of_seller, listing, ground, at), keys)


def lift_one(connection: Connection, measure_id: int, by: str, why: str, at: datetime) -> MeasureChange:
    """Lift one measure; the decision stays. Raises NotFound or Conflict."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    return lift_measure(connection, _get_standing(connection, measure_id), by, why, at)


def _get_standing(connection: Connection, measure_id: int) -> Measure:
    measure = get_measure(connection, measure_id)
    if not measure.stands:
        raise Conflict(
            f"measure {measure_id}", f"found it {measure.state}; expected one that stands", "Impose another."
        )
    return measure


def _refuse_erased(case: StoredCase) -> None:
    """Refuse a new measure on an erased listing: its reasons cannot be stated."""
    if case.erased_at is not None:
        remedy = "A measure that stands can be lifted."
        raise Conflict(f"case {case.case_id}", "found its listing erased; expected one that can be stated", remedy)


def find_due(connection: Connection, now: datetime) -> Sequence[int]:
    """Return the numbers of the measures past their end, ordered by end."""
    due = select(measures.c.measure_id).where(*_is_over(now)).order_by(measures.c.until, measures.c.measure_id)
    return connection.scalars(due).all()


def end_due(connection: Connection, numbers: Sequence[int], now: datetime) -> list[MeasureChange]:
    """Lift those of some measures that are past their end, in the caller's transaction."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    due = find_measures(connection, measures.c.measure_id.in_(numbers), *_is_over(now))
    return [lift_measure(connection, measure, "ipml", "its time is over", now) for measure in due]


def _is_over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    # All three conditions, to use the index of measures with an end.
    return measures.c.until.is_not(None), measures.c.until <= now, measures.c.lifted_at.is_(None)


def restriction_of(connection: Connection, measure: Measure) -> Restriction:
    """Return a measure with the facts that its statement of reasons must contain."""
    return measure.restrict(*_find_listing(connection, measure))


def _check(kind: MeasureKind, territories: tuple[str, ...], until: datetime | None, at: datetime) -> None:
    if (kind is MeasureKind.REMOVE_IN) != bool(territories):
        raise Conflict(
            "measure",
            f"found {kind} with {len(territories)} countries; expected countries with remove-in and with nothing else",
        )
    if not all(len(name) == 2 and name.isascii() and name.isupper() for name in territories):
        raise Conflict(
            "measure", f"found countries {', '.join(territories)[:80]!r}; expected codes of two letters, such as DE"
        )
    if until is not None and until <= at:
        raise Conflict("measure", f"found an end at {until:%Y-%m-%d %H:%M}; expected one that is yet to come")
