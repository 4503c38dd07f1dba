"""The audit trail: what it finds, and what it finds only with an anchor."""

from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, select, update
from support.databases import copy_memory

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.kit.moments import to_microseconds
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import Anchor, append, append_all, list_rows, verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit as table

ROWS = 6
MEMORY = copy_memory()
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=200)


@pytest.fixture
def trail(engine: Engine) -> Engine:
    """Return a database with a trail of six rows."""
    with writing(engine) as connection:
        append_all(connection, "ana", "claimed", ((f"case:{number}", {"token": 1}) for number in range(ROWS)))
    return engine


def test_a_trail_that_nobody_touched_is_intact(trail: Engine):
    """Appending gives a chain that verifies, and whose end is the anchor."""
    with reading(trail) as connection:
        report = verify(connection, audit.anchor(connection))
    assert report.is_intact
    assert report.anchor.count == ROWS


def test_an_empty_trail_is_intact(engine: Engine):
    """Nothing done is nothing wrong."""
    with reading(engine) as connection:
        assert verify(connection).anchor == Anchor(0, "0" * 64)


def test_rows_come_back_as_they_were_appended(engine: Engine):
    """list_rows gives the rows of one subject, in order, with what was appended."""
    said: list[tuple[str, dict[str, audit.Value]]]
    said = [("claimed", {"token": 1}), ("released", {"token": 1, "score": 0.1, "late": None})]
    with writing(engine) as connection:
        for action, payload in said:
            append(connection, "ana", action, "case:1", payload)
            append(connection, "bo", action, "case:2", payload)
    with reading(engine) as connection:
        assert [(row.action, row.payload) for row in list_rows(connection, "case:1")] == said


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=5))
def test_any_payload_comes_back_the_same_and_verifies(payload: dict[str, Any]):
    """Whatever text or number is noted, it is read again as it was and keeps the chain whole."""
    with writing(MEMORY) as connection:
        append(connection, "ana", "noted", "case:1", payload)
        (row,) = list_rows(connection, "case:1")
        assert row.payload == payload
        assert verify(connection).is_intact
        connection.execute(delete(table))


def test_rows_appended_together_are_those_appended_one_by_one(engine: Engine):
    """Only the number of statements differs, however deep the blocks are in each other."""
    audit_events = [(f"user {number % 2}", "noted", f"case:{number}", {"token": number}) for number in range(ROWS)]
    at, trails = datetime(2026, 5, 1, tzinfo=UTC), []
    for is_together in (False, True):
        with writing(engine) as connection:
            with audit.together(connection) if is_together else nullcontext():
                for number, audit_event in enumerate(audit_events):
                    with audit.together(connection) if is_together and number % 2 else nullcontext():
                        append(connection, *audit_event, at=at)
            trails.append(audit.list_between(connection, 1, ROWS))
            assert verify(connection).is_intact
            connection.execute(delete(table))
    assert trails[0] == trails[1]
    assert len(trails[0]) == ROWS


def test_what_failed_leaves_nothing_to_append(engine: Engine):
    """Whoever goes on with the connection starts anew."""
    with suppress(UnstorableValue), writing(engine) as connection, audit.together(connection):
        append(connection, "ana", "noted", "case:1", {})
        append(connection, "ana", "noted", "case:1", {"note": "x" * 201})
    with writing(engine) as connection:
        append(connection, "ana", "noted", "case:2", {})
        assert [row.subject for row in audit.list_between(connection, 1, 9)] == ["case:2"]


@pytest.mark.parametrize("column", [column.name for column in table.columns if column.name != "sequence"])
def test_an_edit_of_any_column_is_found_at_its_row(trail: Engine, column: str):
    """Whoever edits one cell is found, and so is the row."""
    with writing(trail) as connection:
        value = datetime.now(UTC) if column == "at" else "other"
        connection.execute(update(table).where(table.c.sequence == 3).values({column: value}))
        report = verify(connection)
    assert [problem for problem in report.problems if problem.startswith("row 3")]


@pytest.mark.parametrize("sequence", [1, 3, 5])
def test_a_deleted_row_is_found(trail: Engine, sequence: int):
    """A gap shows, at the start and in the middle."""
    with writing(trail) as connection:
        connection.execute(delete(table).where(table.c.sequence == sequence))
        assert verify(connection).problems == (f"row {sequence}: found row {sequence + 1} in its place",)


def test_a_deleted_row_is_found_after_the_others_moved_up(trail: Engine):
    """Closing the gap does not hide it."""
    with writing(trail) as connection:
        connection.execute(delete(table).where(table.c.sequence == 3))
        for sequence in (4, 5, 6):
            connection.execute(update(table).where(table.c.sequence == sequence).values(sequence=sequence - 1))
        assert verify(connection).problems[0] == "row 3: does not follow the row before it"


def test_exchanged_rows_are_found(trail: Engine):
    """The order of rows is part of the trail."""
    with writing(trail) as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute(update(table).where(table.c.sequence == old).values(sequence=new))
        assert not verify(connection).is_intact


def test_an_edit_with_its_hash_made_anew_is_found_at_the_next_row(trail: Engine):
    """One forged row does not fit the row after it."""
    with writing(trail) as connection:
        _rewrite(connection, from_sequence=3, to_sequence=3)
        assert verify(connection).problems == ("row 4: does not follow the row before it",)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda connection: connection.execute(delete(table).where(table.c.sequence > 4)), "row 5: is missing"),
        (lambda connection: connection.execute(delete(table)), "row 1: is missing"),
        (lambda connection: _rewrite(connection, 1, ROWS), "was written anew"),
    ],
    ids=["truncation", "emptying", "rewrite"],
)
def test_truncation_and_rewriting_are_found_only_with_an_anchor(trail, tamper, found):
    """A chain that was cut off or forged as a whole is a chain; the anchor kept elsewhere tells."""
    with writing(trail) as connection:
        anchor = audit.anchor(connection)
        tamper(connection)
        assert verify(connection).is_intact
        assert found in verify(connection, anchor).problems[0]


def test_an_old_anchor_holds_for_a_trail_that_has_grown(trail: Engine):
    """An anchor is about the rows up to it, whatever came later."""
    with writing(trail) as connection:
        anchor = audit.anchor(connection)
        append(connection, "ana", "claimed", "case:7", {})
        assert verify(connection, anchor).is_intact


def test_what_is_rolled_back_leaves_no_row(trail: Engine):
    """The record of a change that did not happen does not exist."""
    with suppress(UnstorableValue), writing(trail) as connection:
        append(connection, "ana", "claimed", "case:7", {})
        append(connection, "ana", "claimed", "case:8", {"score": float("nan")})
    with reading(trail) as connection:
        assert verify(connection).anchor.count == ROWS


@pytest.mark.parametrize("value", ["x" * 201, float("nan"), float("inf")])
def test_long_texts_and_numbers_that_are_none_are_refused(engine: Engine, value: Any):
    """The trail has room for ids and hashes, not for what a seller wrote."""
    with writing(engine) as connection, pytest.raises(UnstorableValue, match="audit payload, title"):
        append(connection, "ana", "claimed", "case:1", {"title": value})


@pytest.mark.parametrize("text", ["", "12", "12:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_anchor_is_refused(text: str):
    """An anchor is typed by people; a slip is named."""
    with pytest.raises(UnusableSetting, match="expected COUNT:HASH"):
        Anchor.parse(text)


def _rewrite(connection: Connection, from_sequence: int, to_sequence: int) -> None:
    """Give rows another actor and make their hashes anew, as one who knows how would."""
    rows = list(connection.execute(select(table).order_by(table.c.sequence)).mappings())
    previous = rows[from_sequence - 1]["previous"]
    for row in rows[from_sequence - 1 : to_sequence]:
        connection.execute(delete(table).where(table.c.sequence == row["sequence"]))
        forged = _with_hash({**row, "actor": "nobody", "previous": previous})
        connection.execute(insert(table), forged)
        previous = forged["hash"]


def _with_hash(row: dict[str, Any]) -> dict[str, Any]:
    *stored, _ = {**row, "at": to_microseconds(row["at"])}.values()
    return {**row, "hash": audit._hash(*stored)}
