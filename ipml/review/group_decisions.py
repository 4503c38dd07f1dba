"""Group decisions: many cases are previewed, decided each by its own decision, and undone together.

In bulk a person names the cases. Spreading applies the verdict on an exemplar to near-duplicates that wait for it and
that a person previewed (`preview_spread`); cases that changed or are held are left out. A random share of them stays
open to measure how reliable spread decisions are. Its reviewers do not see the verdict that would have been spread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import Connection, and_, func, insert, or_, select

from ipml.errors import KeyReused, Overtaken, Refused
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Case, Decision, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase, find_case, find_cases, is_held, make_case, read_cases, subject_of
from ipml.review.decisions import DecisionRequest, Origin, check_decision, decide_claimed, make_decision, record_all
from ipml.review.near_duplicates.clusters import hand_over, is_same_offer, lock_clusters, show_cases
from ipml.review.quality.precision import is_confirmed, is_last_word
from ipml.review.quality.rates import count_rate
from ipml.review.quality.second_person import find_halves, find_second_person_obstacles
from ipml.review.reversals import DEFAULT_CONTEXT, ReviewContext, find_decisions, stands
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.audit_trail import audit
from ipml.storage.tables import cases, decisions, reversals, spread_audits

MOST_CASES = 200
"""The most cases that a person can really look through in one preview."""


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """Preview of a bulk decision: cases to decide by number, and refused cases with the reason as a phrase.

    `digest` covers the cases, their content and the verdict as previewed; `decide_bulk` requires it.
    """

    verdict: Verdict
    cases: tuple[Case, ...]
    refused: tuple[tuple[int, str], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class BulkDecision:
    """Decisions made together; `undo_group` takes them all back by `group_key`."""

    group_key: str
    decisions: tuple[Decision, ...]
    refused: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """One verdict on several cases; ground, note and key as in a `DecisionRequest`."""

    case_ids: Sequence[int]
    reviewer: str
    verdict: Verdict
    ground: str = ""
    note: str = ""
    key: str | None = None


def preview_bulk(
    connection: Connection,
    request: BulkRequest,
    *,
    now: datetime | None = None,
    settings: Settings = DEFAULT_SETTINGS,
) -> BulkPreview:
    """Return what deciding at most 200 cases together would do; nothing changes. Cases held by others are refused.

    Raises Refused.
    """
    now = now or datetime.now(UTC)
    rows = find_cases(connection, _distinct(request.case_ids))
    shown, refused, seen = _look_through(connection, rows, request, now, settings)
    return BulkPreview(request.verdict, tuple(make_case(row, now) for row in shown), refused, seen)


def decide_bulk(
    connection: Connection,
    request: BulkRequest,
    *,
    token: str,
    now: datetime | None = None,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> BulkDecision:
    """Decide the cases of a preview in one transaction: all of them, or none.

    A repeated key returns the same result and decides nothing. `token` is the `digest` of the preview.

    Raises Overtaken if one of the cases is no longer as previewed; Refused, UnstorableValue or KeyReused as `decide`.
    """
    key, content = request.key, (request.verdict, request.ground, request.note)
    check_decision(*content, key)
    numbers = _distinct(request.case_ids)
    now = now or datetime.now(UTC)
    identity = [key or uuid4().hex, numbers, request.reviewer, *content]
    group_key = f"bulk:{digest(canonical_json(identity))}"
    rows = lock_clusters(connection, numbers)
    if key and (earlier := find_decisions(connection, decisions.c.key == key)):
        if earlier[0].group_key != group_key:
            raise KeyReused(key, f"decision, on case {earlier[0].case_id}")
        return _repeat_bulk(connection, group_key, numbers)
    shown, refused, seen = _look_through(connection, rows, request, now, context.settings)
    if seen != token:
        changed = "the case" if len(numbers) == 1 else f"one of the {len(numbers)} cases"
        raise Overtaken("preview", f"{changed} changed since; nothing was decided", "Look at the preview again.")
    asked = [(row, Decision(0, row.case_id, row.listing_id, *content, request.reviewer, now)) for row in shown]
    made = record_all(connection, asked, Origin("bulk", group_key, key=key or None), context)
    return BulkDecision(group_key, tuple(made), refused)


def _distinct(case_ids: Sequence[int]) -> list[int]:
    numbers = sorted(set(case_ids))
    if len(numbers) > MOST_CASES:
        raise Refused("selection", f"{len(numbers)} cases to decide at once", f"at most {MOST_CASES}", "Decide fewer.")
    return numbers


def _look_through(
    connection: Connection,
    rows: Mapping[int, StoredCase],
    request: BulkRequest,
    now: datetime,
    settings: Settings,
) -> tuple[list[StoredCase], tuple[tuple[int, str], ...], str]:
    """Return the cases that can be decided together, the refused ones, and the digest of the preview."""
    reviewer, verdict = request.reviewer, request.verdict
    obstacles = {case_id: find_obstacle(rows.get(case_id), reviewer, now) for case_id in _distinct(request.case_ids)}
    free = [rows[case_id] for case_id, why in obstacles.items() if not why]
    obstacles |= find_second_person_obstacles(connection, free, reviewer, verdict, settings.second_person)
    refused = tuple((case_id, why) for case_id, why in obstacles.items() if why)
    shown = [row for row in free if not obstacles[row.case_id]]
    seen = [[row.case_id, row.state, row.token, digest(row.snapshot)] for row in shown]
    return shown, refused, digest(canonical_json([verdict, reviewer, seen, refused]))


def find_obstacle(row: StoredCase | None, reviewer: str, now: datetime) -> str | None:
    """Return why a case cannot be decided together with others, as a phrase, or None."""
    if row is None:
        return "there is no such case"
    if row.state == "decided":
        return "it has been decided"
    if row.state == "superseded":
        return "its listing was changed since"
    if row.state == "escalated":
        return "it was escalated to a lead, who reviews it alone"
    if is_held(row, now) and row.holder != reviewer:
        return f"{row.holder} has it open"
    return None


def _repeat_bulk(connection: Connection, group_key: str, wanted: Sequence[int]) -> BulkDecision:
    query = select(decisions).where(decisions.c.group_key == group_key).order_by(decisions.c.decision_id)
    made = tuple(make_decision(row) for row in connection.execute(query))
    decided = {decision.case_id for decision in made}
    refused = tuple((case_id, "it was left out") for case_id in wanted if case_id not in decided)
    return BulkDecision(group_key, made, refused)


@dataclass(frozen=True, slots=True)
class SpreadPrecision:
    """Rate at which reviewers of randomly drawn cases confirm the verdict that would have been spread.

    `n_spread` counts spread decisions in force; `n_drawn` the cases drawn instead, `n_reviewed` those judged,
    `n_agreeing` those judged alike. `precision` is n_agreeing / n_reviewed with its 95 % interval (Wilson 1927); None
    without reviews.
    """

    n_spread: int
    n_drawn: int
    n_reviewed: int
    n_agreeing: int
    precision: float | None = None
    low: float | None = None
    high: float | None = None


def _is_drawn_for_audit(decision_id: int, case_id: int, share: float) -> bool:
    """Return whether a case stays open for a person instead of receiving a spread decision.

    The probability is `share`; the result is always the same for the same numbers.

    >>> 450 < sum(_is_drawn_for_audit(7, case_id, 0.05) for case_id in range(1, 10_001)) < 550
    True
    """
    uniform = int(digest(f"spread {decision_id} to {case_id}")[:13], 16) / 16**13
    return uniform < share


def measure_spread(connection: Connection) -> SpreadPrecision:
    """Return how the reviews of drawn cases compare with the spread verdicts that are in force."""
    spread = select(func.count()).select_from(decisions).where(decisions.c.origin == "spread", stands())
    taken_back = select(reversals.c.reversal_id).where(reversals.c.decision_id == spread_audits.c.decision_id)
    found = and_(decisions.c.case_id == spread_audits.c.case_id, is_last_word())
    is_same = and_(
        decisions.c.verdict == spread_audits.c.verdict, or_(decisions.c.verdict != Verdict.COUNTERFEIT, is_confirmed())
    )
    query = select(
        func.count(),
        func.count(decisions.c.decision_id),
        func.count().filter(is_same),
    ).select_from(spread_audits.outerjoin(decisions, found))
    n_spread = connection.scalar(spread) or 0
    n_drawn, n_reviewed, n_agreeing = connection.execute(query.where(~taken_back.exists())).one()
    rate = count_rate(n_agreeing, n_reviewed)
    interval = (rate.share, rate.low, rate.high) if rate else ()
    return SpreadPrecision(n_spread, n_drawn, n_reviewed, n_agreeing, *interval)


MOST_MEMBERS = 200
"""Per decision; the rest waits for a decision on one of them."""

_TRUTHS = (Verdict.COUNTERFEIT, Verdict.GENUINE)


@dataclass(frozen=True, slots=True)
class SpreadPreview:
    """The cases to which a decision would spread, the most suspicious first.

    Some of them will be drawn for a person. `left_out` holds the other waiting cases, each with the reason.
    """

    case_id: int
    cases: tuple[Case, ...]
    left_out: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """A decision and the cases it spread to; `undo` of the decision, or `undo_group`, takes all of it back.

    `decisions` are those on near-duplicates. `drawn` and `left_out` (with reasons) stay open.
    """

    decision: Decision
    decisions: tuple[Decision, ...]
    drawn: tuple[int, ...]
    left_out: tuple[tuple[int, str], ...]


def preview_spread(
    connection: Connection, case_id: int, reviewer: str = "", *, now: datetime | None = None
) -> SpreadPreview:
    """Return to which cases a decision on a case would spread; nothing changes. Cases held by others are left out.

    Raises NotFound.
    """
    now = now or datetime.now(UTC)
    row = find_case(connection, case_id)
    waiting = _find_waiting(connection, case_id)
    obstacles = _find_obstacles_to_spread(connection, row, waiting, reviewer, now)
    left_out = tuple((number, why) for number, why in obstacles.items() if why)
    shown = [member for member in waiting if not obstacles[member.case_id]][:MOST_MEMBERS]
    return SpreadPreview(case_id, tuple(make_case(member, now) for member in shown), left_out)


def decide_and_spread(
    connection: Connection,
    request: DecisionRequest,
    spread_to: Collection[int],
    *,
    now: datetime | None = None,
    context: ReviewContext = DEFAULT_CONTEXT,
) -> GroupDecision:
    """Decide the case held under a claim, and its near-duplicates with it, in one transaction.

    `spread_to` names cases of the preview; others that wait for the case then wait for one of them. Near-duplicates get
    the same ground and note.

    Raises Refused if the verdict is neither counterfeit nor genuine; otherwise as `decide`.
    """
    if request.verdict not in _TRUTHS:
        raise Refused("verdict that spreads", f"'{request.verdict}'", "counterfeit or genuine")
    now = now or datetime.now(UTC)
    group = Origin(group_key=f"spread:{uuid4().hex}", key=request.key or None)
    row, decision = decide_claimed(connection, request, group, now, context)
    if not (standing := find_decisions(connection, (decisions.c.decision_id == decision.decision_id) & stands())):
        return GroupDecision(decision, (), (), ())  # a request repeated after its decision was undone
    members = [member for member in _find_waiting(connection, row.case_id) if member.case_id in set(spread_to)]
    obstacles = _find_obstacles_to_spread(connection, row, members, decision.reviewer, now)
    left_out = tuple((number, why) for number, why in obstacles.items() if why)
    free = [member for member in members if not obstacles[member.case_id]][:MOST_MEMBERS]
    share = context.settings.spread_audit_share
    drawn = [member.case_id for member in free if _is_drawn_for_audit(decision.decision_id, member.case_id, share)]
    show_cases(connection, [*drawn, *(number for number, _ in left_out)])
    _note_drawn(connection, decision, drawn)
    asked = [
        (member, replace(decision, decision_id=0, case_id=member.case_id, listing_id=member.listing_id))
        for member in free
        if member.case_id not in drawn
    ]
    made = record_all(connection, asked, Origin("spread", standing[0].group_key, decision.decision_id), context)
    hand_over(connection, [row.case_id])
    return GroupDecision(decision, tuple(made), tuple(drawn), left_out)


def _find_waiting(connection: Connection, case_id: int) -> list[StoredCase]:
    query = select(cases).where(cases.c.exemplar == case_id, cases.c.state == "open")
    return read_cases(connection, query.order_by(cases.c.rank, cases.c.case_id))


def _find_obstacles_to_spread(
    connection: Connection, row: StoredCase, members: Sequence[StoredCase], reviewer: str, now: datetime
) -> dict[int, str | None]:
    """Return, for each waiting case, why a verdict would not spread to it, as a phrase or None."""
    halves = find_halves(connection, [member.case_id for member in members]) if members else {}
    found: dict[int, str | None] = {}
    for member in members:
        if is_held(member, now) and member.holder != reviewer:
            found[member.case_id] = f"{member.holder} has it open"
        elif reviewer in {half.reviewer for half in halves[member.case_id]}:
            found[member.case_id] = "another must judge it"
        elif not is_same_offer(decode(row.snapshot), decode(member.snapshot)):
            found[member.case_id] = "it has changed since it came in"
        else:
            found[member.case_id] = None
    return found


def _note_drawn(connection: Connection, decision: Decision, drawn: Collection[int]) -> None:
    if drawn:
        fields = {"decision_id": decision.decision_id, "verdict": decision.verdict}
        connection.execute(insert(spread_audits), [fields | {"case_id": number} for number in drawn])
    entries = [(subject_of(number), {"decision": decision.decision_id}) for number in drawn]
    audit.append_all(connection, "ipml", "drawn", entries, at=decision.decided_at)
