"""Forgetting a seller: what is encrypted loses its key, the rest is replaced, and no trace is left in the files.

It goes in two steps. First, in one transaction, everything that tells of the seller is deleted or replaced, and that is
noted; then the files of the database are written anew, as deleted rows leave traces in them. Killed in between, the
second step is still to be done, and is by whatever erases next (`sweep_erased`). Cases, decisions and the audit trail
can still be counted and verified: to them a seller is a pseudonym.

By a file outside the database erased sellers are known again: a backup that is restored still holds them. The file
names nobody. Its first line holds a key; each other line the pseudonym of an erased seller, a keyed hash of their id,
and when they were erased; the last one how many lines there are and their digest, so that a list that was cut or
damaged is not taken for a shorter one. It is written whole or not at all. Who has the file can tell whether an id that
they know already is in it, so it is kept like a backup. Restoring a backup erases whoever is in it again, before
anything is kept; see `erase_again_within`.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, exists, func, insert, or_, select, union, update

from ipml.enforcement.privacy.legal_holds import find_holds
from ipml.enforcement.privacy.personal_data import (
    BLANKED,
    REMOVED,
    empty_explanations,
    empty_notes,
    replace_listings,
    touched_tables,
)
from ipml.enforcement.takedown.handed_over import find_held_for, release
from ipml.errors import Conflict, NotFound, UnreadableFile, UnusableSetting
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.moments import write_moment
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import read_cases
from ipml.storage.audit_trail import audit
from ipml.storage.backup import whole_or_not_at_all
from ipml.storage.database import Lock, reading, serialise, turn, writing
from ipml.storage.pseudonyms import find_pseudonym, find_seller, pseudonym_of
from ipml.storage.remains import overwrite_deleted, sweep
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

FORMAT = "ipml erased sellers 2"
_WITHOUT_END = "ipml erased sellers 1"  # of older releases
_KEY_BYTES = 32
_PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class ErasedList:
    """Who was erased, and when, by pseudonym and by the keyed hash of their id.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "erased.jsonl"
    ...     note_erased(path, "ann", "5f1c", noon)
    ...     erased = read_erased(path)
    >>> erased.find("ann", None) == noon, erased.find("ben", "5f1c") == noon, erased.find("ben", None)
    (True, True, None)
    """

    key: bytes
    moments: dict[str, datetime]

    def find(self, seller_id: str, pseudonym: str | None) -> datetime | None:
        """Return when a seller was erased last; None where they were not."""
        known_as = (_mark(self.key, seller_id), pseudonym or "")
        return max((self.moments[name] for name in known_as if name in self.moments), default=None)


def begin_list(path: Path) -> None:
    """Make a list that names nobody, where there is none yet."""
    with turn(_turn_of(path), _PATIENCE_SECONDS):
        if not path.exists():
            _write(path, [_dump({"format": FORMAT, "key": secrets.token_hex(_KEY_BYTES)})])


def note_erased(path: Path, seller_id: str, pseudonym: str, at: datetime) -> None:
    """Add a seller to the file, which is made where it is not there; it is on the disk when this returns.

    Raises
    ------
    UnreadableFile
        The file is damaged; nothing is changed.
    """
    begin_list(path)
    with turn(_turn_of(path), _PATIENCE_SECONDS):
        key = read_erased(path).key
        head, *lines = _read_lines(path)
        entry = {"pseudonym": pseudonym, "mark": _mark(key, seller_id), "at": write_moment(at)}
        _write(path, [_dump(json.loads(head) | {"format": FORMAT}), *lines, _dump(entry)])


def read_erased(path: Path) -> ErasedList:
    """Read the file.

    Raises
    ------
    NotFound
        It is not there.
    UnreadableFile
        It is not all of a list as it was written, or cannot be read.
    """
    head, *lines = _read_lines(path)
    moments: dict[str, datetime] = {}
    try:
        key = bytes.fromhex(json.loads(head)["key"])
        for line in lines:
            said = json.loads(line)
            at = datetime.fromisoformat(said["at"]).astimezone(UTC)
            for name in (said["mark"], said["pseudonym"]):
                moments[name] = max(at, moments.get(name, at))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refuse(path, "a line that is none of a list") from error
    return ErasedList(key, moments)


def _read_lines(path: Path) -> list[bytes]:
    """Return the first line and those of sellers, once the last one has said that these are all."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        remedy = (
            "IPML_ERASED names it: bring it back, or begin an empty one with --new-list: whoever was erased before is "
            "then not known. Nothing was changed."
        )
        raise NotFound("list of erased sellers", path, remedy) from error
    except OSError as error:
        raise _refuse(path, f"what cannot be read ({error.strerror})") from error
    if not content.endswith(b"\n"):
        raise _refuse(path, "a last line that was cut" if content else "an empty file")
    lines = content.splitlines(keepends=True)
    form = _say(lines[0]).get("format")
    if form == _WITHOUT_END:
        return lines
    if form != FORMAT:
        raise _refuse(path, f"{lines[0][:60]!r} at its beginning")
    if len(lines) < 2 or _say(lines[-1]) != _end_of(lines[:-1]):
        raise _refuse(path, "lines that are not those which its end tells of")
    return lines[:-1]


def _refuse(path: Path, found: str) -> UnreadableFile:
    expected = "the whole list of erased sellers as `ipml seller erase` wrote it"
    return UnreadableFile(path, found, expected, "Bring back a copy of it; nothing was changed.")


def _write(path: Path, lines: list[bytes]) -> None:
    with whole_or_not_at_all(path) as file:
        file.writelines([*lines, _dump(_end_of(lines))])


def _end_of(lines: list[bytes]) -> dict[str, Any]:
    return {"lines": len(lines), "sha256": digest(b"".join(lines))}


def _say(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _dump(content: dict[str, Any]) -> bytes:
    return canonical_json(content).encode("ascii") + b"\n"


def _turn_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-turn")


def _mark(key: bytes, seller_id: str) -> str:
    return hmac.digest(key, seller_id.encode(), "sha256").hex()


_LONGEST_WHY = 200
_PENDING = ("open", "with holder", "holder acted")  # of an appeal


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a seller was erased: what they are called now, and how many cases and decisions told of them."""

    pseudonym: str
    cases: int
    decisions: int


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing came to.

    Attributes
    ----------
    sellers : tuple of Erasure
        Those who were erased.
    remarks : tuple of str
        What a database server keeps all the same, and for how long.
    """

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
    """Erase sellers, each in a transaction of its own, and then all traces of them in the files of the database.

    Parameters
    ----------
    why : str
        Such as the number of the request; at most 200 characters, and no name, as it is kept.
    listed_in : Path, optional
        File by which they are known again where an older backup is restored.

    Raises
    ------
    NotFound
        Nothing is kept of one of them, nor is there anything left to finish; those before are erased.
    Conflict
        One of them cannot be erased now.
    UnreadableFile, NotFound
        The file is damaged; or it is not there, though somebody was erased before.
    DatabaseBusy
        They are erased, but somebody went on reading what was there before: traces are left in the files until this
        is called again, with whomever, or `sweep_erased`.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue, get_case
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "ann", "Bag of Ann"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> erase_sellers(engine, ["ann"], why="request 7", by="lea").sellers[0].cases
    1
    >>> with reading(engine) as connection:
    ...     get_case(connection, 1).scored.listing.title
    '(erased)'
    """
    check_text("why", why, _LONGEST_WHY)
    now = now or datetime.now(UTC)
    done: list[Erasure] = []
    with reading(engine) as connection:
        wanted, is_finishing = list(seller_ids), bool(find_unswept(connection))
    if any(seller_id in why for seller_id in wanted if seller_id):
        raise UnusableSetting("why", "the id of the seller", "a reason that names nobody, as it is kept")
    try:
        for seller_id in wanted:
            with suppress(*[NotFound] * is_finishing), writing(engine) as connection:
                done.append(erase(connection, seller_id, why=why, by=by, listed_in=listed_in, now=now))
    finally:  # where one cannot be erased, those before are
        remarks = sweep_erased(engine, now=now)
    return Erased(tuple(done), remarks)


def refuse(connection: Connection, pseudonym: str, now: datetime) -> None:
    """Raise Conflict where a seller cannot be erased now."""
    subject = f"seller {pseudonym}"
    if holds := find_holds(connection, pseudonym, now):
        said = "; ".join(f"hold {hold.hold_id} until {hold.last_day} ({hold.why})" for hold in holds)
        raise Conflict(subject, f"found {said}; nothing was erased", "`ipml seller release` ends a hold.")
    # One who took a listing over may have appealed, too: what is appealed against is not erased.
    theirs = select(cases.c.case_id).where(cases.c.seller_id == find_seller(connection, pseudonym))
    concerns = or_(appeals.c.pseudonym == pseudonym, appeals.c.case_id.in_(theirs))
    pending = concerns, appeals.c.state.in_(_PENDING)
    if (appeal_id := connection.scalar(select(func.min(appeals.c.appeal_id)).where(*pending))) is not None:
        remedy = "Decide it with `ipml enforce appeal decide`, and try again."
        raise Conflict(subject, f"found appeal {appeal_id} undecided; nothing was erased", remedy)
    waiting = outbox.c.pseudonym == pseudonym, outbox.c.state == "waiting"
    if count := connection.scalar(select(func.count()).select_from(outbox).where(*waiting)):
        found = f"{count:,} messages that tell of them wait to be delivered; nothing was erased"
        raise Conflict(subject, found, "Deliver them, or give them up, and try again.")


def erase(
    connection: Connection,
    seller_id: str,
    *,
    why: str,
    by: str,
    now: datetime,
    listed_in: Path | None = None,
    in_any_case: bool = False,
) -> Erasure:
    """Do the first step for one seller, in the caller's transaction.

    Parameters
    ----------
    in_any_case : bool, default=False
        Whether holds and messages that wait do not matter.
    """
    if listed_in is not None:
        _require_list(connection, listed_in)
    overwrite_deleted(connection)
    serialise(connection, Lock.ENQUEUE)  # so that no listing of theirs comes in meanwhile, and no hold
    rows = read_cases(connection, _cases_of(seller_id).with_for_update())
    sold_on = find_held_for(connection, seller_id)
    pseudonym = _name(connection, seller_id, bool(rows), now)
    if not in_any_case:  # whoever was deciding on a case of theirs has finished by now
        refuse(connection, pseudonym, now)
    count = replace_listings(connection, rows, {seller_id: f"erased:{pseudonym}"}, by, now, gone=seller_id)
    theirs = select(cases.c.case_id).where(cases.c.seller_id == f"erased:{pseudonym}")
    numbers = connection.scalars(theirs.order_by(cases.c.case_id)).all()
    empty_notes(connection, numbers, by, now)  # those on listings that had expired before, too
    empty_explanations(connection, numbers, by, now)
    n_decisions = connection.scalar(select(func.count()).where(decisions.c.case_id.in_(theirs))) or 0
    _blank_encrypted(connection, pseudonym, by, now)
    listed = seller_list_entries.c.pseudonym == pseudonym, seller_list_entries.c.removed_at.is_(None)
    ended = update(seller_list_entries).where(*listed).values(removed_by=by, removed_at=now)
    audit.change_rows(connection, ended, by, "erased", at=now)
    for name, found_by in REMOVED.items():
        if found_by == "seller_id":
            connection.execute(delete(metadata.tables[name]).where(metadata.tables[name].c.seller_id == seller_id))
    release(connection, sold_on, by, now)
    fields = {"pseudonym": pseudonym, "erased_by": by, "erased_at": now, "why": why, "cases": count}
    connection.execute(insert(erasures).values(fields))
    payload: dict[str, audit.Value] = {"cases": count, "decisions": n_decisions}
    audit.append(connection, by, "erased", f"seller:{pseudonym}", payload, at=now)
    if listed_in is not None:  # last, when nothing but the disk can still refuse
        note_erased(listed_in, seller_id, pseudonym, now)
    return Erasure(pseudonym, count, n_decisions)


def _require_list(connection: Connection, listed_in: Path) -> None:
    """Raise unless the list is whole, or is not there because nobody was erased yet."""
    if listed_in.exists() or connection.scalar(select(func.count()).select_from(erasures)):
        read_erased(listed_in)


def sweep_erased(engine: Engine, *, now: datetime | None = None) -> tuple[str, ...]:
    """Do the second step for all who were erased and not swept yet; return what a server keeps all the same."""
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
    """Erase whoever is in a list of erased sellers and has come back with an older backup.

    A seller of whom everything here is younger than their erasure came back by themselves, and stays.
    """
    erased, now = read_erased(listed_in), now or datetime.now(UTC)
    with writing(engine) as connection:
        done = erase_again_within(connection, erased, by=by, now=now)
    return Erased(tuple(done), sweep_erased(engine, now=now))


def erase_again_within(connection: Connection, erased: ErasedList, *, by: str, now: datetime) -> list[Erasure]:
    """Do the first step of `erase_again` in the caller's transaction, as before the rows of a backup are kept."""
    resurrected = [seller for seller, since in _find_sellers(connection) if _is_resurrected(erased, *seller, since)]
    return [  # whatever held them then has ended since
        erase(connection, seller_id, why="restored", by=by, now=now, in_any_case=True) for seller_id, _ in resurrected
    ]


def _cases_of(seller_id: str) -> Any:
    return select(cases).where(cases.c.seller_id == seller_id, cases.c.erased_at.is_(None)).order_by(cases.c.case_id)


def _name(connection: Connection, seller_id: str, has_cases: bool, now: datetime) -> str:
    """Return the pseudonym of a seller, be it made for this alone; NotFound where nothing is kept of them."""
    if known := find_pseudonym(connection, seller_id):
        return known
    tables = (listings, seller_events, seller_languages, portfolio_listings, user_sellers)
    is_known = any(connection.scalar(select(exists().where(table.c.seller_id == seller_id))) for table in tables)
    if not has_cases and not is_known:
        raise NotFound("seller", seller_id, "Nothing is kept of them; look at how the id is written.")
    return pseudonym_of(connection, seller_id, now=now)


def _blank_encrypted(connection: Connection, pseudonym: str, by: str, now: datetime) -> None:
    """Empty what others wrote beside what is encrypted, and give up what nobody can open any more."""
    waiting = outbox.c.pseudonym == pseudonym, outbox.c.state == "waiting"
    given_up = update(outbox).where(*waiting).values(state="dead", settled_at=now)
    audit.change_rows(connection, given_up, by, "erased", at=now)
    lone = notice_items.c.pseudonym == pseudonym, notice_items.c.case_id.is_(None), notice_items.c.listing_digest != ""
    emptied = update(notice_items).where(*lone).values(location="", listing_digest="")
    audit.change_rows(connection, emptied, by, "erased", at=now)
    for (name, found_by), columns in BLANKED.items():
        if found_by == "pseudonym":
            table = metadata.tables[name]
            connection.execute(update(table).where(table.c.pseudonym == pseudonym).values(**columns))


def find_unswept(connection: Connection) -> Sequence[int]:
    """Return the numbers of the erasures of which traces are left in the files of the database."""
    return connection.scalars(select(erasures.c.erasure_id).where(erasures.c.swept_at.is_(None))).all()


def _find_sellers(connection: Connection) -> list[tuple[tuple[str, str | None], datetime]]:
    """Return each seller's id and pseudonym, and since when something is kept of them."""
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
    known = dict(connection.execute(select(seller_keys.c.seller_id, seller_keys.c.pseudonym)).all())
    since: dict[str, datetime] = {}
    for seller_id, moment in connection.execute(moments):
        since[seller_id] = min(moment, since.get(seller_id, moment))
    return [((seller_id, known.get(seller_id)), moment) for seller_id, moment in since.items()]


def _is_resurrected(erased: ErasedList, seller_id: str, pseudonym: str | None, since: datetime) -> bool:
    at = erased.find(seller_id, pseudonym)
    return at is not None and since <= at
