"""Which decisions are looked at again, with known odds, and after how many cases a reviewer gets such a look.

Both are drawn by hashing what no seller knows and every auditor can look up: nothing is stored, everything repeats.
A draw hangs on the moment of a decision to the microsecond, so that neither the seller nor the reviewer can foresee it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from ipml.records import Decision, Verdict
from ipml.settings import Settings
from ipml.storage.tables import decisions, looks, opinions, to_microseconds

# Made once, as making a query takes longer than asking it.
_IS_THEIRS = opinions.c.reviewer == bindparam("reviewer")
_LAST = select(
    *(
        select(func.max(opinions.c.decided_at)).where(_IS_THEIRS, opinions.c.kind == kind).scalar_subquery().label(kind)
        for kind in ("golden", "repeat", "audit")
    )
)
_LATEST = (
    select(decisions.c.decided_at)
    .where(decisions.c.reviewer == bindparam("reviewer"))
    .order_by(decisions.c.decided_at.desc())
    .limit(bindparam("most"))
)


def draw(*facts: object) -> float:
    """Return a number of 0 to 1, evenly spread, that is always the same for the same facts.

    Examples
    --------
    >>> draw("audit", 1) == draw("audit", 1) != draw("repeat", 1)
    True
    """
    text = "|".join(map(str, facts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def find_shares(settings: Settings) -> dict[str, float]:
    """Return for each kind of look how many there are to be for each case decided in the ordinary way.

    Examples
    --------
    >>> shares = find_shares(Settings(golden_share=0, repeat_share=0, audit_share=0.2))
    >>> shares["golden"], round(shares["audit"], 2)
    (0.0, 0.25)
    """
    shares = {"golden": settings.golden_share, "repeat": settings.repeat_share, "audit": settings.audit_share}
    ordinary = 1.0 - sum(shares.values())
    return {kind: share / ordinary for kind, share in shares.items()}


def want_looks(connection: Connection, made: Sequence[tuple[Row[Any], Decision]], settings: Settings) -> None:
    """Draw which decisions are to be looked at again: by another reviewer, by the same one later, or not at all."""
    odds = find_shares(settings)
    found = [look for row, decision in made for look in _draw_looks(row, decision, settings, odds)]
    if found:
        connection.execute(insert(looks), found)


def _draw_looks(
    row: Row[Any], decision: Decision, settings: Settings, odds: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    if decision.verdict is Verdict.ESCALATE:
        return
    moment = to_microseconds(decision.decided_at)
    next_day = decision.decided_at + timedelta(hours=settings.audit_hours)
    later = decision.decided_at + timedelta(days=settings.repeat_days)
    wanted: dict[str, dict[str, Any]] = {
        "audit": {"wanted_at": next_day, "wanted_of": None, "not_by": decision.reviewer},
        "repeat": {"wanted_at": later, "wanted_of": decision.reviewer, "not_by": None},
    }
    named = {"case_id": row.case_id, "decision_id": decision.decision_id}
    for kind, who in wanted.items():
        if draw(kind, row.listing_key, decision.reviewer, moment) < odds[kind]:
            yield {**named, "kind": kind, "odds": min(odds[kind], 1.0), **who}


def find_timely(connection: Connection, reviewer: str, shares: Mapping[str, float]) -> list[str]:
    """Return the kinds of looks since the last of which a reviewer has decided enough cases to get the next.

    Parameters
    ----------
    shares : mapping of str to float
        As from `find_shares`.
    """
    last = connection.execute(_LAST, {"reviewer": reviewer}).one()._mapping
    gaps = {
        kind: find_gap(kind, reviewer, 0 if last[kind] is None else to_microseconds(last[kind]), share)
        for kind, share in shares.items()
        if share > 0
    }
    if not gaps:
        return []
    latest = connection.scalars(_LATEST, {"reviewer": reviewer, "most": max(gaps.values())}).all()
    return [
        kind
        for kind, gap in gaps.items()
        if len(latest) >= gap and (last[kind] is None or latest[gap - 1] > last[kind])
    ]


def find_gap(kind: str, reviewer: str, last: int, share: float) -> int:
    """Return after how many ordinary cases the next look comes: half to one and a half times 1 / share.

    Examples
    --------
    >>> 25 <= find_gap("audit", "ana", 0, 0.02) <= 75
    True
    """
    return max(1, round((0.5 + draw("gap", kind, reviewer, last)) / share))
