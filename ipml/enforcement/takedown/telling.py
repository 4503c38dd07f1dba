"""Who is told of a change: the platform, which carries it out, the rights holder, and those who bought.

The platform's messages on one listing have one subject, so that they arrive in order, and each names all that holds
from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ipml.enforcement.takedown.finding import Measure, in_force
from ipml.enforcement.takedown.in_force import covers
from ipml.enforcement.takedown.rules import MeasureRules, Telling
from ipml.errors import SellerErased
from ipml.records import Listing
from ipml.storage import outbox
from ipml.storage.tables import measure_messages, measures


@dataclass(frozen=True, slots=True)
class Change:
    """What changed on a listing: the measure that was imposed or lifted, and all measures on it before and after."""

    measure: Measure
    verb: str
    listing: Listing
    ground: str
    before: list[Measure]
    after: list[Measure]
    at: datetime

    @property
    def is_felt(self) -> bool:
        """Whether something else holds for the listing than before."""
        return {one.hold for one in in_force(self.before)} != {one.hold for one in in_force(self.after)}

    @property
    def thread(self) -> str:
        """The subject of all that is told of the listing: its first measure."""
        return self.after[0].subject


def tell(connection: Connection, change: Change, rules: MeasureRules | None, *, corrects: bool = False) -> str | None:
    """Put down who must be told of a change, and return the key of the message to the platform, if one was needed.

    Parameters
    ----------
    rules : MeasureRules or None
        Who besides the platform is told where a measure was imposed.
    corrects : bool, default=False
        Whether the measure was a mistake, so that those who were told of it are told that, too.
    """
    try:
        if not change.is_felt:
            _rely_on_another(connection, change)
            return None
        key = _tell_platform(connection, change)
        _tell_holder(connection, change, rules)
        if rules is not None:
            _tell_buyers(connection, change, rules)
        if corrects:
            _correct_buyers(connection, change)
    except SellerErased:
        return None  # there is nobody's listing left to act on
    return key


def _tell_platform(connection: Connection, change: Change) -> str:
    holding = in_force(change.after)
    key = _make_key(change.measure, change.verb)
    body = {
        "change": change.verb,
        "measure": change.measure.subject,
        "listing_id": change.listing.listing_id,
        "seller_id": change.listing.seller_id,
        "ground": change.ground,
        "at": change.at.isoformat(),
        "in_force": [_describe(measure) for measure in holding],
    }
    _put(connection, change, key, "platform", "measure" if holding else "reinstatement", change.thread, body)
    effects = [(measure.measure_id, effect) for measure in change.after if (effect := _effect_on(measure))]
    rows = [{"key": key, "measure_id": number, "effect": effect} for number, effect in effects]
    connection.execute(insert(measure_messages), rows)
    return key


def _describe(measure: Measure) -> dict[str, Any]:
    until = measure.until and measure.until.isoformat()
    territories = list(measure.territories)
    return {"measure": measure.subject, "kind": measure.kind.value, "territories": territories, "until": until}


def _effect_on(measure: Measure) -> str | None:
    """Return what is true of a measure once the platform has done all that holds now; None where it is already."""
    if measure.stands:
        return None if measure.done_at else "imposed"
    return None if measure.undone_at else "lifted"


def _rely_on_another(connection: Connection, change: Change) -> None:
    """Let a measure that changes nothing be done as soon as the one is that says the same."""
    if change.verb != "imposed":
        return
    other = next((one for one in in_force(change.before) if covers(one.hold, change.measure.hold)), None)
    if other is None:
        return
    if other.done_at:
        numbered = measures.c.measure_id == change.measure.measure_id
        connection.execute(update(measures).where(numbered).values(done_at=change.at))
        return
    query = select(measure_messages.c.key).where(
        measure_messages.c.measure_id == other.measure_id, measure_messages.c.effect == "imposed"
    )
    for key in connection.scalars(query).all():
        row = {"key": key, "measure_id": change.measure.measure_id, "effect": "imposed"}
        connection.execute(insert(measure_messages).values(row))


def _tell_holder(connection: Connection, change: Change, rules: MeasureRules | None) -> None:
    """Tell the rights holder what became of a listing under their brand; of the end only where they know the start."""
    is_wanted = rules is not None and rules.telling_of(change.measure.kind).holder
    if not change.listing.brand or not (is_wanted or outbox.has_subject(connection, "holder", change.thread)):
        return
    holding = in_force(change.after)
    body = {
        "brand": change.listing.brand,
        "listing_id": change.listing.listing_id,
        "ground": change.ground,
        "at": change.at.isoformat(),
        "in_force": [_describe(measure) for measure in holding],
    }
    key = _make_key(change.measure, f"holder-{change.verb}")
    _put(connection, change, key, "holder", "measure" if holding else "reinstatement", change.thread, body)


def _tell_buyers(connection: Connection, change: Change, rules: MeasureRules) -> None:
    """Have those who bought told, later; not where nobody did, nor a second time."""
    telling = rules.telling_of(change.measure.kind)
    told_before = any(rules.telling_of(one.kind).buyers_days for one in in_force(change.before))
    if telling.buyers_days is None or told_before or change.measure.sales_before == 0:
        return
    since = change.at - timedelta(days=telling.buyers_days)
    body = _buyers_body(change, "counterfeit") | {"bought_since": since.isoformat()}
    key = _make_key(change.measure, "buyers")
    subject = f"buyers:{change.measure.measure_id}"
    _put(connection, change, key, "platform", "buyers", subject, body, not_before=_buyers_at(change, telling))


def _buyers_at(change: Change, telling: Telling) -> datetime:
    return change.at + timedelta(hours=telling.buyers_after_hours)


def _correct_buyers(connection: Connection, change: Change) -> None:
    """Take back what was to be told to buyers; where it may have been told already, have the mistake told."""
    if in_force(change.after):
        return  # something else still stands against the listing
    for measure in change.after:
        subject = f"buyers:{measure.measure_id}"
        keys = outbox.find_keys(connection, subject)
        if len(keys) != 1 or outbox.withdraw(connection, keys[0], by="ipml", now=change.at):
            continue
        body = _buyers_body(change, "not counterfeit")
        _put(connection, change, _make_key(measure, "buyers-corrected"), "platform", "buyers", subject, body)


def _buyers_body(change: Change, finding: str) -> dict[str, Any]:
    listing = change.listing
    body = {"listing_id": listing.listing_id, "seller_id": listing.seller_id, "finding": finding}
    return body | {"ground": change.ground, "at": change.at.isoformat()}


def _put(
    connection: Connection,
    change: Change,
    key: str,
    channel: str,
    kind: str,
    subject: str,
    body: dict[str, Any],
    not_before: datetime | None = None,
) -> None:
    outbox.put(
        connection,
        key=key,
        channel=channel,
        kind=kind,
        subject=subject,
        body=body,
        pseudonym=change.measure.pseudonym,
        now=change.at,
        not_before=not_before,
    )


def _make_key(measure: Measure, what: str) -> str:
    return outbox.make_key(f"measure-{measure.measure_id}-{what}")
