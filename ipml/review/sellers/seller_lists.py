"""Seller lists: authorised, denied and watched sellers; each entry has reason, source, expiry and author.

Lists are shown beside scores and never change them. Nothing is stored with cases: queue order, policies and pages read
the entries in force, so an entry affects all cases at once, open ones too, and has no effect once it ends. It covers
one brand or all; a listing's brand is its field, else the one the model read. Sellers are pseudonymised, and reason and
source encrypted with their key: an erased seller is on no list.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    insert,
    or_,
    select,
    update,
)

from ipml.errors import Conflict, Forbidden, NotFound, UnstorableValue
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import write_moment
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.ranking.policy import fold_name
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, in_batches, serialise
from ipml.storage.pseudonyms import Keyring, find_pseudonym, read_keys, read_sellers
from ipml.storage.tables import seller_list_entries, user_sellers

LONGEST_NAME, LONGEST_SOURCE, LONGEST_WHY = 200, 200, 500
MOST_ALIASES = 200

Origin = Literal["person", "program", "brand file"]
_Known = Mapping[tuple[str, str, str | None], tuple[Row[Any], tuple[str, ...]]]
"""Entries in force, with their brand's aliases, by list, seller and brand."""


class ListKind(StrEnum):
    """The lists; for a seller on several, the first one here decides the order of their cases."""

    DENIED = "denied"
    WATCHED = "watched"
    AUTHORISED = "authorised"


@dataclass(frozen=True, slots=True)
class ListedSeller:
    """Content of a list entry.

    `brand` is None for all brands; listings that name one of the `aliases` are of the brand too. `why` has at most 500
    characters and `source` 200. The entry expires at `until`.
    """

    kind: ListKind
    seller_id: str
    why: str
    source: str
    brand: str | None = None
    aliases: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a seller list.

    `seller_id`, reason and source are empty once the seller is erased. `origin` is "person", "program" (over the API)
    or "brand file". `why_removed` is None if another entry replaced it or the brand file dropped it.
    """

    entry_id: int
    kind: ListKind
    pseudonym: str
    seller_id: str | None
    brand: str | None
    why: str
    source: str
    origin: str
    added_by: str
    added_at: datetime
    until: datetime | None
    removed_by: str | None
    removed_at: datetime | None
    why_removed: str | None

    @property
    def scope(self) -> str:
        """The brand or "all brands"."""
        return self.brand or "all brands"


def add_entry(
    connection: Connection, listed: ListedSeller, *, by: str, now: datetime, origin: Origin = "person"
) -> tuple[ListEntry, bool]:
    """Put a seller on a list in the caller's transaction; return the entry and whether anything changed.

    It replaces an entry in force of the same list, seller and brand; an equal entry changes nothing. Entries of the
    brand file neither replace others nor are replaced by them.

    Raises UnstorableValue if seller, reason or source is missing, a text is too long, or the expiry is past; Forbidden
    if the author sells as this seller.
    """
    _check(listed, now)
    serialise(connection, Lock.ENQUEUE)  # no seller is erased meanwhile
    pseudonym = find_pseudonym(connection, listed.seller_id)
    known = _read_in_force(connection, origin, now, pseudonym or "")
    (row,), keys, new = _put(connection, [listed], known, _Change(by, origin, now))
    return _make_entry(row, keys), bool(new)


def remove_entry(connection: Connection, entry_id: int, *, why: str, by: str, now: datetime) -> ListEntry:
    """Remove an entry in the caller's transaction; an ended entry stays as it is.

    `why` has at most 500 characters and is encrypted with the seller's key.

    Raises UnstorableValue if the reason is missing or too long; NotFound if there is no such entry; Conflict if it
    comes from the brand file, which would restore it; Forbidden if the user sells as this seller.
    """
    _check_given("reason", why, LONGEST_WHY)
    serialise(connection, Lock.ENQUEUE)
    entry = get_entry(connection, entry_id)
    if entry.removed_at is not None or (entry.until is not None and entry.until <= now):
        return entry
    if entry.origin == "brand file":
        remedy = "Remove it there, and load the file again with `ipml seller lists load`."
        raise Conflict(f"list entry {entry_id}", "comes from the brand file", remedy)
    _refuse_own(connection, {entry.seller_id or ""}, by)
    encrypted = read_keys(connection, [entry.pseudonym]).encrypt(entry.pseudonym, why)
    _end(connection, [entry_id], by, now, encrypted)
    return get_entry(connection, entry_id)


def restore_entry(connection: Connection, entry_id: int, *, by: str, now: datetime) -> ListEntry:
    """Put the seller of an ended entry on its list again, with the same reason, source and end.

    Raises Conflict if the seller is erased; otherwise as `add_entry`.
    """
    entry = get_entry(connection, entry_id)
    if entry.seller_id is None:
        raise Conflict(f"list entry {entry_id}", "its seller is erased", "It cannot be restored.")
    of_it = seller_list_entries.c.alias_of == entry_id
    aliases = tuple(connection.scalars(select(seller_list_entries.c.brand_read).where(of_it)))
    listed = ListedSeller(entry.kind, entry.seller_id, entry.why, entry.source, entry.brand, aliases, entry.until)
    return add_entry(connection, listed, by=by, now=now)[0]


def find_replaced(connection: Connection, entry: ListEntry) -> int | None:
    """Return the number of the entry that a new one replaced, or None."""
    old = seller_list_entries.c
    is_same = old.pseudonym == entry.pseudonym, old.kind == entry.kind, old.alias_of.is_(None)
    is_ended = old.removed_at == entry.added_at, old.entry_id != entry.entry_id
    brand = None if entry.brand is None else fold_name(entry.brand)
    query = select(old.entry_id).where(*is_same, *is_ended, old.brand_read.is_not_distinct_from(brand))
    return connection.scalar(query)


def load_entries(
    connection: Connection, wanted: Iterable[ListedSeller], *, by: str, now: datetime, version: str = ""
) -> tuple[int, int, int]:
    """Replace the brand file's entries by the file's present content; return the numbers added, removed and kept.

    Entries of people and programs do not change. The audit trail records the file's `version`.
    """
    serialise(connection, Lock.ENQUEUE)
    known = _read_in_force(connection, "brand file", now)
    rows, _, new = _put(connection, list(wanted), known, _Change(by, "brand file", now))
    kept = {row.entry_id for row in rows} - new
    gone = {row.entry_id for row, _ in known.values()} - kept
    _end(connection, sorted(gone), by, now)
    counts = len(new), len(gone), len(kept)
    if new or gone:
        payload: dict[str, audit.Value] = dict(zip(("added", "removed", "kept"), counts, strict=True))
        audit.append(connection, by, "lists loaded", "brand file", payload | {"version": version}, at=now)
    return counts


def get_entry(connection: Connection, entry_id: int) -> ListEntry:
    """Return an entry by number; NotFound if there is none."""
    if not (found := get_entries(connection, [entry_id])):
        raise NotFound("list entry", entry_id, "The page Lists and GET /v1/lists show those in force.")
    return found[0]


def get_entries(connection: Connection, entry_ids: Sequence[int]) -> list[ListEntry]:
    """Return entries by number, in the given order; unknown numbers are left out."""
    wanted = [entry_id for entry_id in entry_ids if 0 < entry_id <= LARGEST_NUMBER]
    if not wanted:
        return []
    query = select(seller_list_entries).where(
        seller_list_entries.c.entry_id.in_(wanted), seller_list_entries.c.alias_of.is_(None)
    )
    rows = sorted(connection.execute(query), key=lambda row: wanted.index(row.entry_id))
    keys = read_keys(connection, [row.pseudonym for row in rows])
    return [_make_entry(row, keys) for row in rows]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """List entries of one list, seller or brand; `with_ended` includes removed and expired ones.

    `brand` matches in any case, and only entries for that brand, not those for all brands.
    """

    kind: ListKind | None = None
    seller_id: str | None = None
    brand: str | None = None
    with_ended: bool = False


def list_entries(
    connection: Connection,
    now: datetime,
    entries: EntryFilter = EntryFilter(),
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[ListEntry]:
    """Return entries by number, after one of them; by default all in force."""
    query = select(seller_list_entries).where(
        seller_list_entries.c.alias_of.is_(None), seller_list_entries.c.entry_id > min(after, LARGEST_NUMBER)
    )
    if not entries.with_ended:
        query = query.where(is_in_force(now))
    if entries.kind is not None:
        query = query.where(seller_list_entries.c.kind == entries.kind)
    if entries.seller_id is not None:
        query = query.where(seller_list_entries.c.pseudonym == (find_pseudonym(connection, entries.seller_id) or ""))
    if entries.brand is not None:
        query = query.where(seller_list_entries.c.brand_read == fold_name(entries.brand))
    rows = connection.execute(query.order_by(seller_list_entries.c.entry_id).limit(limit)).all()
    keys = read_keys(connection, {row.pseudonym for row in rows})
    return [_make_entry(row, keys) for row in rows]


def is_in_force(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Return the condition that an entry is neither removed nor expired; at `until` it has expired."""
    entry = seller_list_entries.c
    return and_(entry.removed_at.is_(None), or_(entry.until.is_(None), entry.until > now))


def _check(listed: ListedSeller, now: datetime) -> None:
    texts = [("seller", listed.seller_id, LONGEST_NAME), ("reason", listed.why, LONGEST_WHY)]
    texts += [("source", listed.source, LONGEST_SOURCE)]
    texts += [("brand", name, LONGEST_NAME) for name in (listed.brand, *listed.aliases) if name is not None]
    for said in texts:
        _check_given(*said)
    if listed.aliases and listed.brand is None:
        raise UnstorableValue("brand of the list entry", "none, but other names of it", "the brand, or no names")
    if len(listed.aliases) > MOST_ALIASES:
        raise UnstorableValue(
            "brand of the list entry", f"{len(listed.aliases)} other names", f"at most {MOST_ALIASES}"
        )
    if listed.until is not None and listed.until <= now:
        raise UnstorableValue("until", write_moment(listed.until), "a moment to come")


def _check_given(name: str, text: str, longest: int) -> None:
    if not text.strip():
        raise UnstorableValue(f"{name} of the list entry", "none", "a text")
    check_text(name, text, longest)


def _refuse_own(connection: Connection, sellers: Collection[str], by: str) -> None:
    own = connection.scalars(select(user_sellers.c.seller_id).where(user_sellers.c.user_name == by))
    if not set(own).isdisjoint(sellers):
        raise Forbidden("list entry", f"{by} sells as this seller", "Ask another.")


def _read_in_force(connection: Connection, origin: Origin, now: datetime, pseudonym: str | None = None) -> _Known:
    """Return entries in force with aliases, of all sellers or one: either the brand file's or all others."""
    entry = seller_list_entries.c
    query = select(seller_list_entries).where(is_in_force(now))
    query = query.where(entry.origin == "brand file" if origin == "brand file" else entry.origin != "brand file")
    query = query if pseudonym is None else query.where(entry.pseudonym == pseudonym)
    rows = connection.execute(query.order_by(entry.entry_id)).all()
    aliases: dict[int, list[str]] = {}
    for row in rows:
        aliases.setdefault(row.alias_of or row.entry_id, []).extend([row.brand_read] if row.alias_of else [])
    return {
        (row.kind, row.pseudonym, row.brand_read): (row, tuple(aliases[row.entry_id]))
        for row in rows
        if row.alias_of is None
    }


@dataclass(frozen=True, slots=True)
class _Change:
    """Author, origin and moment of changed entries."""

    by: str
    origin: Origin
    at: datetime


def _put(
    connection: Connection, wanted: Sequence[ListedSeller], known: _Known, change: _Change
) -> tuple[list[Row[Any]], Keyring, set[int]]:
    """Create or replace entries; return each one's row, the sellers' keys, and the new rows' numbers."""
    by, now = change.by, change.at
    for listed in wanted:
        _check(listed, now)
    _refuse_own(connection, {listed.seller_id for listed in wanted}, by)
    pseudonyms, keys = read_sellers(connection, [listed.seller_id for listed in wanted], now=now)
    rows: list[Row[Any] | None] = []
    for listed in wanted:
        found = known.get((listed.kind.value, pseudonyms[listed.seller_id], _fold_brand(listed)))
        rows.append(found[0] if found is not None and _says(*found, keys) == _normalise(listed) else None)
    added = [(place, listed) for place, (listed, row) in enumerate(zip(wanted, rows, strict=True)) if row is None]
    replaced = [known.get((one.kind.value, pseudonyms[one.seller_id], _fold_brand(one))) for _, one in added]
    _end(connection, sorted(found[0].entry_id for found in replaced if found is not None), by, now)
    fields = [_make_fields(listed, pseudonyms[listed.seller_id], keys, change) for _, listed in added]
    made = _insert(connection, fields)
    aliases = [
        {**said, "brand_read": alias, "alias_of": row.entry_id}
        for said, row, (_, listed) in zip(fields, made, added, strict=True)
        for alias in _normalise(listed).aliases
    ]
    entries = [(f"list_entry:{row.entry_id}", _tell(row)) for row in (*made, *_insert(connection, aliases))]
    audit.append_all(connection, by, "seller listed", entries, at=now)
    for (place, _), row in zip(added, made, strict=True):
        rows[place] = row
    return [row for row in rows if row is not None], keys, {row.entry_id for row in made}


def _fold_brand(listed: ListedSeller) -> str | None:
    return None if listed.brand is None else fold_name(listed.brand)


def _normalise(listed: ListedSeller) -> ListedSeller:
    """Return an entry's content with aliases in stored form: folded, distinct, sorted."""
    names = {fold_name(name) for name in listed.aliases} - {_fold_brand(listed)}
    return replace(listed, aliases=tuple(sorted(name for name in names if name)))


def _says(row: Row[Any], aliases: tuple[str, ...], keys: Keyring) -> ListedSeller:
    entry = _make_entry(row, keys)
    said = (entry.kind, entry.seller_id or "", entry.why, entry.source, entry.brand, aliases, entry.until)
    return ListedSeller(*said)


def _make_fields(listed: ListedSeller, pseudonym: str, keys: Keyring, change: _Change) -> dict[str, Any]:
    return {
        "kind": listed.kind.value,
        "pseudonym": pseudonym,
        "brand": listed.brand,
        "origin": change.origin,
        "encrypted": keys.encrypt(pseudonym, canonical_json({"why": listed.why, "source": listed.source})),
        "added_by": change.by,
        "added_at": change.at,
        "until": listed.until,
        "brand_read": _fold_brand(listed),
        "alias_of": None,
    }


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> Sequence[Row[Any]]:
    query = insert(seller_list_entries).returning(seller_list_entries, sort_by_parameter_order=True)
    return connection.execute(query, rows).all() if rows else []


def _tell(row: Row[Any]) -> dict[str, audit.Value]:
    said: dict[str, audit.Value] = {"list": row.kind, "seller": row.pseudonym, "origin": row.origin}
    return said | ({"until": write_moment(row.until)} if row.until else {})


def _end(
    connection: Connection, entry_ids: Sequence[int], by: str, now: datetime, why_removed: str | None = None
) -> None:
    for some in in_batches(entry_ids):
        is_it = or_(seller_list_entries.c.entry_id.in_(some), seller_list_entries.c.alias_of.in_(some))
        change = update(seller_list_entries).where(is_it).values(removed_by=by, removed_at=now, why_removed=why_removed)
        audit.change_rows(connection, change, by, "seller unlisted", at=now)


def _make_entry(row: Row[Any], keys: Keyring) -> ListEntry:
    told = {"why": "(erased)", "source": "(erased)", "why_removed": row.why_removed and "(erased)"}
    if row.pseudonym in keys:
        told = json.loads(keys.decrypt(row.pseudonym, row.encrypted))
        told["why_removed"] = row.why_removed and keys.decrypt(row.pseudonym, row.why_removed)
    made: dict[str, Any] = {"kind": ListKind(row.kind), "seller_id": keys.find_seller(row.pseudonym), **told}
    return ListEntry(**made, **{name: getattr(row, name) for name in ListEntry.__slots__ if name not in made})
