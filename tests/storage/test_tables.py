"""The tables, and the migrations that lead to them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool
from support.databases import copy_memory, copy_postgres, on_both, on_postgres
from support.transactions import act, ask

import ipml.storage.migrations
from ipml.kit.moments import to_microseconds
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.worklists.assignment import assign, snooze
from ipml.storage import migrations
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements, find_risky_settings, server_version
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.row_numbers import append_rows, find_lagging, go_on_after, insert_rows, last_number
from ipml.storage.tables import (
    REVISION,
    cases,
    decisions,
    identities,
    metadata,
    rankings,
    seller_keys,
    seller_list_entries,
    sessions,
    tries,
    users,
)
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import Identity, insert_user, link_user

MOMENT = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
ANA = {"name": "ana", "password_hash": "x", "role": "lead", "is_active": True, "created_at": MOMENT}
DAY = timedelta(days=1)


def test_the_revision_is_the_newest_migration():
    """REVISION names the last step of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(ipml.storage.migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


@on_postgres
def test_the_migrations_make_the_tables_of_the_code(engine):
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
def test_moments_and_flags_come_back_the_same(engine):
    """A moment to the microsecond, in UTC; a flag as a truth value that can stand in a condition."""
    moment = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    with writing(engine) as connection:
        connection.execute(insert(users), ANA | {"created_at": moment})
        stored = connection.scalar(select(users.c.created_at))
    assert stored == moment
    assert stored.tzinfo is UTC
    with writing(engine) as connection:
        connection.execute(insert(users), ANA | {"name": "bo", "is_active": False})
        rows = connection.execute(select(users.c.name, users.c.is_active).where(users.c.is_active)).all()
    assert rows == [("ana", True)]
    assert rows[0].is_active is True


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_microseconds_keep_the_order_of_moments(one, other):
    """The earlier moment has the smaller number; a moment without a time zone is nobody's."""
    assert (one < other) == (to_microseconds(one) < to_microseconds(other))
    with pytest.raises(TypeError):
        to_microseconds(one.replace(tzinfo=None))


@on_both
def test_a_row_against_the_rules_of_a_table_is_refused(engine):
    """Checks, required columns and foreign keys hold in the database itself."""
    session = {"token_hash": "t", "user_id": 7, "created_at": MOMENT, "expires_at": MOMENT, "seen_at": MOMENT}
    for table, row in ((users, ANA | {"role": "boss"}), (users, ANA | {"name": None}), (sessions, session)):
        with pytest.raises(IntegrityError), writing(engine) as connection:
            connection.execute(insert(table), row)


def _schema(engine):
    """Return the lines of the SQL of each table and index; in which order constraints stand says nothing."""
    query = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    with engine.connect() as connection:
        made = connection.execute(text(query)).all()
    lines = {
        name: re.split(r"\n|, (?=\w+ [A-Z])", sql) for name, sql in made
    }  # a column added later has none of its own
    return {
        name: sorted(filter(None, (line.strip().rstrip(",)") for line in of_one))) for name, of_one in lines.items()
    }


VERSIONS = Path(migrations.__file__).parent / "versions"
REVISIONS = sorted(path.name[1:5] for path in VERSIONS.glob("v*.py"))
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def used(engine):
    """Return a database in which people have worked."""
    scored = [
        ScoredListing(Listing(f"L{n}", "s1", "Bag", brand="Acme"), n / 9, None, (), (), None, "m") for n in range(9)
    ]
    enqueue(engine, scored, now=NOON)
    for verdict in (Verdict.GENUINE, Verdict.ESCALATE):
        with writing(engine) as connection:
            decide(connection, DecisionRequest(claim(connection, "ana", now=NOON), verdict), now=NOON)
    act(engine, claim, "ana", now=NOON)
    return engine


def contents(engine):
    """Return all rows of the tables there are, as the database keeps them."""
    with engine.connect() as connection:
        return {
            table: sorted(map(dict, connection.execute(text(f"SELECT * FROM {table}")).mappings()), key=repr)
            for table in inspect(connection).get_table_names()
        }


@on_both
@pytest.mark.parametrize("revision", REVISIONS)
def test_down_and_up_and_down_again_gives_the_same_rows(used, revision):
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
def test_the_way_down_ends_at_nothing_and_leads_up_again(used):
    """Without tables there is no revision; the way up makes them all, empty."""
    before = set(contents(used))
    migrate(used, "base")
    assert contents(used) == {"alembic_version": []}
    migrate(used)
    assert set(contents(used)) == before
    assert not any(rows for table, rows in contents(used).items() if table != "alembic_version")


CASE = {"listing_id": "L1", "seller_id": "s1", "rank": 0.0, "model_version": "m1", "snapshot": "{}"}
CASE |= {"state": "decided", "enqueued_at": MOMENT}
DECISION = {"listing_id": "L1", "verdict": "genuine", "ground": "", "note": "", "reviewer": "ana", "token": 1}
DECISION |= {"decided_at": MOMENT}


@pytest.fixture
def decided(engine):
    """Return a database of three decided cases."""
    with writing(engine) as connection:
        for number in (1, 2, 3):
            connection.execute(insert(cases), CASE | {"listing_key": f"k{number}"})
            connection.execute(insert(decisions), DECISION | {"case_id": number})
            audit.append(connection, "ana", "decided", f"case:{number}", {"decision": number})
    return engine


def found(engine):
    """Return the disagreements of a database."""
    return list(ask(engine, find_disagreements))


@on_both
def test_decisions_and_trail_must_tell_of_the_same(decided):
    """Rows written or deleted by hand, and a record that comes twice, are named; a sound database has none."""
    assert found(decided) == []
    with writing(decided) as connection:
        connection.execute(insert(decisions), DECISION | {"case_id": 1})
        connection.execute(text("DELETE FROM decisions WHERE decision_id = 2"))
        audit.append(connection, "ana", "decided", "case:3", {"decision": 3})
    assert sorted(found(decided)) == [
        "audit row 4: records decision 3 for the second time",
        "decision 2: is gone, though the audit trail records it",
        "decision 4: the audit trail has no record of it",
    ]


@on_both
def test_logins_assignments_places_and_keys_are_compared_with_the_trail(engine):
    """A session, a link to a provider, an assignment, a snooze, a place and a key that ipml did not give are named."""
    bag = ScoredListing(Listing("A7", "ann", "Bag"), 0.9, 2.2, (), (), None, "m")
    enqueue(engine, [bag, replace(bag, listing=Listing("A8", "ben", "Watch"))], now=NOON)
    with writing(engine) as connection:
        ana = insert_user(connection, "ana", "", Role.ADMIN, "test", NOON)
        open_session(connection, ana, 12.0, NOON)
        link_user(connection, "ana", Identity("https://id.example", "7"), NOON)
        assign(connection, 1, "ana", by="ana", now=NOON)
        snooze(connection, 2, NOON + 2 * DAY, by="ana", now=NOON)
        for name in ("ann", "ben"):
            pseudonym_of(connection, name, now=NOON)
    assert found(engine) == []
    session = {"user_id": 1, "created_at": NOON, "expires_at": NOON + timedelta(hours=1), "seen_at": NOON}
    person = {"issuer": "https://id.example", "subject": "8", "user_id": 1, "created_at": NOON}
    key = select(seller_keys.c.key).where(seller_keys.c.seller_id == "ann").scalar_subquery()
    for edit, named in (
        (insert(sessions).values(session | {"token_hash": "f00d"}), "sessions: ana"),
        (insert(identities).values(person), "identities: user 1"),
        (update(cases).where(cases.c.case_id == 2).values(assigned_to="ana"), "case 2: is assigned to ana"),
        (update(cases).where(cases.c.case_id == 2).values(snoozed_until=NOON + 99 * DAY), "case 2: is snoozed"),
        (update(cases).where(cases.c.case_id == 1).values(rank=1.0), "case 1: its place"),
        (update(seller_keys).where(seller_keys.c.seller_id == "ben").values(key=key), "seller_keys: the key"),
    ):
        with engine.connect() as connection:
            connection.execute(edit)
            (line,) = find_disagreements(connection)
            assert line.startswith(named)
            connection.rollback()


@on_both
def test_rows_that_refer_to_none_are_found(decided):
    """References are looked at themselves: they can be switched off."""
    with decided.connect() as connection:
        raw = connection.connection.driver_connection
        if decided.dialect.name == "sqlite":
            raw.executescript(
                "PRAGMA foreign_keys = OFF; DELETE FROM cases WHERE case_id > 1; PRAGMA foreign_keys = ON;"
            )
        else:
            raw.execute("SET session_replication_role = replica")
            raw.execute("DELETE FROM cases WHERE case_id > 1")
            raw.execute("SET session_replication_role = DEFAULT")
            raw.commit()
    assert found(decided) == ["decisions: 2 rows whose case_id refers to none"]


@on_both
def test_a_counter_behind_its_table_is_found_and_mended(decided):
    """Rows copied in by hand leave PostgreSQL's counter behind, SQLite's follows by itself; neither ever goes back."""
    with writing(decided) as connection:
        row = CASE | {"listing_key": "k9", "case_id": 9}
        connection.execute(insert(cases), row)
        lagging = find_lagging(connection)
        assert last_number(connection, cases) == 9
        go_on_after(connection, cases, 5)
        assert find_lagging(connection) == []
        number = connection.scalars(
            insert(cases).values(CASE | {"listing_key": "k10"}).returning(cases.c.case_id)
        ).one()
    assert number == 10
    assert lagging == (["cases"] if decided.dialect.name == "postgresql" else [])
    with writing(decided) as connection:
        go_on_after(connection, cases, 17)
        go_on_after(connection, cases, 2)
        go_on_after(connection, users, 0)
        assert last_number(connection, cases) == 17
        ana = {"name": "ana", "password_hash": "x", "role": "lead", "created_at": MOMENT}
        assert connection.scalars(insert(users).values(ana).returning(users.c.user_id)).one() == 1


@pytest.mark.slow
def test_risky_settings_of_a_server_are_named(postgres):
    """A server that does not wait for its disk is told of, and ipml's own commits wait all the same."""
    with copy_postgres(postgres) as url:
        engine = open_database(url)
        with engine.connect() as connection:
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
            connection.commit()
        engine.dispose()
        engine = open_database(url)
        with reading(engine) as connection:
            risks = [risk.partition(" is off")[0] for risk in find_risky_settings(connection)]
            assert risks == ["fsync", "full_page_writes", "synchronous_commit"]
            assert connection.scalar(text("SHOW synchronous_commit")) == "on"
            assert server_version(connection).startswith("PostgreSQL ")
        with engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} RESET synchronous_commit"))
            connection.commit()
        engine.dispose()


def test_sqlite_has_no_settings_of_a_server(engine):
    """Only a server can be set wrongly; the release is named for both."""
    with reading(engine) as connection:
        assert bool(list(find_risky_settings(connection))) == (engine.dialect.name == "postgresql")
        assert server_version(connection)


MANY = 2_500  # more than go into one statement
USUAL = {"at": NOON, "order": "fifo", "policy_digest": "", "policy": "{}", "usual": "{}", "actor": "ana"}


@on_both
def test_each_row_has_the_number_that_is_said(engine):
    """The numbers rise and each is that of its row, whatever signs of its own a stream could see in the texts."""
    odd = ["\\N", "\\.", "a\tb\nc\r\n", "\\", "", "NULL", "\u20ac \U0001f45c", '"quoted",', "\x1f"]
    texts = [*odd, *map(str, range(MANY))]
    with writing(engine) as connection:
        assert append_rows(connection, rankings, []) == []
        first = append_rows(connection, rankings, [USUAL | {"actor": "first"}])
        numbers = append_rows(connection, rankings, [USUAL | {"actor": text} for text in texts])
        assert numbers == sorted(numbers)
        few = append_rows(connection, rankings, [USUAL | {"actor": f"last {place}"} for place in range(3)])
        assert first[0] < numbers[0] <= numbers[-1] < few[0] < few[1] < few[2]
        stored = dict(connection.execute(select(rankings.c.ranking_id, rankings.c.actor)).all())
    assert [stored[number] for number in numbers] == texts


@on_both
def test_rows_come_back_as_they_were_handed_over(engine):
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
def test_rows_that_are_there_are_refused_and_numbers_not_given_again(engine):
    """None is kept of rows of which one is there; the trail names rows by number, so no number is given again."""
    for count in (1, 20):
        rows = [USUAL | {"ranking_id": number} for number in range(1, count + 1)]
        act(engine, insert_rows, rankings, rows[-1:])
        with pytest.raises(IntegrityError), writing(engine) as connection:
            insert_rows(connection, rankings, rows)
        with writing(engine) as connection:
            assert list(connection.scalars(select(rankings.c.ranking_id))) == [count]
            connection.execute(delete(rankings))
    with writing(engine) as connection:
        gone = append_rows(connection, rankings, [USUAL] * 20)
        connection.execute(delete(rankings))
        assert min(append_rows(connection, rankings, [USUAL] * 20)) > max(gone)
