"""One decision for near-duplicates: the verdict on an exemplar spreads to those that wait for it.

A person sees them first (`preview_spread`) and names those it is to spread to; what changed since, or is held by
somebody, is left out. A share is drawn by lot and stays open for a person to look at (see `spread_audit`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, insert, select

from ipml.errors import UnspreadableVerdict
from ipml.records import Case, Claim, Decision, Verdict
from ipml.review.cases import find_case, is_held, make_case, subject_of
from ipml.review.clusters.clusters import hand_over, lock_cluster, show
from ipml.review.clusters.likeness import is_same_offer
from ipml.review.clusters.spread_audit import is_drawn
from ipml.review.decisions import Origin, check_decision, decide_claimed, record_all
from ipml.review.reversals import is_standing
from ipml.review.snapshot import decode
from ipml.settings import Settings, get_settings
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, spread_audits

MOST_MEMBERS = 200
"""Of one decision; what is left waits for the next, on one of them."""

_TRUTHS = (Verdict.COUNTERFEIT, Verdict.GENUINE)


@dataclass(frozen=True, slots=True)
class SpreadPreview:
    """To which cases a decision would spread.

    Attributes
    ----------
    cases : tuple of Case
        The most suspicious first; some of them will be drawn for a person to look at.
    left_out : tuple of (int, str)
        Others that wait for the case, each with why the verdict would not spread to it.
    """

    case_id: int
    cases: tuple[Case, ...]
    left_out: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A decision and what it spread to; `undo` of the decision, or `undo_group`, takes all of it back.

    Attributes
    ----------
    decisions : tuple of Decision
        On the near-duplicates, each a decision of its own.
    drawn : tuple of int
        Cases that stay open for a person to look at.
    left_out : tuple of (int, str)
        Cases that were to be decided, each with why they were not; they stay open.
    """

    decision: Decision
    decisions: tuple[Decision, ...]
    drawn: tuple[int, ...]
    left_out: tuple[tuple[int, str], ...]


def preview_spread(engine: Engine, case_id: int, reviewer: str = "", *, now: datetime | None = None) -> SpreadPreview:
    """Return to which cases a decision on a case would spread; nothing changes.

    Parameters
    ----------
    reviewer : str, optional
        Who would decide; cases that others hold are left out.

    Raises
    ------
    CaseNotFound
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        row = find_case(connection, case_id)
        waiting = _find_waiting(connection, case_id)
        obstacles = {member.case_id: _find_obstacle(row, member, reviewer, now) for member in waiting}
        left_out = tuple((number, why) for number, why in obstacles.items() if why)
        shown = [member for member in waiting if not obstacles[member.case_id]][:MOST_MEMBERS]
        return SpreadPreview(case_id, tuple(make_case(member, now) for member in shown), left_out)


def decide_and_spread(
    engine: Engine,
    claim: Claim,
    verdict: Verdict,
    spread_to: Collection[int],
    *,
    ground: str = "",
    note: str = "",
    key: str | None = None,
    now: datetime | None = None,
    settings: Settings | None = None,
) -> Spread:
    """Decide the case that is held under a claim, and its near-duplicates with it, in one transaction.

    Parameters
    ----------
    verdict : Verdict
        "counterfeit" or "genuine".
    spread_to : collection of int
        The cases of the preview. Others that wait for the case go on waiting, for one of them.
    ground, note, key, now, settings
        As for `decide`; the near-duplicates get the same ground and note.

    Raises
    ------
    UnspreadableVerdict
        The verdict says nothing that would hold for others.
    ClaimLost, AlreadyDecided, CaseNotFound, UnknownGround, UnstorableValue, KeyReused
        As `decide`.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bags = [Listing(f"L{i}", "s1", f"Leather bag, brown, no. {i}", price=50.0, currency="EUR") for i in range(3)]
    >>> _ = enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "2024-05") for bag in bags])
    >>> taken = claim(engine, "ana")
    >>> alike = [case.case_id for case in preview_spread(engine, taken.case_id).cases]
    >>> spread = decide_and_spread(engine, taken, Verdict.GENUINE, alike)
    >>> len(alike), len(spread.decisions) + len(spread.drawn)
    (2, 2)
    """
    if verdict not in _TRUTHS:
        raise UnspreadableVerdict(verdict)
    check_decision(verdict, ground, note, key)
    now, settings = now or datetime.now(UTC), settings or get_settings()
    with writing(engine) as connection:
        row = lock_cluster(connection, claim.case_id)
        decision = Decision(0, row.case_id, row.listing_id, verdict, ground, note, claim.reviewer, now)
        group = Origin(group_key=f"spread:{uuid4().hex}")
        decision = decide_claimed(connection, row, claim, decision, key, settings, group, spreads=True)
        if not is_standing(connection, decision.decision_id):
            return Spread(decision, (), (), ())  # a request that came again after its undoing
        return _spread(connection, row, decision, set(spread_to), now, settings)


def _spread(
    connection: Connection,
    row: Row[Any],
    decision: Decision,
    spread_to: Collection[int],
    now: datetime,
    settings: Settings,
) -> Spread:
    wanted = [member for member in _find_waiting(connection, row.case_id) if member.case_id in spread_to]
    obstacles = {member.case_id: _find_obstacle(row, member, decision.reviewer, now) for member in wanted}
    left_out = tuple((number, why) for number, why in obstacles.items() if why)
    free = [member for member in wanted if not obstacles[member.case_id]][:MOST_MEMBERS]
    share = settings.spread_audit_share
    drawn = [member.case_id for member in free if is_drawn(decision.decision_id, member.case_id, share)]
    show(connection, [*drawn, *(number for number, _ in left_out)])
    _note_drawn(connection, decision, drawn)
    origin = Origin("spread", _group_of(connection, decision), decision.decision_id)
    asked = [(member, _repeat(decision, member)) for member in free if member.case_id not in drawn]
    made = record_all(connection, asked, None, settings, origin)
    hand_over(connection, row.case_id)
    return Spread(decision, tuple(made), tuple(drawn), left_out)


def _repeat(decision: Decision, member: Row[Any]) -> Decision:
    """Return the same decision on another case."""
    content = (decision.verdict, decision.ground, decision.note, decision.reviewer, decision.decided_at)
    return Decision(0, member.case_id, member.listing_id, *content)


def _group_of(connection: Connection, decision: Decision) -> str | None:
    return connection.scalar(select(decisions.c.group_key).where(decisions.c.decision_id == decision.decision_id))


def _find_waiting(connection: Connection, case_id: int) -> list[Row[Any]]:
    query = select(cases).where(cases.c.exemplar == case_id, cases.c.state == "open")
    return list(connection.execute(query.order_by(cases.c.rank, cases.c.case_id)))


def _find_obstacle(row: Row[Any], member: Row[Any], reviewer: str, now: datetime) -> str | None:
    """Return why a verdict on a case would not spread to one that waits for it, as a phrase, or None."""
    if is_held(member, now) and member.holder != reviewer:
        return f"{member.holder} is at it"
    if not is_same_offer(decode(row.snapshot), decode(member.snapshot)):
        return "it has changed since it came in"
    return None


def _note_drawn(connection: Connection, decision: Decision, drawn: Collection[int]) -> None:
    if drawn:
        fields = {"decision_id": decision.decision_id, "verdict": decision.verdict}
        connection.execute(insert(spread_audits), [fields | {"case_id": number} for number in drawn])
    entries = [(subject_of(number), {"decision": decision.decision_id}) for number in drawn]
    audit.append_all(connection, "ipml", "drawn", entries, at=decision.decided_at)
