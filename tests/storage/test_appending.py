"""Rows appended together come back as they were, with numbers in their order."""

from datetime import UTC, datetime

from sqlalchemy import Engine, delete, select

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
