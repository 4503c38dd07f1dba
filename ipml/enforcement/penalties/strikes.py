"""Strikes: counts, takes back and describes strikes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert

from ipml.enforcement.context import DecidedCase, EnforcementContext, FirstDecision, find_firsts
from ipml.enforcement.penalties.ladder import TakenBack, find_penalties, lift_uncarried
from ipml.enforcement.penalties.penalties import encrypt_words, list_told
from ipml.enforcement.penalties.standing import (
    SellerStanding,
    Strike,
    find_standing,
    find_strikes,
    select_strikes,
    to_two_digits,
)
from ipml.enforcement.policy import EnforcementPolicy
from ipml.records import Decision, Listing
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import StoredCase
from ipml.review.ranking.policy import fold_name, read_expected_value
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import strikes, strikes_taken_back


def add_strikes(
    context: EnforcementContext, decided: Sequence[DecidedCase], firsts: Sequence[FirstDecision]
) -> list[Strike]:
    """Count a strike for each new decision "counterfeit"."""
    rows = [
        _describe(case.case, case.listing, case.decision, first, context.policy) | {"pseudonym": case.pseudonym}
        for case, first in zip(decided, firsts, strict=True)
    ]
    numbers = append_rows(context.connection, strikes, rows)
    made = [Strike(number, **row) for number, row in zip(numbers, rows, strict=True)]
    audit_events = [
        audit.AuditEvent(strike.struck_at, "ipml", "struck", _subject(strike), _payload(strike)) for strike in made
    ]
    audit.append_events(context.batch, audit_events)
    return made


def preview_strike(connection: Connection, case: StoredCase, decision: Decision, policy: EnforcementPolicy) -> Strike:
    """Return the strike that a decision would cause, without a seller."""
    (first,) = find_firsts(connection, [decision])
    return Strike(0, **_describe(case, decode_listing(case.snapshot), decision, first, policy), pseudonym="")


def take_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> TakenBack:
    """Take back the strike of a decision, end the penalties the others do not justify, and impose those they do.

    Does nothing if there is no strike or it was taken back before.
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
    selected = list(select_strikes(connection, strikes.c.decision_id == decision_id))
    return selected[0] if selected else None


def list_strikes(connection: Connection, seller_id: str) -> list[Strike]:
    """Return all strikes of a seller in order; none for an unknown or erased seller."""
    pseudonym = find_pseudonym(connection, seller_id)
    return [] if pseudonym is None else find_strikes(connection, pseudonym)


def read_seller_standing(
    connection: Connection, pseudonym: str, at: datetime, policy: EnforcementPolicy
) -> SellerStanding:
    """Return a seller's standing at a time."""
    reported = list_told(find_penalties(connection, pseudonym=pseudonym))
    return find_standing(find_strikes(connection, pseudonym), reported, policy.penalties, at)


def read_facts(case: StoredCase | Row[Any], listing: Listing) -> dict[str, Any]:
    """Return the facts of a strike that a case and its listing give under any policy."""
    expected_value = read_expected_value(case.expected_value) if case.expected_value else None
    return {
        "category": fold_name(case.category or listing.category) or None,
        "probability": case.score,
        "value": None if expected_value is None else to_two_digits(expected_value.price * expected_value.sales),
        "currency": None if expected_value is None else expected_value.currency,
        "listings": to_two_digits(listing.seller_listings),
        "age_days": to_two_digits(listing.seller_age_days),
        "cluster": case.exemplar or case.case_id,
    }


def seen_at(case: StoredCase | Row[Any], decided_at: datetime) -> datetime:
    """Return the last sighting of a listing: its observation, else its enqueueing, but not after the decision."""
    moment: datetime = case.observed_at or case.enqueued_at
    return min(moment, decided_at)


def _describe(
    case: StoredCase, listing: Listing, decision: Decision, first: FirstDecision, policy: EnforcementPolicy
) -> dict[str, Any]:
    rules, at, facts = policy.penalties, decision.decided_at, read_facts(case, listing)
    category = facts["category"] if facts["category"] in rules.severity else None
    return facts | {
        "decision_id": decision.decision_id,
        "case_id": case.case_id,
        "ground": decision.ground,
        "category": category,
        "weight": rules.compute_strike_weight(decision.ground, category),
        "made_with": first.made_with,
        "same_as": first.same_as,
        "seen_at": seen_at(case, at),
        "struck_at": at,
        "expires_at": at + timedelta(days=rules.expiry_days),
        "policy_digest": policy.digest,
    }


def _payload(strike: Strike) -> dict[str, audit.Value]:
    numbers: dict[str, audit.Value] = {"decision": strike.decision_id, "case": strike.case_id, "weight": strike.weight}
    return numbers | {"seller": strike.pseudonym}


def _subject(strike: Strike) -> str:
    return f"strike:{strike.strike_id}"
