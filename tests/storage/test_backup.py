"""Backups: whole, checked, and the same on every database."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Table, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import Float, Integer, Text
from support.databases import copy_sqlite, empty_postgres, on_both, read_tables
from support.transactions import ask, execute, read_rows

from ipml.errors import Conflict, UnreadableFile, UnusableDatabase, UnwritableFile
from ipml.storage import backup
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import Anchor, verify
from ipml.storage.backup import MANIFEST, back_up, member, restore
from ipml.storage.database import get_revision, migrating, open_database, writing
from ipml.storage.tables import REVISION, Flag, Moment, cases, decisions, metadata, sessions, users

pytestmark = pytest.mark.slow

MOMENT = datetime(2024, 5, 1, 12, 30, 15, 123456, tzinfo=UTC)
HARD_TEXT = "ünsure\n\"quoted\", 'x' \\ 😀 \u202e"


def case_row(number, **changes):
    """Return the columns of a case."""
    row = {"listing_key": f"k{number}", "listing_id": f"L{number}", "observed_at": MOMENT if number % 2 else None}
    row |= {"seller_id": HARD_TEXT, "brand": None, "score": 0.1 + 0.2 if number % 3 else None, "rank": -0.1}
    row |= {"model_version": "m1", "snapshot": "{}", "state": "open", "enqueued_at": MOMENT}
    return row | changes


def decide_one(engine, number):
    """Add a case, a decision on it and a row of the audit trail, as one change."""
    with writing(engine) as connection:
        query = insert(cases).values(case_row(number, state="decided")).returning(cases.c.case_id)
        case_id = connection.scalars(query).one()
        said = {"verdict": "genuine", "ground": "", "note": HARD_TEXT, "reviewer": "ana", "token": 1}
        connection.execute(insert(decisions).values(case_id=case_id, listing_id="L", decided_at=MOMENT, **said))
        audit.append(connection, "ana", "decided", f"case:{case_id}", {"decision": number}, at=MOMENT)


@pytest.fixture
def full(engine):
    """Return a database with some rows in every table."""
    for number in range(1, 8):
        decide_one(engine, number)
    ana = {"name": "ana", "password_hash": "x", "role": "lead", "is_active": False, "created_at": MOMENT}
    with writing(engine) as connection:
        connection.execute(insert(users), ana)
        connection.execute(
            insert(sessions),
            {"token_hash": "t", "user_id": 1, "created_at": MOMENT, "expires_at": MOMENT, "seen_at": MOMENT},
        )
    return engine


@pytest.fixture
def target(request, tmp_path):
    """Give an empty database without tables, of a kind."""
    if getattr(request, "param", "sqlite") == "sqlite":
        engine = open_database(f"sqlite:///{tmp_path}/target.db")
        yield engine
        engine.dispose()
        return
    with empty_postgres(request.getfixturevalue("postgres")) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a backup of a small database, which no test changes."""
    folder = tmp_path_factory.mktemp("small")
    engine = open_database(copy_sqlite(folder))
    for number in range(1, 4):
        decide_one(engine, number)
    back_up(engine, folder / "made.zip")
    engine.dispose()
    return folder / "made.zip"


@pytest.fixture
def made(small, tmp_path):
    """Return a copy of that backup."""
    return Path(shutil.copyfile(small, tmp_path / "made.zip"))


def rewrite(path, change):
    """Write a backup anew with changed files."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path.with_name("forged.zip"), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path.with_name("forged.zip")


def rewrite_table(files, table, content, **said):
    """Give a table other lines, and the manifest what fits them."""
    files[member(table)] = content
    manifest = json.loads(files[MANIFEST])
    fits = {"rows": content.count(b"\n"), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["tables"][table] |= fits | said
    files[MANIFEST] = json.dumps(manifest).encode()


into_both = pytest.mark.parametrize("target", ["sqlite", "postgresql"], indirect=True)


@on_both
@into_both
def test_what_is_restored_is_what_was_backed_up(full, target, tmp_path):
    """From either database to either: the same rows to the last bit, but for the logins, and a trail to its anchor."""
    written = back_up(full, tmp_path / "backup.zip")
    assert (tmp_path / "backup.zip").stat().st_mode & 0o777 == 0o600  # it holds hashes of passwords
    assert restore(target, tmp_path / "backup.zip", Anchor.parse(written.anchor)) == written
    assert read_tables(target) == read_tables(full) | {"sessions": []}
    assert list(tmp_path.glob("*.partial")) == []
    assert ask(target, verify, Anchor.parse(written.anchor)).is_intact


@into_both
def test_a_restored_database_numbers_on(full, target, tmp_path):
    """No number is given again, not even one whose row was gone before the backup."""
    execute(full, text("DELETE FROM decisions WHERE decision_id = 7"), text("DELETE FROM cases WHERE case_id = 7"))
    back_up(full, tmp_path / "backup.zip")
    restore(target, tmp_path / "backup.zip")
    with writing(target) as connection:
        assert connection.scalars(insert(cases).values(case_row(99)).returning(cases.c.case_id)).one() == 8
        ben = {"name": "ben", "password_hash": "x", "role": "lead", "created_at": MOMENT}
        assert connection.scalars(insert(users).values(ben).returning(users.c.user_id)).one() == 2


def test_what_is_there_is_not_restored_or_written_over(full, made, tmp_path):
    """Neither rows in a database nor an earlier backup of that name."""
    before = read_tables(full)
    with pytest.raises(Conflict, match="found rows in table"):
        restore(full, made)
    assert read_tables(full) == before
    (tmp_path / "backup.zip").write_text("precious")
    with pytest.raises(UnwritableFile, match="a new name"):
        back_up(full, tmp_path / "backup.zip")
    assert (tmp_path / "backup.zip").read_text() == "precious"


CHANGES = {
    "edited": (lambda files: files.update({member("cases"): b"[1]\n"}), "table cases of 1 rows"),
    "missing": (lambda files: files.pop(member("cases")), "table cases damaged"),
    "no manifest": (lambda files: files.pop(MANIFEST), "a manifest of the form"),
    "no object": (lambda files: files.update({MANIFEST: b"[]"}), "a manifest of the form"),
    "other format": (
        lambda files: files.update({MANIFEST: files[MANIFEST].replace(b"backup 1", b"backup 2")}),
        "'ipml backup 2'",
    ),
    "newer release": (
        lambda files: files.update({MANIFEST: files[MANIFEST].replace(f'"{REVISION}"'.encode(), b'"9999"')}),
        "newer ipml",
    ),
    "columns": (lambda files: rewrite_table(files, "users", b"", columns=["name"]), "other columns"),
    "orphans": (lambda files: rewrite_table(files, "cases", b""), "rows that fit the tables and each other"),
    "short": (lambda files: rewrite_table(files, "cases", b"[1]\n"), "rows that fit"),
    "no JSON": (lambda files: rewrite_table(files, "cases", b"{\n"), "rows that fit"),
    "deep row": (lambda files: rewrite_table(files, "cases", b"[" * 100_000 + b"\n"), "rows that fit"),
    "deep manifest": (lambda files: files.update({MANIFEST: b"[" * 100_000}), "a manifest of the form"),
    "no trail": (lambda files: rewrite_table(files, "audit", b""), "an audit trail up to 0:"),
    "forged trail": (
        lambda files: rewrite_table(files, "audit", files[member("audit")].replace(b"ana", b"ben", 1)),
        "row 1: was changed",
    ),
    "check": (lambda files: rewrite_table(files, "users", b'[1,"ana","x","boss",true,0]\n'), "rows that fit"),
    "infinite": (lambda files: rewrite_table(files, "users", b'[1e400,"ana","x","lead",true,0]\n'), "rows that fit"),
    "huge": (
        lambda files: rewrite_table(files, "users", b'[9999999999999999999,"a","","lead",true,0]\n'),
        "rows that fit",
    ),
}


@into_both
def test_what_was_changed_is_refused_and_leaves_nothing(made, target, subtests):
    """A line says what is wrong, and the database has not even tables; a trail written anew is found by an anchor."""
    for name, (change, words) in CHANGES.items():
        with subtests.test(name):
            refuse(target, rewrite(made, change), words)
    refuse(target, made, "was written anew", Anchor(2, "0" * 64))


def refuse(target, path, words, *anchors):
    """Assert that a backup is refused in a line with these words, and leaves nothing."""
    with pytest.raises((UnreadableFile, UnusableDatabase), match="expected") as raised:
        restore(target, path, *anchors)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    with target.connect() as connection:
        assert get_revision(connection) is None


def test_a_damaged_or_foreign_file_is_refused(made, target, tmp_path):
    """Flipped bytes are found before the database is touched; a letter is no backup."""
    content = bytearray(made.read_bytes())
    with zipfile.ZipFile(made) as archive:
        entry = archive.getinfo(member("cases"))
    middle = entry.header_offset + 60 + entry.compress_size // 2
    content[middle] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(content)
    (tmp_path / "letter.zip").write_text("Dear reader")
    for name in ("flipped.zip", "letter.zip"):
        refuse(target, tmp_path / name, name)


def test_entries_that_are_encrypted_or_packed_otherwise_are_refused(made, target):
    """Whatever the archive says of how to read it: one line, and the database is left alone."""
    whole = made.read_bytes()
    for place, value in ((8, 1), (10, 99), (10, 12), (10, 14), (10, 93)):
        content = whole
        for mark, at in ((b"PK\x01\x02", place), (b"PK\x03\x04", place - 2)):
            start = 0
            while (start := content.find(mark, start)) >= 0:
                content = content[: start + at] + value.to_bytes(2, "little") + content[start + at + 2 :]
                start += 4
        made.write_bytes(content)
        refuse(target, made, "encrypted" if place == 8 else f"by method {value}")


RESTORE = """
import os, resource, sys
from pathlib import Path
from ipml.errors import UnreadableFile
from ipml.storage.database import open_database
from ipml.storage.backup import restore

for path in map(Path, sys.argv[1:]):
    child = os.fork()  # the peak of memory is that of one backup
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        try:
            restore(open_database("sqlite://"), path)
        except UnreadableFile as error:
            print(path.name, "refused", end=" ", flush=True)
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    print(status, used.ru_maxrss // 1024, used.ru_utime + used.ru_stime, flush=True)
"""


def test_a_small_backup_that_holds_much_is_answered_within_bounds(made):
    """Zeros, values that take thirty times their text, and rows without number: 20 s and 1.5 GB for a megabyte."""
    with zipfile.ZipFile(made) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    contents = {"zeros": b"\0" * (400 << 20), "objects": (b"[" + b"{}," * 5_000_000 + b"1]\n") * 3}
    contents |= {"lists": b"[" + b"[]," * 15_000_000 + b"1]\n", "rows": b"\n" * (45 << 20)}
    contents |= {"deep": b"[" * (45 << 20) + b"\n"}
    paths = [made.with_name(f"{name}.zip") for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        rewrite_table(files, "cases", content)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, written in files.items():
                archive.writestr(name, written)
            archive.writestr("more", os.urandom(950_000 - path.stat().st_size), zipfile.ZIP_STORED)
        assert path.stat().st_size <= 1 << 20
    done = subprocess.run([sys.executable, "-c", RESTORE, *map(str, paths)], capture_output=True, text=True, check=True)
    answers = [line.split() for line in done.stdout.splitlines()]
    assert [answer[:3] for answer in answers] == [[path.name, "refused", "0"] for path in paths], done.stderr
    assert {name: cost for name, _, _, *cost in answers if int(cost[0]) > 1_500 or float(cost[1]) > 20} == {}


def test_every_column_is_of_a_kind_that_a_backup_holds():
    """Whoever adds a column of another kind teaches the backup first."""
    kinds = (Text, Integer, BigInteger, Float, Flag, Moment)
    assert [
        column for table in metadata.tables.values() for column in table.c if not isinstance(column.type, kinds)
    ] == []


@on_both
def test_rows_may_refer_to_later_rows(engine, tmp_path):
    """A table whose rows refer to each other, forwards too, is filled like any other, and checked at the end."""
    number = BigInteger().with_variant(Integer(), "sqlite")
    parent = ForeignKey("tree.id", name="fk_tree_parent")
    tree = Table("tree", MetaData(), Column("id", number, primary_key=True), Column("parent", number, parent))
    contents = backup.TableContents(("id", "parent"), 3, "", 0)
    with migrating(engine) as connection:
        tree.create(connection)
    for lines, is_whole in ((b"[1,3]\n[2,1]\n[3,null]\n", True), (b"[4,1]\n[5,6]\n", False)):
        with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
            archive.writestr(member("tree"), lines)
            refused = nullcontext() if is_whole else pytest.raises(IntegrityError)
            with refused, writing(engine) as connection, backup._references_checked_at_the_end(connection):
                backup._fill(connection, archive, "tree", contents)
    assert read_rows(engine, select(tree).order_by(tree.c.id)) == [(1, 3), (2, 1), (3, None)]


@on_both
@pytest.mark.slow
def test_backups_made_while_others_write_are_whole(engine, tmp_path):
    """Five of five, with four writers at work: each is a state that the database was in, the later the later."""
    end = threading.Event()

    def write(writer):
        for number in count(1_000_000 * writer):
            if end.is_set():
                return
            decide_one(engine, number)

    with ThreadPoolExecutor(4) as writers:
        writing_there = [writers.submit(write, writer) for writer in range(1, 5)]
        try:
            made = [back_up(engine, tmp_path / f"{number}.zip") for number in range(5)]
        finally:
            end.set()
    assert [one.result() for one in writing_there] == [None] * 4
    counts = []
    for number, manifest in enumerate(made):
        copy = open_database(f"sqlite:///{tmp_path}/copy{number}.db")
        restore(copy, tmp_path / f"{number}.zip", Anchor.parse(manifest.anchor))
        rows = read_tables(copy)
        assert len(rows["cases"]) == len(rows["decisions"]) == len(rows["audit"]) == Anchor.parse(manifest.anchor).count
        assert all(set(rows[name]) <= set(read_tables(engine)[name]) for name in ("cases", "decisions", "audit"))
        counts.append(len(rows["audit"]))
        copy.dispose()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
