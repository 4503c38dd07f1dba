"""Clues that were handed to authorities: how many, and how many of them they signed for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ipml.cooperation.reports.period import Period
from ipml.storage.tables import clues


@dataclass(frozen=True, slots=True)
class HandedOn:
    """Clues that were made in a period, and those of them that whoever got them has signed for."""

    made: int
    received: int


def count_clues(connection: Connection, period: Period) -> HandedOn:
    """Return how many clues were handed on."""
    query = select(func.count(), func.count(clues.c.received_at)).where(period.holds(clues.c.built_at))
    return HandedOn(*connection.execute(query).one())
