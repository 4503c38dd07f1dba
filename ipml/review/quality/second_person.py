"""Four eyes: verdicts that hold only when a second person, who does not see the first, says the same.

Which ones is data: the setting `second_person`. After the first verdict the case is as open as any other to everybody
but who gave it. Where the second disagrees, the case goes to a lead who gave neither. A lead's verdict on a case that
another person has looked at and passed on ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ipml.records import Decision, Listing, Verdict
from ipml.review.cases import change_case, note_deed
from ipml.review.quality.conflicts import find_conflicts, is_free_for
from ipml.review.quality.opinions import find_halves, keep_opinion
from ipml.review.reversals import stands
from ipml.review.snapshot import decode
from ipml.settings import SecondPersonRule
from ipml.storage.tables import cases, decisions, looks


def needs_second(listing: Listing, verdict: Verdict, rules: Sequence[SecondPersonRule]) -> bool:
    """Say whether a verdict on a listing meets a rule; what is not known of the listing counts as met.

    Examples
    --------
    >>> rules = [SecondPersonRule(verdict="counterfeit", least_price=500, currency="EUR")]
    >>> watch = Listing("A7", "s1", "Watch", price=900.0, currency="EUR")
    >>> needs_second(watch, Verdict.COUNTERFEIT, rules), needs_second(watch, Verdict.GENUINE, rules)
    (True, False)
    """
    return any(rule.verdict == verdict and _is_met(rule, listing) for rule in rules)


def _is_met(rule: SecondPersonRule, listing: Listing) -> bool:
    is_other_currency = listing.currency != rule.currency  # what it is worth in that of the rule is not known
    return (
        (rule.categories is None or listing.category is None or listing.category in rule.categories)
        and (is_other_currency or _reaches(listing.price, rule.least_price))
        and _reaches(listing.seller_sales, rule.least_seller_sales)
    )


def _reaches(found: float | None, least: float | None) -> bool:
    return least is None or found is None or found >= least


def judge_with_two(
    connection: Connection,
    row: Row[Any],
    decision: Decision,
    key: str | None,
    halves: Sequence[Row[Any]],
    rules: Sequence[SecondPersonRule],
) -> Decision | None:
    """Keep one of the two verdicts that a case needs, and return what the case is to be closed or passed on with.

    Parameters
    ----------
    halves : sequence of Row
        Those given before, of `find_halves`.
    rules : sequence of SecondPersonRule
        Which verdicts need two.

    Returns
    -------
    Decision or None
        The decision itself where no second person is needed, the second agrees, or a lead decides what another person
        has looked at and passed on; one of `ipml` that passes the case on to a lead where two disagree; None after the
        first verdict, which leaves the case open.
    """
    is_leads = row.state == "escalated" and (bool(halves) or _was_seen_by_another(connection, row, decision.reviewer))
    if not halves and not is_leads:
        if not _meets_rule(row, decision.verdict, rules):
            return decision
        _keep_first(connection, row, decision, key)
        return None
    look = connection.execute(_pending(row.case_id)).first()
    if len(halves) > 1 or decision.verdict is Verdict.ESCALATE:
        return decision
    if look is not None:
        connection.execute(update(looks).where(looks.c.look_id == look.look_id).values(ended_at=decision.decided_at))
    if is_leads or decision.verdict == halves[0].verdict:
        return decision
    number = keep_opinion(connection, row, decision, "second", key, token=row.token)
    note_deed(connection, decision.reviewer, "disagreed", row.case_id, decision.decided_at, opinion=number)
    return Decision(0, row.case_id, row.listing_id, Verdict.ESCALATE, "", "", "ipml", decision.decided_at)


def find_scruples(
    connection: Connection,
    rows: Sequence[Row[Any]],
    reviewer: str,
    verdict: Verdict,
    rules: Sequence[SecondPersonRule],
) -> dict[int, str | None]:
    """Return for each case why a reviewer cannot give it this verdict together with others, as a phrase, or None."""
    conflicts = find_conflicts(connection, [(row, reviewer) for row in rows])
    halves = find_halves(connection, [row.case_id for row in rows])
    found: dict[int, str | None] = {}
    for row, conflict in zip(rows, conflicts, strict=True):
        if conflict is not None:
            found[row.case_id] = "another must judge it"
        elif halves[row.case_id] or _meets_rule(row, verdict, rules):
            found[row.case_id] = "it needs two persons, who look at it by itself"
        else:
            found[row.case_id] = None
    return found


def find_awaiting(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:
    """Return the case that has waited longest for a second person, if a reviewer may be that; a Source."""
    query = (
        select(cases)
        .join(looks, looks.c.case_id == cases.c.case_id)
        .where(looks.c.ended_at.is_(None), looks.c.kind == "second")
        .where(cases.c.state == "open", is_free_for(reviewer, now))
        .order_by(looks.c.wanted_at, looks.c.look_id)
    )
    return connection.execute(query.limit(1).with_for_update(skip_locked=True, of=cases)).first()


def _was_seen_by_another(connection: Connection, row: Row[Any], reviewer: str) -> bool:
    """Say whether another person decided a case before, or passed it on."""
    others = decisions.c.case_id == row.case_id, decisions.c.reviewer.not_in((reviewer, "ipml"))
    query = select(decisions.c.decision_id).where(*others, decisions.c.origin != "policy", stands()).limit(1)
    return connection.scalar(query) is not None


def _meets_rule(row: Row[Any], verdict: Verdict, rules: Sequence[SecondPersonRule]) -> bool:
    of_verdict = [rule for rule in rules if rule.verdict == verdict]
    return bool(of_verdict) and needs_second(decode(row.snapshot).listing, verdict, of_verdict)


def _keep_first(connection: Connection, row: Row[Any], decision: Decision, key: str | None) -> None:
    """Keep the first of two verdicts; the trail names it by number only, so that the second person cannot read it."""
    number = keep_opinion(connection, row, decision, "first", key, token=row.token)
    wanted = {"case_id": row.case_id, "kind": "second", "wanted_at": decision.decided_at, "not_by": decision.reviewer}
    connection.execute(insert(looks).values(wanted))
    change_case(connection, row.case_id, holder=None, lease_expires_at=None)
    note_deed(connection, decision.reviewer, "first verdict", row.case_id, decision.decided_at, opinion=number)


def _pending(case_id: int) -> Any:
    return select(looks).where(looks.c.case_id == case_id, looks.c.kind == "second", looks.c.ended_at.is_(None))
