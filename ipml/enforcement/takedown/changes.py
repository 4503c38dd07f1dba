"""How a measure comes and goes: its row, the messages, and the note in the trail, in the caller's transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import OWN, Source
from ipml.enforcement.takedown.finding import Measure, find_on_listing, find_on_listings, get_measure
from ipml.enforcement.takedown.rules import Choice
from ipml.enforcement.takedown.telling import Announcing, Change, tell
from ipml.errors import SellerErased
from ipml.records import Decision, Listing
from ipml.review.cases import find_case
from ipml.review.snapshot import decode_listing
from ipml.storage import audit
from ipml.storage.appending import append_rows
from ipml.storage.keyrings import Keyring
from ipml.storage.pseudonyms import seal
from ipml.storage.row_digests import name_rows
from ipml.storage.tables import decisions, measures


@dataclass(frozen=True, slots=True)
class Wanted:
    """A measure that is to be imposed: what it is to be, with no number yet, on which listing, the ground, and why."""

    measure: Measure
    listing: Listing
    ground: str
    why: str


def want_measure(
    listing: Listing,
    pseudonym: str,
    decision: Decision | Row[Any],
    policy: EnforcementPolicy,
    choice: Choice,
    by: str,
    at: datetime,
    *,
    until: datetime | None = None,
    is_automatic: bool = False,
    source: Source = OWN,
) -> Wanted:
    """Return a measure that was chosen as it is to be imposed."""
    measure = Measure(
        measure_id=0,
        decision_id=decision.decision_id,
        case_id=decision.case_id,
        pseudonym=pseudonym,
        kind=choice.kind,
        territories=choice.territories,
        until=until or choice.until(at),
        policy_digest=policy.digest,
        imposed_by=by,
        imposed_at=at,
        listed_at=listing.listed_at,
        sales_before=None if listing.listing_sales is None else int(listing.listing_sales),
        is_automatic=is_automatic,
        source=source.source,
        is_detected=source.is_detected,
    )
    return Wanted(measure, listing, decision.ground, choice.why)


def add_measures(
    connection: Connection, wanted: Sequence[Wanted], policy: EnforcementPolicy, keys: Keyring
) -> list[Measure]:
    """Impose measures, tell whom they concern, and note them, as if it were done one after the other.

    Parameters
    ----------
    policy : EnforcementPolicy
        That must be kept (`keep_policy`).
    keys : Keyring
        Of the sellers.
    """
    on_listing = find_on_listings(connection, [(one.listing.listing_id, one.measure.pseudonym) for one in wanted])
    numbers = insert_measures(connection, [(one.measure, one.why) for one in wanted], keys)
    telling = Announcing(connection, policy.measures, keys)
    imposed: list[Measure] = []
    deeds: list[audit.Deed] = []
    for one, number in zip(wanted, numbers, strict=True):
        new = dataclasses.replace(one.measure, measure_id=number)
        there = on_listing[one.listing.listing_id, new.pseudonym]
        change = Change(new, "imposed", one.listing, one.ground, list(there), [*there, new], new.imposed_at)
        key = telling.tell(change)
        there.append(new)
        imposed.append(new)
        deeds.append(describe_change(new.imposed_by, "imposed", new, new.imposed_at, key))
    telling.finish()
    audit.append_deeds(connection, deeds)
    return imposed


def insert_measures(connection: Connection, wanted: Sequence[tuple[Measure, str]], keys: Keyring) -> list[int]:
    """Keep measures, each with why it is this and no other, and return their numbers."""
    return append_rows(connection, measures, [_columns(measure, why, keys) for measure, why in wanted])


def _columns(measure: Measure, why: str, keys: Keyring) -> dict[str, Any]:
    fields = {name: getattr(measure, name) for name in Measure.__slots__ if name != "measure_id"}
    is_told = why and measure.pseudonym in keys
    sealed = keys.seal(measure.pseudonym, why) if is_told else None
    return fields | {"kind": measure.kind.value, "territories": ",".join(measure.territories), "why": sealed}


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
    audit.append_deeds(connection, [describe_change(by, action, measure, at, key, replaces)])


def describe_change(
    by: str, action: str, measure: Measure, at: datetime, key: str | None, replaces: int | None = None
) -> audit.Deed:
    """Return what the trail says of a measure that was imposed or lifted."""
    payload: dict[str, audit.Value] = {"case": measure.case_id, "decision": measure.decision_id, "message": key}
    if action == "imposed":
        payload |= {"kind": measure.kind.value, "territories": ",".join(measure.territories)}
        payload["until"] = None if measure.until is None else measure.until.isoformat()
        payload["policy"] = measure.policy_digest
        payload |= {"automatic": measure.is_automatic, "replaces": replaces, "source": measure.source}
    replaced = () if replaces is None else name_rows("measure", [replaces])
    return audit.Deed(at, by, action, measure.subject, payload, replaced)


def _seal(connection: Connection, pseudonym: str, text: str) -> str | None:
    try:
        return seal(connection, pseudonym, text) if text else None
    except SellerErased:
        return None


def find_listing(connection: Connection, measure: Measure) -> tuple[Listing, str]:
    """Return the listing of a measure as it was decided on, and the ground of the decision."""
    ground = connection.scalar(select(decisions.c.ground).where(decisions.c.decision_id == measure.decision_id))
    return decode_listing(find_case(connection, measure.case_id).snapshot), ground or ""
