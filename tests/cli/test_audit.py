"""`ipml audit` keeps anchors, and finds who tampered."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.databases import copy_sqlite

from ipml.cli.doctor import Check, check_database
from ipml.cli.serve import _open_database
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import find_public_key, read_anchors
from ipml.storage.database import open_database, writing

GONE = "row 3: is missing; the trail went on to row 3"


@pytest.fixture
def anchors(ipml, tmp_path, monkeypatch) -> Path:
    """Return the file of anchors of the settings, with a key, and a database whose trail has three rows."""
    engine = open_database(copy_sqlite(tmp_path))
    with writing(engine) as connection:
        audit.append_all(connection, "ana\x1b[2J", "claimed", ((f"case:{number}", {"token": 1}) for number in range(3)))
    engine.dispose()
    monkeypatch.setenv("IPML_ANCHOR_KEY", str(tmp_path / "anchor.pem"))
    monkeypatch.setenv("IPML_ANCHORS", str(tmp_path / "anchors.jsonl"))
    assert ipml("audit key --out anchor.pem").out.strip() == find_public_key(tmp_path / "anchor.pem")
    return tmp_path / "anchors.jsonl"


def cut() -> None:
    """Cut the trail behind ipml's back."""
    with closing(sqlite3.connect("ipml.db")) as connection, connection:
        connection.execute("DELETE FROM audit WHERE sequence = 3")


def test_a_whole_trail_verifies_against_the_anchors_of_the_settings(ipml, anchors: Path):
    """An anchor is printed, kept in the file, and held to; the public key that is given counts, not the anchor's."""
    made = ipml("audit anchor")
    assert (made.exit_code, made.out.strip()) == (0, str(read_anchors(anchors)[0]))
    result = ipml("audit verify")
    assert result.exit_code == 0
    assert result.out.startswith("3 rows in one chain, checked against one anchor; it ends at 3:")
    forged = ipml("audit verify --key", "ab" * 32)
    assert (forged.exit_code, "another key" in forged.out) == (1, True)


def test_a_cut_trail_is_found_and_the_exit_code_is_1(ipml, anchors: Path):
    """However an anchor is given; a file of anchors that is gone or misspelt is not taken for one without any."""
    ipml("audit anchor")
    kept = str(read_anchors(anchors)[0].anchors[1])
    whole = Check("anchors", "ok", f"the trail is that of {anchors}")
    assert whole in check_database("sqlite:///ipml.db", None)
    cut()
    for given in ("", f"--anchor {kept}", f"--anchor {anchors} --anchor {kept}"):
        result = ipml(f"audit verify {given}")
        assert (result.exit_code, f"problem  {GONE}" in result.out) == (1, True)
    problems = [check.words for check in check_database("sqlite:///ipml.db", None) if check.state == "problem"]
    assert problems == [GONE]
    assert ipml("audit verify --anchor anchor.jsonl").is_refusal("expected a file of anchors, or COUNT:HASH")
    anchors.unlink()
    assert ipml("audit verify").is_refusal("expected a file of anchors")


def test_what_was_done_to_a_subject_is_listed(ipml, anchors: Path):
    """One line for each audit event, in which names can command no terminal."""
    shown = ipml("audit show case:1").out
    assert shown.startswith("2 ")
    assert 'claimed {"token": 1}' in shown
    assert "\x1b" not in shown
    assert "Nothing is noted of case:9" in ipml("audit show case:9").out


def test_the_page_warns_of_a_broken_trail_and_keeps_an_anchor_of_a_whole_one(ipml, anchors: Path, capfd):
    """`ipml serve` looks when it starts."""
    _open_database("sqlite:///ipml.db").dispose()
    assert len(read_anchors(anchors)) == 1
    cut()
    _open_database("sqlite:///ipml.db").dispose()
    assert "Warning: the audit trail is not that of the anchors: row 3: is missing" in capfd.readouterr().err
    assert len(read_anchors(anchors)) == 1
    anchors.write_text("nonsense")
    _open_database("sqlite:///ipml.db").dispose()
    assert "anchors.jsonl, line 1: found 'nonsense'" in capfd.readouterr().err
