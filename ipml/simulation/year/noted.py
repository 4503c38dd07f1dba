"""What came of notices, held against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, distinct, exists, func, select

from ipml.simulation.year.truth import Truth
from ipml.storage.database import reading
from ipml.storage.tables import cases, measures, notice_items, notices, notifier_steps


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
    states : dict of str to int
        What was said of listings, notice by notice, by what came of it: "upheld", "rejected".
    steps : dict of str to int
        Notifiers warned and suspended, each once.
    """

    notices: int
    kinds: dict[str, int]
    items: int
    right: int
    taken_down: int
    taken_down_wrong: int
    states: dict[str, int]
    steps: dict[str, int]


def count_notices(engine: Engine, truth: Truth) -> Noted:
    """Count the notices and what came of them."""
    is_down = exists().where(measures.c.case_id == cases.c.case_id, measures.c.lifted_at.is_(None))
    noted = select(notice_items.c.case_id).where(notice_items.c.case_id.is_not(None))
    query = select(cases.c.listing_id, is_down.label("is_down")).where(cases.c.case_id.in_(noted))
    taken = notifier_steps.c.kind, func.count(distinct(notifier_steps.c.notifier_id))
    with reading(engine) as connection:
        kinds = _count(connection, select(notices.c.kind, func.count()).group_by(notices.c.kind))
        states = _count(connection, select(notice_items.c.state, func.count()).group_by(notice_items.c.state))
        steps = _count(connection, select(*taken).group_by(notifier_steps.c.kind))
        rows = [(truth.is_fake(row.listing_id), bool(row.is_down)) for row in connection.execute(query)]
    return Noted(
        notices=sum(kinds.values()),
        kinds=kinds,
        items=len(rows),
        right=sum(is_fake for is_fake, _ in rows),
        taken_down=sum(is_down for _, is_down in rows),
        taken_down_wrong=sum(is_down and not is_fake for is_fake, is_down in rows),
        states=states,
        steps=steps,
    )


def _count(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in connection.execute(query)}
