"""Notices of the year as the programme's intake takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine

from ipml.simulation.year.rights import DrawnNotice


def give_notice(engine: Engine, notice: DrawnNotice, listing_ids: Sequence[str], now: datetime) -> None:
    """Give a notice on listings that are in the queue."""
