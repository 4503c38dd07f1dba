"""Messages: notifies platform, rights holder and buyers of changes of measures.

Messages to the platform about one listing share a subject, so they arrive in order, and each lists all measures in
force. So a later message makes up for a lost one, and lifting one measure cannot undo another. Buyers are notified of
the finding, not of measures: once for a seller's goods in a listing, and of the error when no finding is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, union

from ipml.enforcement.restrictions import Restriction
from ipml.enforcement.takedown.measures import Measure, MeasureRules, in_force
from ipml.kit.moments import write_moment
from ipml.records import Listing
from ipml.storage import outbox
from ipml.storage.pseudonyms import Keyring
from ipml.storage.row_numbers import insert_rows
from ipml.storage.tables import measure_messages
from ipml.storage.tables import outbox as outbox_table

_BUYERS = "buyers:"


@dataclass(frozen=True, slots=True)
class MeasureChange:
    """A measure imposed or lifted, and all measures on the listing before and after."""

    measure: Measure
    verb: str
    listing: Listing
    ground: str
    before: list[Measure]
    after: list[Measure]
    at: datetime

    @property
    def restriction(self) -> Restriction:
        """The measure as a restriction, for its statement of reasons."""
        return self.measure.restrict(self.listing, self.ground)


class Announcing:
    """Writer of messages about successive changes in a transaction; `drafts` are to be stored last.

    `rules` choose further recipients for imposed measures; None for lifted ones.
    """

    def __init__(self, connection: Connection, rules: MeasureRules | None, keys: Keyring) -> None:
        self._connection, self._rules, self._keys = connection, rules, keys
        self.drafts: list[outbox.Draft] = []
        self._effects: list[dict[str, Any]] = []
        self._pasts: dict[str, tuple[str | None, Counter[str]]] = {}

    def tell(self, change: MeasureChange) -> str | None:
        """Draft the messages about a change; return the key of the platform's, or None if the seller was erased."""
        if change.measure.pseudonym not in self._keys:
            return None  # the listing no longer exists under this seller
        key = self._tell_platform(change)
        self._tell_holder(change)
        self._tell_buyers(change)
        return key

    def store_effects(self) -> None:
        """Store the effects of the platform's messages, before these: the audit trail covers both."""
        insert_rows(self._connection, measure_messages, self._effects)

    def _find_past(self, change: MeasureChange) -> tuple[str | None, Counter[str]]:
        listing_id = change.listing.listing_id
        if listing_id not in self._pasts:
            self._pasts[listing_id] = _read_past(self._connection, change.before)
        return self._pasts[listing_id]

    def _find_thread(self, change: MeasureChange) -> str:
        """Return the subject for all messages about a listing: its first measure, even if that version was erased."""
        return self._find_past(change)[0] or change.after[0].subject

    def _tell_platform(self, change: MeasureChange) -> str:
        key = _make_key(change.measure, change.verb)
        body = {
            "change": change.verb,
            "measure": change.measure.subject,
            "listing_id": change.listing.listing_id,
            "seller_id": change.listing.seller_id,
            "ground": change.ground,
            "at": write_moment(change.at),
        }
        self._draft(change, key, "platform", body)
        effects = [(measure.measure_id, effect) for measure in change.after if (effect := _effect_on(measure))]
        self._effects += [{"key": key, "measure_id": number, "effect": effect} for number, effect in effects]
        return key

    def _tell_holder(self, change: MeasureChange) -> None:
        """Draft a message to the rights holder of the brand; of an end only if they know the beginning."""
        is_wanted = self._rules is not None and self._rules.find_notification_rule(change.measure.kind).holder
        if not change.listing.brand or not (is_wanted or self._is_known_to_holder(change)):
            return
        body = {
            "brand": change.listing.brand,
            "listing_id": change.listing.listing_id,
            "ground": change.ground,
            "at": write_moment(change.at),
        }
        self._draft(change, _make_key(change.measure, f"holder-{change.verb}"), "holder", body)

    def _is_known_to_holder(self, change: MeasureChange) -> bool:
        if len(change.after) == 1 and not change.before:
            return False  # its thread begins with it
        if any(draft.channel == "holder" and draft.subject == self._find_thread(change) for draft in self.drafts):
            return True
        return outbox.has_subject(self._connection, "holder", self._find_thread(change))

    def _tell_buyers(self, change: MeasureChange) -> None:
        """Draft a delayed message to buyers unless nothing was sold or they were notified about this seller before."""
        if self._rules is None:
            return
        rule = self._rules.find_notification_rule(change.measure.kind)
        if rule.buyers_days is None or change.measure.sales_before == 0 or self._are_buyers_told(change):
            return
        since = change.at - timedelta(days=rule.buyers_days)
        body = _buyers_body(change.listing, "counterfeit", change.ground, change.at)
        body["bought_since"] = write_moment(since)
        key, subject = _make_key(change.measure, "buyers"), _buyers_subject(change.measure)
        not_before = change.at + timedelta(hours=rule.buyers_after_hours)
        draft = outbox.Draft(key, "platform", "buyers", subject, body, change.measure.pseudonym, change.at, not_before)
        self.drafts.append(draft)

    def _are_buyers_told(self, change: MeasureChange) -> bool:
        """Return whether an uncorrected message to buyers of this seller is on record."""
        earlier = [measure for measure in change.before if measure.pseudonym == change.measure.pseudonym]
        subjects = {_buyers_subject(measure) for measure in earlier}
        n_sent = self._find_past(change)[1]
        return any(draft.subject in subjects for draft in self.drafts) or any(n_sent[name] == 1 for name in subjects)

    def _draft(self, change: MeasureChange, key: str, channel: str, body: dict[str, Any]) -> None:
        """Draft a message that names the measures in force on the listing."""
        holding = in_force(change.after)
        kind = "measure" if holding else "reinstatement"
        body["in_force"] = [_describe(measure) for measure in holding]
        thread = self._find_thread(change)
        self.drafts.append(outbox.Draft(key, channel, kind, thread, body, change.measure.pseudonym, change.at))


def draft_corrections(
    connection: Connection, on_listing: Sequence[Measure], listing: Listing, ground: str, at: datetime
) -> list[outbox.Draft]:
    """Withdraw waiting messages to a seller's buyers, and draft corrections of those that may have arrived.

    `on_listing` holds all measures on the listing under this seller.
    """
    body, informed = _buyers_body(listing, "not counterfeit", ground, at), _find_told(connection, on_listing)
    may_have_arrived = outbox.withdraw(connection, [key for _, key in informed], by="ipml", now=at)
    return [
        outbox.Draft(
            *(_make_key(measure, "buyers-corrected"), "platform", "buyers", _buyers_subject(measure)),
            *(body, measure.pseudonym, at),
        )
        for measure, key in informed
        if key in may_have_arrived
    ]


def _read_past(connection: Connection, before: Sequence[Measure]) -> tuple[str | None, Counter[str]]:
    """Return the subject of earlier messages to the platform about a listing, and the count of messages to buyers."""
    if not before:
        return None, Counter()
    sent = select(outbox_table.c.message_id, outbox_table.c.subject)
    of_measure = measure_messages.c.measure_id.in_([measure.measure_id for measure in before])
    to_platform = sent.join(measure_messages, measure_messages.c.key == outbox_table.c.key).where(of_measure)
    named = outbox_table.c.subject.in_([_buyers_subject(measure) for measure in before])
    both = union(to_platform, sent.where(named, outbox_table.c.dropped_at.is_(None)))
    subjects = [row.subject for row in connection.execute(both.order_by("message_id"))]
    threads = [subject for subject in subjects if not subject.startswith(_BUYERS)]
    return (threads[-1] if threads else None), Counter(subjects)


def _find_told(connection: Connection, some: Sequence[Measure]) -> list[tuple[Measure, str]]:
    """Return the measures with an uncorrected message to buyers, each with the key of the message."""
    keys = outbox.find_all_keys(connection, [_buyers_subject(measure) for measure in some])
    return [(measure, sent[0]) for measure in some if len(sent := keys[_buyers_subject(measure)]) == 1]


def _buyers_subject(measure: Measure) -> str:
    return f"{_BUYERS}{measure.measure_id}"


def _describe(measure: Measure) -> dict[str, Any]:
    until = measure.until and write_moment(measure.until)
    territories = list(measure.territories)
    return {"measure": measure.subject, "kind": measure.kind.value, "territories": territories, "until": until}


def _effect_on(measure: Measure) -> str | None:
    """Return the effect on a measure once the platform has applied all in force; None if it has already."""
    if measure.stands:
        return None if measure.done_at else "imposed"
    return None if measure.undone_at else "lifted"


def _buyers_body(listing: Listing, finding: str, ground: str, at: datetime) -> dict[str, Any]:
    body = {"listing_id": listing.listing_id, "seller_id": listing.seller_id, "finding": finding}
    return body | {"ground": ground, "at": write_moment(at)}


def _make_key(measure: Measure, what: str) -> str:
    return outbox.make_key(f"measure-{measure.measure_id}-{what}")
