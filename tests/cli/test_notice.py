"""`ipml cooperate notice` and `ipml cooperate complaints`: files taken in once, faults by row, and what waits."""

import json

import pandas as pd
import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite
from support.given_notices import NOON, SAID, offer

from ipml.review.queue import enqueue
from ipml.storage.database import open_database

HEAD = "notice,name,email,good_faith,brand,rights,explanation,listing_id\n"
ROW = "Ann,ann@acme.test,true,Acme,EUTM 1,We sell no bags in this colour at all and the logo is printed backwards.,"
TABLE = f"{HEAD}n1,{ROW}L1\nn1,{ROW}L2\nn2,{ROW}L3\n"
WRONG = ("show 99", f"show {'9' * 40}", "show x", "list --state lost", "import n.txt", "import n.csv", "import b.jsonl")


@pytest.fixture
def queue(ipml, tmp_path) -> Engine:
    """Return the database of the test's own folder, with one case."""
    engine = open_database(copy_sqlite(tmp_path))
    enqueue(engine, [offer("L1")], now=NOON)
    return engine


def test_a_table_is_taken_in_once_and_looked_through(ipml, queue: Engine, tmp_path):
    """A row for each listing; the same file again is known; what is unknown is matched once it is there."""
    (tmp_path / "n.csv").write_text(TABLE, encoding="utf-8")
    taken = ipml("cooperate notice import n.csv")
    assert taken.out == "2 notices taken in, 0 known before, 0 refused.\n", taken.err
    assert ipml("cooperate notice import n.csv").out == "0 notices taken in, 2 known before, 0 refused.\n"
    assert "Acme" in ipml("cooperate notice list").out
    shown = ipml("cooperate notice show 1").out
    assert "1. L1: waits for a person to look at it, case 1" in shown
    assert "We sell no bags in this colour at all and the logo" in shown
    reference = next(line.split()[1] for line in shown.splitlines() if line.startswith("reference"))
    assert ipml("cooperate notice show", reference).out == shown
    enqueue(queue, [offer("L3")], now=NOON)
    assert ipml("cooperate notice match").out == "1 listings of notices found, 1 unknown still.\n"
    assert "standard" in ipml("cooperate notice waiting").out


def test_bad_rows_are_named_and_the_good_ones_taken_when_told_so(ipml, queue, tmp_path):
    """First nothing is taken; with --partial the others are, and once mended the rest."""
    bad = [json.dumps(SAID | {"email": "x\x1b[2J"}), "{", json.dumps(SAID | {"listings": [{"url": "ftp://x"}]})]
    (tmp_path / "n.jsonl").write_text("\n".join([json.dumps(SAID), *bad, ""]), encoding="utf-8")
    refused = ipml("cooperate notice import n.jsonl")
    assert (refused.exit_code, refused.out) == (1, "")
    for place in ("row 2, email: found 'x", "row 3: found", "row 4, listings[0].url: found 'ftp://x'"):
        assert place in refused.err
    assert "\x1b" not in refused.err
    partly = ipml("cooperate notice import n.jsonl --partial")
    assert (partly.exit_code, partly.out) == (1, "1 notices taken in, 0 known before, 3 refused.\n")
    (tmp_path / "n.csv").write_text(f"{TABLE}n3,{ROW}L4,more\nn1,{ROW}L5\n", encoding="utf-8")
    refused = ipml("cooperate notice import n.csv")
    assert "row 4: found 'more or fewer cells'" in refused.err
    assert "row 5, notice: found 'n1', expected all rows of a notice together" in refused.err


def test_complaints_are_written_as_seller_events(ipml, queue, tmp_path):
    """As seller history reads them."""
    complaint = SAID | {"kind": "complaint", "brand": None, "rights": None}
    (tmp_path / "c.jsonl").write_text(json.dumps(complaint), encoding="utf-8")
    assert "1 notices taken in" in ipml("cooperate notice import c.jsonl").out
    written = ipml("cooperate complaints --out c.parquet")
    assert written.out == "1 complaints into c.parquet.\n", written.err
    events = pd.read_parquet(tmp_path / "c.parquet")
    assert events[["seller_id", "kind", "amount"]].to_numpy().tolist() == [["s1", "complained", 1.0]]


def test_mistakes_are_answered_with_one_line(accepted, queue, tmp_path):
    """Unknown notices, states and files."""
    (tmp_path / "n.txt").write_text("x")
    (tmp_path / "n.csv").write_text("colour\nred\n")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    assert accepted({f"cooperate notice {line}": "" for line in WRONG}) == {}
