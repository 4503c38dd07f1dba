"""Rows appended together come back as they were, with numbers in their order."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError
from support.databases import on_both
from support.transactions import write_with

from ipml.storage.database import writing
from ipml.storage.row_numbers import append_rows, insert_rows
from ipml.storage.tables import rankings, seller_list_entries, tries

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MANY = 2_500  # more than go into one statement
USUAL = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}", "actor": "ana"}


@on_both
def test_each_row_has_the_number_that_is_said(engine: Engine):
    """However many there are, and after others, the numbers rise and each is that of its row."""
    with writing(engine) as connection:
        assert append_rows(connection, rankings, []) == []
        first = append_rows(connection, rankings, [USUAL | {"actor": "first"}])
        numbers = append_rows(connection, rankings, [USUAL | {"actor": f"{place}"} for place in range(MANY)])
        assert numbers == sorted(numbers)
        few = append_rows(connection, rankings, [USUAL | {"actor": f"last {place}"} for place in range(3)])
        assert first[0] < numbers[0] <= numbers[-1] < few[0] < few[1] < few[2]
        stored = dict(connection.execute(select(rankings.c.ranking_id, rankings.c.actor)).all())
    assert [stored[number] for number in numbers] == [f"{place}" for place in range(MANY)]


@on_both
def test_rows_come_back_as_they_were_handed_over(engine: Engine):
    """Moments, numbers and what is not there are the same when they are read, of one row and of many."""
    row = {"address": "192.0.2.1", "name_hash": "f00d", "at": NOON}
    usual = {"brand_read": "", "alias_of": None, "origin": "person", "encrypted": "", "added_by": "ana"}
    usual |= {"kind": "denied", "pseudonym": "p", "brand": None, "added_at": NOON}
    entries = [usual | {"until": None if n % 2 else NOON} for n in range(9)]
    with writing(engine) as connection:
        insert_rows(connection, tries, [row])
        numbers = append_rows(connection, seller_list_entries, entries)
        (kept,) = connection.execute(select(tries.c.address, tries.c.name_hash, tries.c.at)).mappings()
        query = select(seller_list_entries).order_by(seller_list_entries.c.entry_id)
        read = connection.execute(query).mappings().all()
    assert dict(kept) == row
    assert [one["entry_id"] for one in read] == numbers
    assert [{name: one[name] for name in usual | {"until": None}} for one in read] == entries


@on_both
def test_numbers_of_rows_that_are_gone_are_not_given_again(engine: Engine):
    """The trail names rows by number, so another row never has the number of one that was deleted."""
    with writing(engine) as connection:
        gone = append_rows(connection, rankings, [USUAL] * 20)
        connection.execute(delete(rankings))
        assert min(append_rows(connection, rankings, [USUAL] * 20)) > max(gone)


@on_both
def test_rows_of_which_one_is_there_are_refused_together(engine: Engine):
    """However many are handed over, the error is that of a row that is there, and none of them is kept."""
    for count in (1, 20):
        rows = [USUAL | {"ranking_id": number} for number in range(1, count + 1)]
        write_with(engine, insert_rows, rankings, rows[-1:])
        with pytest.raises(IntegrityError), writing(engine) as connection:
            insert_rows(connection, rankings, rows)
        with writing(engine) as connection:
            assert list(connection.scalars(select(rankings.c.ranking_id))) == [count]
            connection.execute(delete(rankings))


@on_both
def test_texts_that_a_stream_could_take_for_its_own_signs_come_back(engine: Engine):
    """Tabs, ends of lines, backslashes and what stands for nothing are letters like others."""
    texts = ["\\N", "\\.", "a\tb\nc\r\n", "\\", "", "NULL", "\u20ac \U0001f45c", '"quoted",', "\x1f"]
    with writing(engine) as connection:
        numbers = append_rows(connection, rankings, [USUAL | {"actor": text} for text in texts])
        stored = dict(connection.execute(select(rankings.c.ranking_id, rankings.c.actor)).all())
    assert [stored[number] for number in numbers] == texts
