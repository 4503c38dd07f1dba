"""Second person: conflicts of interest, and verdicts that need a second person to agree (four eyes).

Nobody judges their own listing, or gives both verdicts. The setting `second_person` lists the verdicts that need two
persons. After the first verdict the case is open to everybody else, who do not see it. On disagreement it goes to a
lead who gave neither; a lead's verdict on a case that another person escalated is final. Second verdicts close no case;
they are appended, and one that is taken back stays on record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, exists, insert, select, update

from ipml.errors import Forbidden, NotFound, OwnListing, Refused
from ipml.records import Decision, Listing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import (
    NOW,
    REVIEWER,
    StoredCase,
    change_case,
    find_case,
    is_free,
    lock_first,
    note_event,
    select_first,
)
from ipml.review.reversals import stands
from ipml.review.worklists.inbox import MessageKind, retract, send
from ipml.settings import SecondPersonRule
from ipml.storage.audit_trail import audit
from ipml.storage.tables import cases, decisions, second_reviews, second_verdicts, user_sellers, users


def is_free_for(reviewer: str | ColumnElement[Any], now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a case has no live claim and that a reviewer may judge it."""
    return and_(is_free(now), may_judge(reviewer))


def may_judge(reviewer: str | ColumnElement[str | None]) -> ColumnElement[bool]:
    """Return the condition that a reviewer (a name or a column) may judge a case: not their own, not judged by them."""
    is_own = exists().where(user_sellers.c.user_name == reviewer, user_sellers.c.seller_id == cases.c.seller_id)
    return and_(~is_own, ~exists().where(_is_half_of_two(reviewer), second_verdicts.c.case_id == cases.c.case_id))


def refuse_conflict(connection: Connection, row: StoredCase, reviewer: str) -> None:
    """Raise Forbidden unless a reviewer may judge a case."""
    refuse_conflicts(connection, [(row, reviewer)], find_halves(connection, [row.case_id]))


def refuse_conflicts(connection: Connection, wanted: Sequence[tuple[StoredCase, str]], halves: Halves) -> None:
    """Raise Forbidden unless each reviewer may judge the paired case."""
    for error in _find_conflicts(connection, wanted, halves):
        if error is not None:
            raise error


def find_conflicts(connection: Connection, wanted: Sequence[tuple[StoredCase, str]]) -> dict[int, Forbidden]:
    """Return, for the pairs whose reviewer must not judge the case, why, by case."""
    conflicts = _find_conflicts(connection, wanted, find_halves(connection, [row.case_id for row, _ in wanted]))
    return {row.case_id: error for (row, _), error in zip(wanted, conflicts, strict=True) if error is not None}


# Built once, since building a query takes longer than running it.
_OWN_SELLERS = select(user_sellers.c.user_name, user_sellers.c.seller_id).where(
    user_sellers.c.user_name.in_(bindparam("names", expanding=True)),
    user_sellers.c.seller_id.in_(bindparam("sellers", expanding=True)),
)


def _find_conflicts(
    connection: Connection, wanted: Sequence[tuple[StoredCase, str]], halves: Halves
) -> list[Forbidden | None]:
    """Return, for each pair of case and reviewer, why the reviewer must not judge it, or None."""
    asked = {"names": list({name for _, name in wanted}), "sellers": list({row.seller_id for row, _ in wanted})}
    own = {(row.user_name, row.seller_id) for row in connection.execute(_OWN_SELLERS, asked)}
    return [_name_conflict(row, name, (name, row.seller_id) in own, halves[row.case_id]) for row, name in wanted]


def _name_conflict(row: StoredCase, reviewer: str, is_own: bool, halves: Sequence[SecondVerdict]) -> Forbidden | None:
    if is_own:
        return _own_listing(row, reviewer)
    if reviewer not in {half.reviewer for half in halves}:
        return None
    found = f"it needs two persons, and {reviewer} is one of them"
    return Forbidden(f"case {row.case_id}", found, "Another must judge it now.")


def _own_listing(row: StoredCase, reviewer: str) -> OwnListing:
    return OwnListing(f"case {row.case_id}", f"it is about a listing of {reviewer}'s own", "Another must judge it.")


def refuse_own(connection: Connection, row: StoredCase, reviewer: str) -> None:
    """Raise OwnListing if a user is the seller of a case."""
    own = select(user_sellers.c.since).where(
        user_sellers.c.user_name == reviewer, user_sellers.c.seller_id == row.seller_id
    )
    if connection.execute(own).first() is not None:
        raise _own_listing(row, reviewer)


def add_own_seller(
    connection: Connection, name: str, seller_id: str, *, by: str = "command line", now: datetime | None = None
) -> None:
    """Record that a user sells as a seller, whose listings they then never judge; repeating it changes nothing.

    Raises NotFound if there is no such user.
    """
    now = now or datetime.now(UTC)
    user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name).with_for_update())
    if user_id is None:
        raise NotFound("user", name, "See `ipml admin user list`.")
    if seller_id not in list_own_sellers(connection, name):
        row = {"user_name": name, "seller_id": seller_id, "since": now}
        connection.execute(insert(user_sellers), row)
        audit.append(connection, by, "seller noted", f"user:{user_id}", {}, at=now)


def remove_own_seller(
    connection: Connection, name: str, seller_id: str, *, by: str = "command line", now: datetime | None = None
) -> None:
    """Remove the record that a user sells as a seller; Refused if there is none."""
    gone = delete(user_sellers).where(user_sellers.c.user_name == name, user_sellers.c.seller_id == seller_id)
    if connection.execute(gone).rowcount == 0:
        raise Refused(
            f"user {name}", f"no note of selling as {seller_id[:80]!r}", "one that `ipml admin user list` shows"
        )
    user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name))
    audit.append(connection, by, "seller forgotten", f"user:{user_id}", {}, at=now)


def _no_second_verdict(case_id: int, found: str) -> Refused:
    return Refused(f"case {case_id}", found, "a second verdict that can still be taken back")


def list_own_sellers(connection: Connection, name: str) -> list[str]:
    """Return the sellers that a user sells as, in order."""
    query = select(user_sellers.c.seller_id).where(user_sellers.c.user_name == name)
    return sorted(connection.scalars(query))


def _is_half_of_two(reviewer: str | ColumnElement[str | None]) -> ColumnElement[bool]:
    return and_(
        second_verdicts.c.reviewer == reviewer,
        second_verdicts.c.kind.in_(["first", "second"]),
        second_verdicts.c.withdrawn_at.is_(None),
    )


@dataclass(frozen=True, slots=True)
class SecondVerdict:
    """A verdict besides the decision of a case.

    `kind` is "control" (known truth), "repeat" (same reviewer later), "audit" (another reviewer), or "first" and
    "second" for cases that need two persons.
    """

    verdict_id: int
    case_id: int
    kind: str
    verdict: Verdict
    ground: str
    note: str
    reviewer: str
    decided_at: datetime
    review_id: int | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity in which a second verdict is given: its kind, the token of the claim, and the second review if any."""

    kind: str
    token: int
    review_id: int | None = None


def store_second_verdict(
    connection: Connection, decision: Decision, capacity: Capacity, key: str | None
) -> SecondVerdict:
    """Append a second verdict; the caller adds the audit event."""
    fields = {name: getattr(decision, name) for name in Decision.__slots__ if name in second_verdicts.c}
    query = insert(second_verdicts).values({**fields, **asdict(capacity), "key": key}).returning(second_verdicts)
    return _second_verdict(connection.execute(query).one())


Halves = Mapping[int, Sequence[SecondVerdict]]
"""The "first" and "second" verdicts by case, of `find_halves`."""


_HALVES = (
    select(second_verdicts)
    .where(
        second_verdicts.c.case_id.in_(bindparam("numbers", expanding=True)),
        second_verdicts.c.kind.in_(["first", "second"]),
        second_verdicts.c.withdrawn_at.is_(None),
    )
    .order_by(second_verdicts.c.verdict_id)
)


def find_halves(connection: Connection, case_ids: Collection[int]) -> Halves:
    """Return the "first" and "second" verdicts in force by case, in order."""
    found: dict[int, list[SecondVerdict]] = {case_id: [] for case_id in case_ids}
    for row in connection.execute(_HALVES, {"numbers": list(found)}):
        found[row.case_id].append(_second_verdict(row))
    return found


def find_own_verdict(connection: Connection, reviewer: str, case_id: int) -> Decision | None:
    """Return a reviewer's last decision or second verdict on a case, for the page to confirm.

    A second verdict has number 0, as `decide` returned it.
    """
    mine = (
        second_verdicts.c.case_id == case_id,
        second_verdicts.c.reviewer == reviewer,
        second_verdicts.c.withdrawn_at.is_(None),
    )
    decided = (decisions.c.case_id == case_id, decisions.c.reviewer == reviewer)
    second_verdict = connection.execute(
        select(second_verdicts).where(*mine).order_by(second_verdicts.c.token.desc()).limit(1)
    ).first()
    decision = connection.execute(
        select(decisions).where(*decided).order_by(decisions.c.decision_id.desc()).limit(1)
    ).first()
    # Tokens grow with every claim, independent of the clock.
    if second_verdict is not None and (decision is None or second_verdict.token >= decision.token):
        return _as_decision(second_verdict)
    return None if decision is None else _as_decision(decision, decision.decision_id)


def withdraw_second_verdict(
    connection: Connection, reviewer: str, case_id: int, *, within_minutes: float = 10.0, now: datetime | None = None
) -> None:
    """Take back one's own latest second verdict on a case; the request for it is open again.

    Raises NotFound for an unknown case; Refused if there is none, it is too old, or the second person has answered it.
    """
    now = now or datetime.now(UTC)
    query = (
        select(second_verdicts)
        .where(
            second_verdicts.c.case_id == case_id,
            second_verdicts.c.reviewer == reviewer,
            second_verdicts.c.withdrawn_at.is_(None),
        )
        .order_by(second_verdicts.c.verdict_id.desc())
        .limit(1)
    )
    case = find_case(connection, case_id, lock=True)
    second_verdict = connection.execute(query).first()
    if second_verdict is None:
        raise _no_second_verdict(case_id, f"no second verdict of {reviewer}")
    if now - second_verdict.decided_at > timedelta(minutes=within_minutes):
        raise _no_second_verdict(case_id, f"one of {second_verdict.decided_at:%Y-%m-%d %H:%M} UTC")
    if second_verdict.kind == "second" or (second_verdict.kind == "first" and _is_answered(connection, case)):
        raise _no_second_verdict(case_id, "the verdict of a second person")
    connection.execute(
        update(second_verdicts)
        .where(second_verdicts.c.verdict_id == second_verdict.verdict_id)
        .values(withdrawn_at=now)
    )
    _open_again(connection, second_verdict, now)
    retract(connection, MessageKind.SECOND_REVIEW, second_verdict.verdict_id)
    note_second_verdict(connection, _second_verdict(second_verdict), "withdrawn", now)


def note_second_verdict(
    connection: Connection, second_verdict: SecondVerdict, action: str, at: datetime, **payload: audit.Value
) -> None:
    """Record its reviewer's action on a second verdict; for a second review outside the case's history."""
    said: dict[str, audit.Value] = {"second_verdict": second_verdict.verdict_id, **payload}
    reviewer, case_id = second_verdict.reviewer, second_verdict.case_id
    if second_verdict.review_id is None:
        note_event(connection, reviewer, action, case_id, at, **said)
    else:
        subject = f"second_review:{second_verdict.review_id}"
        audit.append(connection, reviewer, action, subject, {"case": case_id, **said}, at=at)


def _is_answered(connection: Connection, case: StoredCase) -> bool:
    return case.state == "decided" or len(find_halves(connection, [case.case_id])[case.case_id]) > 1


def _open_again(connection: Connection, second_verdict: Row[Any], now: datetime) -> None:
    """Reopen the second review for the same person, or cancel the request for a second person."""
    if second_verdict.review_id is None:
        connection.execute(update(second_reviews).where(*_is_pending(second_verdict.case_id)).values(ended_at=now))
        return
    second_review = connection.execute(
        select(second_reviews).where(second_reviews.c.review_id == second_verdict.review_id)
    ).one()
    again = {"wanted_at": now, "wanted_of": second_verdict.reviewer, "holder": second_verdict.reviewer, "token": 0}
    copied = {
        name: getattr(second_review, name)
        for name in ("case_id", "kind", "decision_id", "not_by", "sampling_probability")
    }
    connection.execute(insert(second_reviews).values({**copied, **again}))


def _second_verdict(row: Row[Any]) -> SecondVerdict:
    fields = {name: getattr(row, name) for name in SecondVerdict.__slots__}
    return SecondVerdict(**{**fields, "verdict": Verdict(row.verdict)})


def _as_decision(row: Row[Any], decision_id: int = 0) -> Decision:
    fields = {name: getattr(row, name) for name in Decision.__slots__ if name != "decision_id"}
    return Decision(**{**fields, "decision_id": decision_id, "verdict": Verdict(row.verdict)})


def needs_second(listing: Listing, verdict: Verdict, rules: Sequence[SecondPersonRule]) -> bool:
    """Return whether a verdict on a listing meets a rule; unknown facts count as met.

    >>> rules = [SecondPersonRule(verdict="counterfeit", least_price=500, currency="EUR")]
    >>> watch = Listing("A7", "s1", "Watch", price=900.0, currency="EUR")
    >>> needs_second(watch, Verdict.COUNTERFEIT, rules), needs_second(watch, Verdict.GENUINE, rules)
    (True, False)
    """
    return any(rule.verdict == verdict and _is_met(rule, listing) for rule in rules)


def _is_met(rule: SecondPersonRule, listing: Listing) -> bool:
    is_other_currency = listing.currency != rule.currency  # the value in the rule's currency is unknown
    return (
        (rule.categories is None or listing.category is None or listing.category in rule.categories)
        and (is_other_currency or _reaches(listing.price, rule.least_price))
        and _reaches(listing.seller_sales, rule.least_seller_sales)
    )


def _reaches(found: float | None, least: float | None) -> bool:
    return least is None or found is None or found >= least


def combine_two_verdicts(
    connection: Connection,
    row: StoredCase,
    decision: Decision,
    key: str | None,
    halves: Sequence[SecondVerdict],
    rules: Sequence[SecondPersonRule],
) -> Decision | None:
    """Store a verdict of a case that may need two persons, and return the decision that closes or escalates the case.

    It is the given decision if no second person is needed, the second agrees, or a lead decides an escalated case. On
    disagreement it is an escalation by `ipml`. It is None after the first verdict, which leaves the case open. `halves`
    are the earlier verdicts, of `find_halves`.
    """
    is_leads = row.state == "escalated" and (bool(halves) or _was_seen_by_another(connection, row, decision.reviewer))
    if not halves and not is_leads:
        if not _meets_rule(row, decision.verdict, rules):
            return decision
        _keep_first(connection, row, decision, key)
        return None
    if len(halves) > 1 or decision.verdict is Verdict.ESCALATE:
        return decision
    if halves:
        connection.execute(update(second_reviews).where(*_is_pending(row.case_id)).values(ended_at=decision.decided_at))
    if is_leads or decision.verdict == halves[0].verdict:
        return decision
    stored = store_second_verdict(connection, decision, Capacity("second", row.token), key)
    note_second_verdict(connection, stored, "disagreed", decision.decided_at)
    source = row.case_id, stored.verdict_id
    send(connection, [halves[0].reviewer], MessageKind.SECOND_REVIEW, source, at=decision.decided_at)
    return Decision(0, row.case_id, row.listing_id, Verdict.ESCALATE, "", "", "ipml", decision.decided_at)


def find_second_person_obstacles(
    connection: Connection,
    rows: Sequence[StoredCase],
    reviewer: str,
    verdict: Verdict,
    rules: Sequence[SecondPersonRule],
) -> dict[int, str | None]:
    """Return, for each case, why a reviewer cannot give it this verdict in a group, as a phrase, or None."""
    halves = find_halves(connection, [row.case_id for row in rows])
    conflicts = _find_conflicts(connection, [(row, reviewer) for row in rows], halves)
    found: dict[int, str | None] = {}
    for row, conflict in zip(rows, conflicts, strict=True):
        if conflict is not None:
            found[row.case_id] = "another must judge it"
        elif halves[row.case_id] or _meets_rule(row, verdict, rules):
            found[row.case_id] = "it needs two persons, who review it alone"
        else:
            found[row.case_id] = None
    return found


_AWAITING = select_first(
    select(cases)
    .join(second_reviews, second_reviews.c.case_id == cases.c.case_id)
    .where(second_reviews.c.ended_at.is_(None), second_reviews.c.kind == "second")
    .where(cases.c.state == "open", is_free_for(REVIEWER, NOW))
    .order_by(second_reviews.c.wanted_at, second_reviews.c.review_id)
)


def find_awaiting(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the case that has waited longest for a second person, if the reviewer may be that person."""
    return lock_first(connection, _AWAITING, {"reviewer": reviewer, "now": now})


def _was_seen_by_another(connection: Connection, row: StoredCase, reviewer: str) -> bool:
    others = decisions.c.case_id == row.case_id, decisions.c.reviewer.not_in((reviewer, "ipml"))
    query = select(decisions.c.decision_id).where(*others, decisions.c.origin != "policy", stands()).limit(1)
    return connection.scalar(query) is not None


def _meets_rule(row: StoredCase, verdict: Verdict, rules: Sequence[SecondPersonRule]) -> bool:
    of_verdict = [rule for rule in rules if rule.verdict == verdict]
    return bool(of_verdict) and needs_second(decode(row.snapshot).listing, verdict, of_verdict)


def _keep_first(connection: Connection, row: StoredCase, decision: Decision, key: str | None) -> None:
    """Store the first of two verdicts; the audit trail names only its number, hiding it from the second person."""
    stored = store_second_verdict(connection, decision, Capacity("first", row.token), key)
    wanted = {"case_id": row.case_id, "kind": "second", "wanted_at": decision.decided_at, "not_by": decision.reviewer}
    connection.execute(insert(second_reviews).values(wanted))
    change_case(connection, row.case_id, holder=None, lease_expires_at=None)
    note_second_verdict(connection, stored, "first verdict", decision.decided_at)


def _is_pending(case_id: int) -> tuple[ColumnElement[bool], ...]:
    of_case = second_reviews.c.case_id == case_id, second_reviews.c.kind == "second"
    return *of_case, second_reviews.c.ended_at.is_(None)
