"""What must agree inside a sound database, whichever it is, and settings of a server under which decisions get lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import Connection, func, select, text

from ipml.storage.row_numbers import find_lagging
from ipml.storage.tables import audit, cases, decisions, evidence, measures, metadata, reversals, second_verdicts

_AT_ONCE = 1000
_OLDEST_SERVER = 14


def find_disagreements(connection: Connection) -> Iterator[str]:
    """Give a line for each thing in which tables contradict each other; none in a sound database.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     list(find_disagreements(connection))
    []
    """
    yield from _decisions_without_record(connection)
    yield from _measures_without_record(connection)
    yield from _measures_without_decision(connection)
    yield from _evidence_without_record(connection)
    yield from _rows_that_refer_to_none(connection)
    yield from _listings_of_another_case(connection)
    for table in find_lagging(connection):
        yield f"{table}: its counter is behind its rows, so that new rows are refused; restore a backup, or use setval"


def find_risky_settings(connection: Connection) -> Iterator[str]:
    """Give a line for each setting of a PostgreSQL server with which a crash may lose or break what it has kept."""
    if connection.dialect.name != "postgresql":
        return
    for name in ("fsync", "full_page_writes"):
        if connection.scalar(text(f"SHOW {name}")) != "on":
            yield f"{name} is off: a crash can break the database; set it on"
    # What the server does by itself; ipml's own sessions wait for the disk in any case.
    query = text("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
    if connection.scalar(query) == "off":
        yield "synchronous_commit is off: other programs' commits can get lost in a crash; ipml's own wait for the disk"
    version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < _OLDEST_SERVER:
        yield f"release {version} gets no mending any more; expected {_OLDEST_SERVER} or newer"


def server_version(connection: Connection) -> str:
    """Return what the database calls its release.

    Examples
    --------
    >>> from ipml.storage.database import open_database
    >>> with open_database("sqlite://").connect() as connection:
    ...     server_version(connection)
    'SQLite 3...'
    """
    if connection.dialect.name == "postgresql":
        return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"
    return f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}"


def _decisions_without_record(connection: Connection) -> Iterator[str]:
    """Compare the decisions with those that the audit trail tells of: the same numbers, each once."""
    noted: set[int] = set()
    query = select(audit.c.sequence, audit.c.payload).where(audit.c.action.in_(("decided", "escalated")))
    for sequence, payload in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        number = json.loads(payload).get("decision")
        if number is None:
            yield f"audit row {sequence}: does not say which decision it tells of"
        elif number in noted:
            yield f"audit row {sequence}: tells of decision {number} for the second time"
        else:
            noted.add(number)
    there = connection.execute(select(decisions.c.decision_id).execution_options(yield_per=_AT_ONCE)).scalars()
    for number in there:
        if number not in noted:
            yield f"decision {number}: the audit trail tells nothing of it"
        noted.discard(number)
    for number in sorted(noted):
        yield f"decision {number}: is gone, though the audit trail tells of it"


def _measures_without_record(connection: Connection) -> Iterator[str]:
    """Compare the measures with those that the audit trail tells of: the same numbers, each once."""
    told = select(audit.c.subject).where(audit.c.action == "imposed", audit.c.subject.like("measure:%"))
    noted: set[str] = set()
    for subject in connection.execute(told.execution_options(yield_per=_AT_ONCE)).scalars():
        if subject in noted:
            yield f"{subject}: the audit trail tells of it for the second time"
        noted.add(subject)
    there = connection.execute(select(measures.c.measure_id).execution_options(yield_per=_AT_ONCE)).scalars()
    kept = {f"measure:{number}" for number in there}
    for subject in sorted(kept ^ noted):
        is_gone = subject in noted
        yield f"{subject}: {'is gone, though the audit trail tells of it' if is_gone else 'the audit trail lacks it'}"


def _measures_without_decision(connection: Connection) -> Iterator[str]:
    """Look for measures that stand though the decision they follow from was taken back."""
    query = select(measures.c.measure_id).join(reversals, reversals.c.decision_id == measures.c.decision_id)
    for number in connection.scalars(query.where(measures.c.lifted_at.is_(None)).order_by(measures.c.measure_id)):
        yield f"measure {number}: stands, though its decision was taken back; lift it with `ipml enforce measure lift`"


def _evidence_without_record(connection: Connection) -> Iterator[str]:
    """Compare the digests of evidence with those in the audit trail; evidence may go in time, but not change."""
    told = select(audit.c.subject, audit.c.payload).where(audit.c.action == "evidence kept")
    noted: dict[str, str] = {}
    for subject, payload in connection.execute(told.execution_options(yield_per=_AT_ONCE)):
        noted[subject] = json.loads(payload).get("digest")
    there = select(evidence.c.evidence_id, evidence.c.digest).order_by(evidence.c.evidence_id)
    for number, digest in connection.execute(there.execution_options(yield_per=_AT_ONCE)):
        if noted.get(f"evidence:{number}") != digest:
            yield f"evidence {number}: is not what the audit trail says was kept"


def _listings_of_another_case(connection: Connection) -> Iterator[str]:
    """Look for verdicts that name another listing than their case, which the audit trail vouches for."""
    for table in (decisions, second_verdicts):
        (key,) = table.primary_key
        query = select(key).join(cases, cases.c.case_id == table.c.case_id)
        for number in connection.scalars(query.where(table.c.listing_id != cases.c.listing_id).order_by(key)):
            yield f"{table.name} {number}: listing_id is not that of its case"


def _rows_that_refer_to_none(connection: Connection) -> Iterator[str]:
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            other = key.column.table.alias()
            target = other.c[key.column.name]
            lost = select(func.count()).select_from(table.outerjoin(other, key.parent == target))
            count = connection.scalar(lost.where(key.parent.is_not(None), target.is_(None)))
            if count:
                yield f"{table.name}: {count:,} rows whose {key.parent.name} refers to none"
