"""What the audit trail says of rows: whoever changes one behind its back is found, and the column named."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    insert,
    select,
    text,
    update,
)

from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audited_tables import AUDITED, EXEMPT
from ipml.storage.audit_trail.row_digests import RowReport, check_rows, read_digests
from ipml.storage.database import reading, writing
from ipml.storage.tables import Flag, Moment, metadata

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_ALLOWED = re.compile(r"(\w+) IN \(('[^)]+')\)")


@pytest.fixture
def alone(engine: Engine) -> Iterator[Callable[[], Any]]:
    """Return what opens a connection for somebody who can write the database, and is held up by no reference."""

    def open_connection() -> Any:
        connection = engine.connect().execution_options(ipml_writes=True)
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
            connection.commit()
        else:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # in no transaction
        return connection

    yield open_connection
    engine.dispose()


def fill(table: Table, column: Column[Any], number: int) -> Any:
    """Return a value for a column, another one for each number."""
    if (allowed := allowed_values(table).get(column.name)) is not None:
        return allowed[number % len(allowed)]
    if isinstance(column.type, Moment):
        return NOON + timedelta(hours=number)
    if isinstance(column.type, Flag):
        return bool(number % 2)
    kind = column.type.python_type
    return kind(number / 10 if kind is float else number)


def allowed_values(table: Table) -> dict[str, list[str]]:
    """Return the values that a check of the table allows, by column."""
    checks = [str(check.sqltext) for check in table.constraints if isinstance(check, CheckConstraint)]
    return {
        match[1]: re.findall("'([^']+)'", match[2]) for check in checks if (match := _ALLOWED.search(check)) is not None
    }


def add(connection: Connection, name: str, number: int) -> None:
    """Add a row with everything filled in; two, of which one is the first again, to a row of the table they are of."""
    table, part_of = metadata.tables[name], AUDITED[name].part_of
    if part_of is None:
        put_in(connection, table, number, {only_key(table): number})
        return
    whole, column = metadata.tables[part_of[0]], part_of[1]
    shared = fill(whole, whole.c[column], number)
    put_in(connection, whole, number, {only_key(whole): number, column: shared})
    for place in (number, number + 100):
        put_in(connection, table, place, {column: shared})


def put_in(connection: Connection, table: Table, number: int, fixed: Mapping[str, Any]) -> None:
    """Add a row of which only some columns are given."""
    row = {column.name: fill(table, column, number) for column in table.c}
    connection.execute(insert(table).values(row | {**fixed}))


def only_key(table: Table) -> str:
    """Return the name of the only column of the primary key."""
    (key,) = table.primary_key
    return key.name


def is_of(name: str, number: int) -> ColumnElement[bool]:
    """Return the condition that rows are those that `add` added."""
    table, part_of = metadata.tables[name], AUDITED[name].part_of
    if part_of is None:
        return table.c[only_key(table)] == number
    return table.c[part_of[1]] == fill(metadata.tables[part_of[0]], metadata.tables[part_of[0]].c[part_of[1]], number)


def enter(connection: Connection, name: str, number: int) -> None:
    """Add a row with everything filled in, and the entry of the trail with which it comes."""
    add(connection, name, number)
    audited = AUDITED[name]
    entry = audit.AuditEvent(NOON, "ana", next(iter(audited.begun)), "row", {}, [(name, number)])
    audit.append_events(connection, [entry])


def check(engine: Engine) -> RowReport:
    """Compare the rows of a database with its trail."""
    with reading(engine) as connection:
        return check_rows(connection)


def check_own(connection: Connection, name: str) -> list[str]:
    """Compare the rows of a database with its trail, and return what is wrong with those of a table."""
    return [line for line in check_rows(connection).problems if line.startswith(f"{name} ")]


def test_every_column_of_every_table_is_declared():
    """As audited, or as exempt for a reason: no new table or column is forgotten."""
    assert set(AUDITED) | set(EXEMPT) == set(metadata.tables)
    assert not set(AUDITED) & set(EXEMPT)
    for name, audited in AUDITED.items():
        declared = [*audited.columns, *audited.exempt]
        assert sorted(declared) == sorted(metadata.tables[name].c.keys()), name
        assert all([*audited.exempt.values()]), name
        assert {audited.salt or "", *audited.salted} <= {"", *audited.columns}, name


@pytest.mark.parametrize("name", AUDITED)
def test_every_edit_of_an_audited_column_is_found_and_named(engine: Engine, alone: Callable[[], Any], name: str):
    """And nothing else is: the other columns, and the rows beside it, are as they were."""
    table, audited = metadata.tables[name], AUDITED[name]
    with alone() as connection:
        for number in (2, 3):
            enter(connection, name, number)
        connection.commit()
        assert check_own(connection, name) == []
        rows = [dict(row._mapping) for row in connection.execute(select(table).where(is_of(name, 2)))]
        for column in audited.columns:
            expected = {column, *audited.salted} if column == audited.salt else {column}
            if audited.part_of and column == audited.part_of[1]:  # then it is no row of that row any more
                expected = {*audited.columns}
            is_first = and_(*(key == rows[0][key.name] for key in table.primary_key))
            new = None if table.c[column].nullable else fill(table, table.c[column], 9)
            if new == rows[0][column]:
                new = fill(table, table.c[column], 10)
            connection.execute(update(table).where(is_first).values({column: new}))
            problems = check_own(connection, name)
            assert {line.partition(": ")[2].partition(" ")[0] for line in problems} == expected
            assert all(line.startswith(f"{name} 2: ") for line in problems)
            connection.execute(delete(table).where(is_of(name, 2)))
            connection.execute(insert(table), rows)
        assert check_own(connection, name) == []


@pytest.mark.parametrize("name", AUDITED)
def test_a_row_that_is_deleted_or_inserted_is_named(engine: Engine, alone: Callable[[], Any], name: str):
    """The trail knows the rows that there are to be, and no others."""
    with alone() as connection:
        for number in (2, 4):
            enter(connection, name, number)
        add(connection, name, 7)
        connection.execute(delete(metadata.tables[name]).where(is_of(name, 2)))
        connection.commit()
        first, second = check_own(connection, name)
    assert first.startswith(f"{name} 2: is gone, though audit row ")
    assert second == f"{name} 7: the audit trail tells nothing of it"


def test_digests_are_the_same_whether_rows_are_read_together_or_one_by_one(engine: Engine, alone: Callable[[], Any]):
    """Tables of every shape are asked at once, and each value goes back into its own column, however often it comes."""
    with alone() as connection:
        # Rows that belong to one of another table bring it along.
        names = [name for name in AUDITED if name not in {one.part_of[0] for one in AUDITED.values() if one.part_of}]
        rows = [(name, number) for name in names for number in range(1, 10)]
        for name, number in rows:
            add(connection, name, number)
        together = read_digests(connection, rows)
        assert set(together) == set(rows)
        assert together == {row: digest for row in rows for digest in read_digests(connection, [row]).values()}


def test_an_edit_is_found_after_the_trail_spoke_of_the_row_again(engine: Engine, alone: Callable[[], Any]):
    """What an entry does not change cannot be whitewashed by it."""
    cases = metadata.tables["cases"]
    with alone() as connection:
        enter(connection, "cases", 1)
        connection.execute(update(cases).values(state="escalated", score=0.123))
        audit.append(connection, "ipml", "rescored", "case:1", {}, at=NOON)
        connection.commit()
    (line,) = check(engine).problems
    assert line == "cases 1: state was changed before audit row 2, which does not change it"


def test_a_row_that_goes_as_the_trail_says_is_not_missed(engine: Engine, alone: Callable[[], Any]):
    """Retention deletes, and notes each row."""
    with alone() as connection:
        enter(connection, "evidence", 1)
        gone = audit.change_rows(connection, delete(metadata.tables["evidence"]), "ipml", "expired", at=NOON)
        connection.commit()
    assert (gone, check(engine)) == (1, RowReport(()))


def test_rows_of_an_older_release_are_counted_and_not_called_sound(engine: Engine, alone: Callable[[], Any]):
    """Nobody can say of them whether they are what they were; of those that came later the trail can."""
    with alone() as connection:
        for number in (1, 2, 3):
            enter(connection, "decisions", number)
        entry = metadata.tables["audit"]
        connection.execute(update(entry).where(entry.c.sequence < 3).values(payload="{}"))
        connection.commit()
        assert check(engine) == RowReport((), {"decisions": 2})
        table = metadata.tables["decisions"]
        connection.execute(update(table).values(verdict="genuine"))
        connection.execute(insert(table).values({c.name: fill(table, c, 8) for c in table.c} | {"decision_id": 8}))
        connection.commit()
    assert [line.partition(" is")[0] for line in check(engine).problems] == [
        "decisions 3: verdict",
        "decisions 8: the audit trail tells nothing of it",
    ]


def test_digests_tell_no_id_of_a_seller(engine: Engine, alone: Callable[[], Any]):
    """Of two listings of one seller the digests differ: nobody who knows an id finds it in the trail."""
    with alone() as connection:
        for number in (1, 2):
            enter(connection, "cases", number)
        connection.execute(update(metadata.tables["cases"]).values(seller_id="s1"))
        for number in (1, 2):
            audit.append(connection, "ipml", "rescored", f"case:{number}", {}, at=NOON)
        connection.commit()
        said = [row.payload["row.cases"] for row in audit.list_rows(connection, "case:1", "case:2")[-2:]]
    place = 12 * list(AUDITED["cases"].columns).index("seller_id")
    one, other = (str(words).partition(":")[2][place : place + 12] for words in said)
    assert one != other


def test_writers_leave_the_trail_in_one_chain(engine: Engine):
    """The digests are part of what is hashed."""
    with writing(engine) as connection:
        audit.append(connection, "ana", "user added", "user:1", {}, at=NOON)
        assert audit.verify(connection).is_intact
