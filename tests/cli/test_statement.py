"""`ipml enforce statement` shows, checks, exports and sends statements of reasons."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete
from support.databases import copy_sqlite

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind, Restriction
from ipml.enforcement.statements.statements import issue
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import seller_keys


@pytest.fixture
def stated(ipml, tmp_path: Path) -> Engine:
    """Return the database of the test's own folder, with one removal of a listing with a hostile title."""
    engine = open_database(copy_sqlite(tmp_path))
    listing = Listing("A7", "seller-1", "Bag\x1b[2J\u202e 1:1", brand="Nike", country="DE")
    enqueue(engine, [ScoredListing(listing, 0.9, None, (), (), None, "m")])
    with writing(engine) as connection:
        decision = decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="wrong_features")
        pseudonym = pseudonym_of(connection, "seller-1")
        since = datetime(2026, 5, 3, tzinfo=UTC)
        restriction = Restriction(
            "measure:1", MeasureKind.REMOVE, pseudonym, 1, decision.decision_id, listing, "wrong_features", since
        )
        issue(connection, restriction, load_enforcement_policy())
    return engine


def test_a_statement_is_shown_by_case_or_subject(ipml, stated: Engine):
    """Letter and payload, nothing of which commands the terminal; once the seller is erased, what is public alone."""
    for subject in ("1", "measure:1"):
        answer = ipml("enforce statement show", subject)
        assert answer.exit_code == 0
        assert "Das Angebot wurde entfernt." in answer.out
        assert '"DECISION_VISIBILITY_CONTENT_REMOVED"' in answer.out
        assert "\x1b" not in answer.out
        assert "The listing was removed." in ipml("enforce statement show --lang en", subject).out
    with writing(stated) as connection:
        connection.execute(delete(seller_keys))
    answer = ipml("enforce statement show 1")
    assert answer.exit_code == 0
    assert "the seller was erased" in answer.out
    assert "CONTENT_REMOVED" in answer.out


def test_what_cannot_be_done_is_said_in_one_line(accepted, stated: Engine):
    """No such case, subject or language; no address to send to."""
    wrong = ("show 2", "show measure:9", "show 1 --lang tlh", "send")
    assert accepted({f"enforce statement {line}": "" for line in wrong}) == {}


def test_exported_statements_pass_the_check_and_spoilt_ones_do_not(ipml, stated: Engine, tmp_path: Path):
    """They are printed where no file is named, and one is not written over; a fault is named, and exits with 1."""
    assert ipml("enforce statement export --out out.jsonl").exit_code == 0
    assert ipml("enforce statement export --out out.jsonl").exit_code == 2
    assert ipml("enforce statement export").out == (tmp_path / "out.jsonl").read_text()
    assert ipml("enforce statement check out.jsonl").out == "1 statements, 0 faults.\n"
    content = json.loads((tmp_path / "out.jsonl").read_text())
    (tmp_path / "bad.jsonl").write_text(json.dumps(content | {"category": "SHOES\x1b[2J"}), encoding="utf-8")
    answer = ipml("enforce statement check bad.jsonl")
    assert answer.exit_code == 1
    assert answer.out.startswith("line 1, category: found 'SHOES")
    assert "\x1b" not in answer.out


def test_what_cannot_be_sent_waits(ipml, stated: Engine):
    """Nobody answers at the address: exit code 1, and the statement waits on, as a dry run says."""
    answer = ipml("enforce statement send --url http://127.0.0.1:1/api")
    assert answer.exit_code == 1
    assert "0 taken, 0 refused, 1 left for later." in answer.out
    assert ipml("enforce statement send --dry-run").out == "1 statements wait.\n"
