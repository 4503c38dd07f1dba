"""`ipml enforce appeal`: filed, shown inert, decided by another person, and kept from those who may not."""

from datetime import UTC, datetime

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing

HOSTILE = "Genuine.\x1b[2J\n[red]=HYPERLINK(1)[/red]\n\u202ereversed\n"
FILE = "enforce appeal file case:1 --seller s1 --text letter.txt"
WRONG = {
    "list --state lost": "lost",
    "show 99": "99",
    "decide 99 granted --why x": "99",
    "decide 99 granted --why x --measure burn": "burn",
    "holder-acted 99": "",
    "holder-acted 99 --reference x": "99",
    "file case:1 --seller s2 --text letter.txt": "",
    "file case:1 --seller s1 --text letter.txt --kind prayer": "prayer",
    "file case:1 --seller s1 --text letter.txt --profile atlantis": "atlantis",
    "file case:1 --seller s1 --text ipml.db": "ipml.db",
}


@pytest.fixture
def decided(ipml, tmp_path):
    """Put a queue with one case into the folder, which ana decided counterfeit, and an appeal beside it as a file."""
    engine = open_database(copy_sqlite(tmp_path))
    bag = Listing("L1", "s1", "Bag\x1b[31m", country="CN", observed_at=datetime(2024, 5, 1, tzinfo=UTC))
    enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1")])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", 1), Verdict.COUNTERFEIT, ground="declared_replica")
    add_staff(engine)
    engine.dispose()
    (tmp_path / "letter.txt").write_text(HOSTILE, encoding="utf-8")


def test_an_appeal_is_filed_shown_and_decided(ipml, decided):
    """What the seller wrote is shown without what a terminal obeys; the first reviewer may not decide it."""
    assert "is open, by the rules of china" in ipml(FILE).out
    assert "complaint" in ipml("enforce appeal list").out
    shown = ipml("enforce appeal show 1").out
    assert "[red]=HYPERLINK(1)[/red]" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
    assert "not to be decided by: ana" in shown
    assert ipml("enforce appeal decide 1 granted --by ana --why 'See the invoice.'").is_refusal()
    granted = ipml("enforce appeal decide 1 granted --by lea --why 'See the invoice.'")
    assert granted.out == "Appeal 1 is granted; the seller is told.\n"
    assert "granted by lea: See the invoice." in ipml("enforce appeal show 1").out


def test_a_rights_holder_acts(ipml, decided):
    """Sent to the holder, extended is refused before the term began, then the suit is recorded."""
    assert "is with holder" in ipml(f"{FILE} --kind counter-notice").out
    assert ipml("enforce appeal run").out == "0 terms ran out, 0 marked, 0 marks withdrawn.\n"
    assert ipml("enforce appeal holder-acted 1 --extend").exit_code == 2
    acted = ipml("enforce appeal holder-acted 1 --reference 'LG Hamburg 312 O 5/26'")
    assert acted.out == "Appeal 1: holder acted; the measure stays.\n"
    assert "LG Hamburg" in ipml("enforce appeal show 1").out
    assert ipml("enforce appeal holder-acted 1 --withdrew").out == "Appeal 1 is restored.\n"


def test_an_appeal_is_withdrawn_by_its_seller_only(ipml, decided):
    """Another seller's is not found; afterwards the seller may file anew."""
    ipml(FILE)
    assert ipml("enforce appeal withdraw 1 --seller s2").is_refusal()
    assert ipml("enforce appeal withdraw 1 --seller s1").out == "Appeal 1 is withdrawn; the seller is told.\n"
    assert "Appeal 2" in ipml(FILE).out


def test_mistakes_are_answered_with_one_line(accepted, decided):
    """Unknown numbers, states, measures, rules and files that are no text."""
    assert accepted({f"enforce appeal {line}": words for line, words in WRONG.items()}) == {}
