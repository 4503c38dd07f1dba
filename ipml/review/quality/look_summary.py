"""Further looks in brief, quickly enough for a page: how many there were, and how often they said the same."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, case, func, select

from ipml.review.quality.rates import Rate, count_rate
from ipml.storage.database import reading
from ipml.storage.tables import decisions, goldens, looks, opinions


@dataclass(frozen=True, slots=True)
class LookSummary:
    """What further looks say of the reviewing as a whole.

    Attributes
    ----------
    waiting : dict of str to int
        Looks wanted and not yet taken, by kind; golden items are wanted as reviewers come.
    golden, repeats, audits : Rate or None
        How often the verdict was the known truth, one's own of some weeks before, and the other reviewer's.
    """

    waiting: dict[str, int]
    golden: Rate | None
    repeats: Rate | None
    audits: Rate | None


def summarise_looks(engine: Engine) -> LookSummary:
    """Return further looks in brief.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> summarise_looks(engine)
    LookSummary(waiting={}, golden=None, repeats=None, audits=None)
    """
    pending = select(looks.c.kind, func.count()).where(looks.c.ended_at.is_(None)).group_by(looks.c.kind)
    with reading(engine) as connection:
        waiting: dict[str, int] = dict(connection.execute(pending.order_by(looks.c.kind)).all())
        agreeing = {kind: _compare(connection, kind) for kind in ("repeat", "audit")}
        return LookSummary(waiting, _compare_with_truth(connection), agreeing["repeat"], agreeing["audit"])


def _compare(connection: Connection, kind: str) -> Rate | None:
    query = (
        select(func.count(), _count_if(opinions.c.verdict == decisions.c.verdict))
        .select_from(opinions)
        .join(looks, looks.c.look_id == opinions.c.look_id)
        .join(decisions, decisions.c.decision_id == looks.c.decision_id)
        .where(opinions.c.kind == kind, opinions.c.withdrawn_at.is_(None))
    )
    n, same = connection.execute(query).one()
    return count_rate(same or 0, n)


def _compare_with_truth(connection: Connection) -> Rate | None:
    query = (
        select(func.count(), _count_if(opinions.c.verdict == goldens.c.truth))
        .select_from(opinions)
        .join(goldens, goldens.c.case_id == opinions.c.case_id)
        .where(opinions.c.kind == "golden", opinions.c.withdrawn_at.is_(None), goldens.c.removed_at.is_(None))
    )
    n, right = connection.execute(query).one()
    return count_rate(right or 0, n)


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
