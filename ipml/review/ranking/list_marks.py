"""List marks: effects of seller lists on cases: marks shown, order of review, and forced enqueuing.

Nothing is stored with cases; lists are read as of a moment (`ipml.review.sellers.seller_lists`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
    tuple_,
)

from ipml.records import ScoredListing
from ipml.review.arrivals.snapshot import is_storable
from ipml.review.near_duplicates.clusters import read_brand
from ipml.review.ranking.policy import ListRules, fold_name
from ipml.review.sellers.seller_lists import ListKind, is_in_force
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, seller_keys, seller_list_entries


@dataclass(frozen=True, slots=True)
class ListMark:
    """An entry in force for a listing's seller: for its brand, or for all brands (None).

    >>> str(ListMark(1, ListKind.AUTHORISED, "Acme", None)), str(ListMark(2, ListKind.WATCHED, None, None))
    ('authorised for Acme', 'watched')
    """

    entry_id: int
    kind: ListKind
    brand: str | None
    until: datetime | None

    def __str__(self) -> str:
        return f"{self.kind} for {self.brand}" if self.brand else str(self.kind)


@dataclass(frozen=True, slots=True)
class ListedSellers:
    """Entries in force at a moment, by seller id."""

    entries: Mapping[str, Sequence[Row[Any]]]

    def find_marks(self, scored: ScoredListing) -> tuple[ListMark, ...]:
        """Return the marks of a listing's seller for its brand."""
        return self.mark(scored.listing.seller_id, read_brand(scored))

    def mark(self, seller_id: str, brand: str) -> tuple[ListMark, ...]:
        """Return the marks of a seller for a brand, as `read_brand` returns it."""
        return _mark(self.entries.get(seller_id, ()), fold_name(brand))

    def has(self, scored: ScoredListing, kinds: Collection[str]) -> bool:
        """Return whether a listing's seller is on one of some lists for its brand."""
        if scored.listing.seller_id not in self.entries:
            return False
        return any(mark.kind in kinds for mark in self.find_marks(scored))

    def hangs_on_brand(self, scored: ScoredListing) -> bool:
        """Return whether the mark depends on the brand and the brand is unknown so far."""
        if scored.listing.seller_id not in self.entries or read_brand(scored):
            return False
        return any(row.brand_read is not None for row in self.entries[scored.listing.seller_id])


def find_listed(
    connection: Connection,
    now: datetime,
    *,
    sellers: Collection[str] | None = None,
    kinds: Collection[str] | None = None,
) -> ListedSellers:
    """Return the entries in force: all, or those of some sellers or lists."""
    found: dict[str, list[Row[Any]]] = {}
    query = _LISTED if sellers is None else _LISTED_OF_SELLERS
    if kinds is not None:
        query = query.where(seller_list_entries.c.kind.in_(kinds))
    batches = [] if sellers is None else in_batches(sorted(filter(is_storable, sellers)))
    for asked in [{}] if sellers is None else [{"sellers": some} for some in batches]:
        for row in connection.execute(query, {"now": now, **asked}):
            found.setdefault(row.seller_id, []).append(row)
    return ListedSellers(found)


def find_marks(
    connection: Connection, listings: Mapping[int, tuple[str, str]], now: datetime
) -> dict[int, tuple[ListMark, ...]]:
    """Return the marks of listings' sellers for their brands, by the caller's numbers.

    `listings` maps each number to the seller id and the brand as `read_brand` returns it.
    """
    listed = find_listed(connection, now, sellers={seller_id for seller_id, _ in listings.values()})
    return {number: listed.mark(*said) for number, said in listings.items()}


def find_case_marks(
    connection: Connection, scored: Mapping[int, ScoredListing], now: datetime
) -> dict[int, tuple[ListMark, ...]]:
    """Return the marks of scored listings by number; otherwise like `find_marks`."""
    said = {number: (one.listing.seller_id, read_brand(one)) for number, one in scored.items()}
    return find_marks(connection, said, now)


def is_listed(table: FromClause, kinds: Collection[ListKind], now: datetime) -> ColumnElement[bool]:
    """Return the condition that a case's seller is on one of some lists for its listing's brand.

    `table` has the columns `seller_id` and `brand_read` of `cases`.
    """
    # The subqueries do not depend on the case, so each is read once and a seller index can be used.
    entry = seller_list_entries.c
    listed = _select_listed(now).where(entry.kind.in_(kinds))
    sellers = listed.with_only_columns(seller_keys.c.seller_id)
    of_brand = listed.with_only_columns(seller_keys.c.seller_id, entry.brand_read)
    said = tuple_(table.c.seller_id, func.coalesce(table.c.brand_read, ""))
    return and_(
        table.c.seller_id.in_(sellers),
        or_(
            table.c.seller_id.in_(sellers.where(entry.brand_read.is_(None))),
            said.in_(of_brand.where(entry.brand_read.is_not(None))),
        ),
    )


def _has_entry(table: FromClause, kinds: Collection[ListKind], now: datetime) -> ColumnElement[bool]:
    """Return the condition of `is_listed` for long lists: each case is looked up separately."""
    entry = seller_list_entries.c
    is_of_brand = or_(entry.brand_read.is_(None), entry.brand_read == func.coalesce(table.c.brand_read, ""))
    listed = _select_listed(now).where(entry.kind.in_(kinds), seller_keys.c.seller_id == table.c.seller_id, is_of_brand)
    return listed.with_only_columns(entry.entry_id).correlate(table).exists()


@dataclass(frozen=True, slots=True)
class QueueParts:
    """The parts of the queue, worked one after another, each by rank.

    `earlier` and `later` are the lists with entries in force whose cases precede or follow all others. `has_entries` is
    True if any list has an entry in force.
    """

    earlier: tuple[ListKind, ...]
    later: tuple[ListKind, ...]
    now: datetime
    has_entries: bool = True

    def place(self, marks: Collection[ListMark]) -> int:
        """Return the part of a case, from 0, by its seller's marks.

        >>> now = datetime(2026, 5, 1)
        >>> parts = QueueParts((ListKind.DENIED,), (ListKind.AUTHORISED,), now)
        >>> [parts.place([ListMark(1, kind, None, None)]) for kind in ListKind], parts.place([])
        ([0, 1, 2], 1)
        """
        if any(mark.kind in self.earlier for mark in marks):
            return 0
        return bool(self.earlier) + any(mark.kind in self.later for mark in marks)

    def conditions(self, table: FromClause = cases) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of each part in working order; one that always holds if lists move no cases.

        `table` is as for `is_listed`.
        """
        if not self.earlier and not self.later:
            return (true(),)
        # Few cases are in the first part, so they are searched; most are in the others, so each is looked up.
        first = [is_listed(table, self.earlier, self.now)] if self.earlier else []
        not_first = [~_has_entry(table, self.earlier, self.now)] if self.earlier else []
        is_last = [_has_entry(table, self.later, self.now)] if self.later else []
        last = [and_(*is_last, *not_first)] if is_last else []
        return (*first, and_(*not_first, *(~one for one in is_last)), *last)


def find_parts(connection: Connection, rules: ListRules, now: datetime) -> QueueParts:
    """Return the parts of the queue at a moment, by the policy and the entries in force."""
    return make_parts(connection.execute(select(*has_entries(now))).one(), rules, now)


def has_entries(now: datetime | BindParameter[datetime]) -> list[ColumnElement[bool]]:
    """Return a column for each list, named after it: whether it has an entry in force."""
    number, listed = seller_list_entries.c.entry_id, seller_list_entries.c.kind
    queries = {kind: select(number).where(listed == kind, is_in_force(now)).limit(1) for kind in ListKind}
    return [query.exists().label(kind.value) for kind, query in queries.items()]


def make_parts(row: Any, rules: ListRules, now: datetime) -> QueueParts:
    """Return the parts of the queue from a row with the columns of `has_entries`."""
    there = [kind for kind in ListKind if getattr(row, kind.value)]
    return QueueParts(
        tuple(kind for kind in there if rules.turn_of(kind) == "earlier"),
        tuple(kind for kind in there if rules.turn_of(kind) == "later"),
        now,
        bool(there),
    )


def _select_listed(now: datetime | BindParameter[datetime]) -> Select[Any]:
    """Return the query for entries in force with seller ids, entries of aliases included."""
    entry = seller_list_entries
    columns = [entry.c[name] for name in ("entry_id", "kind", "brand", "brand_read", "alias_of", "until")]
    query = select(seller_keys.c.seller_id, *columns)
    return query.join_from(entry, seller_keys, seller_keys.c.pseudonym == entry.c.pseudonym).where(is_in_force(now))


# Built once, since building a query takes longer than running it.
_LISTED = _select_listed(bindparam("now"))
_LISTED_OF_SELLERS = _LISTED.where(seller_keys.c.seller_id.in_(bindparam("sellers", expanding=True)))


def _mark(rows: Sequence[Row[Any]], brand: str) -> tuple[ListMark, ...]:
    fitting = [row for row in rows if row.brand_read in (None, brand)]
    marks = {(row.kind, row.brand): row for row in sorted(fitting, key=lambda row: -row.entry_id)}
    order = list(ListKind)
    return tuple(
        ListMark(row.alias_of or row.entry_id, ListKind(row.kind), row.brand, row.until)
        for row in sorted(marks.values(), key=lambda row: (order.index(ListKind(row.kind)), row.brand or ""))
    )
