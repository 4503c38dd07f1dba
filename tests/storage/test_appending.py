"""Rows appended together get their numbers in their order."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from ipml.storage.database import writing
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import rankings

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
