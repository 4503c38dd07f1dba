"""Accounts linked to penalised sellers are shown to a lead, and never struck."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete
from support.databases import read_tables
from support.transactions import write_with

from ipml.enforcement.penalties.ladder import confirm
from ipml.enforcement.penalties.links import Link, decide_link, list_linked, read_links, recommend_linked
from ipml.errors import NotFound, UnreadableFile
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import seller_keys

from .conftest import START, Market

LATER = START + timedelta(days=81)
PAYOUT = Link("bob", "ann", "payout", 0.95, "both are paid to account DE00 1234")


@pytest.fixture
def suspended(market: Market) -> Market:
    """Return a marketplace in which ann is suspended, and bob has done nothing."""
    for day in (0, 20, 40, 80):
        market.strike(day=day, seller="ann")
    (suspension,) = market.penalties(state="proposed", day=80)
    write_with(market.engine, confirm, suspension.penalty_id, "cleo", now=START + timedelta(days=80))
    return market


def test_a_linked_account_is_recommended_with_the_evidence_once(suspended: Market):
    """In whichever direction the link is told."""
    with writing(suspended.engine) as connection:
        (made,) = recommend_linked(connection, [PAYOUT], suspended.policy, LATER)
        assert recommend_linked(connection, [PAYOUT], suspended.policy, LATER) == []
        assert made.pseudonym == find_pseudonym(connection, "bob")
        assert made.linked_to == find_pseudonym(connection, "ann")
        assert made.evidence == PAYOUT.evidence
        assert list_linked(connection) == [made]


def test_no_path_strikes_a_linked_account(suspended: Market):
    """Whatever links are handed in and however a lead decides: strikes and penalties are untouched."""
    tables = ("strikes", "strikes_taken_back", "penalties", "measures", "decisions")
    before = {name: rows for name, rows in read_tables(suspended.engine).items() if name in tables}
    links = [PAYOUT, Link("ann", "cid", "phone", 1.0, "one phone"), Link("bob", "cid", "device", 1.0, "one device")]
    made = write_with(suspended.engine, recommend_linked, links, suspended.policy, LATER)
    for one, outcome in zip(made, ("review", "nothing"), strict=True):
        write_with(suspended.engine, decide_link, one.link_id, "cleo", outcome, "seen", now=LATER)
    after = {name: rows for name, rows in read_tables(suspended.engine).items() if name in tables}
    assert before == after
    assert suspended.strikes("bob") == suspended.strikes("cid") == []
    assert suspended.penalties(seller="bob") == suspended.penalties(seller="cid") == []


def test_what_proves_nothing_is_not_recommended(suspended: Market):
    """Too weak a link, or none to a penalised seller."""
    links = [Link("ann", "bob", "phone", 0.5, "a courier's phone"), Link("bob", "cid", "phone", 1.0, "not penalised")]
    with writing(suspended.engine) as connection:
        for link in (*links, Link("ann", "ann", "phone", 1.0, "themselves")):
            assert recommend_linked(connection, [link], suspended.policy, LATER) == []


def test_evidence_is_gone_with_either_seller(suspended: Market):
    """It tells of both."""
    with writing(suspended.engine) as connection:
        recommend_linked(connection, [PAYOUT], suspended.policy, LATER)
        connection.execute(delete(seller_keys).where(seller_keys.c.seller_id == "ann"))
        (made,) = list_linked(connection)
    assert made.evidence is None


def test_what_was_decided_is_no_longer_open(suspended: Market):
    """It is kept, by whom and when."""
    with writing(suspended.engine) as connection:
        (made,) = recommend_linked(connection, [PAYOUT], suspended.policy, LATER)
        decided = decide_link(connection, made.link_id, "cleo", "review", "plausible", now=LATER)
    assert (decided.outcome, decided.decided_by, decided.decided_at) == ("review", "cleo", LATER)
    with reading(suspended.engine) as connection:
        assert list_linked(connection) == []
        assert list_linked(connection, pseudonym=made.linked_to, is_open=False) == [decided]
    with pytest.raises(NotFound, match="No link 99"), writing(suspended.engine) as connection:
        decide_link(connection, 99, "cleo", "review", "")


def test_a_file_of_links_is_read(tmp_path: Path):
    """As it was written; one that breaks a rule is refused with the row and the column."""
    path, head = tmp_path / "links.csv", "seller,other,kind,weight,evidence\n"
    path.write_text(f'{head}bob,ann,payout,0.95,"both are paid to account DE00 1234"\n')
    assert read_links(path) == [PAYOUT]
    for text, words in {
        "seller,other\n": "no column kind, weight, evidence",
        f"{head}a,b,phone,2,x\n": "row 1: weight '2'",
        f"{head}a,b,phone,,x\n": "row 1: weight ''",
        f"{head}a,,phone,1,x\n": "0 characters of other",
    }.items():
        path.write_text(text)
        with pytest.raises(UnreadableFile, match=words):
            read_links(path)
