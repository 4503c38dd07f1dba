"""What the audit trail says of rows: whoever changes one behind its back is found, and the column named."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Column, Connection, Engine, Table, delete, insert, select, text, update

from ipml.storage import audit
from ipml.storage.audited_tables import AUDITED, EXEMPT
from ipml.storage.database import reading, writing
from ipml.storage.row_digests import RowReport, check_rows
from ipml.storage.tables import Flag, Moment, metadata

SLOW_ON_POSTGRES = True
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


def enter(connection: Connection, name: str, number: int) -> None:
    """Add a row with everything filled in, and the entry of the trail with which it comes."""
    table, audited = metadata.tables[name], AUDITED[name]
    (key,) = table.primary_key
    row = {column.name: fill(table, column, number) for column in table.c}
    connection.execute(insert(table).values(row | {key.name: number}))
    audit.append(connection, "ana", next(iter(audited.begun)), f"{audited.noun}:{number}", {}, at=NOON)


def check(engine: Engine) -> RowReport:
    """Compare the rows of a database with its trail."""
    with reading(engine) as connection:
        return check_rows(connection)


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
    (key,) = table.primary_key
    with alone() as connection:
        for number in (2, 3):
            enter(connection, name, number)
        connection.commit()
        assert check(engine) == RowReport(())
        row = connection.execute(select(table).where(key == 2)).one()._mapping
        for column in audited.columns:
            expected = {column, *audited.salted} if column == audited.salt else {column}
            new = None if table.c[column].nullable else fill(table, table.c[column], 9)
            if new == row[column]:
                new = fill(table, table.c[column], 10)
            connection.execute(update(table).where(key == 2).values({column: new}))
            problems = check_rows(connection).problems
            assert {line.partition(": ")[2].partition(" ")[0] for line in problems} == expected
            assert all(line.startswith(f"{name} 2: ") for line in problems)
            connection.execute(update(table).where(key == 2).values({column: row[column]}))
        assert check_rows(connection) == RowReport(())


@pytest.mark.parametrize("name", AUDITED)
def test_a_row_that_is_deleted_or_inserted_is_named(engine: Engine, alone: Callable[[], Any], name: str):
    """The trail knows the rows that there are to be, and no others."""
    table = metadata.tables[name]
    (key,) = table.primary_key
    with alone() as connection:
        for number in (2, 4):
            enter(connection, name, number)
        row = {column.name: fill(table, column, 7) for column in table.c}
        connection.execute(insert(table).values(row | {key.name: 7}))
        connection.execute(delete(table).where(key == 2))
        connection.commit()
    first, second = check(engine).problems
    assert first.startswith(f"{name} 2: is gone, though audit row ")
    assert second == f"{name} 7: the audit trail tells nothing of it"


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
