"""`ipml admin` and `ipml audit`: people, backups, and a trail with which nobody tampered."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select
from support.databases import copy_sqlite, read_tables
from typer.testing import CliRunner

from ipml.cli.admin import user_app
from ipml.cli.doctor import Check, check_database
from ipml.cli.serve import _open_database
from ipml.errors import IpmlError, NotFound
from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import find_public_key, read_anchors
from ipml.storage.backup import back_up
from ipml.storage.backup import restore as restore_into
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import open_session
from ipml.web.accounts.users import check_password, list_users

PASSWORD = "correct horse battery"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a line of `ipml admin user` on an empty database and returns what it prints."""
    database = copy_sqlite(tmp_path)

    def invoke(line: str, typed: str = "") -> str:
        arguments = [*line.split(), "--database", database]
        result = CliRunner().invoke(user_app, arguments, input=typed, catch_exceptions=False)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return invoke


@pytest.mark.slow
def test_a_user_is_added_listed_and_changed(run, tmp_path):
    """What one command did, the next one shows; passwords are asked for twice and never shown; sessions end."""
    told = run("add ana --role lead", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "ana may log in as lead." in told
    assert PASSWORD not in told
    assert "lead" in run("list")
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    with writing(engine) as connection:
        (ana,) = list_users(connection)
        open_session(connection, ana, hours=12)
    assert "since" in run("sessions ana")
    assert "1 sessions of ana have ended." in run("sessions ana --end")
    assert "ana is a reviewer" in run("role ana reviewer")
    assert "another long one" not in run("password ana", typed="another long one\nanother long one\n")
    run("disable ana")
    with reading(engine) as connection:
        (ana,) = list_users(connection)
        assert (ana.name, ana.role, ana.is_active) == ("ana", Role.REVIEWER, False)
        assert check_password(connection, "ana", "another long one") is None
    run("enable ana")
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD) is None
        assert check_password(connection, "ana", "another long one").role is Role.REVIEWER
    engine.dispose()


@pytest.mark.slow
def test_mistakes_are_named(run, subtests, monkeypatch):
    """An unknown role, a short password, a name that is taken or that nobody has, and no provider to log in by."""
    monkeypatch.setattr("ipml.settings.get_settings", lambda: Settings(oidc_issuer=None))
    run("add ana --no-password")
    run("add ben --no-password")
    issuer = "--issuer https://id.example"
    assert "ana can log in by https://id.example." in run(f"link ana 7 {issuer}")
    wrong = {
        "add eve --role root": "role: found",
        "add eve --password-stdin": "password: found",
        "add ana --no-password": "exists already",
        "link ana 7": "--issuer",
        f"link ben 7 {issuer}": "another user",
        f"link nobody 8 {issuer}": "No user",
    }
    wrong |= dict.fromkeys(("enable nobody", "disable nobody", "sessions nobody", "role nobody lead"), "No user")
    for line, words in wrong.items():
        with subtests.test(line=line), pytest.raises(IpmlError, match=words):
            run(line, typed="short\n")
    with pytest.raises(NotFound, match="No user"):
        run("password nobody --password-stdin", typed=f"{PASSWORD}\n")


# `ipml admin backup` and `ipml admin restore`
def test_a_backup_is_restored_by_two_commands(ipml: Callable, tmp_path: Path):
    """The first prints an anchor, with which the second checks; the rows are the same; what cannot be is one line."""
    assert ipml("admin backup --out backup.zip").exit_code == 2  # no database
    assert not (tmp_path / "backup.zip").exists()
    (tmp_path / "letter.zip").write_text("Dear reader")
    assert ipml("admin restore letter.zip").is_refusal("letter.zip: found File is not a zip file; expected")
    engine = open_database(copy_sqlite(tmp_path))
    enqueue(engine, [ScoredListing(Listing("L1", "s1", "Bag"), 0.5, None, (), (), None, "m1")])
    made = ipml("admin backup --out backup.zip")
    assert made.exit_code == 0
    with reading(engine) as connection:
        anchor = str(audit.anchor(connection))
    assert made.out.strip().endswith(f"into backup.zip; keep this anchor: {anchor}")
    restored = ipml("admin restore backup.zip --database", f"sqlite:///{tmp_path}/other.db", "--anchor", anchor)
    assert restored.exit_code == 0
    assert restored.out.startswith("3 rows of ")
    assert read_tables(open_database(f"sqlite:///{tmp_path}/other.db")) == read_tables(engine)


def test_nothing_is_restored_without_the_list_of_erased_sellers(ipml, make_queue, tmp_path, monkeypatch):
    """One that is missing or damaged is a line, and the database stays empty; with it nobody erased comes back."""
    make_queue(Listing("L1", "s1", "Bag of Ann"), Listing("L2", "s2", "Bag of Ben")).dispose()
    other, listed = tmp_path / "other.db", tmp_path / "erased.jsonl"
    restore = ("admin", "restore", "backup.zip", "--database", f"sqlite:///{other}")
    assert ipml("admin backup --out backup.zip").exit_code == 0
    monkeypatch.setenv("IPML_ERASED", str(listed))
    lost = ipml(*restore)
    assert (lost.exit_code, lost.err.count("\n")) == (2, 1)
    assert ipml("seller erase s1 --why 'request 7' --yes").exit_code == 0
    whole = listed.read_bytes()
    listed.write_bytes(whole[:-40])
    damaged = ipml(*restore)
    assert (damaged.exit_code, damaged.err.count("\n")) == (2, 1)
    assert not other.exists()
    listed.write_bytes(whole)
    assert ipml(*restore).exit_code == 0
    assert b"Bag of Ann" not in other.read_bytes()
    assert b"Bag of Ben" in other.read_bytes()


def test_whoever_was_erased_is_gone_before_anything_is_kept(tmp_path: Path):
    """A restore that ends before it has erased them leaves an empty database."""
    engine, other = open_database(copy_sqlite(tmp_path)), open_database(f"sqlite:///{tmp_path}/other.db")
    enqueue(engine, [ScoredListing(Listing("L1", "s1", "Bag of Ann"), 0.5, None, (), (), None, "m1")])
    back_up(engine, tmp_path / "backup.zip")

    def fail(_: object) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        restore_into(other, tmp_path / "backup.zip", finish=fail)
    migrate(other)
    with reading(other) as connection:
        assert connection.scalar(select(func.count()).select_from(cases)) == 0
    engine.dispose()
    other.dispose()


# `ipml audit` keeps anchors, and finds who tampered
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
