"""The tables, and the migrations that lead to them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool
from support.databases import copy_memory, on_both, on_postgres
from support.transactions import write_with

import ipml.storage.migrations
from ipml.kit.moments import to_microseconds
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage import migrations
from ipml.storage.database import migrate, writing
from ipml.storage.tables import REVISION, metadata, sessions, users

MOMENT = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
ANA = {"name": "ana", "password_hash": "x", "role": "lead", "is_active": True, "created_at": MOMENT}


def test_the_revision_is_the_newest_migration():
    """REVISION names the last step of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(ipml.storage.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


@on_postgres
def test_the_migrations_make_the_tables_of_the_code(engine: Engine):
    """There is nothing left to migrate once the migrations have run."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_the_very_sql_of_the_tables():
    """On SQLite even what a comparison does not see is the same: strictness, checks and names."""
    migrated, created = copy_memory(), create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(created)
    schema = _schema(created)
    assert _schema(migrated) == schema
    assert all("STRICT" in sql for name, sql in schema.items() if name in metadata.tables)
    migrated.dispose()
    created.dispose()


@on_both
def test_a_moment_comes_back_the_same_from_any_time_zone(engine: Engine):
    """What is stored is the moment, to the microsecond; the zone becomes UTC."""
    moment = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    with writing(engine) as connection:
        connection.execute(insert(users), ANA | {"created_at": moment})
        stored = connection.scalar(select(users.c.created_at))
    assert stored == moment
    assert stored.tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_microseconds_keep_the_order_of_moments(one: datetime, other: datetime):
    """The earlier moment has the smaller number; a moment without a time zone is nobody's."""
    assert (one < other) == (to_microseconds(one) < to_microseconds(other))
    with pytest.raises(TypeError):
        to_microseconds(one.replace(tzinfo=None))


@on_both
def test_a_flag_comes_back_as_a_truth_value_and_selects(engine: Engine):
    """is_active reads as True, and can stand in a condition."""
    with writing(engine) as connection:
        connection.execute(insert(users), [ANA, ANA | {"name": "bo", "is_active": False}])
        rows = connection.execute(select(users.c.name, users.c.is_active).where(users.c.is_active)).all()
    assert rows == [("ana", True)]
    assert rows[0].is_active is True


@on_both
def test_a_row_against_the_rules_of_a_table_is_refused(engine: Engine):
    """Checks, required columns and foreign keys hold in the database itself."""
    session = {"token_hash": "t", "user_id": 7, "created_at": MOMENT, "expires_at": MOMENT, "seen_at": MOMENT}
    for table, row in ((users, ANA | {"role": "boss"}), (users, ANA | {"name": None}), (sessions, session)):
        with pytest.raises(IntegrityError), writing(engine) as connection:
            connection.execute(insert(table), row)


def _schema(engine: Engine) -> dict[str, list[str]]:
    """Return the lines of the SQL of each table and index; in which order constraints stand says nothing."""
    query = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    with engine.connect() as connection:
        made = connection.execute(text(query)).all()
    return {name: sorted(line.strip().rstrip(",") for line in sql.splitlines()) for name, sql in made}


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
