"""Appeals as rows of plain values, for files that people take away: numbers and moments, nothing that was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Engine, select

from ipml.storage.database import reading
from ipml.storage.tables import appeal_outcomes, appeals

_OWN = ("appeal_id", "case_id", "decision_id", "subject", "kind", "profile", "state", "filed_at")
_OF_OUTCOME = ("decided_by", "decided_at", "measure_kind")
COLUMNS = (*_OWN, *_OF_OUTCOME)
_AT_ONCE = 500


def export_appeals(engine: Engine) -> Iterator[Mapping[str, str | float | int | datetime | None]]:
    """Give a row of `COLUMNS` for each appeal, in the order in which they were filed.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> list(export_appeals(engine))
    []
    """
    columns = [*(appeals.c[name] for name in _OWN), *(appeal_outcomes.c[name] for name in _OF_OUTCOME)]
    query = select(*columns).outerjoin(appeal_outcomes).order_by(appeals.c.appeal_id).limit(_AT_ONCE)
    last = 0
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(appeals.c.appeal_id > last)).all()
        yield from (row._asdict() for row in rows)
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].appeal_id
