"""`ipml admin backup` and `ipml admin restore`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select
from support.databases import copy_sqlite, read_tables

from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue
from ipml.settings import get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.backup import back_up
from ipml.storage.backup import restore as restore_into
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import cases


def test_a_backup_is_restored_by_two_commands(ipml: Callable, tmp_path: Path):
    """The first prints an anchor, with which the second checks; the rows are the same."""
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
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    assert read_tables(other) == read_tables(engine)
    engine.dispose()
    other.dispose()


def test_what_cannot_be_done_is_one_line(ipml: Callable, tmp_path: Path):
    """No database, no backup, a database with rows: exit code 2, and no file is left behind."""
    assert ipml("admin backup --out backup.zip").exit_code == 2
    (tmp_path / "letter.zip").write_text("Dear reader")
    refused = ipml("admin restore letter.zip")
    assert refused.exit_code == 2
    assert refused.err.startswith("ipml: letter.zip: found File is not a zip file; expected")
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "backup.zip").exists()


def test_nothing_is_restored_without_the_list_of_erased_sellers(ipml: Callable, tmp_path: Path):
    """One that is missing or damaged is a line, and the database stays empty; with it nobody erased comes back."""
    engine = open_database(copy_sqlite(tmp_path))
    enqueue(engine, [ScoredListing(Listing("L1", "s1", "Bag of Ann"), 0.5, None, (), (), None, "m1")])
    enqueue(engine, [ScoredListing(Listing("L2", "s2", "Bag of Ben"), 0.5, None, (), (), None, "m1")])
    engine.dispose()
    other, listed = tmp_path / "other.db", tmp_path / "erased.jsonl"
    restore = ("admin", "restore", "backup.zip", "--database", f"sqlite:///{other}")
    assert ipml("admin backup --out backup.zip").exit_code == 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("IPML_ERASED", str(listed))
        get_settings.cache_clear()
        lost = ipml(*restore)
        assert (lost.exit_code, lost.err.count("\n")) == (2, 1)
        assert ipml("admin user add olga --role admin --no-password").exit_code == 0
        assert ipml("seller erase s1 --why 'request 7' --yes").exit_code == 0
        whole = listed.read_bytes()
        listed.write_bytes(whole[:-40])
        damaged = ipml(*restore)
        assert (damaged.exit_code, damaged.err.count("\n")) == (2, 1)
        assert not other.exists()
        listed.write_bytes(whole)
        assert ipml(*restore).exit_code == 0
    get_settings.cache_clear()
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
