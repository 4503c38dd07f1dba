"""One call in a transaction of its own, and whether what was written agrees."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Executable, FromClause, Row, Select, func, select

from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing


def ask(engine: Engine, query: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection that only reads; a stream is read to its end."""
    with reading(engine) as connection:
        answer = query(connection, *arguments, **options)
        return list(answer) if isinstance(answer, Iterator) else answer


def act(engine: Engine, change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection whose changes are kept."""
    with writing(engine) as connection:
        return change(connection, *arguments, **options)


def execute(engine: Engine, *queries: Executable) -> None:
    """Execute queries that change something, in one transaction."""
    with writing(engine) as connection:
        for query in queries:
            connection.execute(query)


def read_rows(engine: Engine, query: Select[Any]) -> list[Row[Any]]:
    """Return the rows of a query."""
    with reading(engine) as connection:
        return list(connection.execute(query))


def read_scalars(engine: Engine, query: Select[Any]) -> list[Any]:
    """Return the first column of a query."""
    with reading(engine) as connection:
        return list(connection.scalars(query))


def count(engine: Engine, table: FromClause) -> int:
    """Return the number of rows of a table."""
    return ask(engine, Connection.scalar, select(func.count()).select_from(table)) or 0


def check_sound(connection: Connection) -> None:
    """Assert that the trail is intact, and that nothing disagrees with it."""
    assert verify(connection).is_intact
    assert list(find_disagreements(connection)) == []
    assert check_rows(connection).problems == ()
