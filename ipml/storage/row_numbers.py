"""Row numbers: appends rows in bulk, and guarantees that no row number is given twice.

The audit trail names rows by number, so a restored database continues the old count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, CursorResult, Dialect, Table, text

from ipml.storage.driver import translate_error
from ipml.storage.tables import metadata

_MANY = 8  # number of rows from which a COPY is faster than single inserts on PostgreSQL


def append_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Append rows with equal columns in the caller's transaction, and return their numbers in order."""
    if not rows:
        return []
    column = table.autoincrement_column
    assert column is not None
    if len(rows) == 1:
        return [_prepare(table, connection.dialect, (*rows[0],), column).run(connection, rows).scalar_one()]
    numbers = _draw_numbers(connection, table, len(rows))
    insert_rows(connection, table, [{column.name: number, **row} for number, row in zip(numbers, rows, strict=True)])
    return numbers


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows with equal columns in the caller's transaction, including all columns without a default."""
    if not rows:
        return
    prepared = _prepare(table, connection.dialect, (*rows[0],))
    if prepared.copying and len(rows) >= _MANY:
        prepared.copy(connection, rows)
    else:
        prepared.run(connection, rows)


@dataclass(frozen=True, slots=True)
class _PreparedInsert:
    """An INSERT for the driver, past SQLAlchemy's slow processing; `copying` is PostgreSQL's COPY, if any."""

    statement: str
    writers: Mapping[str, Callable[[Any], Any] | None]
    copying: str

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> CursorResult[Any]:
        return connection.exec_driver_sql(self.statement, list(self._write(rows)))

    def copy(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        try:
            with driver.cursor() as cursor, cursor.copy(self.copying) as stream:
                for row in self._write(rows):
                    stream.write_row(row)
        except Exception as error:
            raise translate_error(connection, self.copying, error) from error

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
        columns = [
            [row[name] for row in rows] if write is None else [write(row[name]) for row in rows]
            for name, write in self.writers.items()
        ]
        return zip(*columns, strict=True)


@lru_cache(maxsize=512)
def _prepare(
    table: Table, dialect: Dialect, names: tuple[str, ...], returned: Column[int] | None = None
) -> _PreparedInsert:
    quote, kinds = dialect.identifier_preparer.quote, {name: table.c[name].type for name in names}
    is_postgres = dialect.name == "postgresql"
    places = (f"%s::{kind.compile(dialect=dialect)}" if is_postgres else "?" for kind in kinds.values())
    into = f"{quote(table.name)} ({', '.join(map(quote, names))})"
    ending = "" if returned is None else f" RETURNING {quote(returned.name)}"
    statement = f"INSERT INTO {into} VALUES ({', '.join(places)}){ending}"  # noqa: S608 - nothing from outside
    writers = {name: kind.dialect_impl(dialect).bind_processor(dialect) for name, kind in kinds.items()}
    return _PreparedInsert(statement, writers, f"COPY {into} FROM STDIN" if is_postgres else "")


def _draw_numbers(connection: Connection, table: Table, count: int) -> list[int]:
    """Return unused numbers for new rows, in order."""
    if connection.dialect.name == "postgresql":
        return list(connection.scalars(_NEXT_NUMBERS, _names(table) | {"n": count}))
    first = last_number(connection, table) + 1  # SQLite has one writer at a time
    return list(range(first, first + count))


def numbered_tables() -> list[Table]:
    """Return the tables whose rows the database numbers."""
    return [table for table in metadata.tables.values() if table.autoincrement_column is not None]


def last_number(connection: Connection, table: Table) -> int:
    """Return the largest number ever given to a row of a table, even if the row is gone; 0 for none."""
    if connection.dialect.name == "postgresql" or not table.dialect_options["sqlite"]["autoincrement"]:
        return max(_largest(connection, table), _counted(connection, table))
    query = f"SELECT coalesce(max(n), 0) FROM ({_LARGEST.format(**_names(table))} UNION ALL {_GIVEN})"  # noqa: S608
    return int(connection.exec_driver_sql(query, (table.name,)).scalar_one())


def go_on_after(connection: Connection, table: Table, number: int) -> None:
    """Make the next row number of a table larger than a number and than any existing one."""
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
    """Return the tables whose counter would repeat a number, as after rows were copied in by hand; none on SQLite."""
    if connection.dialect.name != "postgresql":
        return []
    return [table.name for table in numbered_tables() if _counted(connection, table) < _largest(connection, table)]


_LARGEST = 'SELECT max("{column}") AS n FROM "{table}"'
_GIVEN = "SELECT seq AS n FROM sqlite_sequence WHERE name = ?"
_SERIAL = "pg_get_serial_sequence(:table, :column)"
_NEXT_NUMBERS = text(f"SELECT nextval({_SERIAL}) FROM generate_series(1, :n)")  # noqa: S608 - nothing from outside


def _names(table: Table) -> dict[str, str]:
    column = table.autoincrement_column
    assert column is not None
    return {"table": table.name, "column": column.name}


def _largest(connection: Connection, table: Table) -> int:
    return connection.exec_driver_sql(_LARGEST.format(**_names(table))).scalar_one() or 0


def _counted(connection: Connection, table: Table) -> int:
    """Return the last number given by the counter; 0 without a counter."""
    if connection.dialect.name == "postgresql":
        query = text(f"SELECT pg_sequence_last_value({_SERIAL}::regclass)")
        return connection.scalar(query, _names(table)) or 0
    if not table.dialect_options["sqlite"]["autoincrement"]:
        return 0
    return connection.exec_driver_sql(_GIVEN, (table.name,)).scalar() or 0
