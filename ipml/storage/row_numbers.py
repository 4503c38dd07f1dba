"""Rows that the database numbers: appended together, each with its number, and no number ever given twice.

The audit trail names rows by number, so a restored database goes on counting where the old one stood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, func, insert, select, text
from sqlalchemy.sql.dml import ReturningInsert

from ipml.storage.tables import metadata

_FEW = 8  # rows, which one statement appends as quickly


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
    if connection.dialect.name == "postgresql" and len(rows) > _FEW:
        return _append_numbered(connection, table, rows)
    # SQLite numbers the rows of a statement in their order; SQLAlchemy would insert them one by one to be sure of it.
    is_ordered = connection.dialect.name == "sqlite"
    numbers: list[int] = list(connection.scalars(_make_insert(table, is_ordered), rows))
    return sorted(numbers) if is_ordered else numbers


def _append_numbered(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Do what `append_rows` does, with numbers that are drawn first.

    psycopg parses a statement that holds many rows anew whenever it comes, which takes longer than all else.
    """
    column = table.autoincrement_column
    assert column is not None
    numbers = list(connection.scalars(_NEXT_NUMBERS, _names(table) | {"n": len(rows)}))
    numbered = [{column.name: number, **row} for number, row in zip(numbers, rows, strict=True)]
    connection.execute(_make_numbered_insert(table), numbered)
    return numbers


@lru_cache(maxsize=256)
def _make_numbered_insert(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=256)
def _make_insert(table: Table, is_ordered: bool) -> ReturningInsert[Any]:
    number = table.autoincrement_column
    assert number is not None
    return insert(table).returning(number, sort_by_parameter_order=not is_ordered)


def numbered_tables() -> list[Table]:
    """Return the tables whose rows the database numbers itself."""
    return [table for table in metadata.tables.values() if table.autoincrement_column is not None]


def last_number(connection: Connection, table: Table) -> int:
    """Return the largest number that was ever given to a row of a table, be the row there or not; 0 for none.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.tables import cases
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     go_on_after(connection, cases, 41)
    ...     last_number(connection, cases)
    41
    """
    return max(_largest(connection, table), _counted(connection, table))


def go_on_after(connection: Connection, table: Table, number: int) -> None:
    """See to it that the next row of a table gets a larger number than this and than any that is there."""
    number = max(number, last_number(connection, table))
    if number == 0:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT setval({_SERIAL}, :number)"), _names(table) | {"number": number})
    elif table.dialect_options["sqlite"]["autoincrement"]:
        values = {"table": table.name, "number": number}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), values)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"), values)


def find_lagging(connection: Connection) -> list[str]:
    """Return the tables whose counter would give a number that is taken, as after rows were copied in by hand.

    SQLite's counters look at the table themselves.
    """
    if connection.dialect.name != "postgresql":
        return []
    return [table.name for table in numbered_tables() if _counted(connection, table) < _largest(connection, table)]


_SERIAL = "pg_get_serial_sequence(:table, :column)"
_NEXT_NUMBERS = text(f"SELECT nextval({_SERIAL}) FROM generate_series(1, :n)")  # noqa: S608 - nothing from outside


def _names(table: Table) -> dict[str, str]:
    column = table.autoincrement_column
    assert column is not None
    return {"table": table.name, "column": column.name}


def _largest(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.autoincrement_column))) or 0


def _counted(connection: Connection, table: Table) -> int:
    """Return the last number that the counter itself gave; 0 where there is no counter."""
    if connection.dialect.name == "postgresql":
        query = text(f"SELECT pg_sequence_last_value({_SERIAL}::regclass)")
        return connection.scalar(query, _names(table)) or 0
    if not table.dialect_options["sqlite"]["autoincrement"]:
        return 0
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    return connection.scalar(query, {"table": table.name}) or 0
