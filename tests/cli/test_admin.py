"""`ipml admin`, `ipml audit` and `ipml seller`: people, backups, a whole trail, and what is held of sellers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from support.databases import copy_sqlite, read_tables
from support.planted_seller import MARKERS, NAME, SELLER, find_clear, find_markers, plant
from support.staff import add_staff
from support.transactions import act, ask
from typer.testing import CliRunner

from ipml.cli.admin import user_app
from ipml.cli.doctor import Check, check_database
from ipml.cli.serve import _open_database
from ipml.enforcement.privacy import erasure
from ipml.errors import IpmlError, NotFound
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.settings import Settings, get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import find_public_key, read_anchors
from ipml.storage.backup import back_up
from ipml.storage.backup import restore as restore_into
from ipml.storage.database import migrate, open_database
from ipml.storage.tables import cases
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import check_password

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
def test_a_user_is_added_listed_and_given_a_password(run, tmp_path):
    """What one command did, the next one shows; passwords are asked for twice and never shown."""
    told = run("add ana --role lead", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert "ana may log in as lead." in told
    assert PASSWORD not in told
    assert "lead" in run("list")
    assert "another long one" not in run("password ana", typed="another long one\nanother long one\n")
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    assert ask(engine, check_password, "ana", PASSWORD) is None
    assert ask(engine, check_password, "ana", "another long one").role is Role.LEAD
    engine.dispose()


@pytest.mark.slow
def test_mistakes_are_named(run, subtests, monkeypatch):
    """An unknown role, a short password, a name that is taken or that nobody has, and no provider to log in by."""
    monkeypatch.setattr("ipml.settings.get_settings", lambda: Settings(oidc_issuer=None))
    run("add ana --no-password")
    run("add ben --no-password")
    issuer = "--issuer https://id.example"
    assert "ana can log in by https://id.example." in run(f"link ana 7 {issuer}")
    wrong = {"add eve --role root": "role: found", "add eve --password-stdin": "password: found"}
    wrong |= {"add ana --no-password": "exists already", "link ana 7": "--issuer"}
    wrong |= {f"link ben 7 {issuer}": "another user", f"link nobody 8 {issuer}": "No user"}
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
    anchor = str(ask(engine, audit.anchor))
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
    assert ask(other, Connection.scalar, select(func.count()).select_from(cases)) == 0
    engine.dispose()
    other.dispose()


# `ipml audit` keeps anchors, and finds who tampered
GONE = "row 3: is missing; the trail went on to row 3"


@pytest.fixture
def anchors(ipml, tmp_path, monkeypatch) -> Path:
    """Return the file of anchors of the settings, with a key, and a database whose trail has three rows."""
    engine = open_database(copy_sqlite(tmp_path))
    act(engine, audit.append_all, "ana\x1b[2J", "claimed", ((f"case:{number}", {"token": 1}) for number in range(3)))
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
    _open_database(get_settings()).dispose()
    assert len(read_anchors(anchors)) == 1
    cut()
    _open_database(get_settings()).dispose()
    assert "Warning: the audit trail is not that of the anchors: row 3: is missing" in capfd.readouterr().err
    assert len(read_anchors(anchors)) == 1
    anchors.write_text("nonsense")
    _open_database(get_settings()).dispose()
    assert "anchors.jsonl, line 1: found 'nonsense'" in capfd.readouterr().err


ERASE = f"seller erase {SELLER} --why 'request 7'"


@pytest.fixture
def planted(ipml, tmp_path, monkeypatch):
    """Put a database in which a seller has left traces, and a list of the erased, into the settings."""
    (tmp_path / "db").mkdir()
    url = copy_sqlite(tmp_path / "db")
    engine = open_database(url)
    plant(engine)
    add_staff(engine)
    engine.dispose()
    monkeypatch.setenv("IPML_DATABASE", url)
    monkeypatch.setenv("IPML_ERASED", str(tmp_path / "erased.jsonl"))
    get_settings.cache_clear()
    return url


def test_a_seller_is_shown_erased_once_and_asked_for_before(ipml, planted, tmp_path, monkeypatch):
    """Counts and days, not what was written; without a yes nothing happens, with it no byte is left."""
    shown = ipml("seller show", SELLER).out
    assert "1  evidence: the last until 2036-" in shown
    assert "1  notes: the last until 2031-" in shown
    assert NAME not in shown
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert ipml(ERASE).exit_code == 1
    assert list(find_markers((tmp_path / "db").iterdir(), MARKERS))
    answer = ipml(f"{ERASE} --yes")
    assert answer.exit_code == 0
    assert "5 listings, with 3 decisions on them" in answer.out
    assert list(find_markers([*(tmp_path / "db").iterdir(), tmp_path / "erased.jsonl"], MARKERS)) == []
    assert ipml(f"{ERASE} --yes").is_refusal()
    assert ipml("seller show", SELLER).is_refusal()


def test_the_doctor_finds_an_erasure_that_was_interrupted(ipml, planted, monkeypatch):
    """And says which line finishes it; without a list a warning tells who erases what a restore would do."""
    monkeypatch.delenv("IPML_ERASED")
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "sweep_erased", lambda *_, **__: ())
        assert "IPML_ERASED" in ipml(f"{ERASE} --yes").err
    (found,) = (check for check in check_database(planted, None) if check.subject == "erased")
    assert found.words.startswith("1 erased sellers have left traces")
    assert ipml("seller erase --finish").exit_code == 0
    assert all(check.subject != "erased" for check in check_database(planted, None))


def test_a_hold_is_placed_shown_and_released(ipml, accepted, planted):
    """While it is in force erasing is refused; nobody is erased by a slip."""
    lines = [
        f"seller erase --yes {line}" for line in ("", SELLER, "--why x", f"--again {SELLER}", f"--finish {SELLER}")
    ]
    lines += [f"seller hold {SELLER}", "seller hold --end"]
    assert accepted(dict.fromkeys(lines, "")) == {}
    placed = ipml("seller hold --until 2999-12-31 --by lea --why", "claim\x1b[2J 12", SELLER)
    assert placed.out == "Hold 1 is in force to the end of 2999-12-31 (UTC).\n"
    shown = ipml("seller show", SELLER).out
    assert "hold 1: everything, until 2999-12-31, by lea: claim\ufffd[2J 12" in shown
    listed = ipml("seller hold").out
    assert listed.startswith(f"seller {SELLER}, hold 1: everything, until 2999-12-31")
    assert listed.endswith("1 hold(s) in force.\n")
    assert ipml(f"{ERASE} --yes").is_refusal()
    dry = ipml("seller retention --dry-run")
    assert (dry.exit_code, "0  tries" in dry.out, "due" in dry.out) == (0, True, True)
    assert "expired" in ipml("seller retention").out
    assert ipml("seller hold --end", SELLER).out == "1 hold(s) ended.\n"
    assert ipml(f"{ERASE} --yes").exit_code == 0


def test_a_restore_erases_again_by_itself(ipml, planted, tmp_path):
    """An older backup brings nobody back; after another way of restoring the flag does the same."""
    assert ipml("admin backup --out backup.zip").exit_code == 0
    ipml(f"{ERASE} --yes")
    restored = f"sqlite:///{tmp_path}/restored.db"
    assert "Erased seller" in ipml("admin restore backup.zip --database", restored).out
    assert list(find_clear(open_database(restored), MARKERS)) == []
    assert "Nobody was left to erase" in ipml("seller erase --again --database", restored).out


LISTS = """
version = "2026-05"
base_currency = "EUR"
rates = {}
brand = [{name = "Acme", category = "tools", reference_price = 100.0, currency = "EUR", authorised_sellers = [
  "s-1", "s-2"]}]
seller = [
  {seller_id = "s-3", list = "denied", why = "sold counterfeits", source = "judgment 4"},
  {seller_id = "s-4", list = "watched", why = "a letter", source = "Acme", until = 2020-01-01},
]
"""


def test_a_brand_file_is_loaded_into_the_lists(ipml, planted, tmp_path, monkeypatch):
    """As it stands: entries that it lacks are removed, and expired ones are counted."""
    file = tmp_path / "brands.toml"
    file.write_text(LISTS, encoding="utf-8")
    monkeypatch.setenv("IPML_BRANDS", str(file))
    assert ipml("seller lists load").out == "3 entries added, 0 removed, 0 as before.\n1 of the file have expired.\n"
    assert ipml("seller lists load").out.startswith("0 entries added, 0 removed, 3 as before.")
    file.write_text(LISTS.replace('"s-1", ', ""), encoding="utf-8")
    assert ipml("seller lists load", file).out.startswith("0 entries added, 1 removed, 2 as before.")
