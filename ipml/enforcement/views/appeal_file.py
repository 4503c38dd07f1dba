"""Appeal file: appeals with their restrictions and evidence, for the page that decides them and for export.

Exported rows contain numbers and times, but no texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from ipml.enforcement.appeals.appeal import (
    Appeal,
    AppealFile,
    PendingAppeal,
    find_obstacles,
    get_appeal,
    list_appeals,
    may_decide,
)
from ipml.enforcement.appeals.remedies import parse_subject
from ipml.enforcement.evidence.pieces import Evidence, evidence_of_decision
from ipml.enforcement.penalties.penalties import Penalty, select_penalties
from ipml.enforcement.penalties.standing import Strike
from ipml.enforcement.penalties.strikes import find_strike
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.statements import get_statement
from ipml.enforcement.takedown.measures import Measure, find_measures
from ipml.enforcement.views.case_file import SentStatement, read_told
from ipml.errors import EvidenceChanged, NotFound
from ipml.review.arrivals.snapshot import decode_listing
from ipml.storage.tables import appeal_outcomes, appeals, cases, measures, penalties

_MILDEST_FIRST = tuple(MeasureKind)


@dataclass(frozen=True, slots=True)
class ListedAppeal:
    """An appeal in the list.

    `title`: title of the listing, as its seller wrote it. `restriction`: subject of the appeal; None if the decision
    led to neither. `obstacle`: reason why the current user may not decide it, as a phrase.
    """

    due: PendingAppeal
    title: str
    restriction: Measure | Penalty | None
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class ShownAppeal:
    """An appeal with everything needed to decide it.

    - `evidence`: evidence of the contested decision.
    - `damage`: error message if that evidence is damaged.
    - `strike`: strike from the decision, unless taken back.
    - `milder`: measures that could replace the present one.
    """

    file: AppealFile
    restriction: Measure | Penalty | None
    told: SentStatement | None
    evidence: Evidence | None
    damage: str | None
    strike: Strike | None
    milder: tuple[MeasureKind, ...]
    obstacle: str | None


def list_desk(connection: Connection, by: str, state: str | None = None, limit: int = 100) -> list[ListedAppeal]:
    """Return appeals with their restrictions, ordered by deadline; see `list_appeals`."""
    listed = list_appeals(connection, state, limit)
    some = [due.appeal for due in listed]
    restrictions = _find_restrictions(connection, some)
    obstacles = find_obstacles(connection, some, by)
    rows = connection.execute(
        select(cases.c.case_id, cases.c.snapshot).where(cases.c.case_id.in_({appeal.case_id for appeal in some}))
    )
    titles = {row.case_id: decode_listing(row.snapshot).title for row in rows}
    return [
        ListedAppeal(
            due,
            titles[due.appeal.case_id],
            restrictions.get(due.appeal.subject),
            obstacles.get(due.appeal.appeal_id) if due.appeal.is_pending else None,
        )
        for due in listed
    ]


def read_desk(connection: Connection, appeal_id: int, by: str, *, now: datetime | None = None) -> ShownAppeal:
    """Return an appeal with everything needed to decide it; raise NotFound for an unknown number."""
    file = get_appeal(connection, appeal_id, now=now or datetime.now(UTC))
    appeal = file.appeal
    restriction = _find_restrictions(connection, [appeal]).get(appeal.subject)
    statement = None
    with suppress(NotFound):
        statement = read_told(connection, [get_statement(connection, appeal.subject)])[appeal.subject]
    strike = find_strike(connection, appeal.decision_id)
    evidence, damage = _find_evidence(connection, appeal.decision_id)
    return ShownAppeal(
        file=file,
        restriction=restriction,
        told=statement,
        evidence=evidence,
        damage=damage,
        strike=strike if strike is not None and strike.taken_back_at is None else None,
        milder=_find_milder(restriction.kind) if isinstance(restriction, Measure) and restriction.stands else (),
        obstacle=may_decide(connection, appeal, by) if appeal.is_pending else None,
    )


def _find_milder(kind: MeasureKind) -> tuple[MeasureKind, ...]:
    """Return the kinds of measures that are milder than one and need no list of countries."""
    milder = _MILDEST_FIRST[: _MILDEST_FIRST.index(kind)]
    return tuple(kind for kind in milder if kind is not MeasureKind.REMOVE_IN)


def _find_restrictions(connection: Connection, some: list[Appeal]) -> dict[str, Measure | Penalty]:
    parsed = [parse_subject(appeal.subject) for appeal in some]
    numbers = {kind: [number for of, number in parsed if of == kind] for kind in ("measure", "penalty")}
    restrictions: list[Measure | Penalty] = [
        *find_measures(connection, measures.c.measure_id.in_(numbers["measure"])),
        *select_penalties(connection, penalties.c.penalty_id.in_(numbers["penalty"])),
    ]
    return {restriction.subject: restriction for restriction in restrictions}


def _find_evidence(connection: Connection, decision_id: int) -> tuple[Evidence | None, str | None]:
    try:
        return evidence_of_decision(connection, decision_id), None
    except EvidenceChanged as error:
        return None, str(error)


_OWN = ("appeal_id", "case_id", "decision_id", "subject", "kind", "profile", "state", "filed_at")
_OF_OUTCOME = ("decided_by", "decided_at", "measure_kind")
EXPORT_COLUMNS = (*_OWN, *_OF_OUTCOME)
_AT_ONCE = 500


def export_appeals(connection: Connection) -> Iterator[Mapping[str, str | float | int | datetime | None]]:
    """Yield a row of `EXPORT_COLUMNS` for each appeal, in order of filing."""
    columns = [*(appeals.c[name] for name in _OWN), *(appeal_outcomes.c[name] for name in _OF_OUTCOME)]
    query = select(*columns).outerjoin(appeal_outcomes).order_by(appeals.c.appeal_id).limit(_AT_ONCE)
    last = 0
    while True:
        rows = connection.execute(query.where(appeals.c.appeal_id > last)).all()
        yield from (row._asdict() for row in rows)
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].appeal_id
