"""A disk that is full or cannot be written: a line that says so, nothing half done, and on when there is room again."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text
from support.postgres import FORGETFUL, own_server
from support.small_disk import small_disk  # noqa: F401 - a fixture
from support.transactions import ask

from ipml.errors import UnusableDatabase
from ipml.storage.audit_trail import audit
from ipml.storage.database import find_damage, migrate, open_database, reading, try_writing, writing
from ipml.storage.tables import audit as audit_table
from ipml.storage.tables import users

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def write_pairs(engine: Engine, count: int) -> None:
    """Write pairs of rows that belong together, each pair a transaction."""
    first = ask(engine, Connection.scalar, select(func.count()).select_from(users))
    for number in range(first, first + count):
        with writing(engine) as connection:
            row = {"name": f"n{number}", "password_hash": "x" * 200_000, "role": "lead", "created_at": NOON}
            connection.execute(insert(users), row)
            audit.append(connection, "ana", "added", f"user:{number}", {})


def count_pairs(engine: Engine) -> tuple[int, int]:
    """Return the number of users and of rows of an intact trail."""
    with reading(engine) as connection:
        assert audit.verify(connection).is_intact
        return tuple(connection.scalar(select(func.count()).select_from(table)) for table in (users, audit_table))


@pytest.mark.slow
def test_sqlite_on_a_full_and_on_a_read_only_disk(small_disk: Path):  # noqa: F811
    """Each transaction is there as a whole or not at all, and reading goes on."""
    engine = open_database(f"sqlite:///{small_disk}/ipml.db")
    migrate(engine)
    with pytest.raises(UnusableDatabase, match="disk is full"):
        write_pairs(engine, 100)
    users_there, rows_there = count_pairs(engine)
    assert users_there == rows_there > 0
    assert find_damage(engine) == []
    engine.dispose()
    subprocess.run(["mount", "-o", "remount,size=28m", str(small_disk)], check=True)
    write_pairs(engine, 5)
    assert count_pairs(engine) == (users_there + 5, rows_there + 5)
    engine.dispose()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UnusableDatabase, match=r"readonly|unable to open"):
        write_pairs(engine, 1)
    with pytest.raises(UnusableDatabase):
        try_writing(engine)
    engine.dispose()


@pytest.mark.slow
def test_postgres_on_a_full_disk_and_in_read_only_mode(small_disk: Path):  # noqa: F811
    """The same on a server: a tablespace without room, then a database that refuses to be changed."""
    space = small_disk / "space"
    space.mkdir()
    shutil.chown(space, "postgres", "postgres")
    with own_server(FORGETFUL) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        admin = open_database(server.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE TABLESPACE small LOCATION '{space}'"))
            connection.execute(text("CREATE DATABASE on_small_disk TABLESPACE small"))
        engine = open_database(server.url("on_small_disk"))
        migrate(engine)
        with engine.connect() as connection:  # so that a row takes the room that its text takes
            connection.execute(text("ALTER TABLE users ALTER COLUMN password_hash SET STORAGE EXTERNAL"))
            connection.commit()
        with pytest.raises(UnusableDatabase, match="No space left"):
            write_pairs(engine, 100)
        users_there, rows_there = count_pairs(engine)
        assert users_there == rows_there > 0
        with admin.connect() as connection:
            connection.execute(text("ALTER DATABASE on_small_disk SET default_transaction_read_only = on"))
        engine.dispose()
        with pytest.raises(UnusableDatabase, match="read-only transaction"), writing(engine) as connection:
            audit.append(connection, "ana", "added", "user:1", {})
        assert count_pairs(engine) == (users_there, rows_there)
        engine.dispose()
        admin.dispose()
