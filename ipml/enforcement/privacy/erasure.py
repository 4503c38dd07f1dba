"""Erasure: deletes a seller's key, replaces the rest of their data, and removes traces from the database files.

It has three steps: record the erasure (refused while a hold, appeal or message is pending), after which no hold or
appeal can be filed; delete or replace the seller's data in short transactions, the key last; rewrite the files, where
deleted rows leave traces. An interrupted erasure is resumed by the same call or by `finish_begun`; rows that arrived
meanwhile are erased too. Cases, decisions and the audit trail can still be counted and verified under the seller's
pseudonym. Restoring a backup erases again, in one transaction, all sellers erased since the backup: see
`ipml.enforcement.privacy.erased_list`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    union,
    update,
)

from ipml.enforcement.privacy.erased_list import ErasedList, note_erased, read_erased
from ipml.enforcement.privacy.legal_holds import find_holds
from ipml.enforcement.privacy.personal_data import (
    REMOVED,
    Names,
    Replacement,
    empty_explanations,
    empty_notes,
    find_names,
    replace_listings,
    touched_tables,
)
from ipml.enforcement.takedown.handed_over import find_held_for, release
from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import read_cases
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, in_batches, reading, serialise, writing
from ipml.storage.pseudonyms import find_pseudonym, find_seller, pseudonym_of
from ipml.storage.remains import overwrite_deleted, sweep
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import (
    appeals,
    cases,
    decisions,
    erasures,
    listings,
    metadata,
    notice_items,
    outbox,
    portfolio_listings,
    seller_events,
    seller_keys,
    seller_languages,
    seller_list_entries,
    user_sellers,
)
from ipml.storage.tables.enforcement import PENDING_APPEALS

_LONGEST_WHY = 200
_RESTORED = "restored"  # reason stored with a repeated erasure
_Step = Callable[[Connection, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erased seller: their pseudonym, and the number of their cases and decisions."""

    pseudonym: str
    cases: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Erased:
    """Result of an erasure; `remarks` states the traces that a database server keeps, and for how long."""

    sellers: tuple[Erasure, ...]
    remarks: tuple[str, ...]


def erase_sellers(
    engine: Engine,
    seller_ids: Iterable[str],
    *,
    why: str,
    by: str,
    listed_in: Path | None = None,
    now: datetime | None = None,
) -> Erased:
    """Erase sellers one after the other, then all traces of them in the database files.

    `why` is stored: give at most 200 characters without a name, such as the number of the request. `listed_in` is the
    file by which erased sellers are recognised when an older backup is restored.

    Raises NotFound if the database holds nothing about a seller and no erasure is unfinished, or the list file is
    missing although sellers were erased before; Conflict if a seller cannot be erased now or, after the start, a new
    decision left an undelivered message; UnreadableFile if the list file is damaged. Sellers before the one that fails
    are erased. Raises DatabaseBusy if the sellers are erased, but a reader of older data left traces in the files; they
    are removed by `sweep_erased` or by the next call.
    """
    check_text("why", why, _LONGEST_WHY)
    now = now or datetime.now(UTC)
    done: list[Erasure] = []
    order = ErasureOrder(why, by, now, listed_in)
    with reading(engine) as connection:
        seller_ids, is_finishing = list(seller_ids), bool(find_unswept(connection))
    if any(seller_id in why for seller_id in seller_ids if seller_id):
        raise UnusableSetting("why", "the id of the seller", "a reason that names nobody, as it is kept")
    try:
        for seller_id in seller_ids:
            with suppress(*[NotFound] * is_finishing):
                with writing(engine) as connection:
                    begun = begin(connection, seller_id, order)
                done.append(finish(engine, begun, now))
    finally:  # where one cannot be erased, those before are
        remarks = sweep_erased(engine, now=now)
    return Erased(tuple(done), remarks)


@dataclass(frozen=True, slots=True)
class BegunErasure:
    """An erasure that has begun; with `is_sure`, legal holds and undelivered messages do not stop it."""

    seller_id: str
    pseudonym: str
    by: str
    at: datetime
    is_sure: bool

    @property
    def placeholder(self) -> str:
        """Text that replaces the seller's id."""
        return f"erased:{self.pseudonym}"

    def steps(self, connection: Connection) -> Iterator[tuple[Sequence[Any], _Step]]:
        """Yield keys of rows and the function that erases them; safe to repeat after an interruption."""
        yield find_held_for(connection, self.seller_id), self._release  # as long as it is known what they sell
        named = select(cases.c.brand, cases.c.category).where(self._is_theirs).distinct()
        names = find_names(connection, connection.execute(named).all(), {})  # those of many, once for all turns
        of_seller = cases.c.seller_id.in_([self.seller_id, self.placeholder])
        waiting_first = case((cases.c.state == "decided", 1), else_=0)  # before somebody else decides them
        numbers = select(cases.c.case_id).where(of_seller).order_by(waiting_first, cases.c.case_id)
        yield connection.scalars(numbers).all(), lambda writer, some: self._replace(writer, some, names)
        lone = select(notice_items.c.item_id).where(self._is_lone)
        yield connection.scalars(lone).all(), self._empty_items
        for name in (name for name, found_by in REMOVED.items() if found_by == "seller_id"):
            table = metadata.tables[name]
            if len(table.primary_key) == 1 and table is not seller_keys:  # no seller has many of the others
                (key,) = table.primary_key
                keys = connection.scalars(select(key).where(table.c.seller_id == self.seller_id)).all()
                yield keys, partial(self._remove, table)

    @property
    def _is_theirs(self) -> ColumnElement[bool]:
        return and_(cases.c.seller_id == self.seller_id, cases.c.erased_at.is_(None))

    @property
    def _is_lone(self) -> ColumnElement[bool]:
        """Condition: a notice item about a listing of this seller that has no case."""
        item = notice_items.c
        return and_(item.pseudonym == self.pseudonym, item.case_id.is_(None), item.listing_digest != "")

    def _release(self, connection: Connection, listing_ids: Sequence[str]) -> None:
        overwrite_deleted(connection)
        release(connection, listing_ids, self.by, self.at)

    def _replace(self, connection: Connection, numbers: Sequence[int], names: Names) -> None:
        overwrite_deleted(connection)
        theirs = cases.c.case_id.in_(numbers), cases.c.seller_id.in_([self.seller_id, self.placeholder])
        rows = read_cases(connection, select(cases).where(*theirs).order_by(cases.c.case_id).with_for_update())
        seller = {self.seller_id: self.placeholder}
        replace_listings(connection, rows, Replacement(seller, self.by, self.at, self.seller_id, names))
        expired = [row.case_id for row in rows if row.erased_at is not None]
        empty_notes(connection, expired, self.by, self.at)  # those that came later
        empty_explanations(connection, [row.case_id for row in rows], self.by, self.at)

    def _empty_items(self, connection: Connection, numbers: Sequence[int]) -> None:
        overwrite_deleted(connection)
        emptied = update(notice_items).where(notice_items.c.item_id.in_(numbers), self._is_lone)
        audit.change_rows(connection, emptied.values(location="", listing_digest=""), self.by, "erased", at=self.at)

    def _remove(self, table: Table, connection: Connection, keys: Sequence[Any]) -> None:
        overwrite_deleted(connection)
        (key,) = table.primary_key
        connection.execute(delete(table).where(key.in_(keys), table.c.seller_id == self.seller_id))

    def is_left(self, connection: Connection) -> bool:
        """Return whether a listing of the seller arrived meanwhile."""
        return bool(connection.scalar(select(exists().where(self._is_theirs))))

    def count(self, connection: Connection) -> Erasure:
        """Count the seller's cases whose listing this erasure replaced, and the decisions on all their cases."""
        theirs = select(cases.c.case_id).where(cases.c.seller_id == self.placeholder)
        n_cases = connection.scalar(
            select(func.count()).select_from(theirs.where(cases.c.erased_at == self.at).subquery())
        )
        n_decisions = connection.scalar(select(func.count()).where(decisions.c.case_id.in_(theirs)))
        return Erasure(self.pseudonym, n_cases or 0, n_decisions or 0)

    def end(self, connection: Connection, counted: Erasure, now: datetime) -> None:
        """Delete the key and the remaining few rows; raise Conflict if a hold, an appeal or a message is pending."""
        overwrite_deleted(connection)
        if not self.is_sure:
            refuse(connection, self.pseudonym, now, "all but the key was erased")
        waiting = outbox.c.pseudonym == self.pseudonym, outbox.c.state == "waiting"
        given_up = update(outbox).where(*waiting).values(state="dead", settled_at=self.at)
        audit.change_rows(connection, given_up, self.by, "erased", at=self.at)
        listed = seller_list_entries.c.pseudonym == self.pseudonym, seller_list_entries.c.removed_at.is_(None)
        ended = update(seller_list_entries).where(*listed).values(removed_by=self.by, removed_at=self.at)
        audit.change_rows(connection, ended, self.by, "erased", at=self.at)
        for name, found_by in REMOVED.items():
            if found_by == "seller_id":
                table = metadata.tables[name]
                connection.execute(delete(table).where(table.c.seller_id == self.seller_id))
        begun = erasures.c.pseudonym == self.pseudonym
        connection.execute(update(erasures).where(begun).values(cases=counted.cases))
        payload: dict[str, audit.Value] = {"cases": counted.cases, "decisions": counted.decisions}
        audit.append(connection, self.by, "erased", f"seller:{self.pseudonym}", payload, at=self.at)


def list_begun(connection: Connection, pseudonym: str | None = None) -> list[BegunErasure]:
    """Return the erasures that have begun but not ended: the seller's key still exists."""
    query = select(seller_keys.c.seller_id, erasures).join(erasures, erasures.c.pseudonym == seller_keys.c.pseudonym)
    if pseudonym is not None:
        query = query.where(erasures.c.pseudonym == pseudonym)
    return [
        BegunErasure(row.seller_id, row.pseudonym, row.erased_by, row.erased_at, row.why == _RESTORED)
        for row in connection.execute(query.order_by(erasures.c.erasure_id))
    ]


def refuse(connection: Connection, pseudonym: str, now: datetime, so_far: str = "nothing was erased") -> None:
    """Raise Conflict if a legal hold, an undecided appeal or an undelivered message prevents the erasure."""
    subject = f"seller {pseudonym}"
    if holds := find_holds(connection, pseudonym, now):
        listed = "; ".join(f"hold {hold.hold_id} until {hold.last_day} ({hold.why})" for hold in holds)
        raise Conflict(subject, f"found {listed}; {so_far}", "`ipml seller hold --end` ends a hold.")
    # A seller who took the listing over may have appealed, too; the subject of an appeal is not erased.
    seller = find_seller(connection, pseudonym)
    theirs = exists().where(cases.c.case_id == appeals.c.case_id, cases.c.seller_id == seller)
    pending = appeals.c.state.in_(PENDING_APPEALS), or_(appeals.c.pseudonym == pseudonym, theirs)
    if (appeal_id := connection.scalar(select(func.min(appeals.c.appeal_id)).where(*pending))) is not None:
        remedy = "Decide it on the page Appeals, and try again."
        raise Conflict(subject, f"found appeal {appeal_id} undecided; {so_far}", remedy)
    waiting = outbox.c.pseudonym == pseudonym, outbox.c.state == "waiting"
    if count := connection.scalar(select(func.count()).select_from(outbox).where(*waiting)):
        finding = f"{count:,} messages about the seller wait to be delivered; {so_far}"
        raise Conflict(subject, finding, "Deliver them, or give them up, and try again.")


@dataclass(frozen=True, slots=True)
class ErasureOrder:
    """An erasure to begin: its reason, which is stored and names nobody, the person and the time.

    `listed_in` is the file of erased sellers; with `is_sure`, holds and messages are not checked.
    """

    why: str
    by: str
    at: datetime
    listed_in: Path | None = None
    is_sure: bool = False


def begin(connection: Connection, seller_id: str, order: ErasureOrder) -> BegunErasure:
    """Record an erasure, or return the one that has begun; raise Conflict if the seller cannot be erased now."""
    if order.listed_in is not None:
        _require_list(connection, order.listed_in)
    serialise(connection, Lock.ENQUEUE)  # so that no hold comes meanwhile
    pseudonym = _name(connection, seller_id, order.at)
    if earlier := list_begun(connection, pseudonym):
        return earlier[0]
    if not order.is_sure:
        refuse(connection, pseudonym, order.at)
    fields = {"pseudonym": pseudonym, "erased_by": order.by, "erased_at": order.at, "why": order.why, "cases": 0}
    connection.execute(insert(erasures).values(fields))
    if order.listed_in is not None:  # last, when nothing but the disk can still refuse
        note_erased(order.listed_in, seller_id, pseudonym, order.at)
    return BegunErasure(seller_id, pseudonym, order.by, order.at, order.is_sure)


def finish_begun(engine: Engine, *, now: datetime | None = None) -> tuple[Erasure, ...]:
    """Finish all interrupted erasures except for the traces in the files.

    Raises Conflict if an undelivered message is about one of the sellers.
    """
    with reading(engine) as connection:
        begun = list_begun(connection)
    return tuple(finish(engine, erasure, now or datetime.now(UTC)) for erasure in begun)


def finish(engine: Engine, begun: BegunErasure, now: datetime) -> Erasure:
    """Erase the seller of an erasure that has begun, in short transactions, except for the traces in the files."""
    while True:
        with reading(engine) as connection:
            due = list(begun.steps(connection))
        for keys, do in due:
            for _ in change_in_turns(engine, keys, do, lock=Lock.ENQUEUE):  # intake locks many cases, too
                pass
        with reading(engine) as connection:
            counted = begun.count(connection)
        with writing(engine) as connection:
            serialise(connection, Lock.ENQUEUE)
            if not begun.is_left(connection):
                begun.end(connection, counted, now)
                return counted


def _require_list(connection: Connection, listed_in: Path) -> None:
    """Read the list; it may be missing only if no seller was erased yet."""
    if listed_in.exists() or connection.scalar(select(func.count()).select_from(erasures)):
        read_erased(listed_in)


def sweep_erased(engine: Engine, *, now: datetime | None = None) -> tuple[str, ...]:
    """Remove the traces of erased sellers from the files; return remarks on copies that a server keeps."""
    with reading(engine) as connection:
        numbers = find_unswept(connection)
    if not numbers:
        return ()
    remarks = sweep(engine, touched_tables())
    with writing(engine) as connection:
        query = update(erasures).where(erasures.c.erasure_id.in_(numbers))
        connection.execute(query.values(swept_at=now or datetime.now(UTC)))
    return remarks


def erase_again(engine: Engine, listed_in: Path, *, by: str, now: datetime | None = None) -> Erased:
    """Erase the listed sellers that an older backup brought back.

    A seller whose records all postdate their erasure has registered again; their records stay.
    """
    erased, now = read_erased(listed_in), now or datetime.now(UTC)
    with reading(engine) as connection:
        back = _find_resurrected(connection, erased)
    done, order = [], ErasureOrder(_RESTORED, by, now, is_sure=True)
    for seller_id in back:
        with writing(engine) as connection:
            begun = begin(connection, seller_id, order)
        done.append(finish(engine, begun, now))
    return Erased(tuple(done), sweep_erased(engine, now=now))


def erase_again_within(connection: Connection, erased: ErasedList, *, by: str, now: datetime) -> list[Erasure]:
    """Do `erase_again` in the caller's transaction, before the rows of a backup are committed; files are not swept."""
    done, order = [], ErasureOrder(_RESTORED, by, now, is_sure=True)
    for seller_id in _find_resurrected(connection, erased):  # holds that the backup contains have ended since
        begun = begin(connection, seller_id, order)
        for keys, do in begun.steps(connection):
            for some in in_batches(keys):
                do(connection, some)
        done.append(begun.count(connection))
        begun.end(connection, done[-1], now)
    return done


def _name(connection: Connection, seller_id: str, now: datetime) -> str:
    """Return the seller's pseudonym, creating it if needed; raise NotFound if nothing about them is stored."""
    if pseudonym := find_pseudonym(connection, seller_id):
        return pseudonym
    tables = (listings, seller_events, seller_languages, portfolio_listings, user_sellers)
    is_theirs = (cases.c.seller_id == seller_id) & cases.c.erased_at.is_(None)
    conditions = (is_theirs, *(table.c.seller_id == seller_id for table in tables))
    if not any(connection.scalar(select(exists().where(condition))) for condition in conditions):
        raise NotFound("seller", seller_id, "Nothing is kept of them; look at how the id is written.")
    return pseudonym_of(connection, seller_id, now=now)


def find_unswept(connection: Connection) -> Sequence[int]:
    """Return the ids of the ended erasures whose traces are still in the database files."""
    is_begun = exists().where(seller_keys.c.pseudonym == erasures.c.pseudonym)
    return connection.scalars(select(erasures.c.erasure_id).where(erasures.c.swept_at.is_(None), ~is_begun)).all()


def _find_resurrected(connection: Connection, erased: ErasedList) -> list[str]:
    """Return the listed sellers whose oldest record is not younger than their erasure."""
    moments = union(
        select(cases.c.seller_id, func.min(cases.c.enqueued_at).label("since"))
        .where(cases.c.erased_at.is_(None))
        .group_by(cases.c.seller_id),
        select(seller_keys.c.seller_id, seller_keys.c.created_at.label("since")),
        select(user_sellers.c.seller_id, user_sellers.c.since),
        *(
            select(table.c.seller_id, func.min(table.c.received_at).label("since")).group_by(table.c.seller_id)
            for table in (listings, seller_events, portfolio_listings)
        ),
    )
    pseudonyms = dict(connection.execute(select(seller_keys.c.seller_id, seller_keys.c.pseudonym)).all())
    oldest: dict[str, datetime] = {}
    for seller_id, moment in connection.execute(moments):
        oldest[seller_id] = min(moment, oldest.get(seller_id, moment))
    ends = {seller_id: erased.find(seller_id, pseudonyms.get(seller_id)) for seller_id in oldest}
    return [seller_id for seller_id, since in oldest.items() if (at := ends[seller_id]) is not None and since <= at]
