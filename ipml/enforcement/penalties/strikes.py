"""Strikes: counted, taken back, described, and as seller history: what a score at some moment may know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from ipml.enforcement.penalties.ladder import TakenBack, find_penalties, lift_uncarried
from ipml.enforcement.penalties.penalties import encrypt_words, list_told
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.standing import (
    Offence,
    SellerStanding,
    Strike,
    find_offences,
    find_standing,
    find_strikes,
    make_strike,
    select_strikes,
    to_two_digits,
)
from ipml.enforcement.policy import EnforcementPolicy, store_policy
from ipml.enforcement.restrictions import DecidedCase, read_decided
from ipml.records import Decision, Listing
from ipml.review.ranking.policy import fold_name, read_worth
from ipml.review.snapshot import decode, decode_listing
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import find_pseudonym, find_seller
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import decisions, strikes, strikes_taken_back


def add_strike(connection: Connection, case: Row[Any], decision: Decision, policy: EnforcementPolicy) -> Strike:
    """Count a strike for a decision that a listing is counterfeit; one that came before gives the earlier."""
    store_policy(connection, policy, decision.decided_at)
    decided, _ = read_decided(connection, [(case, decision)])
    (strike,) = add_strikes(connection, decided, policy)
    return strike


def add_strikes(connection: Connection, decided: Sequence[DecidedCase], policy: EnforcementPolicy) -> list[Strike]:
    """Do what `add_strike` does for decisions that were made together, under a policy that is kept (`store_policy`)."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    is_theirs = strikes.c.decision_id.in_([one.decision.decision_id for one in decided])
    struck = {row.decision_id: make_strike(row) for row in connection.execute(select_strikes().where(is_theirs))}
    new = [one for one in decided if one.decision.decision_id not in struck]
    rows = [
        facts | {"pseudonym": one.pseudonym, "policy_digest": policy.digest}
        for one, facts in zip(new, describe_all(connection, new, policy), strict=True)
    ]
    made = [Strike(number, **row) for number, row in zip(append_rows(connection, strikes, rows), rows, strict=True)]
    audit_events = [audit.AuditEvent(one.struck_at, "ipml", "struck", _subject(one), _payload(one)) for one in made]
    audit.append_events(connection, audit_events)
    struck |= {strike.decision_id: strike for strike in made}
    return [struck[one.decision.decision_id] for one in decided]


def take_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> TakenBack:
    """Take the strike of a decision back, end the penalties that the others do not carry, and impose what they do.

    Nothing happens where the decision led to no strike, or it was taken back before.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    strike = find_strike(connection, decision_id)
    if strike is None or strike.taken_back_at is not None:
        return TakenBack()
    words = encrypt_words(connection, strike.pseudonym, why)
    connection.execute(insert(strikes_taken_back).values(strike_id=strike.strike_id, by=by, at=at, why=words))
    taken = lift_uncarried(connection, strike, by, why, at)
    audit.append(connection, by, "strike taken back", _subject(strike), _payload(strike), at=at)
    return taken


def find_strike(connection: Connection, decision_id: int) -> Strike | None:
    """Return the strike of a decision, or None."""
    row = connection.execute(select_strikes().where(strikes.c.decision_id == decision_id)).first()
    return None if row is None else make_strike(row)


def list_strikes(connection: Connection, seller_id: str) -> list[Strike]:
    """Return all strikes of a seller, in order; none for one who is not known, or was erased."""
    pseudonym = find_pseudonym(connection, seller_id)
    return [] if pseudonym is None else find_strikes(connection, pseudonym)


def weigh(connection: Connection, pseudonym: str, at: datetime, policy: EnforcementPolicy) -> SellerStanding:
    """Return where a seller stands at a moment: the weight of their strikes, and the rung due."""
    told = list_told(find_penalties(connection, pseudonym=pseudonym))
    return find_standing(find_strikes(connection, pseudonym), told, policy.penalties, at)


def read_facts(case: Row[Any], listing: Listing | None = None) -> dict[str, Any]:
    """Return what a case says of a strike, whatever the policy; its listing is read again unless it is given."""
    listing = listing or decode_listing(case.snapshot)
    worth = read_worth(case.worth) if case.worth else None
    return {
        "category": fold_name(case.category or listing.category) or None,
        "probability": case.score,
        "value": None if worth is None else to_two_digits(worth.price * worth.sales),
        "currency": None if worth is None else worth.currency,
        "listings": to_two_digits(listing.seller_listings),
        "age_days": to_two_digits(listing.seller_age_days),
        "cluster": case.exemplar or case.case_id,
    }


def seen_at(case: Row[Any], decided_at: datetime) -> datetime:
    """Return when a listing was last seen up: observed, else put into the queue, and never after it was decided."""
    moment: datetime = case.observed_at or case.enqueued_at
    return min(moment, decided_at)


def describe(connection: Connection, case: Row[Any], decision: Decision, policy: EnforcementPolicy) -> dict[str, Any]:
    """Return what the strike of a decision says, but for whose it is and by which policy."""
    (facts,) = describe_all(connection, [DecidedCase(case, decision, decode(case.snapshot), "")], policy)
    return facts


def describe_all(
    connection: Connection, decided: Sequence[DecidedCase], policy: EnforcementPolicy
) -> list[dict[str, Any]]:
    """Do what `describe` does for decisions that were made together."""
    made_with, same_as = _find_firsts_of_groups(connection, decided), _find_first_cases(connection, decided)
    return [
        _describe(one, policy.penalties)
        | {
            "made_with": made_with.get(one.decision.decision_id),
            "same_as": same_as.get(one.case.listing_id, one.case.case_id),
        }
        for one in decided
    ]


def _describe(one: DecidedCase, rules: PenaltyRules) -> dict[str, Any]:
    at, facts = one.decision.decided_at, read_facts(one.case, one.scored.listing)
    category = facts["category"] if facts["category"] in rules.severity else None
    return facts | {
        "decision_id": one.decision.decision_id,
        "case_id": one.case.case_id,
        "ground": one.decision.ground,
        "category": category,
        "weight": rules.weigh(one.decision.ground, category),
        "seen_at": seen_at(one.case, at),
        "struck_at": at,
        "expires_at": at + timedelta(days=rules.expiry_days),
    }


def _find_firsts_of_groups(connection: Connection, decided: Sequence[DecidedCase]) -> dict[int, int]:
    """Return for each decision the first of those that were made as one with it; none that was made alone."""
    is_wanted = decisions.c.decision_id.in_([one.decision.decision_id for one in decided])
    query = select(decisions.c.decision_id, decisions.c.group_key).where(is_wanted, decisions.c.group_key.is_not(None))
    groups = {row.decision_id: row.group_key for row in connection.execute(query)}
    if not groups:
        return {}
    first = select(decisions.c.group_key, func.min(decisions.c.decision_id))
    first = first.where(decisions.c.group_key.in_(set(groups.values()))).group_by(decisions.c.group_key)
    firsts = dict(connection.execute(first).all())
    return {decision_id: firsts[group] for decision_id, group in groups.items()}


def _find_first_cases(connection: Connection, decided: Sequence[DecidedCase]) -> dict[str, int]:
    """Return for each listing the case of the first decision on it, as it may have been seen several times."""
    is_theirs = decisions.c.listing_id.in_({one.case.listing_id for one in decided})
    first = select(func.min(decisions.c.decision_id)).where(is_theirs).group_by(decisions.c.listing_id)
    query = select(decisions.c.listing_id, decisions.c.case_id).where(decisions.c.decision_id.in_(first))
    return dict(connection.execute(query).all())


def _payload(strike: Strike) -> dict[str, audit.Value]:
    numbers: dict[str, audit.Value] = {"decision": strike.decision_id, "case": strike.case_id, "weight": strike.weight}
    return numbers | {"seller": strike.pseudonym}


def _subject(strike: Strike) -> str:
    return f"strike:{strike.strike_id}"


_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SellerEvent:
    """A row of the seller event table that scoring reads: kind "struck", known when it was decided."""

    seller_id: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    amount: float = 1.0


def list_events(
    connection: Connection, *, known_by: datetime | None = None, rules: PenaltyRules | None = None
) -> Iterator[SellerEvent]:
    """Give an event "struck" for each offence of every seller, seller by seller.

    Events can only be added, so a strike that was taken back by `known_by` gives none, as if it had never been: export
    them anew when decisions were overturned. That strikes expire is not told. Sellers who were erased are left out.

    Parameters
    ----------
    known_by : datetime, default=now
        Only what was known by then, as training for a test at that moment must see it.
    """
    at, rules = known_by or datetime.now(UTC), rules or PenaltyRules()
    query = select_strikes().order_by(strikes.c.pseudonym, strikes.c.strike_id)
    rows = connection.execute(query.execution_options(yield_per=_AT_ONCE))
    for pseudonym, of_seller in groupby(map(make_strike, rows), key=lambda strike: strike.pseudonym):
        known = [strike for strike in of_seller if _is_known(strike, at)]
        seller = find_seller(connection, pseudonym)
        if known and seller is not None:
            told = _find_told(connection, pseudonym, at, rules)
            for offence in find_offences(known, told, rules):
                yield _make_event(seller, offence)


def _is_known(strike: Strike, at: datetime) -> bool:
    return strike.struck_at <= at and (strike.taken_back_at is None or strike.taken_back_at > at)


def _find_told(connection: Connection, pseudonym: str, at: datetime, rules: PenaltyRules) -> Sequence[datetime]:
    told = list_told(find_penalties(connection, pseudonym=pseudonym))
    return [one.imposed_at + timedelta(days=rules.fair_notice_days) for one in told if one.imposed_at <= at]


def _make_event(seller_id: str, offence: Offence) -> SellerEvent:
    occurred_at = min(strike.seen_at for strike in offence.strikes)
    known_at = min(strike.struck_at for strike in offence.strikes)
    return SellerEvent(seller_id, "struck", occurred_at, known_at)
