"""Columns: types that behave alike on every database.

Moments are whole microseconds since 1970 in UTC, which compare exactly; Python gets aware datetimes. Tables are STRICT
on SQLite: a text never gets into a column of numbers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import REAL, BigInteger, Boolean, Dialect, Double, Integer, MetaData, TypeDecorator
from sqlalchemy.types import TypeEngine

from ipml.kit.moments import from_microseconds, to_microseconds


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as whole microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use the one integer type of a STRICT table of SQLite."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Convert a time to microseconds; raise TypeError for a naive one."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert microseconds to a time."""
        return None if value is None else from_microseconds(value)


class Flag(TypeDecorator[bool]):
    """True or false, stored as 1 or 0 in a STRICT table of SQLite."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use an integer on databases without a boolean type."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else Boolean())

    def process_result_value(self, value: int | bool | None, dialect: Dialect) -> bool | None:  # noqa: ARG002
        """Convert to a boolean."""
        return None if value is None else bool(value)


# STRICT tables of SQLite know only INTEGER, REAL, TEXT and BLOB.
Real: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
Identity = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
