"""The step that brings tries, identities and the last use of sessions, with data, up and down and up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text

import ipml.storage.migrations.versions.v0007_access as step
from ipml.storage.database import migrate

SESSION = ("t" * 64, 1, 5_000_000, 9_000_000)


def run(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    """Run a statement at whatever revision the tables are, on a connection that knows none of the last."""
    engine.dispose()
    with engine.connect().execution_options(ipml_writes=True) as connection:
        result = connection.execute(text(query))
        rows = [tuple(row) for row in result] if result.returns_rows else []
        connection.commit()
    return rows


def test_sessions_live_through_it(engine: Engine) -> None:
    """Who is logged in stays so, last seen when they logged in; going back keeps them too, and tries are dropped."""
    migrate(engine, step.down_revision)
    run(engine, "INSERT INTO users VALUES (1, 'ana', 'x', 'lead', true, 1)")
    run(engine, f"INSERT INTO sessions VALUES {SESSION}")
    for _ in range(2):
        migrate(engine, step.revision)
        assert run(engine, "SELECT * FROM sessions") == [(*SESSION, SESSION[2])]
        run(engine, "INSERT INTO tries VALUES (1, 'a', 'n', 1)")
        run(engine, "INSERT INTO identities VALUES ('https://id.example', 's', 1, 1)")
        migrate(engine, step.down_revision)
        assert run(engine, "SELECT * FROM sessions") == [SESSION]
        assert run(engine, "SELECT name, role FROM users") == [("ana", "lead")]
