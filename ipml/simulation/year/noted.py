"""What came of notices, held against the truth."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, exists, func, select

from ipml.simulation.year.truth import Truth
from ipml.storage.database import reading
from ipml.storage.tables import cases, measures, notice_items, notices


@dataclass(frozen=True, slots=True)
class Noted:
    """Notices, and the listings they were about.

    Attributes
    ----------
    kinds : dict of str to int
        Notices by kind.
    items : int
        Listings noted, each once.
    right : int
        Of them counterfeit in truth.
    taken_down, taken_down_wrong : int
        Of them taken down at the end, and those of these that are genuine.
    """

    notices: int
    kinds: dict[str, int]
    items: int
    right: int
    taken_down: int
    taken_down_wrong: int


def count_notices(engine: Engine, truth: Truth) -> Noted:
    """Count the notices and what came of them."""
    is_down = exists().where(measures.c.case_id == cases.c.case_id, measures.c.lifted_at.is_(None))
    noted = select(notice_items.c.case_id).where(notice_items.c.case_id.is_not(None))
    query = select(cases.c.listing_id, is_down.label("is_down")).where(cases.c.case_id.in_(noted))
    with reading(engine) as connection:
        by_kind = connection.execute(select(notices.c.kind, func.count()).group_by(notices.c.kind))
        kinds = {str(kind): int(number) for kind, number in by_kind}
        rows = [(truth.is_fake(row.listing_id), bool(row.is_down)) for row in connection.execute(query)]
    return Noted(
        notices=sum(kinds.values()),
        kinds=kinds,
        items=len(rows),
        right=sum(is_fake for is_fake, _ in rows),
        taken_down=sum(is_down for _, is_down in rows),
        taken_down_wrong=sum(is_down and not is_fake for is_fake, is_down in rows),
    )
