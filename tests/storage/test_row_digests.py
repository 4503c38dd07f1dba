"""What the audit trail says of rows: whoever changes one behind its back is found, and the column named."""

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import CheckConstraint, and_, delete, insert, select, text, update
from support.databases import on_both
from support.transactions import ask

from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audited_tables import AUDITED, EXEMPT
from ipml.storage.audit_trail.row_digests import RowReport, check_rows, read_digests
from ipml.storage.tables import Flag, Moment, metadata

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
_ALLOWED = re.compile(r"(\w+) IN \(('[^)]+')\)")


@pytest.fixture
def alone(engine):
    """Return what opens a connection for somebody who can write the database, and is held up by no reference."""

    def open_connection():
        connection = engine.connect().execution_options(ipml_writes=True)
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
            connection.commit()
        else:
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")  # in no transaction
        return connection

    yield open_connection
    engine.dispose()


def fill(table, column, number):
    """Return a value for a column, another one for each number."""
    if (allowed := allowed_values(table).get(column.name)) is not None:
        return allowed[number % len(allowed)]
    if isinstance(column.type, Moment):
        return NOON + timedelta(hours=number)
    if isinstance(column.type, Flag):
        return bool(number % 2)
    kind = column.type.python_type
    return kind(number / 20_000 if kind is float else number)


def allowed_values(table):
    """Return the values that a check of the table allows, by column."""
    checks = [str(check.sqltext) for check in table.constraints if isinstance(check, CheckConstraint)]
    return {
        match[1]: re.findall("'([^']+)'", match[2]) for check in checks if (match := _ALLOWED.search(check)) is not None
    }


def add(connection, name, number):
    """Add a row with everything filled in; two, of which one is the first again, to a row of the table they are of."""
    table, part_of = metadata.tables[name], AUDITED[name].part_of
    if part_of is None:
        put_in(connection, table, number, {only_key(table): number})
        return
    whole, column = metadata.tables[part_of[0]], part_of[1]
    shared = fill(whole, whole.c[column], number)
    put_in(connection, whole, number, {only_key(whole): number, column: shared})
    for place in (number, number + 10_000):
        put_in(connection, table, place, {column: shared})


def put_in(connection, table, number, fixed):
    """Add a row of which only some columns are given."""
    row = {column.name: fill(table, column, number) for column in table.c}
    connection.execute(insert(table).values(row | {**fixed}))


def only_key(table):
    """Return the name of the only column of the primary key."""
    (key,) = table.primary_key
    return key.name


def is_of(name, number):
    """Return the condition that rows are those that `add` added."""
    table, part_of = metadata.tables[name], AUDITED[name].part_of
    if part_of is None:
        return table.c[only_key(table)] == number
    return table.c[part_of[1]] == fill(metadata.tables[part_of[0]], metadata.tables[part_of[0]].c[part_of[1]], number)


def enter(connection, name, *numbers):
    """Add rows with everything filled in, and the entries of the trail with which they come."""
    enter_all(connection, [(name, number) for number in numbers])


def enter_all(connection, rows):
    """Do so for rows of several tables."""
    for row in rows:
        add(connection, *row)
    begun = {name: next(iter(audited.begun)) for name, audited in AUDITED.items()}
    audit.append_events(
        connection, [audit.AuditEvent(NOON, "ana", begun[name], "row", {}, [(name, number)]) for name, number in rows]
    )


def read_problems(connection):
    """Compare the rows of a database with its trail, and return what is wrong with each."""
    problems = defaultdict(set)
    for line in check_rows(connection, at_most=10_000).problems:
        problems[line.partition(": ")[0]].add(line.partition(": ")[2])
    return problems


def test_every_column_of_every_table_is_declared():
    """As audited, or as exempt for a reason: no new table or column is forgotten."""
    assert set(AUDITED) | set(EXEMPT) == set(metadata.tables)
    assert not set(AUDITED) & set(EXEMPT)
    for name, audited in AUDITED.items():
        declared = [*audited.columns, *audited.exempt]
        assert sorted(declared) == sorted(metadata.tables[name].c.keys()), name
        assert all([*audited.exempt.values()]), name
        assert {audited.salt or "", *audited.salted} <= {"", *audited.columns}, name


@on_both
def test_every_edit_of_an_audited_column_is_found_and_named(alone):
    """And nothing else is: the other columns, and the rows beside it, are as they were."""
    edits = [(name, column) for name, audited in AUDITED.items() for column in audited.columns]
    with alone() as connection:
        enter_all(connection, [(name, number) for number, (name, _) in enumerate(edits, 1)])
        before = read_problems(connection)
        for number, (name, column) in enumerate(edits, 1):
            edit(connection, name, column, number)
        after = read_problems(connection)
    found = {number: after[f"{name} {number}"] for number, (name, _) in enumerate(edits, 1)}
    assert not any(before[f"{name} {number}"] for number, (name, _) in enumerate(edits, 1))
    assert {number: {line.partition(" ")[0] for line in lines} for number, lines in found.items()} == {
        number: names_at_fault(name, column) for number, (name, column) in enumerate(edits, 1)
    }


def edit(connection, name, column, number):
    """Give one column of the first row that `add` added another value."""
    table = metadata.tables[name]
    row = connection.execute(select(table).where(is_of(name, number))).mappings().first()
    others = (fill(table, table.c[column], number + more) for more in range(500, 510))
    new = None if table.c[column].nullable else next(value for value in others if value != row[column])
    is_first = and_(*(key == row[key.name] for key in table.primary_key))
    connection.execute(update(table).where(is_first).values({column: new}))


def names_at_fault(name, column):
    """Return the columns that are named when one was edited."""
    audited = AUDITED[name]
    if audited.part_of and column == audited.part_of[1]:  # then it is no row of that row any more
        return {*audited.columns}
    return {column, *audited.salted} if column == audited.salt else {column}


@on_both
def test_a_row_that_is_deleted_or_inserted_is_named(alone):
    """The trail knows the rows that there are to be, and no others."""
    with alone() as connection:
        for place, name in enumerate(AUDITED):
            enter(connection, name, 3 * place + 1, 3 * place + 2)
            add(connection, name, 3 * place + 3)
            connection.execute(delete(metadata.tables[name]).where(is_of(name, 3 * place + 1)))
        problems = read_problems(connection)
    for place, name in enumerate(AUDITED):
        (gone,) = problems[f"{name} {3 * place + 1}"]
        assert gone.startswith("is gone, though audit row "), name
        assert problems[f"{name} {3 * place + 2}"] == set(), name
        assert problems[f"{name} {3 * place + 3}"] == {"the audit trail has no record of it"}


def test_digests_are_the_same_whether_rows_are_read_together_or_one_by_one(engine, alone):
    """Tables of every shape are asked at once, and each value goes back into its own column, however often it comes."""
    with alone() as connection:
        # Rows that belong to one of another table bring it along.
        names = [name for name in AUDITED if name not in {one.part_of[0] for one in AUDITED.values() if one.part_of}]
        rows = [(name, number) for name in names for number in range(1, 4)]
        for name, number in rows:
            add(connection, name, number)
        together = read_digests(connection, rows)
        assert set(together) == set(rows)
        assert together == {row: digest for row in rows for digest in read_digests(connection, [row]).values()}


def test_what_an_entry_says_and_no_more_is_believed(engine, alone):
    """Retention deletes and notes each row; what an entry does not change cannot be whitewashed by it."""
    with alone() as connection:
        enter(connection, "evidence", 1)
        gone = audit.change_rows(connection, delete(metadata.tables["evidence"]), "ipml", "expired", at=NOON)
        connection.commit()
    assert (gone, ask(engine, check_rows)) == (1, RowReport(()))
    cases = metadata.tables["cases"]
    with alone() as connection:
        enter(connection, "cases", 1)
        connection.execute(update(cases).values(state="escalated", score=0.123))
        audit.append(connection, "ipml", "rescored", "case:1", {}, at=NOON)
        connection.commit()
    (line,) = ask(engine, check_rows).problems
    assert line == "cases 1: state was changed before audit row 4, which does not change it"


def test_rows_of_an_older_release_are_counted_and_not_called_sound(engine, alone):
    """Nobody can say of them whether they are what they were; of those that came later the trail can."""
    with alone() as connection:
        enter(connection, "decisions", 1, 2, 3)
        entry = metadata.tables["audit"]
        connection.execute(update(entry).where(entry.c.sequence < 3).values(payload="{}"))
        connection.commit()
        assert ask(engine, check_rows) == RowReport((), {"decisions": 2})
        table = metadata.tables["decisions"]
        connection.execute(update(table).values(verdict="genuine"))
        connection.execute(insert(table).values({c.name: fill(table, c, 8) for c in table.c} | {"decision_id": 8}))
        connection.commit()
    expected = ["decisions 3: verdict", "decisions 8: the audit trail has no record of it"]
    assert [line.partition(" is")[0] for line in ask(engine, check_rows).problems] == expected


def test_digests_tell_no_id_of_a_seller(engine, alone):
    """Of two listings of one seller the digests differ: nobody who knows an id finds it in the trail."""
    with alone() as connection:
        enter(connection, "cases", 1, 2)
        connection.execute(update(metadata.tables["cases"]).values(seller_id="s1"))
        for number in (1, 2):
            audit.append(connection, "ipml", "rescored", f"case:{number}", {}, at=NOON)
        connection.commit()
        said = [row.payload["row.cases"] for row in audit.list_rows(connection, "case:1", "case:2")[-2:]]
    place = 12 * list(AUDITED["cases"].columns).index("seller_id")
    one, other = (str(words).partition(":")[2][place : place + 12] for words in said)
    assert one != other
