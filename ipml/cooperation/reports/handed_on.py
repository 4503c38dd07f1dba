"""Clues that were handed to authorities: how many, and how many of them they signed for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from ipml.cooperation.reports.period import Period
from ipml.storage.tables import clues


@dataclass(frozen=True, slots=True)
class HandedOn:
    """Clues that were made in a period, and those of them that whoever got them has signed for."""

    made: int
    received: int


def count_clues(connection: Connection, period: Period, as_of: datetime) -> HandedOn:
    """Return how many clues were handed on."""
    received = func.count().filter(clues.c.received_at <= as_of)
    query = select(func.count(), received).where(period.holds(clues.c.built_at, as_of))
    return HandedOn(*connection.execute(query).one())
