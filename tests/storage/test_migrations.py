"""Migrations with data: down and up again, on both databases."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from support.databases import on_both
from support.transactions import write_with

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage import migrations
from ipml.storage.database import migrate, writing

VERSIONS = Path(migrations.__file__).parent / "versions"
REVISIONS = sorted(path.name[1:5] for path in VERSIONS.glob("v*.py"))
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def used(engine: Engine) -> Engine:
    """Return a database in which people have worked."""
    scored = [
        ScoredListing(Listing(f"L{n}", "s1", "Bag", brand="Acme"), n / 9, None, (), (), None, "m") for n in range(9)
    ]
    enqueue(engine, scored, now=NOON)
    for verdict in (Verdict.GENUINE, Verdict.ESCALATE):
        with writing(engine) as connection:
            decide(connection, claim(connection, "ana", now=NOON), verdict, now=NOON)
    write_with(engine, claim, "ana", now=NOON)
    return engine


def contents(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the tables there are, as the database keeps them."""
    with engine.connect() as connection:
        return {
            table: sorted(map(dict, connection.execute(text(f"SELECT * FROM {table}")).mappings()), key=repr)
            for table in inspect(connection).get_table_names()
        }


@on_both
@pytest.mark.parametrize("revision", REVISIONS)
def test_down_and_up_and_down_again_gives_the_same_rows(used: Engine, revision: str):
    """A step down loses only what the step up had brought; taking both again changes nothing."""
    before = contents(used)
    migrate(used, revision)
    at_revision = contents(used)
    migrate(used)
    after = contents(used)
    for table, rows in at_revision.items():
        kept = set(rows[0]) if rows else set()
        assert [{name: row[name] for name in kept} for row in before[table]] == [
            {name: row[name] for name in kept} for row in after[table]
        ] or table == "alembic_version"
    migrate(used, revision)
    assert contents(used) == at_revision


@on_both
def test_the_way_down_ends_at_nothing_and_leads_up_again(used: Engine):
    """Without tables there is no revision; the way up makes them all, empty."""
    before = set(contents(used))
    migrate(used, "base")
    assert contents(used) == {"alembic_version": []}
    migrate(used)
    assert set(contents(used)) == before
    assert not any(rows for table, rows in contents(used).items() if table != "alembic_version")
