"""How a measure comes and goes: its row, the messages, and the note in the trail, in the caller's transaction."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ipml.enforcement.policy import EnforcementPolicy, keep_policy
from ipml.enforcement.restrictions import OWN, Source
from ipml.enforcement.takedown.finding import Measure, find_on_listing, get_measure
from ipml.enforcement.takedown.rules import Choice
from ipml.enforcement.takedown.telling import Change, tell
from ipml.errors import SellerErased
from ipml.records import Decision, Listing
from ipml.review.cases import find_case
from ipml.review.snapshot import decode_listing
from ipml.storage import audit
from ipml.storage.pseudonyms import pseudonym_of, seal
from ipml.storage.tables import decisions, measures


def add_measure(
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
    source: Source = OWN,
) -> Measure:
    """Impose a measure that was chosen, tell whom it concerns, and note it."""
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
        source=source.source,
        is_detected=source.is_detected,
    )
    new = insert_measure(connection, wanted, choice.why)
    change = Change(new, "imposed", listing, decision.ground, before, [*before, new], at)
    key = tell(connection, change, policy.measures)
    note_change(connection, by, "imposed", new, at, key)
    return get_measure(connection, new.measure_id)


def insert_measure(connection: Connection, wanted: Measure, why: str) -> Measure:
    """Keep a measure, and return it with its number."""
    fields = {name: getattr(wanted, name) for name in Measure.__slots__ if name != "measure_id"}
    fields |= {"kind": wanted.kind.value, "territories": ",".join(wanted.territories)}
    fields["why"] = _seal(connection, wanted.pseudonym, why)
    query = insert(measures).values(fields).returning(measures.c.measure_id)
    return dataclasses.replace(wanted, measure_id=connection.scalars(query).one())


def lift_measure(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, *, corrects: bool
) -> Measure:
    """Lift a measure that stands, tell whom it concerns, and note it; with `corrects` it was a mistake."""
    listing, ground = find_listing(connection, measure)
    before = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    mark_lifted(connection, measure, by, why, at)
    after = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    change = Change(measure, "lifted", listing, ground, before, after, at)
    key = tell(connection, change, None, corrects=corrects)
    note_change(connection, by, "lifted", measure, at, key)
    return get_measure(connection, measure.measure_id)


def mark_lifted(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, replaced_by: int | None = None
) -> None:
    """Keep that a measure was lifted or replaced, by whom and why."""
    fields = {"lifted_by": by, "lifted_at": at, "why_lifted": _seal(connection, measure.pseudonym, why)}
    fields |= {"replaced_by": replaced_by, "refused_at": None, "why_refused": None}
    connection.execute(update(measures).where(measures.c.measure_id == measure.measure_id).values(fields))


def note_change(
    connection: Connection,
    by: str,
    action: str,
    measure: Measure,
    at: datetime,
    key: str | None,
    replaces: int | None = None,
) -> None:
    """Note in the trail that a measure was imposed or lifted, and under which key the platform was told."""
    payload: dict[str, audit.Value] = {"case": measure.case_id, "decision": measure.decision_id, "message": key}
    if action == "imposed":
        payload |= {"kind": measure.kind.value, "territories": ",".join(measure.territories)}
        payload["until"] = None if measure.until is None else measure.until.isoformat()
        payload["policy"] = measure.policy_digest
        payload |= {"automatic": measure.is_automatic, "replaces": replaces, "source": measure.source}
    audit.append(connection, by, action, measure.subject, payload, at=at)


def _seal(connection: Connection, pseudonym: str, text: str) -> str | None:
    try:
        return seal(connection, pseudonym, text) if text else None
    except SellerErased:
        return None


def find_listing(connection: Connection, measure: Measure) -> tuple[Listing, str]:
    """Return the listing of a measure as it was decided on, and the ground of the decision."""
    ground = connection.scalar(select(decisions.c.ground).where(decisions.c.decision_id == measure.decision_id))
    return decode_listing(find_case(connection, measure.case_id).snapshot), ground or ""
