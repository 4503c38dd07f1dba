"""`ipml doctor` finds what is broken."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.databases import copy_postgres, copy_sqlite
from support.postgres import Server

from ipml.cli import make_commands
from ipml.cli.doctor import (
    Check,
    check_access,
    check_database,
    check_erased,
    check_model,
    without_traceback,
)
from ipml.settings import Settings, get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import has_wal_reset_defect, open_database, reading, writing


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return the file of a sound database whose trail has three rows."""
    path = tmp_path / "ipml.db"
    engine = open_database(copy_sqlite(tmp_path))
    with writing(engine) as connection:
        audit.append_all(connection, "ana", "claimed", ((f"case:{number}", {}) for number in range(3)))
    engine.dispose()
    return path


def run(path: Path, *options: str) -> Result:
    """Run the command on a database file."""
    return CliRunner().invoke(make_commands(), ["doctor", "--database", f"sqlite:///{path}", *options])


def test_a_sound_database_has_no_problem(database: Path):
    """Each check is one line, and the exit code is 0."""
    result = run(database)
    assert result.exit_code == 0
    assert "problem" not in result.output
    assert all(line.split()[0] in ("ok", "warning") for line in result.stdout.splitlines())
    for subject in (
        "ipml",
        "numpy",
        "sqlite",
        "disk",
        "engine",
        "database",
        "tables",
        "audit",
        "rows",
        "server",
        "model",
    ):
        assert f" {subject}:" in result.stdout


def test_the_anchor_it_prints_is_the_one_it_takes(database: Path):
    """Keeping the printed anchor is enough to check the trail later."""
    with reading(open_database(f"sqlite:///{database}")) as connection:
        anchor = str(audit.anchor(connection))
    assert anchor in run(database).stdout
    assert run(database, "--anchor", anchor).exit_code == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE audit SET actor = 'bo' WHERE sequence = 2", "problem  audit: row 2: was changed"),
        ("DELETE FROM audit WHERE sequence = 2", "problem  audit: row 2: found row 3 in its place"),
        ("UPDATE alembic_version SET version_num = '9999'", "problem  tables: "),
        ("DROP TABLE alembic_version", "found no tables"),
        ("INSERT INTO sessions VALUES ('t', 7, 0, 0, 0)", "problem  database: sessions: a row refers to none"),
        (
            "UPDATE audit SET action = 'decided' WHERE sequence = 2",
            "problem  rows: audit row 2: does not say which decision",
        ),
    ],
    ids=["edited", "deleted", "newer", "no tables", "orphan", "decision"],
)
def test_what_is_broken_is_a_problem(database: Path, statement: str, words: str):
    """The line says where, and the exit code is 1."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
    result = run(database)
    assert result.exit_code == 1
    assert words in result.stdout


def test_a_trail_that_was_cut_off_is_a_problem_with_an_anchor(database: Path):
    """The anchor finds what the chain alone cannot."""
    with reading(open_database(f"sqlite:///{database}")) as connection:
        anchor = str(audit.anchor(connection))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM audit WHERE sequence = 3")
    assert run(database).exit_code == 0
    assert "row 3: is missing" in run(database, "--anchor", anchor).stdout


def test_a_server_is_looked_at_too(postgres: Server):
    """On PostgreSQL the same is said of the rows, and a server that forgets in a crash is a warning."""
    with copy_postgres(postgres) as url:
        result = CliRunner().invoke(make_commands(), ["doctor", "--database", url])
    assert result.exit_code == 0
    assert "ok       rows: " in result.stdout
    assert "warning  server: fsync is off" in result.stdout


def test_a_damaged_file_is_a_problem(database: Path):
    """Overwritten pages are found, in a line."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    database.write_bytes(content)
    result = run(database)
    assert result.exit_code == 1
    assert "problem  database:" in result.stdout


def test_a_database_asked_for_must_be_there(tmp_path: Path):
    """A misspelt path is a problem, and no file is made."""
    assert run(tmp_path / "nothing.db").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_model_asked_for_must_load(database: Path, tmp_path: Path):
    """What is no model is a problem, not a warning."""
    (tmp_path / "model").mkdir()
    result = run(database, "--model", str(tmp_path / "model"))
    assert result.exit_code == 1
    assert "problem  model:" in result.stdout


@pytest.mark.parametrize(
    ("version", "is_defective"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_the_releases_of_sqlite_with_the_defect_are_known(version: tuple[int, int, int], is_defective: bool):
    """The race is in 3.7.0 to 3.51.2 but for the two that were mended."""
    assert has_wal_reset_defect(version) == is_defective


@pytest.mark.parametrize(
    ("settings", "words", "code"),
    [
        ({}, "ok       login: by password", 0),
        ({"HOST": "0.0.0.0"}, "warning  address: on 0.0.0.0 passwords, keys", 0),
        ({"TRUSTED_HEADER": "X-User"}, "problem  login: IPML_TRUSTED_HEADER", 1),
        ({"OIDC_ISSUER": "http://id.example"}, "problem  login: IPML_OIDC_ISSUER", 1),
        ({"TRUSTED_PROXIES": "nonsense"}, "problem  login: IPML_TRUSTED_PROXIES", 1),
    ],
)
def test_settings_that_let_others_in_are_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str, code: int
):
    """What would keep the page from starting is a problem; what lets others listen is a warning."""
    get_settings.cache_clear()
    for name, value in settings.items():
        monkeypatch.setenv(f"IPML_{name}", value)
    found = list(check_access())
    get_settings.cache_clear()
    lines = [f"{check.state:<8} {check.subject}: {check.words}" for check in found]
    assert any(line.startswith(words) for line in lines), lines
    assert any(check.state == "problem" for check in found) == bool(code)


@pytest.mark.parametrize("kind", ["missing", "folder", "nonsense"])
def test_no_setting_ends_in_a_traceback(database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str):
    """Whatever a setting holds, or the file that it names: each step says what it found, and the others are taken."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "nonsense").write_bytes(b"\x00\xff{[" * 50)
    for name, field in Settings.model_fields.items():
        if kind != "nonsense" and not re.search("str|Path", str(field.annotation)):
            continue  # a number or a choice: to it one word is as another
        url = None if name == "database" else f"sqlite:///{database}"
        steps: list[Callable[[], Iterator[Check]]] = [partial(check_database, url, None), check_access, check_erased]
        if name in ("model", "model_key", "tracking"):
            steps.append(partial(check_model, None))
        with monkeypatch.context() as patched:
            patched.setenv(f"IPML_{name.upper()}", str(tmp_path / kind))
            get_settings.cache_clear()
            found = [check for step in steps for check in without_traceback(step)]
        assert found, name
        assert all("\n" not in check.words for check in found), name
    get_settings.cache_clear()
