"""Rows that the database numbers, appended together: many in a statement, and each with its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.sql.dml import ReturningInsert


def append_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Append rows to a table in the caller's transaction, and return their numbers, in the order of the rows.

    Parameters
    ----------
    rows : sequence of mapping
        The same columns in each; the number is not among them.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.tables import rankings
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> row = {"at": noon, "actor": "ana", "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}"}
    >>> with writing(engine) as connection:
    ...     append_rows(connection, rankings, [row, row])
    [1, 2]
    """
    if not rows:
        return []
    # SQLite numbers the rows of a statement in their order; SQLAlchemy would insert them one by one to be sure of it.
    is_ordered = connection.dialect.name == "sqlite"
    numbers: list[int] = list(connection.scalars(_make_insert(table, is_ordered), rows))
    return sorted(numbers) if is_ordered else numbers


@lru_cache(maxsize=256)
def _make_insert(table: Table, is_ordered: bool) -> ReturningInsert[Any]:
    number = table.autoincrement_column
    assert number is not None
    return insert(table).returning(number, sort_by_parameter_order=not is_ordered)
