"""The audit trail: what it finds, and what it finds only with an anchor."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, update
from support.databases import copy_memory, on_both
from support.transactions import read_with, write_with

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import Anchor, append, append_all, list_rows, verify
from ipml.storage.database import writing
from ipml.storage.tables import audit as table

ROWS = 6
MEMORY = copy_memory()
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=200)


@pytest.fixture
def trail(engine: Engine) -> Engine:
    """Return a database with a trail of six rows."""
    write_with(engine, append_all, "ana", "claimed", ((f"case:{number}", {"token": 1}) for number in range(ROWS)))
    return engine


def test_a_trail_that_nobody_touched_is_intact(trail: Engine):
    """Appending gives a chain that verifies, and whose end is the anchor; nothing done is nothing wrong."""
    with writing(trail) as connection:
        report = verify(connection, audit.anchor(connection))
        assert report.is_intact
        assert report.anchor.count == ROWS
        connection.execute(delete(table))
        assert verify(connection).anchor == Anchor(0, "0" * 64)


@on_both
def test_rows_come_back_as_they_were_appended(engine: Engine):
    """list_rows gives the rows of one subject, in order, with what was appended."""
    said: list[tuple[str, dict[str, audit.Value]]]
    said = [("claimed", {"token": 1}), ("released", {"token": 1, "score": 0.1, "late": None})]
    with writing(engine) as connection:
        for action, payload in said:
            append(connection, "ana", action, "case:1", payload)
            append(connection, "bo", action, "case:2", payload)
    assert [(row.action, row.payload) for row in read_with(engine, list_rows, "case:1")] == said


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=5))
def test_any_payload_comes_back_the_same_and_verifies(payload: dict[str, Any]):
    """Whatever text or number is noted, it is read again as it was and keeps the chain whole."""
    with writing(MEMORY) as connection:
        append(connection, "ana", "noted", "case:1", payload)
        (row,) = list_rows(connection, "case:1")
        assert row.payload == payload
        assert verify(connection).is_intact
        connection.execute(delete(table))


@on_both
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


@on_both
def test_what_failed_leaves_nothing_to_append(engine: Engine):
    """The record of a change that did not happen does not exist; whoever goes on with the connection starts anew."""
    for together in (audit.together, nullcontext):
        with suppress(UnstorableValue), writing(engine) as connection, together(connection):
            append(connection, "ana", "noted", "case:1", {})
            append(connection, "ana", "noted", "case:1", {"note": "x" * 201})
    with writing(engine) as connection:
        append(connection, "ana", "noted", "case:2", {})
        assert [row.subject for row in audit.list_between(connection, 1, 9)] == ["case:2"]


@on_both
def test_an_edit_of_any_column_is_found_at_its_row(trail: Engine):
    """Whoever edits one cell is found, and so is the row."""
    for column in {*table.c.keys()} - {"sequence"}:
        with rolled_back(trail) as connection:
            value = datetime.now(UTC) if column == "at" else "other"
            connection.execute(update(table).where(table.c.sequence == 3).values({column: value}))
            problems = verify(connection).problems
            assert [problem for problem in problems if problem.startswith("row 3")], column


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    """Open a connection whose changes last as long as the block."""
    with suppress(ZeroDivisionError), writing(engine) as connection:
        yield connection
        raise ZeroDivisionError


def test_a_deleted_row_is_found(trail: Engine):
    """A gap shows, at the start and in the middle."""
    for sequence in (1, 3, 5):
        with rolled_back(trail) as connection:
            connection.execute(delete(table).where(table.c.sequence == sequence))
            assert verify(connection).problems == (f"row {sequence}: found row {sequence + 1} in its place",)


def test_an_old_anchor_holds_for_a_trail_that_has_grown(trail: Engine):
    """An anchor is about the rows up to it, whatever came later."""
    with writing(trail) as connection:
        anchor = audit.anchor(connection)
        append(connection, "ana", "claimed", "case:7", {})
        assert verify(connection, anchor).is_intact


def test_long_texts_and_numbers_that_are_none_are_refused(engine: Engine):
    """The trail has room for ids and hashes, not for what a seller wrote; 200 characters are not too long."""
    with writing(engine) as connection:
        append(connection, "ana", "claimed", "case:1", {"title": "x" * 200})
        for value in ("x" * 201, float("nan"), float("inf")):
            with pytest.raises(UnstorableValue, match="audit payload, title"):
                append(connection, "ana", "claimed", "case:1", {"title": value})


def test_what_is_no_anchor_is_refused():
    """An anchor is typed by people; a slip is named."""
    for text in ("", "12", "12:abc", "x:" + "0" * 64, "-1:" + "0" * 64):
        with pytest.raises(UnusableSetting, match="expected COUNT:HASH"):
            Anchor.parse(text)
