"""Measures as they are kept, and how to find them: by number, decision, case, seller, or listing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from ipml.enforcement.restrictions import MeasureKind
from ipml.errors import MeasureNotFound, SellerErased
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.pseudonyms import unseal
from ipml.storage.tables import decisions, measures

STATES = ("asked", "done", "refused", "lifted", "back", "replaced")


@dataclass(frozen=True, slots=True)
class Measure:
    """What is done to a listing, since when and by whom, and how far the platform has come with it.

    Attributes
    ----------
    until : datetime or None
        When it ends by itself.
    sales_before : int or None
        Of the listing when it was decided on, as far as known.
    is_automatic : bool
        Whether a policy imposed it and no person.
    source, is_detected
        Who pointed to the listing; see `ipml.enforcement.restrictions.Source`.
    done_at, undone_at : datetime or None
        When the platform said that it is done, and that it is undone.
    refused_at : datetime or None
        When the platform last refused, or was given up on; None once it said done.
    replaced_by : int or None
        The measure that took its place.
    """

    measure_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    kind: MeasureKind
    territories: tuple[str, ...]
    until: datetime | None
    policy_digest: str
    imposed_by: str
    imposed_at: datetime
    listed_at: datetime | None = None
    sales_before: int | None = None
    is_automatic: bool = False
    done_at: datetime | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None
    undone_at: datetime | None = None
    refused_at: datetime | None = None
    replaced_by: int | None = None
    source: str = "own"
    is_detected: bool = True

    @property
    def subject(self) -> str:
        """Its name in the audit trail."""
        return f"measure:{self.measure_id}"

    @property
    def stands(self) -> bool:
        """Whether it was neither lifted nor replaced."""
        return self.lifted_at is None

    @property
    def state(self) -> str:
        """One of `STATES`."""
        if self.replaced_by is not None:
            return "replaced"
        if self.refused_at is not None:
            return "refused"
        if self.lifted_at is not None:
            return "back" if self.undone_at else "lifted"
        return "done" if self.done_at else "asked"


_PLAIN = tuple(name for name in Measure.__slots__ if name not in ("kind", "territories"))


def make_measure(row: Row[Any]) -> Measure:
    """Make the record of a row of measures."""
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Measure(kind=MeasureKind(row.kind), territories=tuple(filter(None, row.territories.split(","))), **plain)


def get_measure(connection: Connection, measure_id: int) -> Measure:
    """Return one measure; MeasureNotFound if there is none of that number."""
    found = find_measures(connection, measures.c.measure_id == measure_id) if _is_number(measure_id) else []
    if not found:
        raise MeasureNotFound(measure_id)
    return found[0]


def find_measures(
    connection: Connection,
    *conditions: ColumnElement[bool],
    case_id: int | None = None,
    decision_id: int | None = None,
    pseudonym: str | None = None,
    standing: bool = False,
    state: str | None = None,
    before: int | None = None,
    at_most: int | None = None,
) -> list[Measure]:
    """Return measures, the newest first.

    Parameters
    ----------
    case_id, decision_id, pseudonym : optional
        Of that case, decision or seller only.
    standing : bool, default=False
        Whether only those that were neither lifted nor replaced.
    state : str, optional
        One of `STATES`.
    before : int, optional
        With smaller numbers only: the last of one page gives the next.
    at_most : int, optional
        How many.
    """
    wanted = {"case_id": case_id, "decision_id": decision_id, "pseudonym": pseudonym}
    query = select(measures).where(*conditions).order_by(measures.c.measure_id.desc()).limit(at_most)
    query = query.where(*(measures.c[name] == value for name, value in wanted.items() if value is not None))
    if standing:
        query = query.where(measures.c.lifted_at.is_(None))
    if state is not None:
        query = query.where(_is_in_state(state))
    if before is not None:
        query = query.where(measures.c.measure_id < before)
    return [make_measure(row) for row in connection.execute(query)]


def find_on_listing(connection: Connection, listing_id: str, pseudonym: str) -> list[Measure]:
    """Return every measure there ever was on a seller's listing, however often it was observed, the oldest first."""
    return find_on_listings(connection, [(listing_id, pseudonym)])[listing_id, pseudonym]


def find_on_listings(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Measure]]:
    """Return what `find_on_listing` does, for each listing and pseudonym."""
    found: dict[tuple[str, str], list[Measure]] = {place: [] for place in wanted}
    query = select(measures, decisions.c.listing_id).join(decisions, measures.c.decision_id == decisions.c.decision_id)
    # A seller may have thousands of measures, a listing has few: those of other sellers' are passed over here.
    query = query.where(decisions.c.listing_id.in_({listing_id for listing_id, _ in found}))
    for row in connection.execute(query.order_by(measures.c.measure_id)):
        if (place := (row.listing_id, row.pseudonym)) in found:
            found[place].append(make_measure(row))
    return found


def in_force(on_listing: Iterable[Measure]) -> list[Measure]:
    """Return, of all measures on a listing, those that stand.

    A removal beside a label does not make the label needless: each was stated to the seller and the public, so the
    platform is told of each, and each is answered for itself.
    """
    return [measure for measure in on_listing if measure.stands]


def read_whys(connection: Connection, measure: Measure) -> dict[str, str | None]:
    """Return why a measure was imposed, lifted and refused; "erased" where its seller was.

    Returns
    -------
    dict
        The texts by "why", "why_lifted" and "why_refused"; None where nothing was said.
    """
    columns = measures.c.why, measures.c.why_lifted, measures.c.why_refused
    row = connection.execute(select(*columns).where(measures.c.measure_id == measure.measure_id)).one()
    return {name: _read(connection, measure.pseudonym, sealed) for name, sealed in row._mapping.items()}


def _read(connection: Connection, pseudonym: str, sealed: str | None) -> str | None:
    try:
        return sealed and unseal(connection, pseudonym, sealed)
    except SellerErased:
        return "erased"


def _is_in_state(state: str) -> ColumnElement[bool]:
    """Return the condition that `Measure.state` is a word."""
    return and_(*_facts_of(state))


def _facts_of(state: str) -> Iterator[ColumnElement[bool]]:
    if state == "replaced":
        yield measures.c.replaced_by.is_not(None)
        return
    yield measures.c.replaced_by.is_(None)
    yield measures.c.refused_at.is_not(None) if state == "refused" else measures.c.refused_at.is_(None)
    if state in ("asked", "done"):
        yield measures.c.lifted_at.is_(None)
        yield measures.c.done_at.is_(None) if state == "asked" else measures.c.done_at.is_not(None)
    elif state in ("lifted", "back"):
        yield measures.c.lifted_at.is_not(None)
        yield measures.c.undone_at.is_(None) if state == "lifted" else measures.c.undone_at.is_not(None)


def _is_number(number: int) -> bool:
    return 0 < number <= LARGEST_NUMBER
