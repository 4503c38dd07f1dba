"""What a monitor counts of the outbox: what waits, what was given up, and what the platform has not answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Lock

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from ipml.enforcement.takedown.timing import count_overdue
from ipml.errors import IpmlError
from ipml.storage.database import reading
from ipml.storage.outbox import Backlog, count_backlog

_KEPT_SECONDS = 10.0  # anybody may ask; the database is asked this often at most
_log = logging.getLogger(__name__)


class OutboxFacts(Collector):
    """Figures of the outbox, looked up at each reading, but not more often than every ten seconds.

    Parameters
    ----------
    engine : Engine
    overdue_hours : float
        After how many hours without a word a measure is overdue.
    """

    def __init__(self, engine: Engine, overdue_hours: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._hours, self._clock = engine, overdue_hours, clock
        self._found: tuple[datetime, list[Backlog], int] | None = None
        self._looked_at: float | None = None
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        """Give the figures; none while the database cannot be read."""
        with self._lock:
            if self._looked_at is None or self._clock() - self._looked_at > _KEPT_SECONDS:
                self._found, self._looked_at = self._look(), self._clock()
            found = self._found
        if found is not None:
            yield from _describe(*found)

    def _look(self) -> tuple[datetime, list[Backlog], int] | None:
        now = datetime.now(UTC)
        try:
            with reading(self._engine) as connection:
                return now, count_backlog(connection, now), count_overdue(connection, now, self._hours)
        except IpmlError as error:
            _log.warning("%s", error)
            return None


def _describe(now: datetime, backlogs: list[Backlog], overdue: int) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("ipml_outbox_waiting", "Messages not delivered yet.", labels=("channel",))
    dead = GaugeMetricFamily("ipml_outbox_dead", "Messages given up, for people.", labels=("channel",))
    oldest = GaugeMetricFamily("ipml_outbox_oldest_seconds", "Age of the oldest that is due.", labels=("channel",))
    for backlog in backlogs:
        waiting.add_metric((backlog.channel,), backlog.waiting)
        dead.add_metric((backlog.channel,), backlog.dead)
        age = (now - backlog.oldest).total_seconds() if backlog.oldest else 0.0
        oldest.add_metric((backlog.channel,), max(age, 0.0))
    yield from (waiting, dead, oldest)
    yield GaugeMetricFamily("ipml_measures_overdue", "Measures the platform has not answered in time.", overdue)
