"""Which cases a policy may meet at all: those in their turn in which nothing asks for a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from ipml.enforcement.automatic.rules import AutomaticRules
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.cases import is_held
from ipml.review.quality.second_person import find_scruples
from ipml.review.reversals import by_people, is_last_verdict
from ipml.review.snapshot import decode_listing
from ipml.settings import SecondPersonRule
from ipml.storage.tables import automatic_draws, cases, decisions, seller_keys, spread_audits


def select_candidates(
    brands: Collection[str], model_version: str, lowest_score: float, after: int, enqueued: tuple[datetime, datetime]
) -> Select[Any]:
    """Return the query for cases a policy may act on or draw, in the order of their numbers, after one of them.

    Not those that wait for another, have a deadline, were decided before (and taken back), or were drawn for people:
    by exploration, from a spread, or by the policy itself. Nor those that came in before or after a span of time.
    """
    was_decided = exists().where(decisions.c.case_id == cases.c.case_id)
    is_drawn = exists().where(automatic_draws.c.case_id == cases.c.case_id)
    is_spread_audit = exists().where(spread_audits.c.case_id == cases.c.case_id)
    return (
        select(cases)
        .where(cases.c.state == "open", cases.c.lane == "ranked", cases.c.exemplar.is_(None), cases.c.due_at.is_(None))
        .where(cases.c.brand.in_(list(brands)), cases.c.model_version == model_version)
        .where(cases.c.score >= lowest_score, cases.c.case_id > after)
        .where(cases.c.enqueued_at.between(*enqueued))
        .where(~was_decided, ~is_drawn, ~is_spread_audit)
        .order_by(cases.c.case_id)
    )


def find_obstacles(
    connection: Connection,
    rows: Sequence[Row[Any]],
    rules: AutomaticRules,
    second_person: Sequence[SecondPersonRule],
    actor: str,
    now: datetime,
) -> dict[int, str | None]:
    """Return for each case why it is for people whatever was promised, as a phrase, or None.

    Parameters
    ----------
    rows : sequence of Row
        That `select_candidates` found.
    second_person : sequence of SecondPersonRule
        Which verdicts a policy cannot give, since they need two persons.
    actor : str
        In whose name the policy would decide.
    """
    scruples = find_scruples(connection, rows, actor, Verdict.COUNTERFEIT, second_person)
    acquitted = _find_acquitted(connection, {row.listing_id for row in rows})
    excluded = _find_excluded_sellers(connection, {row.seller_id for row in rows}, rules)
    return {
        row.case_id: ("somebody is at it" if is_held(row, now) else None)
        or find_exclusion(decode_listing(row.snapshot), rules)
        or ("its seller is for people" if row.seller_id in excluded else None)
        or scruples[row.case_id]
        or ("a person found it genuine before" if row.listing_id in acquitted else None)
        for row in rows
    }


def find_exclusion(listing: Listing, rules: AutomaticRules) -> str | None:
    """Return why a listing is always for people under the rules, as a phrase, or None.

    Examples
    --------
    >>> rules = AutomaticRules(excluded_categories=("toys",), most_seller_sales=1_000)
    >>> find_exclusion(Listing("A7", "s1", "Bag", category="bags", seller_sales=5_000), rules)
    'its seller sells much'
    """
    if rules.excluded_categories and (listing.category is None or listing.category in rules.excluded_categories):
        return "its category is for people"
    sales, age = listing.seller_sales, listing.seller_age_days
    if rules.most_seller_sales is not None and (sales is None or sales > rules.most_seller_sales):
        return "its seller sells much"
    if rules.least_seller_age_days is not None and (age is None or age < rules.least_seller_age_days):
        return "its seller is new"
    return None


def choose_ground(scored: ScoredListing, rules: AutomaticRules) -> str:
    """Return the ground on which a policy decides: by the weightiest reason that the rules name, else the usual one.

    Examples
    --------
    >>> from ipml.records import Reason
    >>> reasons = (Reason("price.brand", "Cheap", 2.0), Reason("words.replica", "Says it is a replica", 1.0))
    >>> scored = ScoredListing(Listing("A7", "s1", "Bag"), 0.99, 3.0, reasons, (), None, "m1")
    >>> choose_ground(scored, AutomaticRules(ground_by_reason={"words.replica": "declared_replica"}))
    'declared_replica'
    """
    for reason in scored.reasons_for_counterfeit:
        for start, ground in rules.ground_by_reason.items():
            if reason.feature.startswith(start):
                return ground
    return rules.ground


def _find_excluded_sellers(connection: Connection, seller_ids: Collection[str], rules: AutomaticRules) -> set[str]:
    """Return those of some sellers whom the rules leave to people."""
    if not rules.excluded_sellers:
        return set()
    query = select(seller_keys.c.seller_id).where(seller_keys.c.seller_id.in_(seller_ids))
    return set(connection.scalars(query.where(seller_keys.c.pseudonym.in_(rules.excluded_sellers))))


def _find_acquitted(connection: Connection, listing_ids: Collection[str]) -> set[str]:
    """Return those of some listings that a person found genuine, as they were observed at another time."""
    query = select(decisions.c.listing_id).where(
        decisions.c.listing_id.in_(listing_ids), decisions.c.verdict == Verdict.GENUINE, is_last_verdict(), by_people()
    )
    return set(connection.scalars(query))
