"""A marketplace of a million cases: a small one that ipml has worked on, and copies of all its rows.

The small one comes in, is decided and enforced by ipml itself, with notices, strikes, messages and appeals. A copy has
other numbers, listings, sellers and keys, and is some hours older. The audit trail records each of its rows once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
from sqlalchemy import Column, Connection, Engine, Table, select, text

from experiments.review.filled import REVIEWERS, make_cases
from ipml.cooperation.actions import Cooperation
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import check_notice
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.actions import ActingLead, change_measure
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.personal_data import TEXTS, Holds
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.delivery import deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.records import EarlierListings, Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audited_tables import AUDITED
from ipml.storage.audit_trail.row_digests import PREFIX
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import Keyring, make_pseudonym, read_keys
from ipml.storage.row_numbers import go_on_after, insert_rows, numbered_tables
from ipml.storage.tables import Moment, measures, metadata, outbox, seller_keys

_STEP = 1_000_000  # by which the numbers of a copy are larger than those of the copy before
_OWNED = ("users", "seeds", "samples", "sample_strata", "stream_strata", "rankings", "notifiers", "rights_documents")
_SHARED = (*_OWNED, "enforcement_policies", "bands", "jobs", "audit", "sessions", "tries")
_NUMBERS = ("exemplar", "relisting_of", "successor", "spread_from", "cluster", "same_as", "made_with", "replaced_by")
_NAMES = ("listing_id", "listing_key", "seller_id", "key", "reference", "puid", "event_id", "group_key")
_PSEUDONYMS, _NAMED_IN_SNAPSHOT = ("pseudonym", "linked_to"), ("listing_id", "seller_id")
_DIGESTS = ("listing_digest", "url_digest", "content_digest")
_NOUNS = frozenset(audited.noun for audited in AUDITED.values())
_NUMBERED, _STAMPED = re.compile(r"(\w+):(\d+)"), re.compile(r"(\d+):")
_BANDS = text("""
    INSERT INTO bands (band, case_id)
    SELECT DISTINCT ((band >> 24) & 1099511627775) + :copy * 1099511627776, case_id + :shift FROM bands
    WHERE case_id < :step
""")
_SLIM = {("outbox", "body"), ("statements", "letter")}
_SPAN = timedelta(days=340)


class Simulated:
    """A model that gives each listing a score which hangs on its number alone."""

    def __init__(self, version: str, n: int) -> None:
        self.version = version
        draws = np.random.default_rng(3).beta(2.0, 1.0, n)
        self._scores = {f"L{number:06}": float(score) for number, score in enumerate(draws)}

    def as_model(self) -> IntakeModel:
        """Return it as ipml calls it."""
        return IntakeModel(self.version, self.score)

    def score(
        self, some: Sequence[Listing], _earlier: Sequence[EarlierListings | None], _explain: bool
    ) -> list[ScoredListing]:
        """Score listings."""
        return [
            ScoredListing(one, score, 0.0, (), (), None, self.version, suspicion=score)
            for one in some
            for score in (self._scores.get(one.listing_id[:7], 0.5),)
        ]


def make_small(engine: Engine, n: int) -> None:
    """Let so many cases come in, and have half of them decided, with all that follows."""
    start, policy = datetime.now(UTC) - timedelta(days=9), load_enforcement_policy()
    listings = [one.listing for one in make_cases(n)]
    sellers = sorted({one.seller_id for one in listings})
    model = Simulated("m1", n).as_model()
    with writing(engine) as connection:
        store_events(connection, list(_events(sellers, start)), start)
    for first in range(0, n, 500):
        take_in(engine, [Submission(tuple(listings[first : first + 500]))], model, start)
    _give_notices(engine, listings, start + timedelta(hours=5))
    _decide(engine, int(0.38 * n), start + timedelta(days=1))
    _end_later(engine, policy, start + timedelta(days=3))
    _appeal(engine, start + timedelta(days=3))
    with TemporaryDirectory() as folder:
        sink = FileSink(Path(folder) / "messages.jsonl")
        for _ in deliver_due(engine, sink, clock=lambda: start + timedelta(days=4)):
            pass


def _events(sellers: Sequence[str], at: datetime) -> Iterator[SellerEvent]:
    for number, seller in enumerate(sellers):
        for place, kind in enumerate(("sold", "complained", "returned")):
            when = at - timedelta(days=number % 90 + place)
            yield SellerEvent(f"e{number}-{place}", seller, kind, when, when)


def _give_notices(engine: Engine, listings: Sequence[Listing], at: datetime) -> None:
    """Give notice of every twentieth listing; of some unknown ones."""
    policy = load_cooperation_policy()
    for number, listing in enumerate(listings[::20]):
        named = listing.listing_id if number % 5 else f"unknown-{number}"
        said = {
            "explanation": "We never made it in this colour, and the logo is printed backwards on it.",
            "listings": [{"listing_id": named}],
        }
        said |= {"name": "Ann", "email": f"ann{number % 7}@acme.test", "good_faith": True}
        said |= {"brand": listing.brand, "rights": f"EUTM {number}"}
        with writing(engine) as connection:
            receive(connection, check_notice(said, policy.notices), policy=policy, now=at)


def _decide(engine: Engine, n: int, at: datetime) -> None:
    actions, rng = Cooperation(load_enforcement_policy(), load_cooperation_policy()), np.random.default_rng(2)
    for number in range(n):
        moment = at + timedelta(days=2) * (number / n)
        with writing(engine) as connection:
            taken = claim(connection, REVIEWERS[number % len(REVIEWERS)], now=moment)
        if taken is None:
            return
        verdict = Verdict(rng.choice([Verdict.COUNTERFEIT, Verdict.GENUINE], p=[0.8, 0.2]))
        ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(
                connection,
                DecisionRequest(taken, verdict, ground),
                now=moment,
                context=ReviewContext(actions=actions),
            )


def _end_later(engine: Engine, policy: Any, at: datetime) -> None:
    """Replace every tenth measure by one that ends automatically after two years."""
    order = MeasureOrder(MeasureKind.PAUSE, "a milder one", until=at + timedelta(days=730))
    for number in _every(engine, 10):
        with writing(engine) as connection:
            change_measure(connection, number, order, ActingLead("lea", policy, at))


def _appeal(engine: Engine, at: datetime) -> None:
    """Have sellers complain of every fortieth measure."""
    for number in _every(engine, 40):
        with writing(engine) as connection:
            whose = select(seller_keys.c.seller_id).join(measures, measures.c.pseudonym == seller_keys.c.pseudonym)
            seller = connection.scalars(whose.where(measures.c.measure_id == number)).one()
            request = AppealRequest(f"measure:{number}", seller, "I bought it from the brand.")
            file_appeal(connection, request, load_enforcement_policy().appeals, now=at)


def _every(engine: Engine, n: int) -> Sequence[int]:
    with reading(engine) as connection:
        stands = select(measures.c.measure_id).where(measures.c.lifted_at.is_(None)).order_by(measures.c.measure_id)
        return connection.scalars(stands).all()[::n]


class Copies:
    """The rows of a small marketplace, and how they are copied."""

    def __init__(self, connection: Connection) -> None:
        self.tables = [table for table in metadata.sorted_tables if table.name not in _SHARED]
        self.rows = {table: [*map(dict, connection.execute(select(table)).mappings())] for table in self.tables}
        self.trail = list(_tell_once(audit.list_between(connection, 1, audit.anchor(connection).count)))
        self.keys = {row["pseudonym"]: row for row in self.rows[metadata.tables["seller_keys"]]}
        self._opened: dict[tuple[str, str], str] = {}
        keys = read_keys(connection, self.keys)
        for table in self.tables:
            for column in _encrypted(table):
                for row in self.rows[table]:
                    if row[column] and row["pseudonym"] in keys:
                        self._opened[table.name, row[column]] = keys.decrypt(row["pseudonym"], row[column])

    def append(self, connection: Connection, copy: int, older_by: timedelta, *, is_slim: bool) -> None:
        """Append a copy; a slim one without delivered messages and letters, as the retention leaves it."""
        made = {name: make_pseudonym(f"{row['seller_id']} {copy}") for name, row in self.keys.items()}
        ring = Keyring({name: (None, bytes.fromhex(key)) for name, key in made.values()}, {})
        for table in self.tables:
            if not self.rows[table]:
                continue
            columns = self._change_all(table, copy, older_by, made)
            encrypted, rows = _encrypted(table), []
            for row in self.rows[table]:
                changed = row | {name: change(row[name]) for name, change in columns.items() if row[name] is not None}
                for name in encrypted:
                    if is_slim and (table.name, name) in _SLIM:
                        changed[name] = ""
                    elif (content := self._opened.get((table.name, row[name]))) is not None:
                        changed[name] = ring.encrypt(changed["pseudonym"], content)
                if is_slim and row.get("state") == "waiting" and table is outbox:
                    changed |= {"state": "delivered", "settled_at": changed["put_at"]}
                if table is seller_keys:
                    changed["key"] = made[row["pseudonym"]][1]
                if "snapshot" in row:
                    for name in _NAMED_IN_SNAPSHOT:
                        changed["snapshot"] = changed["snapshot"].replace(f'"{row[name]}"', f'"{changed[name]}"')
                rows.append(changed)
            insert_rows(connection, table, rows)
        connection.execute(_BANDS, {"copy": copy, "shift": copy * _STEP, "step": _STEP})

    def tell(self, connection: Connection, copy: int, older_by: timedelta) -> None:
        """Append to the audit trail what it says of the small marketplace, of a copy."""
        shift = copy * _STEP
        made = []
        for row in self.trail:
            spoken = [(name, number + shift) for name, number in _spoken_of(row)]
            payload = {
                name: value + shift if name in _NOUNS and type(value) is int else value
                for name, value in row.said.items()
            }
            subject = _renumber(row.subject, shift)
            made.append(audit.AuditEvent(row.at - older_by, row.actor, row.action, subject, payload, spoken))
        audit.append_events(connection, made)

    def _change_all(
        self, table: Table, copy: int, older_by: timedelta, made: Mapping[str, tuple[str, str]]
    ) -> dict[str, Callable[[Any], Any]]:
        shift = copy * _STEP
        changes: dict[str, Callable[[Any], Any]] = {}
        for column in table.c:
            if is_number(column):
                changes[column.name] = shift.__add__
            elif column.name in _PSEUDONYMS:
                changes[column.name] = lambda name: made[name][0] if name in made else f"{name} {copy}"
            elif column.name == "subject":
                changes[column.name] = partial(_renumber, shift=shift)
            elif column.name in (*_NAMES, *_DIGESTS) and not (table is seller_keys and column.name == "key"):
                changes[column.name] = lambda name: f"{name} {copy}"
            elif isinstance(column.type, Moment):
                changes[column.name] = lambda moment: moment - older_by
        return changes


def is_number(column: Column[Any]) -> bool:
    """Say whether a column numbers a row that is copied."""
    if column.name in _NUMBERS or column is column.table.autoincrement_column:
        return True
    referred = [key.column for key in column.foreign_keys]
    return any(one.table.name not in _SHARED and one.name.endswith("_id") for one in referred)


def _encrypted(table: Table) -> list[str]:
    """Return the columns that the key of a row's seller opens."""
    if "pseudonym" not in table.c:
        return []
    return [name for name, holds in TEXTS.get(table.name, {}).items() if holds is Holds.ENCRYPTED]


def _renumber(subject: str, shift: int) -> str:
    found = _NUMBERED.fullmatch(subject)
    return f"{found[1]}:{int(found[2]) + shift}" if found else subject


def _tell_once(rows: Sequence[audit.AuditRow]) -> Iterator[audit.AuditRow]:
    """Give the rows of the trail that are the first to speak of some row."""
    told = set[tuple[str, int]]()
    for row in rows:
        spoken = set(_spoken_of(row))
        if spoken - told:
            yield row
        told |= spoken


def _spoken_of(row: audit.AuditRow) -> Iterator[tuple[str, int]]:
    for name, stamps in row.payload.items():
        if name.startswith(PREFIX):
            yield from ((name.removeprefix(PREFIX), int(number)) for number in _STAMPED.findall(str(stamps)))


def double(connection: Connection, n_copies: int) -> None:
    """Append a copy of each of so many copies, by the database alone: what is encrypted in these nobody can open."""
    shift = n_copies * _STEP
    for table in (one for one in metadata.sorted_tables if one.name not in _SHARED):
        columns = {column.name: f'"{column.name}"' for column in table.c}
        find = "instr" if connection.dialect.name == "sqlite" else "strpos"
        changed = columns | {name: how for name in columns if (how := _change_in_sql(table.c[name], shift, find))}
        into, values = ", ".join(columns.values()), ", ".join(changed.values())
        copied = f'INSERT INTO "{table.name}" ({into}) SELECT {values} FROM "{table.name}"'  # noqa: S608
        connection.exec_driver_sql(copied.replace("%", "%%") if find == "strpos" else copied)
    moved = f"SELECT band + {n_copies << 40}, case_id + {shift} FROM bands"  # noqa: S608
    connection.exec_driver_sql(f"INSERT INTO bands (band, case_id) {moved}")


def _change_in_sql(column: Column[Any], shift: int, find: str) -> str:
    """Return what becomes of a column of a copy, in the words of the database; "" where it stays as it is."""
    table, name = column.table, column.name
    if is_number(column):
        return f"{name} + {shift}"
    if name == "subject":
        place = f"{find}({name}, ':')"
        renumbered = f"substr({name}, 1, {place}) || (CAST(substr({name}, {place} + 1) AS BIGINT) + {shift})"
        is_numbered = " OR ".join(f"{name} LIKE '{noun}:%'" for noun in ("measure", "penalty", "appeal"))
        return f"CASE WHEN {is_numbered} THEN {renumbered} ELSE {name} END"
    if name in (*_PSEUDONYMS, *_NAMES, *_DIGESTS) and (table.name, name) != ("seller_keys", "key"):
        return f"{name} || ' {shift}'"
    if name == "snapshot":
        of_listing, of_seller = (f"'\"' || {one} || '\"', '\"' || {one} || ' {shift}\"'" for one in _NAMED_IN_SNAPSHOT)
        return f"replace(replace({name}, {of_listing}), {of_seller})"
    return f"{name} - 3600000000" if isinstance(column.type, Moment) else ""


def fill(engine: Engine, n_small: int, n_copies: int, n_doubled: int) -> None:
    """Make the small marketplace in an empty database, copy it, and double all so many times."""
    make_small(engine, n_small)
    with reading(engine) as connection:
        copies = Copies(connection)
    indexes = [index for table in metadata.sorted_tables for index in table.indexes if not index.unique]
    _print_time("the small one")
    with writing(engine) as connection:
        for index in indexes:
            index.drop(connection)
    for copy in range(1, n_copies):
        with writing(engine) as connection:
            copies.append(connection, copy, _SPAN * copy / n_copies, is_slim=copy >= 0.15 * n_copies)
    _print_time("copies")
    for times in range(n_doubled):
        with writing(engine) as connection:
            double(connection, n_copies << times)
    _print_time("doubled")
    with writing(engine) as connection:
        for index in indexes:
            index.create(connection)
    _print_time("indexes")
    for copy in range(1, n_copies << n_doubled):
        with writing(engine) as connection:
            copies.tell(connection, copy, _SPAN * (copy % n_copies) / n_copies)
    with writing(engine) as connection:
        for table in numbered_tables():
            go_on_after(connection, table, 0)
    _print_time("audit trail")


def _print_time(what: str) -> None:
    print(f"{what}: done after {process_time():,.0f} s of a processor", flush=True)
