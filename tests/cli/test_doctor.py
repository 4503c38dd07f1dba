"""`ipml doctor` finds what is broken."""

import re
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from support.databases import copy_postgres, copy_sqlite
from support.postgres import Server

from ipml.cli.doctor import check_access, check_database, check_erased, check_model, without_traceback
from ipml.settings import Settings, get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import has_wal_reset_defect, open_database, reading, writing

SUBJECTS = ("ipml", "numpy", "sqlite", "disk", "engine", "database", "tables", "audit", "rows", "server", "model")
BROKEN = {
    "UPDATE audit SET actor = 'bo' WHERE sequence = 2": "problem  audit: row 2: was changed",
    "DELETE FROM audit WHERE sequence = 2": "problem  audit: row 2: found row 3 in its place",
    "UPDATE alembic_version SET version_num = '9999'": "problem  tables: ",
    "DROP TABLE alembic_version": "found no tables",
    "INSERT INTO sessions VALUES ('t', 7, 0, 0, 0)": "problem  database: sessions: a row refers to none",
    "UPDATE audit SET action = 'decided' WHERE sequence = 2": "rows: audit row 2: does not say which decision",
}


def make_database(folder: Path) -> Path:
    """Make a sound database whose trail has three rows, and return its file."""
    engine = open_database(copy_sqlite(folder))
    with writing(engine) as connection:
        audit.append_all(connection, "ana", "claimed", ((f"case:{number}", {}) for number in range(3)))
    engine.dispose()
    return folder / "ipml.db"


def change(path: Path, statement: str) -> None:
    """Change a database behind ipml's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_sound_database_has_no_problem(ipml, tmp_path):
    """Each check is one line, and the exit code is 0; the anchor it prints is the one it takes."""
    with reading(open_database(f"sqlite:///{make_database(tmp_path)}")) as connection:
        anchor = str(audit.anchor(connection))
    result = ipml("doctor --database sqlite:///ipml.db --anchor", anchor)
    assert result.exit_code == 0
    assert "problem" not in result.out + result.err
    assert all(line.split()[0] in ("ok", "warning") for line in result.out.splitlines())
    assert [subject for subject in SUBJECTS if f" {subject}:" not in result.out] == []
    assert anchor in ipml("doctor").out


def test_what_is_broken_is_a_problem(ipml, tmp_path, subtests):
    """The line says where, and the exit code is 1; what the chain alone cannot find an anchor finds."""
    sound = make_database(tmp_path).read_bytes()
    with reading(open_database("sqlite:///ipml.db")) as connection:
        anchor = str(audit.anchor(connection))
    for number, (statement, words) in enumerate(BROKEN.items()):
        with subtests.test(statement=statement):
            Path(f"{number}.db").write_bytes(sound)
            change(Path(f"{number}.db"), statement)
            result = ipml(f"doctor --database sqlite:///{number}.db")
            assert (result.exit_code, words in result.out) == (1, True)
    change(Path("ipml.db"), "DELETE FROM audit WHERE sequence = 3")
    assert ipml("doctor --database sqlite:///ipml.db").exit_code == 0
    assert "row 3: is missing" in ipml("doctor --database sqlite:///ipml.db --anchor", anchor).out


def test_a_server_is_looked_at_too(ipml, postgres: Server):
    """On PostgreSQL the same is said of the rows, and a server that forgets in a crash is a warning."""
    with copy_postgres(postgres) as url:
        result = ipml("doctor --database", url)
    assert result.exit_code == 0
    assert "ok       rows: " in result.out
    assert "warning  server: fsync is off" in result.out


def test_what_is_asked_for_must_be_sound(ipml, tmp_path):
    """Overwritten pages, a misspelt path and what is no model are problems in a line, and no file is made."""
    assert ipml("doctor --database sqlite:///nothing.db").exit_code == 1
    assert list(tmp_path.iterdir()) == []
    database = make_database(tmp_path)
    (tmp_path / "model").mkdir()
    result = ipml("doctor --database sqlite:///ipml.db --model model")
    assert (result.exit_code, "problem  model:" in result.out) == (1, True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    database.write_bytes(content)
    result = ipml("doctor --database sqlite:///ipml.db")
    assert (result.exit_code, "problem  database:" in result.out) == (1, True)


def test_the_releases_of_sqlite_with_the_defect_are_known():
    """The race is in 3.7.0 to 3.51.2 but for the two that were mended."""
    sound = [(3, 6, 23), (3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 53, 0)]
    defective = [(3, 7, 0), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 2)]
    assert [version for version in (*sound, *defective) if has_wal_reset_defect(version)] == defective


def test_settings_that_let_others_in_are_named(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests):
    """What would keep the page from starting is a problem; what lets others listen is a warning."""
    for name, value, words in (
        ("HOST", "127.0.0.1", "ok       login: by password"),
        ("HOST", "0.0.0.0", "warning  address: on 0.0.0.0 passwords, keys"),
        ("TRUSTED_HEADER", "X-User", "problem  login: IPML_TRUSTED_HEADER"),
        ("OIDC_ISSUER", "http://id.example", "problem  login: IPML_OIDC_ISSUER"),
        ("TRUSTED_PROXIES", "nonsense", "problem  login: IPML_TRUSTED_PROXIES"),
    ):
        with subtests.test(name=name, value=value), monkeypatch.context() as patched:
            patched.setenv(f"IPML_{name}", value)
            get_settings.cache_clear()
            lines = [f"{check.state:<8} {check.subject}: {check.words}" for check in check_access()]
            assert any(line.startswith(words) for line in lines), lines
            assert any(line.startswith("problem") for line in lines) == words.startswith("problem")
    get_settings.cache_clear()


@pytest.mark.slow
def test_no_setting_ends_in_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subtests: pytest.Subtests):
    """Whatever a setting holds, or the file that it names: each step says what it found, and the others are taken."""
    database = f"sqlite:///{make_database(tmp_path)}"
    (tmp_path / "folder").mkdir()
    (tmp_path / "nonsense").write_bytes(b"\x00\xff{[" * 50)
    for kind in ("missing", "folder", "nonsense"):
        for name, field in Settings.model_fields.items():
            if kind != "nonsense" and not re.search("str|Path", str(field.annotation)):
                continue  # a number or a choice: to it one word is as another
            steps = [
                partial(check_database, None if name == "database" else database, None),
                check_access,
                check_erased,
            ]
            if name in ("model", "model_key", "tracking"):
                steps.append(partial(check_model, None))
            with subtests.test(kind=kind, name=name), monkeypatch.context() as patched:
                patched.setenv(f"IPML_{name.upper()}", str(tmp_path / kind))
                get_settings.cache_clear()
                found = [check for step in steps for check in without_traceback(step)]
                assert found
                assert all("\n" not in check.words for check in found)
    get_settings.cache_clear()
