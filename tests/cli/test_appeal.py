"""`ipml enforce appeal`: filed, shown inert, decided by another person, and kept from those who may not."""

from datetime import UTC, datetime

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing

HOSTILE = "Genuine.\x1b[2J\n[red]=HYPERLINK(1)[/red]\n\u202ereversed\n"


@pytest.fixture
def database(tmp_path) -> str:
    """Return the URL of a queue with one case, which ana decided counterfeit, and put an appeal beside it as a file."""
    url = copy_sqlite(tmp_path)
    engine = open_database(url)
    bag = Listing("L1", "s1", "Bag\x1b[31m", country="CN", observed_at=datetime(2024, 5, 1, tzinfo=UTC))
    enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1")])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", 1), Verdict.COUNTERFEIT, ground="declared_replica")
    add_staff(engine)
    engine.dispose()
    (tmp_path / "letter.txt").write_text(HOSTILE, encoding="utf-8")
    return url


def file_one(ipml, database: str, *options: str):
    """File the letter."""
    return ipml(
        "enforce",
        "appeal",
        "file",
        "case:1",
        "--seller",
        "s1",
        "--text",
        "letter.txt",
        "--database",
        database,
        *options,
    )


def test_an_appeal_is_filed_shown_and_decided(ipml, database: str):
    """What the seller wrote is shown without what a terminal obeys; the first reviewer may not decide it."""
    assert "is open, by the rules of china" in file_one(ipml, database).out
    assert "complaint" in ipml("enforce", "appeal", "list", "--database", database).out
    shown = ipml("enforce", "appeal", "show", 1, "--database", database).out
    assert "[red]=HYPERLINK(1)[/red]" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
    assert "not to be decided by: ana" in shown
    options = ("--why", "See the invoice.", "--database", database)
    refused = ipml("enforce", "appeal", "decide", 1, "granted", "--by", "ana", *options)
    assert (refused.exit_code, refused.err.count("\n")) == (2, 1)
    assert (
        ipml("enforce", "appeal", "decide", 1, "granted", "--by", "lea", *options).out
        == "Appeal 1 is granted; the seller is told.\n"
    )
    assert "granted by lea: See the invoice." in ipml("enforce", "appeal", "show", 1, "--database", database).out


def test_a_rights_holder_acts(ipml, database: str):
    """Sent to the holder, extended is refused before the term began, then the suit is recorded."""
    assert "is with holder" in file_one(ipml, database, "--kind", "counter-notice").out
    assert ipml("enforce", "appeal", "holder-acted", 1, "--extend", "--database", database).exit_code == 2
    acted = ipml("enforce", "appeal", "holder-acted", 1, "--reference", "LG Hamburg 312 O 5/26", "--database", database)
    assert acted.out == "Appeal 1: holder acted; the measure stays.\n"
    assert "LG Hamburg" in ipml("enforce", "appeal", "show", 1, "--database", database).out
    withdrew = ipml("enforce", "appeal", "holder-acted", 1, "--withdrew", "--database", database)
    assert withdrew.out == "Appeal 1 is restored.\n"


def test_an_appeal_is_withdrawn_by_its_seller_only(ipml, database: str):
    """Another seller's is not found; afterwards the seller may file anew."""
    file_one(ipml, database)
    refused = ipml("enforce", "appeal", "withdraw", 1, "--seller", "s2", "--database", database)
    assert (refused.exit_code, refused.err.count("\n")) == (2, 1)
    withdrawn = ipml("enforce", "appeal", "withdraw", 1, "--seller", "s1", "--database", database)
    assert withdrawn.out == "Appeal 1 is withdrawn; the seller is told.\n"
    assert "Appeal 2" in file_one(ipml, database).out


def test_a_tick_says_what_it_did(ipml, database: str):
    """Nothing is due yet."""
    told = ipml("enforce", "appeal", "run", "--database", database)
    assert told.out == "0 terms ran out, 0 marked, 0 marks withdrawn.\n"


def test_mistakes_are_answered_with_one_line(ipml, database: str):
    """Unknown numbers, states, measures, rules and files that are no text."""
    for arguments in (
        ("list", "--state", "lost"),
        ("show", 99),
        ("decide", 99, "granted", "--why", "x"),
        ("decide", 99, "granted", "--why", "x", "--measure", "burn"),
        ("holder-acted", 99),
        ("holder-acted", 99, "--reference", "x"),
        ("file", "case:1", "--seller", "s2", "--text", "letter.txt"),
        ("file", "case:1", "--seller", "s1", "--text", "letter.txt", "--kind", "prayer"),
        ("file", "case:1", "--seller", "s1", "--text", "letter.txt", "--profile", "atlantis"),
        ("file", "case:1", "--seller", "s1", "--text", "ipml.db"),
    ):
        answer = ipml("enforce", "appeal", *arguments, "--database", database)
        assert (answer.exit_code, answer.err.count("\n")) == (2, 1), arguments
