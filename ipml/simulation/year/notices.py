"""Notices on their way in: kept until the day on which they are given, with the listings that they are about."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from sqlalchemy import Engine

from ipml.records import ScoredListing
from ipml.review.intake import enqueue
from ipml.simulation.year.rights import DrawnNotice

Give = Callable[[Engine, DrawnNotice, Sequence[str], datetime], object]
"""Gives a notice on listings, by their ids, at a moment."""


@dataclass(slots=True)
class Post:
    """Notices to come; what is due is given to the programme.

    Attributes
    ----------
    given : int
        How many notices were given.
    """

    engine: Engine
    give: Give
    given: int = 0
    _waiting: list[tuple[datetime, int, DrawnNotice, tuple[ScoredListing, ...]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def add(self, notices: Sequence[DrawnNotice], listings: Mapping[int, ScoredListing]) -> None:
        """Take the notices of a week, and its listings by their rows."""
        for notice in notices:
            about = tuple(listings[row] for row in notice.rows)
            heapq.heappush(self._waiting, (notice.at, next(self._number), notice, about))

    def deliver(self, now: datetime) -> None:
        """Give the notices that are due; a listing that nobody looked at yet comes into the queue with its score."""
        due: list[tuple[DrawnNotice, tuple[ScoredListing, ...]]] = []
        while self._waiting and self._waiting[0][0] <= now:
            _, _, notice, about = heapq.heappop(self._waiting)
            due.append((notice, about))
        enqueue(self.engine, (one for _, about in due for one in about), joins_alike=False, now=now)
        for notice, about in due:
            self.give(self.engine, notice, [one.listing.listing_id for one in about], now)
        self.given += len(due)
