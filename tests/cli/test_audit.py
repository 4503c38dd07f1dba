"""`ipml audit` keeps anchors, and finds who tampered."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.databases import copy_sqlite

from ipml.cli import make_commands
from ipml.cli.doctor import Check, check_database
from ipml.cli.serve import _open_database
from ipml.settings import get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import find_public_key, read_anchors
from ipml.storage.database import open_database, writing


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file of a database whose trail has three rows, with a key and a file of anchors in the settings."""
    path = tmp_path / "ipml.db"
    engine = open_database(copy_sqlite(tmp_path))
    with writing(engine) as connection:
        audit.append_all(connection, "ana\x1b[2J", "claimed", ((f"case:{number}", {"token": 1}) for number in range(3)))
    engine.dispose()
    monkeypatch.setenv("IPML_ANCHOR_KEY", str(tmp_path / "anchor.pem"))
    monkeypatch.setenv("IPML_ANCHORS", str(tmp_path / "anchors.jsonl"))
    get_settings.cache_clear()
    assert run("key", "--out", str(tmp_path / "anchor.pem")).stdout.strip() == find_public_key(tmp_path / "anchor.pem")
    yield path
    get_settings.cache_clear()


def run(*arguments: str, database: Path | None = None) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(
        make_commands(), ["audit", *arguments, *(["--database", f"sqlite:///{database}"] if database else [])]
    )


def change(database: Path, statement: str) -> None:
    """Change the database behind ipml's back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def test_a_whole_trail_verifies_against_the_anchors_of_the_settings(database: Path):
    """An anchor is printed, kept in the file, and held to."""
    made = run("anchor", database=database)
    assert made.exit_code == 0
    assert made.stdout.strip() == str(read_anchors(database.with_name("anchors.jsonl"))[0])
    result = run("verify", database=database)
    assert result.exit_code == 0
    assert result.stdout.startswith("3 rows in one chain, checked against one anchor; it ends at 3:")


def test_a_cut_trail_is_found_and_the_exit_code_is_1(database: Path):
    """However an anchor is given; a file of anchors that is gone is not taken for one without any."""
    run("anchor", database=database)
    kept = str(read_anchors(database.with_name("anchors.jsonl"))[0].anchors[1])
    change(database, "DELETE FROM audit WHERE sequence = 3")
    for given in ([], ["--anchor", kept], ["--anchor", str(database.with_name("anchors.jsonl")), "--anchor", kept]):
        result = run("verify", *given, database=database)
        assert result.exit_code == 1
        assert "problem  row 3: is missing; the trail went on to row 3" in result.stdout
    database.with_name("anchors.jsonl").unlink()
    assert "expected a file of anchors" in str(run("verify", database=database).exception)


def test_an_anchor_that_others_signed_is_found(database: Path):
    """The public key that is given counts, not the one the anchor names."""
    run("anchor", database=database)
    result = run("verify", "--key", "ab" * 32, database=database)
    assert result.exit_code == 1
    assert "another key" in result.stdout


def test_what_is_no_anchor_is_told(database: Path):
    """A misspelt file name is not silently checked against nothing."""
    result = run("verify", "--anchor", "anchor.jsonl", database=database)
    assert "expected a file of anchors, or COUNT:HASH" in str(result.exception)


def test_what_was_done_to_a_subject_is_listed(database: Path):
    """One line for each audit event, in which names can command no terminal."""
    result = run("show", "case:1", database=database)
    assert result.stdout.startswith("2 ")
    assert 'claimed {"token": 1}' in result.stdout
    assert "\x1b" not in result.stdout
    assert "Nothing is noted of case:9" in run("show", "case:9", database=database).stdout


def test_the_page_warns_of_a_broken_trail_and_keeps_an_anchor_of_a_whole_one(
    database: Path, capsys: pytest.CaptureFixture[str]
):
    """`ipml serve` looks when it starts."""
    anchors = database.with_name("anchors.jsonl")
    _open_database(f"sqlite:///{database}").dispose()
    assert len(read_anchors(anchors)) == 1
    change(database, "DELETE FROM audit WHERE sequence = 3")
    _open_database(f"sqlite:///{database}").dispose()
    assert "Warning: the audit trail is not that of the anchors: row 3: is missing" in capsys.readouterr().err
    assert len(read_anchors(anchors)) == 1
    anchors.write_text("nonsense")
    _open_database(f"sqlite:///{database}").dispose()
    assert "anchors.jsonl, line 1: found 'nonsense'" in capsys.readouterr().err


def test_the_doctor_looks_at_the_anchors(database: Path):
    """A trail that was cut off is a problem there, too."""
    run("anchor", database=database)
    url = f"sqlite:///{database}"
    whole = Check("anchors", "ok", f"the trail is that of {database.with_name('anchors.jsonl')}")
    assert whole in check_database(url, None)
    change(database, "DELETE FROM audit WHERE sequence = 3")
    problems = [check.words for check in check_database(url, None) if check.state == "problem"]
    assert problems == ["row 3: is missing; the trail went on to row 3"]
