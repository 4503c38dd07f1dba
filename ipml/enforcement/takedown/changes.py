"""Changes of measures: imposed by the policy or a person, replaced by a milder or harder one, lifted; and who is told.

A change is the measure's row, the messages, and the note in the trail, in the caller's transaction. Measures on one
listing are weighed together (`in_force`), whatever decision each is of. Who changes them waits for whoever else does:
all of them append to the audit trail, so its lock comes first here.

Told are the platform, which carries the change out, the rights holder, and those who bought. The platform's messages
on one listing have one subject, so that they arrive in order, and each names all that holds from then on, rather than
a step from what held before. So a message that never arrived does no harm once a later one has, and lifting one
measure cannot put back what another keeps down.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ipml.enforcement.policy import EnforcementPolicy, store_policy
from ipml.enforcement.restrictions import OWN, DecidedCase, MeasureKind, ReportSource, Restriction, read_decided
from ipml.enforcement.takedown.measures import (
    ChosenMeasure,
    Measure,
    MeasureRules,
    Telling,
    find_measures,
    find_on_listing,
    find_on_listings,
    get_measure,
    in_force,
)
from ipml.errors import Conflict, SellerErased
from ipml.kit.moments import write_moment
from ipml.records import Decision, Listing, Verdict
from ipml.review.cases import find_case
from ipml.review.reversals import stands
from ipml.review.snapshot import decode_listing
from ipml.storage import audit, outbox
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import Keyring, encrypt, pseudonym_of, read_keys
from ipml.storage.row_digests import name_rows
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import decisions, enforcement_policies, measure_messages, measures


@dataclass(frozen=True, slots=True)
class MeasureChange:
    """What changed on a listing: the measure that was imposed or lifted, and all measures on it before and after."""

    measure: Measure
    verb: str
    listing: Listing
    ground: str
    before: list[Measure]
    after: list[Measure]
    at: datetime

    @property
    def thread(self) -> str:
        """The subject of all that is told of the listing: its first measure."""
        return self.after[0].subject


def tell(
    connection: Connection, change: MeasureChange, rules: MeasureRules | None, *, corrects: bool = False
) -> str | None:
    """Put down who must be told of a change, and return the key of the message to the platform.

    Parameters
    ----------
    rules : MeasureRules or None
        Who besides the platform is told where a measure was imposed.
    corrects : bool, default=False
        Whether the measure was a mistake, so that those who were told of it are told that, too.
    """
    telling = Announcing(connection, rules, read_keys(connection, [change.measure.pseudonym]))
    key = telling.tell(change, corrects=corrects)
    telling.finish()
    return key


class Announcing:
    """Tells of changes that are made one after the other in a transaction; `finish` puts all of it down at once.

    Parameters
    ----------
    rules : MeasureRules or None
        As for `tell`.
    keys : Keyring
        Of the sellers of the listings.
    """

    def __init__(self, connection: Connection, rules: MeasureRules | None, keys: Keyring) -> None:
        self._connection, self._rules, self._keys = connection, rules, keys
        self._drafts: list[outbox.Draft] = []
        self._effects: list[dict[str, Any]] = []

    def tell(self, change: MeasureChange, *, corrects: bool = False) -> str | None:
        """Tell of one change; return the key of the platform's message, or None where the seller was erased."""
        if change.measure.pseudonym not in self._keys:
            return None  # there is nobody's listing left to act on
        key = self._tell_platform(change)
        self._tell_holder(change)
        self._tell_buyers(change)
        if corrects:
            self._correct_buyers(change)
        return key

    def finish(self) -> None:
        """Put down what was gathered."""
        if self._effects:  # first, as the trail speaks of them with the messages
            self._connection.execute(insert(measure_messages), self._effects)
        outbox.put_all(self._connection, self._drafts, self._keys)

    def _tell_platform(self, change: MeasureChange) -> str:
        holding = in_force(change.after)
        key = _make_key(change.measure, change.verb)
        body = {
            "change": change.verb,
            "measure": change.measure.subject,
            "listing_id": change.listing.listing_id,
            "seller_id": change.listing.seller_id,
            "ground": change.ground,
            "at": write_moment(change.at),
            "in_force": [_describe(measure) for measure in holding],
        }
        self._put(change, key, "platform", "measure" if holding else "reinstatement", change.thread, body)
        effects = [(measure.measure_id, effect) for measure in change.after if (effect := _effect_on(measure))]
        self._effects += [{"key": key, "measure_id": number, "effect": effect} for number, effect in effects]
        return key

    def _tell_holder(self, change: MeasureChange) -> None:
        """Tell the rights holder what became of a listing under their brand; of the end only if they know the start."""
        is_wanted = self._rules is not None and self._rules.telling_of(change.measure.kind).holder
        if not change.listing.brand or not (is_wanted or self._is_known_to_holder(change)):
            return
        holding = in_force(change.after)
        body = {
            "brand": change.listing.brand,
            "listing_id": change.listing.listing_id,
            "ground": change.ground,
            "at": write_moment(change.at),
            "in_force": [_describe(measure) for measure in holding],
        }
        key = _make_key(change.measure, f"holder-{change.verb}")
        self._put(change, key, "holder", "measure" if holding else "reinstatement", change.thread, body)

    def _is_known_to_holder(self, change: MeasureChange) -> bool:
        if len(change.after) == 1 and not change.before:
            return False  # its thread begins with it
        if any(draft.channel == "holder" and draft.subject == change.thread for draft in self._drafts):
            return True
        return outbox.has_subject(self._connection, "holder", change.thread)

    def _tell_buyers(self, change: MeasureChange) -> None:
        """Have those who bought told, later; not where nobody did, nor a second time."""
        rules = self._rules
        if rules is None:
            return
        telling = rules.telling_of(change.measure.kind)
        told_before = any(rules.telling_of(one.kind).buyers_days for one in in_force(change.before))
        if telling.buyers_days is None or told_before or change.measure.sales_before == 0:
            return
        since = change.at - timedelta(days=telling.buyers_days)
        body = _buyers_body(change, "counterfeit") | {"bought_since": write_moment(since)}
        key = _make_key(change.measure, "buyers")
        subject = f"buyers:{change.measure.measure_id}"
        self._put(change, key, "platform", "buyers", subject, body, not_before=_buyers_at(change, telling))

    def _correct_buyers(self, change: MeasureChange) -> None:
        """Take back what was to be told to buyers; where it may have been told already, have the mistake told."""
        if in_force(change.after):
            return  # something else still stands against the listing
        for measure in change.after:
            subject = f"buyers:{measure.measure_id}"
            keys = outbox.find_keys(self._connection, subject)
            if len(keys) != 1 or outbox.withdraw(self._connection, keys[0], by="ipml", now=change.at):
                continue
            body = _buyers_body(change, "not counterfeit")
            self._put(change, _make_key(measure, "buyers-corrected"), "platform", "buyers", subject, body)

    def _put(
        self,
        change: MeasureChange,
        key: str,
        channel: str,
        kind: str,
        subject: str,
        body: dict[str, Any],
        not_before: datetime | None = None,
    ) -> None:
        named = (key, channel, kind, subject)
        self._drafts.append(outbox.Draft(*named, body, change.measure.pseudonym, change.at, not_before))


def _describe(measure: Measure) -> dict[str, Any]:
    until = measure.until and write_moment(measure.until)
    territories = list(measure.territories)
    return {"measure": measure.subject, "kind": measure.kind.value, "territories": territories, "until": until}


def _effect_on(measure: Measure) -> str | None:
    """Return what is true of a measure once the platform has done all that holds now; None where it is already."""
    if measure.stands:
        return None if measure.done_at else "imposed"
    return None if measure.undone_at else "lifted"


def _buyers_at(change: MeasureChange, telling: Telling) -> datetime:
    return change.at + timedelta(hours=telling.buyers_after_hours)


def _buyers_body(change: MeasureChange, finding: str) -> dict[str, Any]:
    listing = change.listing
    body = {"listing_id": listing.listing_id, "seller_id": listing.seller_id, "finding": finding}
    return body | {"ground": change.ground, "at": write_moment(change.at)}


def _make_key(measure: Measure, what: str) -> str:
    return outbox.make_key(f"measure-{measure.measure_id}-{what}")


@dataclass(frozen=True, slots=True)
class WantedMeasure:
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
    choice: ChosenMeasure,
    by: str,
    at: datetime,
    *,
    until: datetime | None = None,
    is_automatic: bool = False,
    source: ReportSource = OWN,
) -> WantedMeasure:
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
    return WantedMeasure(measure, listing, decision.ground, choice.why)


def add_measures(
    connection: Connection, wanted: Sequence[WantedMeasure], policy: EnforcementPolicy, keys: Keyring
) -> list[Measure]:
    """Impose measures, tell whom they concern, and note them, as if it were done one after the other.

    Parameters
    ----------
    policy : EnforcementPolicy
        That must be kept (`store_policy`).
    keys : Keyring
        Of the sellers.
    """
    on_listing = find_on_listings(connection, [(one.listing.listing_id, one.measure.pseudonym) for one in wanted])
    numbers = insert_measures(connection, [(one.measure, one.why) for one in wanted], keys)
    telling = Announcing(connection, policy.measures, keys)
    imposed: list[Measure] = []
    audit_events: list[audit.AuditEvent] = []
    for one, number in zip(wanted, numbers, strict=True):
        new = dataclasses.replace(one.measure, measure_id=number)
        there = on_listing[one.listing.listing_id, new.pseudonym]
        change = MeasureChange(new, "imposed", one.listing, one.ground, list(there), [*there, new], new.imposed_at)
        key = telling.tell(change)
        there.append(new)
        imposed.append(new)
        audit_events.append(describe_change(new.imposed_by, "imposed", new, new.imposed_at, key))
    telling.finish()
    audit.append_events(connection, audit_events)
    return imposed


def insert_measures(connection: Connection, wanted: Sequence[tuple[Measure, str]], keys: Keyring) -> list[int]:
    """Keep measures, each with why it is this and no other, and return their numbers."""
    return append_rows(connection, measures, [_columns(measure, why, keys) for measure, why in wanted])


def _columns(measure: Measure, why: str, keys: Keyring) -> dict[str, Any]:
    fields = {name: getattr(measure, name) for name in Measure.__slots__ if name != "measure_id"}
    is_told = why and measure.pseudonym in keys
    encrypted = keys.encrypt(measure.pseudonym, why) if is_told else None
    return fields | {"kind": measure.kind.value, "territories": ",".join(measure.territories), "why": encrypted}


def lift_measure(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, *, corrects: bool
) -> Measure:
    """Lift a measure that stands, tell whom it concerns, and note it; with `corrects` it was a mistake."""
    listing, ground = find_listing(connection, measure)
    before = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    mark_lifted(connection, measure, by, why, at)
    after = find_on_listing(connection, listing.listing_id, measure.pseudonym)
    change = MeasureChange(measure, "lifted", listing, ground, before, after, at)
    key = tell(connection, change, None, corrects=corrects)
    note_change(connection, by, "lifted", measure, at, key)
    return get_measure(connection, measure.measure_id)


def mark_lifted(
    connection: Connection, measure: Measure, by: str, why: str, at: datetime, replaced_by: int | None = None
) -> None:
    """Keep that a measure was lifted or replaced, by whom and why."""
    fields = {"lifted_by": by, "lifted_at": at, "why_lifted": _encrypt(connection, measure.pseudonym, why)}
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
    audit.append_events(connection, [describe_change(by, action, measure, at, key, replaces)])


def describe_change(
    by: str, action: str, measure: Measure, at: datetime, key: str | None, replaces: int | None = None
) -> audit.AuditEvent:
    """Return what the trail says of a measure that was imposed or lifted."""
    payload: dict[str, audit.Value] = {"case": measure.case_id, "decision": measure.decision_id, "message": key}
    if action == "imposed":
        payload |= {"kind": measure.kind.value, "territories": ",".join(measure.territories)}
        payload["until"] = None if measure.until is None else write_moment(measure.until)
        payload["policy"] = measure.policy_digest
        payload |= {"automatic": measure.is_automatic, "replaces": replaces, "source": measure.source}
    replaced = () if replaces is None else name_rows("measure", [replaces])
    return audit.AuditEvent(at, by, action, measure.subject, payload, replaced)


def _encrypt(connection: Connection, pseudonym: str, text: str) -> str | None:
    try:
        return encrypt(connection, pseudonym, text) if text else None
    except SellerErased:
        return None


def find_listing(connection: Connection, measure: Measure) -> tuple[Listing, str]:
    """Return the listing of a measure as it was decided on, and the ground of the decision."""
    ground = connection.scalar(select(decisions.c.ground).where(decisions.c.decision_id == measure.decision_id))
    return decode_listing(find_case(connection, measure.case_id).snapshot), ground or ""


_AT_ONCE = 100


def impose(
    connection: Connection,
    case: Row[Any],
    decision: Decision,
    policy: EnforcementPolicy,
    *,
    kind: MeasureKind | None = None,
    is_automatic: bool = False,
    source: ReportSource = OWN,
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
    store_policy(connection, policy, decision.decided_at)
    decided, keys = read_decided(connection, [(case, decision)], {case.case_id: source})
    (imposed,) = impose_all(connection, decided, policy, keys, kind=kind, is_automatic=is_automatic)
    return imposed


def impose_all(
    connection: Connection,
    decided: Sequence[DecidedCase],
    policy: EnforcementPolicy,
    keys: Keyring,
    *,
    kind: MeasureKind | None = None,
    is_automatic: bool = False,
) -> list[Measure]:
    """Do what `impose` does for decisions that were made together, under a policy that is kept (`store_policy`)."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    imposed = _find_imposed(connection, decided)
    new = [one for one in decided if one.decision.decision_id not in imposed]
    wanted = [_want(one, policy, kind, is_automatic) for one in new]
    imposed |= {measure.decision_id: measure for measure in add_measures(connection, wanted, policy, keys)}
    return [imposed[one.decision.decision_id] for one in decided]


def _find_imposed(connection: Connection, decided: Sequence[DecidedCase]) -> dict[int, Measure]:
    """Return the measures that stand by some decisions already: of each the first."""
    is_theirs = measures.c.decision_id.in_([one.decision.decision_id for one in decided])
    return {measure.decision_id: measure for measure in find_measures(connection, is_theirs, standing=True)}


def _want(one: DecidedCase, policy: EnforcementPolicy, kind: MeasureKind | None, is_automatic: bool) -> WantedMeasure:
    decision, listing = one.decision, one.scored.listing
    choice = policy.measures.choose(listing, one.scored.score, decision.ground)
    if kind is not None:
        choice = ChosenMeasure(kind, f"{kind}, as the policy says where nobody reviewed")
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
    Conflict
        No decision stands that it is counterfeit.
    Conflict
        Kind and territories do not fit, or it would have ended already.
    """
    _check(kind, territories, until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    case = find_case(connection, case_id)
    query = select(decisions).where(decisions.c.case_id == case_id, stands()).order_by(decisions.c.decision_id.desc())
    row = connection.execute(query.limit(1)).first()
    if row is None or row.verdict != Verdict.COUNTERFEIT:
        raise Conflict(f"case {case_id}", "found no standing decision that it is counterfeit", "Decide it first.")
    store_policy(connection, policy, at)
    pseudonym = pseudonym_of(connection, case.seller_id, now=at)
    listing, choice = decode_listing(case.snapshot), ChosenMeasure(kind, why, territories)
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
    NotFound, Conflict
    """
    _check(kind, territories, until, at)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    old = get_measure(connection, measure_id)
    if not old.stands:
        raise Conflict(f"measure {measure_id}", f"found it {old.state}; expected one that stands", "Impose another.")
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
    change = MeasureChange(new, "imposed", listing, ground, before, after, at)
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
    NotFound, Conflict
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    measure = get_measure(connection, measure_id)
    if not measure.stands:
        raise Conflict(
            f"measure {measure_id}", f"found it {measure.state}; expected one that stands", "Impose another."
        )
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


def _source_of(connection: Connection, decision_id: int) -> ReportSource:
    """Return who pointed to the listing of a decision, as its first measure says."""
    earlier = find_measures(connection, decision_id=decision_id)
    return ReportSource(earlier[-1].source, earlier[-1].is_detected) if earlier else OWN


def _rules_of(connection: Connection, digest: str) -> MeasureRules:
    query = select(enforcement_policies.c.policy).where(enforcement_policies.c.digest == digest)
    return EnforcementPolicy.from_text(connection.scalars(query).one()).measures


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
