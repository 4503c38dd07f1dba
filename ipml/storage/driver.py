"""Driver statements: SQL run by the database driver itself, faster than through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, exc

# Common names of the driver's and of SQLAlchemy's errors (PEP 249).
_KINDS_OF_ERRORS = frozenset(
    (
        *("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError"),
        *("NotSupportedError", "InterfaceError", "DatabaseError"),
    )
)


def fetch_rows(connection: Connection, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    """Return the rows of an SQL statement in the database's dialect, in the caller's transaction."""
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        rows: list[tuple[Any, ...]] = driver.execute(statement, parameters).fetchall()
    except Exception as error:
        raise translate_error(connection, statement, error) from error
    return rows


def translate_error(connection: Connection, statement: str, error: Exception) -> Exception:
    """Return a driver's error as SQLAlchemy would raise it; return other errors unchanged."""
    driver, dialect = connection.connection.driver_connection, connection.dialect
    if dialect.dbapi is None or not isinstance(error, dialect.dbapi.Error):
        return error
    is_lost = dialect.is_disconnect(error, driver, None)
    if is_lost:
        connection.invalidate(error)
    names = (kind.__name__ for kind in type(error).__mro__)
    kind = next(getattr(exc, name) for name in names if name in _KINDS_OF_ERRORS)
    translated: Exception = kind(statement, None, error, connection_invalidated=is_lost)
    return translated
