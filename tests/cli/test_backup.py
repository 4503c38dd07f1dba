"""`ipml backup` and `ipml restore`."""

from collections.abc import Callable
from pathlib import Path

from databases import copy_sqlite, read_tables

from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue
from ipml.storage import audit
from ipml.storage.database import open_database, reading


def test_a_backup_is_restored_by_two_commands(ipml: Callable, tmp_path: Path):
    """The first prints an anchor, with which the second checks; the rows are the same."""
    engine = open_database(copy_sqlite(tmp_path))
    enqueue(engine, [ScoredListing(Listing("L1", "s1", "Bag"), 0.5, None, (), (), None, "m1")])
    made = ipml("backup", "backup.zip")
    assert made.exit_code == 0
    with reading(engine) as connection:
        anchor = str(audit.anchor(connection))
    assert made.out.strip().endswith(f"into backup.zip; keep this anchor: {anchor}")
    restored = ipml("restore", "backup.zip", "--database", f"sqlite:///{tmp_path}/other.db", "--anchor", anchor)
    assert restored.exit_code == 0
    assert restored.out.startswith("3 rows of ")
    other = open_database(f"sqlite:///{tmp_path}/other.db")
    assert read_tables(other) == read_tables(engine)
    engine.dispose()
    other.dispose()


def test_what_cannot_be_done_is_one_line(ipml: Callable, tmp_path: Path):
    """No database, no backup, a database with rows: exit code 2, and no file is left behind."""
    assert ipml("backup", "backup.zip").exit_code == 2
    (tmp_path / "letter.zip").write_text("Dear reader")
    refused = ipml("restore", "letter.zip")
    assert refused.exit_code == 2
    assert refused.err.startswith("ipml: letter.zip: found File is not a zip file; expected")
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "backup.zip").exists()
