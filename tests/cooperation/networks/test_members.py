"""What the review database knows of members, by whatever name the network gives them."""

import pytest
from sqlalchemy import Engine
from support.consequences import ENFORCEMENT
from support.databases import on_both

from ipml.cooperation.networks.view import read_members
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review import queue
from ipml.review.reversals import undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of


@pytest.fixture
def worked(engine: Engine) -> Engine:
    """Return a queue in which ann has four cases, two of them found counterfeit, and ben an open one."""
    goods = {"Tote bag": "Vellmar", "Leather belt": "Vellmar", "Headphones, encrypted": "Aurivo", "Old chair": None}
    listings = [Listing(title, "ann", title, brand=brand) for title, brand in goods.items()]
    listings.append(Listing("B1", "ben", "Watch", brand="Nordhale"))
    queue.enqueue(engine, [ScoredListing(one, 0.9, 2.2, (), (), None, "1") for one in listings])
    for case_id, verdict in ((1, Verdict.COUNTERFEIT), (2, Verdict.COUNTERFEIT), (3, Verdict.GENUINE)):
        ground = "known_goods" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            queue.decide(
                connection, queue.claim(connection, "ana", case_id), verdict, ground=ground, consequences=ENFORCEMENT
            )
    return engine


@on_both
def test_cases_decisions_and_strikes_are_counted(worked: Engine):
    """Of each member; who has no case is left out, and names that no database holds."""
    with reading(worked) as connection:
        known = read_members(connection, ["ann", "ben", "cid", "d\0e"])
    assert known.keys() == {"ann", "ben"}
    ann = known["ann"]
    assert (ann.cases, ann.open, ann.confirmed, ann.strikes, ann.case_id) == (4, 1, 2, 2, 4)
    assert ann.brands == ("Vellmar", "Aurivo")


def test_what_is_taken_back_or_hidden_does_not_count(worked: Engine):
    """A decision that was undone, and a case that must not show."""
    with writing(worked) as connection:
        decision = queue.list_decisions(connection, 1)[0]
        undo(connection, decision.decision_id, "ana", consequences=ENFORCEMENT)
        ann = read_members(connection, ["ann"])["ann"]
    assert (ann.open, ann.confirmed, ann.strikes) == (2, 1, 1)
    with reading(worked) as connection:
        ann = read_members(connection, ["ann"], hidden={2, 4})["ann"]
    assert (ann.cases, ann.confirmed, ann.strikes, ann.case_id) == (2, 0, 0, 3)


def test_members_are_found_by_their_pseudonyms(worked: Engine):
    """Under the name by which they were asked for."""
    with writing(worked) as connection:
        pseudonym = pseudonym_of(connection, "ann")
    with reading(worked) as connection:
        assert read_members(connection, [pseudonym])[pseudonym] == read_members(connection, ["ann"])["ann"]
