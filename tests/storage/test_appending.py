"""Rows appended together come back as they were, with numbers in their order."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import IntegrityError

from ipml.storage.database import writing
from ipml.storage.row_numbers import append_rows, insert_rows
from ipml.storage.tables import rankings, seller_list_entries, tries

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MANY = 2_500  # more than go into one statement


def test_each_row_has_the_number_that_is_said(engine: Engine):
    """However many there are, and after others, the numbers rise and each is that of its row."""
    usual = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}"}
    with writing(engine) as connection:
        assert append_rows(connection, rankings, []) == []
        first = append_rows(connection, rankings, [usual | {"actor": "first"}])
        numbers = append_rows(connection, rankings, [usual | {"actor": f"{place}"} for place in range(MANY)])
        assert numbers == sorted(numbers)
        few = append_rows(connection, rankings, [usual | {"actor": f"last {place}"} for place in range(3)])
        assert first[0] < numbers[0] <= numbers[-1] < few[0] < few[1] < few[2]
        stored = dict(connection.execute(select(rankings.c.ranking_id, rankings.c.actor)).all())
    assert [stored[number] for number in numbers] == [f"{place}" for place in range(MANY)]


def test_rows_come_back_as_they_were_handed_over(engine: Engine):
    """Moments, numbers and what is not there are the same when they are read, of one row and of many."""
    row = {"address": "192.0.2.1", "name_hash": "f00d", "at": NOON}
    entries = [{"kind": "denied", "pseudonym": "p", "brand": None, "until": None if n % 2 else NOON} for n in range(9)]
    usual = {
        "brand_read": "",
        "alias_of": None,
        "origin": "person",
        "encrypted": "",
        "added_by": "ana",
        "added_at": NOON,
    }
    with writing(engine) as connection:
        insert_rows(connection, tries, [row])
        numbers = append_rows(connection, seller_list_entries, [usual | entry for entry in entries])
        (kept,) = connection.execute(select(tries.c.address, tries.c.name_hash, tries.c.at)).mappings()
        query = select(seller_list_entries).order_by(seller_list_entries.c.entry_id)
        read = connection.execute(query).mappings().all()
    assert dict(kept) == row
    assert [one["entry_id"] for one in read] == numbers
    assert [{name: one[name] for name in usual | entry} for one, entry in zip(read, entries, strict=True)] == [
        usual | entry for entry in entries
    ]


def test_numbers_of_rows_that_are_gone_are_not_given_again(engine: Engine):
    """The trail names rows by number, so another row never has the number of one that was deleted."""
    usual = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}", "actor": "ana"}
    with writing(engine) as connection:
        gone = append_rows(connection, rankings, [usual] * 20)
        connection.execute(delete(rankings))
        assert min(append_rows(connection, rankings, [usual] * 20)) > max(gone)


@pytest.mark.parametrize("count", [1, 20])
def test_rows_of_which_one_is_there_are_refused_together(engine: Engine, count: int):
    """However many are handed over, the error is that of a row that is there, and none of them is kept."""
    usual = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}", "actor": "ana"}
    rows = [usual | {"ranking_id": number} for number in range(1, count + 1)]
    with writing(engine) as connection:
        insert_rows(connection, rankings, rows[-1:])
    with pytest.raises(IntegrityError), writing(engine) as connection:
        insert_rows(connection, rankings, rows)
    with writing(engine) as connection:
        assert list(connection.scalars(select(rankings.c.ranking_id))) == [count]
        connection.execute(delete(rankings))


def test_texts_that_a_stream_could_take_for_its_own_signs_come_back(engine: Engine):
    """Tabs, ends of lines, backslashes and what stands for nothing are letters like others."""
    texts = ["\\N", "\\.", "a\tb\nc\r\n", "\\", "", "NULL", "\u20ac \U0001f45c", '"quoted",', "\x1f"]
    usual = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}"}
    with writing(engine) as connection:
        numbers = append_rows(connection, rankings, [usual | {"actor": text} for text in texts])
        stored = dict(connection.execute(select(rankings.c.ranking_id, rankings.c.actor)).all())
    assert [stored[number] for number in numbers] == texts
