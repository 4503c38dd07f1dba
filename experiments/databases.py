"""A database of an experiment's own, which goes with it: SQLite, or a PostgreSQL that is started for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from ipml.storage.database import migrate, open_database

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # they know how to start a PostgreSQL
from support.postgres import FORGETFUL, LASTING, own_server


@contextmanager
def own_database(is_postgres: bool = False, *, is_lasting: bool = False) -> Iterator[tuple[Engine, Path]]:
    """Give an empty database with all tables, and a folder, which holds the file of SQLite.

    Parameters
    ----------
    is_postgres : bool, default=False
    is_lasting : bool, default=False
        Whether PostgreSQL, as SQLite does, has on the disk what it acknowledged.
    """
    with TemporaryDirectory() as name:
        if not is_postgres:
            yield from _open(f"sqlite:///{name}/ipml.db", Path(name))
            return
        with own_server(LASTING if is_lasting else FORGETFUL) as server:
            if server is None:
                sys.exit("no PostgreSQL: install Debian's package postgresql")
            yield from _open(server.url("postgres"), Path(name))


def _open(url: str, folder: Path) -> Iterator[tuple[Engine, Path]]:
    engine = open_database(url)
    migrate(engine)
    try:
        yield engine, folder
    finally:
        engine.dispose()


def url_of(engine: Engine) -> str:
    """Return the URL of a database, by which other processes open it."""
    return engine.url.render_as_string(hide_password=False)
