"""One call in a transaction of its own."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, Executable, Row, Select

from ipml.storage.database import reading, writing


def read_with(engine: Engine, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection that only reads."""
    with reading(engine) as connection:
        return function(connection, *arguments, **options)


def write_with(engine: Engine, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function with a connection whose changes are kept."""
    with writing(engine) as connection:
        return function(connection, *arguments, **options)


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
