"""What lists of sellers do: what is shown of listings and their cases, in which order these come, and which always do.

Nothing of it is kept with cases: it is asked for as it is at a moment (`ipml.review.sellers.seller_lists`).
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
    """That the seller of a listing is on a list, in force: for its brand, or for all (None).

    Examples
    --------
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
    """Entries in force at a moment, by the ids of the sellers."""

    entries: Mapping[str, Sequence[Row[Any]]]

    def find_marks(self, scored: ScoredListing) -> tuple[ListMark, ...]:
        """Return on which lists the seller of a listing is, for its brand."""
        return self.mark(scored.listing.seller_id, read_brand(scored))

    def mark(self, seller_id: str, brand: str) -> tuple[ListMark, ...]:
        """Return on which lists a seller is for a brand, given as `read_brand` returns it."""
        return _mark(self.entries.get(seller_id, ()), fold_name(brand))

    def has(self, scored: ScoredListing, kinds: Collection[str]) -> bool:
        """Say whether the seller of a listing is on one of some lists, for its brand."""
        if scored.listing.seller_id not in self.entries:
            return False
        return any(mark.kind in kinds for mark in self.find_marks(scored))

    def hangs_on_brand(self, scored: ScoredListing) -> bool:
        """Say whether the brand of a listing decides, and is not known: it says none, and none was read in it yet."""
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
    """Return the entries in force: all, or those of some sellers or some lists."""
    found: dict[str, list[Row[Any]]] = {}
    query = _LISTED if sellers is None else _LISTED_OF_SELLERS
    if kinds is not None:
        query = query.where(seller_list_entries.c.kind.in_(kinds))
    for asked in [{}] if sellers is None else _in_parts(sellers):
        for row in connection.execute(query, {"now": now, **asked}):
            found.setdefault(row.seller_id, []).append(row)
    return ListedSellers(found)


def find_marks(
    connection: Connection, listings: Mapping[int, tuple[str, str]], now: datetime
) -> dict[int, tuple[ListMark, ...]]:
    """Return on which lists the sellers of listings are, in force and for the brand of each.

    Parameters
    ----------
    listings : mapping of int to (str, str)
        By a number of the caller's the seller's id, and the brand as `read_brand` returns it.
    """
    listed = find_listed(connection, now, sellers={seller_id for seller_id, _ in listings.values()})
    return {number: listed.mark(*said) for number, said in listings.items()}


def find_case_marks(
    connection: Connection, scored: Mapping[int, ScoredListing], now: datetime
) -> dict[int, tuple[ListMark, ...]]:
    """Return on which lists the sellers of scored listings are, by the same numbers; otherwise like `find_marks`."""
    said = {number: (one.listing.seller_id, read_brand(one)) for number, one in scored.items()}
    return find_marks(connection, said, now)


def is_listed(table: FromClause, kinds: Collection[ListKind], now: datetime) -> ColumnElement[bool]:
    """Return the condition that the seller of a case is on one of some lists, for the brand of its listing.

    Parameters
    ----------
    table : table
        With the columns `seller_id` and `brand_read` of `cases`.
    """
    # None of the lists hangs on the case, so that each is read once, and an index of sellers can be used.
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


def has_entry(table: FromClause, kinds: Collection[ListKind], now: datetime) -> ColumnElement[bool]:
    """Return the same condition as `is_listed`, for the many cases of a long list: each is looked up by itself."""
    entry = seller_list_entries.c
    is_of_brand = or_(entry.brand_read.is_(None), entry.brand_read == func.coalesce(table.c.brand_read, ""))
    listed = _select_listed(now).where(entry.kind.in_(kinds), seller_keys.c.seller_id == table.c.seller_id, is_of_brand)
    return listed.with_only_columns(entry.entry_id).correlate(table).exists()


@dataclass(frozen=True, slots=True)
class QueueParts:
    """The parts in which the queue is worked, one after another, each by rank: by the lists that move cases.

    Attributes
    ----------
    earlier, later : tuple of ListKind
        Lists with an entry in force whose cases come before all others, or after.
    has_entries : bool, default=True
        Whether any list has an entry in force.
    """

    earlier: tuple[ListKind, ...]
    later: tuple[ListKind, ...]
    now: datetime
    has_entries: bool = True

    def place(self, marks: Collection[ListMark]) -> int:
        """Return in which part a case is, from 0, by the lists on which its seller is for its brand.

        Examples
        --------
        >>> now = datetime(2026, 5, 1)
        >>> parts = QueueParts((ListKind.DENIED,), (ListKind.AUTHORISED,), now)
        >>> [parts.place([ListMark(1, kind, None, None)]) for kind in ListKind], parts.place([])
        ([0, 1, 2], 1)
        """
        if any(mark.kind in self.earlier for mark in marks):
            return 0
        return bool(self.earlier) + any(mark.kind in self.later for mark in marks)

    def conditions(self, table: FromClause = cases) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of each part, the first to be worked first; one that always holds where none is moved.

        Parameters
        ----------
        table : table, default=cases
            As for `is_listed`.
        """
        if not self.earlier and not self.later:
            return (true(),)
        # The first part has few of the cases, which are looked for; the others have most, of which each is looked up.
        first = [is_listed(table, self.earlier, self.now)] if self.earlier else []
        not_first = [~has_entry(table, self.earlier, self.now)] if self.earlier else []
        is_last = [has_entry(table, self.later, self.now)] if self.later else []
        last = [and_(*is_last, *not_first)] if is_last else []
        return (*first, and_(*not_first, *(~one for one in is_last)), *last)


def find_parts(connection: Connection, rules: ListRules, now: datetime) -> QueueParts:
    """Return the parts in which the queue is worked at a moment, by the policy and the entries in force."""
    return make_parts(connection.execute(select(*has_entries(now))).one(), rules, now)


def has_entries(now: datetime | BindParameter[datetime]) -> list[ColumnElement[bool]]:
    """Return a column for each list, of its name: whether it has an entry in force."""
    return [_select_any(kind, now).exists().label(kind.value) for kind in ListKind]


def make_parts(row: Any, rules: ListRules, now: datetime) -> QueueParts:
    """Return the parts in which the queue is worked, from a row that has the columns of `has_entries`."""
    there = [kind for kind in ListKind if getattr(row, kind.value)]
    return QueueParts(
        tuple(kind for kind in there if rules.turn_of(kind) == "earlier"),
        tuple(kind for kind in there if rules.turn_of(kind) == "later"),
        now,
        bool(there),
    )


def _select_listed(now: datetime | BindParameter[datetime]) -> Select[Any]:
    """Return the query for the entries in force, those of aliases among them, with the sellers' ids."""
    entry = seller_list_entries
    columns = [entry.c[name] for name in ("entry_id", "kind", "brand", "brand_read", "alias_of", "until")]
    query = select(seller_keys.c.seller_id, *columns)
    return query.join_from(entry, seller_keys, seller_keys.c.pseudonym == entry.c.pseudonym).where(is_in_force(now))


# Made once, as making a query takes longer than asking it.
_LISTED = _select_listed(bindparam("now"))
_LISTED_OF_SELLERS = _LISTED.where(seller_keys.c.seller_id.in_(bindparam("sellers", expanding=True)))


def _in_parts(sellers: Collection[str]) -> list[dict[str, Any]]:
    """Return what is asked for: some sellers at once, of whom the database can hold the ids."""
    return [{"sellers": some} for some in in_batches(sorted(filter(is_storable, sellers)))]


def _select_any(kind: ListKind, now: datetime | BindParameter[datetime]) -> Select[Any]:
    """Return the query for an entry in force of a list: as a rule the first that is looked at."""
    return select(seller_list_entries.c.entry_id).where(seller_list_entries.c.kind == kind, is_in_force(now)).limit(1)


def _mark(rows: Sequence[Row[Any]], brand: str) -> tuple[ListMark, ...]:
    fitting = [row for row in rows if row.brand_read in (None, brand)]
    marks = {(row.kind, row.brand): row for row in sorted(fitting, key=lambda row: -row.entry_id)}
    order = list(ListKind)
    return tuple(
        ListMark(row.alias_of or row.entry_id, ListKind(row.kind), row.brand, row.until)
        for row in sorted(marks.values(), key=lambda row: (order.index(ListKind(row.kind)), row.brand or ""))
    )
