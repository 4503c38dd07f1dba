"""The record of promises: when each was given, held and withdrawn, by whom or by what, and with what figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select

from ipml.storage import audit
from ipml.storage.tables import promises

EVERY_BRAND = "*"
_RESTARTING = ("alarm", "reversals", "person")
"""After a promise was withdrawn for one of these, only cases drawn since count: all must be shown anew."""


@dataclass(frozen=True, slots=True)
class Event:
    """What became of the promise of a brand at a moment; the figures are those it rested on."""

    promise_id: int
    at: datetime
    brand: str
    event: str
    cause: str
    actor: str
    why: str
    model_version: str | None
    threshold: float | None
    promised: float | None
    bound: float | None
    reviews: int | None
    errors: int | None
    since: datetime | None
    policy_digest: str


@dataclass(slots=True)
class Record:
    """What the events of a brand, and of all brands, come to.

    Attributes
    ----------
    last : Event or None
    given : Event or None
        The event by which the promise that is in force was given; None if none is.
    banned : Event or None
        A person's word against it that no person has taken back.
    restarted_at : datetime or None
        From when on drawn cases count again.
    """

    brand: str
    last: Event | None = None
    given: Event | None = None
    restarted_at: datetime | None = None
    bans: dict[str, Event] = field(default_factory=dict)

    @property
    def banned(self) -> Event | None:
        """The last standing word of a person against it."""
        return max(self.bans.values(), key=lambda event: event.promise_id, default=None)

    @property
    def promise_id(self) -> int | None:
        """Number of the last event of the brand."""
        return None if self.last is None else self.last.promise_id

    @property
    def threshold(self) -> float:
        """The threshold in force."""
        return (self.last and self.last.threshold) or 0.0

    def follow(self, event: Event) -> None:
        """Take in the next event."""
        if event.brand != EVERY_BRAND:
            self.last = event
        if event.event == "withdrawn":
            self.given = None
        elif event.event == "given":
            self.given = event
        if event.event == "withdrawn" and event.cause in _RESTARTING:
            self.restarted_at = event.at
        if event.cause == "person":
            if event.event == "withdrawn":
                self.bans[event.brand] = event
            else:
                self.bans.pop(event.brand, None)


def read_records(connection: Connection, brands: Iterable[str]) -> dict[str, Record]:
    """Return what the events come to, for each of some brands."""
    records = {brand: Record(brand) for brand in brands}
    # A promise that is held is noted again and again: only the last time matters.
    latest = select(func.max(promises.c.promise_id)).group_by(promises.c.brand)
    is_telling = or_(promises.c.event != "held", promises.c.promise_id.in_(latest))
    wanted = promises.c.brand.in_([*records, EVERY_BRAND])
    for row in connection.execute(select(promises).where(wanted, is_telling).order_by(promises.c.promise_id)):
        event = _event(row)
        for record in records.values() if event.brand == EVERY_BRAND else (records[event.brand],):
            record.follow(event)
    return records


@dataclass(frozen=True, slots=True)
class InForce:
    """From when on and before when a promise was in force with one threshold, for the scores of one model."""

    start: datetime
    end: datetime
    threshold: float
    model_version: str

    def covers(self, at: datetime, score: float, model_version: str) -> bool:
        """Say whether a listing of that score might have been acted on at a moment."""
        return self.start <= at < self.end and score >= self.threshold and model_version == self.model_version


def find_times_in_force(connection: Connection, as_of: datetime) -> dict[str, list[InForce]]:
    """Return when the promise of each brand was in force, as far as that is known at a moment, in order."""
    found: dict[str, list[InForce]] = defaultdict(list)
    running: dict[str, InForce] = {}
    query = select(promises).where(promises.c.at <= as_of).order_by(promises.c.promise_id)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        if row.event == "allowed":  # the promise must be shown anew
            continue
        said = (row.threshold, row.model_version)
        before = running.get(row.brand)
        if before and row.event != "withdrawn" and said == (before.threshold, before.model_version):
            continue
        for brand in [*running] if row.brand == EVERY_BRAND else [row.brand]:
            if brand in running:
                found[brand].append(replace(running.pop(brand), end=row.at))
        if row.event != "withdrawn":
            running[row.brand] = InForce(row.at, datetime.max.replace(tzinfo=UTC), *said)
    for brand, last in running.items():
        found[brand].append(last)
    return dict(found)


def list_events(connection: Connection, brand: str | None = None) -> list[Event]:
    """Return the events of a brand, or of all, in order."""
    query = select(promises).order_by(promises.c.promise_id)
    if brand is not None:
        query = query.where(promises.c.brand.in_([brand, EVERY_BRAND]))
    return [_event(row) for row in connection.execute(query)]


def note_event(connection: Connection, actor: str, at: datetime, **columns: Any) -> int:
    """Append an event, note it in the audit trail, and return its number."""
    query = insert(promises).values(actor=actor, at=at, **columns).returning(promises.c.promise_id)
    number: int = connection.scalars(query).one()
    named = ("brand", "cause", "threshold", "promised", "bound", "reviews", "errors", "model_version", "policy_digest")
    payload: dict[str, audit.Value] = {name: columns[name] for name in named if columns.get(name) is not None}
    audit.append(connection, actor, f"promise {columns['event']}", f"promise:{number}", payload, at=at)
    return number


def _event(row: Row[Any]) -> Event:
    return Event(**{name: getattr(row, name) for name in Event.__slots__})
