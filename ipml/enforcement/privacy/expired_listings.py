"""Listings whose time is over: the case stays, a stand-in takes the place of what tells of the seller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection, select

from ipml.enforcement.privacy.holds import is_held
from ipml.enforcement.privacy.rules import RetentionRules
from ipml.enforcement.privacy.stand_ins import replace_listings
from ipml.records import Verdict
from ipml.review.clusters.clusters import hand_over, lock_clusters
from ipml.review.reversals import is_last_verdict
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases, decisions

LastVerdict = tuple[Verdict, datetime]


def find_class(state: str, enqueued_at: datetime, last: LastVerdict | None) -> tuple[str, datetime]:
    """Return the class of a case and the moment from which its days count.

    Examples
    --------
    >>> noon = datetime(2026, 5, 1, 12)
    >>> find_class("open", noon, None)[0], find_class("decided", noon, (Verdict.COUNTERFEIT, noon))[0]
    ('undecided_listings', 'counterfeit_listings')
    """
    if state != "decided" or last is None:
        return "undecided_listings", enqueued_at
    verdict, at = last
    return ("counterfeit_listings" if verdict is Verdict.COUNTERFEIT else "genuine_listings"), at


def find_due(
    connection: Connection, rules: RetentionRules, now: datetime, after: int, at_once: int
) -> tuple[list[tuple[str, int]], int | None]:
    """Look at the next cases after a number for those whose time is over.

    Returns
    -------
    list of (class, case number)
        Those that are due and under no hold.
    int or None
        Number of the last that was looked at; None when there are no more.
    """
    shortest = min(rules.undecided_listings, rules.genuine_listings, rules.counterfeit_listings)
    query = select(cases.c.case_id, cases.c.state, cases.c.enqueued_at).where(
        cases.c.case_id > after,
        cases.c.erased_at.is_(None),
        cases.c.enqueued_at <= now - timedelta(days=shortest),  # a decision is younger than its case
        ~is_held(cases, now),
    )
    rows = connection.execute(query.order_by(cases.c.case_id).limit(at_once)).all()
    last = find_last_verdicts(connection, [row.case_id for row in rows])
    due = []
    for row in rows:
        name, since = find_class(row.state, row.enqueued_at, last.get(row.case_id))
        if since <= now - timedelta(days=getattr(rules, name)):
            due.append((name, row.case_id))
    return due, rows[-1].case_id if len(rows) == at_once else None


def find_last_verdicts(connection: Connection, numbers: Sequence[int]) -> Mapping[int, LastVerdict]:
    """Return the last verdict on each of some cases that stands, and when it was given."""
    query = select(decisions.c.case_id, decisions.c.verdict, decisions.c.decided_at)
    found = connection.execute(query.where(decisions.c.case_id.in_(numbers), is_last_verdict()))
    return {row.case_id: (Verdict(row.verdict), row.decided_at) for row in found}


def expire(connection: Connection, numbers: Sequence[int], by: str, now: datetime) -> int:
    """Put stand-ins in the place of listings; return how many. Those that wait for one of them are shown instead."""
    locked = lock_clusters(connection, numbers)
    rows = sorted((locked[number] for number in numbers), key=lambda row: (row.seller_id, row.case_id))
    count = 0
    for seller_id, theirs in groupby(rows, key=lambda row: row.seller_id):
        listings = list(theirs)
        name = find_pseudonym(connection, seller_id) or f"case-{listings[0].case_id}"
        count += replace_listings(connection, listings, f"erased:{name}", by, now)
    for row in rows:
        if row.state != "decided":
            hand_over(connection, row.case_id)
    return count
