"""Counting strikes, and taking them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select

from ipml.enforcement.penalties.book import Strike, find_strikes, make_strike, select_strikes, to_two_digits
from ipml.enforcement.penalties.imposed import Penalty, seal_words
from ipml.enforcement.penalties.ladder import find_penalties, lift_uncarried
from ipml.enforcement.penalties.standing import Standing, find_standing
from ipml.enforcement.penalties.steps import list_told
from ipml.enforcement.policy import EnforcementPolicy, keep_policy
from ipml.records import Decision
from ipml.review.ranking.policy import fold_name
from ipml.review.ranking.worth import read_worth
from ipml.review.snapshot import decode_listing
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise
from ipml.storage.pseudonyms import find_pseudonym, pseudonym_of
from ipml.storage.tables import decisions, strikes, strikes_taken_back


def add_strike(connection: Connection, case: Row[Any], decision: Decision, policy: EnforcementPolicy) -> Strike:
    """Count a strike for a decision that a listing is counterfeit; one that came before gives the earlier."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    if earlier := find_strike(connection, decision.decision_id):
        return earlier
    at = decision.decided_at
    columns = describe(connection, case, decision, policy) | {
        "pseudonym": pseudonym_of(connection, case.seller_id, now=at),
        "policy_digest": keep_policy(connection, policy, at),
    }
    number = connection.scalars(insert(strikes).values(columns).returning(strikes.c.strike_id)).one()
    strike = Strike(number, **columns)
    audit.append(connection, "ipml", "struck", _subject(strike), _payload(strike), at=at)
    return strike


def take_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> list[Penalty]:
    """Take the strike of a decision back, end the penalties that the others do not carry, and return these.

    Nothing happens where the decision led to no strike, or it was taken back before.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    strike = find_strike(connection, decision_id)
    if strike is None or strike.taken_back_at is not None:
        return []
    words = seal_words(connection, strike.pseudonym, why)
    connection.execute(insert(strikes_taken_back).values(strike_id=strike.strike_id, by=by, at=at, why=words))
    lifted = lift_uncarried(connection, strike, by, why, at)
    audit.append(connection, by, "strike taken back", _subject(strike), _payload(strike), at=at)
    return lifted


def find_strike(connection: Connection, decision_id: int) -> Strike | None:
    """Return the strike of a decision, or None."""
    row = connection.execute(select_strikes().where(strikes.c.decision_id == decision_id)).first()
    return None if row is None else make_strike(row)


def list_strikes(engine: Engine, seller_id: str) -> list[Strike]:
    """Return all strikes of a seller, in order; none for one who is not known, or was erased."""
    with reading(engine) as connection:
        pseudonym = find_pseudonym(connection, seller_id)
        return [] if pseudonym is None else find_strikes(connection, pseudonym)


def weigh(connection: Connection, pseudonym: str, at: datetime, policy: EnforcementPolicy) -> Standing:
    """Return where a seller stands at a moment: the weight of their strikes, and the rung due."""
    told = list_told(find_penalties(connection, pseudonym=pseudonym))
    return find_standing(find_strikes(connection, pseudonym), told, policy.penalties, at)


def read_facts(case: Row[Any]) -> dict[str, Any]:
    """Return what a case says of a strike, whatever the policy."""
    listing = decode_listing(case.snapshot)
    worth = read_worth(case.worth) if case.worth else None
    return {
        "category": fold_name(case.category or listing.category) or None,
        "probability": case.score,
        "value": None if worth is None else to_two_digits(worth.price * worth.sales),
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
    at, rules, facts = decision.decided_at, policy.penalties, read_facts(case)
    category = facts["category"] if facts["category"] in rules.severity else None
    return facts | {
        "decision_id": decision.decision_id,
        "case_id": case.case_id,
        "ground": decision.ground,
        "category": category,
        "weight": rules.weigh(decision.ground, category),
        "made_with": _find_first_of_group(connection, decision.decision_id),
        "same_as": _find_first_case(connection, case),
        "seen_at": seen_at(case, at),
        "struck_at": at,
        "expires_at": at + timedelta(days=rules.expiry_days),
    }


def _find_first_of_group(connection: Connection, decision_id: int) -> int | None:
    """Return the first of the decisions that were made as one with a decision; None where it was made alone."""
    group = select(decisions.c.group_key).where(decisions.c.decision_id == decision_id).scalar_subquery()
    query = select(func.min(decisions.c.decision_id)).where(decisions.c.group_key == group)
    first: int | None = connection.scalar(query)
    return first


def _find_first_case(connection: Connection, case: Row[Any]) -> int:
    """Return the case of the first decision on a listing, which may have been seen several times."""
    query = select(decisions.c.case_id).where(decisions.c.listing_id == case.listing_id)
    first = connection.scalar(query.order_by(decisions.c.decision_id).limit(1))
    return int(case.case_id) if first is None else first


def _payload(strike: Strike) -> dict[str, audit.Value]:
    numbers: dict[str, audit.Value] = {"decision": strike.decision_id, "case": strike.case_id, "weight": strike.weight}
    return numbers | {"seller": strike.pseudonym}


def _subject(strike: Strike) -> str:
    return f"strike:{strike.strike_id}"
