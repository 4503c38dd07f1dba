"""The quality of reviewing from the command line: `ipml queue control` and `ipml queue reviewers`."""

import re
from datetime import UTC, datetime

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.quality.second_person import list_own_sellers
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, reading, writing


@pytest.fixture
def database(tmp_path) -> str:
    """Return the URL of a queue of two cases, the first decided by ana."""
    url = copy_sqlite(tmp_path)
    engine = open_database(url)
    seen = datetime(2024, 5, 1, tzinfo=UTC)
    bags = [Listing(f"L{number}", "s1", "Bag", brand="[red]Acme", observed_at=seen) for number in (1, 2)]
    enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1") for bag in bags])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", 1), Verdict.GENUINE)
    add_staff(engine)
    engine.dispose()
    return url


def test_an_item_is_added_listed_and_removed(ipml, database: str):
    """What one command did the next one shows, with what was written as it was written."""
    told = ipml("queue control add 1 --truth counterfeit --source '[b]test purchase'")
    assert (told.exit_code, told.out) == (0, "Case 1 is known to be counterfeit; each reviewer will meet it once.\n")
    assert "[b]test purchase" in ipml("queue control list").out
    assert ipml("queue control remove 1").exit_code == 0
    assert "test purchase" not in ipml("queue control list").out


def test_mistakes_are_answered_with_one_line(ipml, database: str):
    """An open case, a truth that is none, and a case that is not on the list."""
    for arguments in ((2, "--truth", "genuine"), (1, "--truth", "perhaps")):
        answer = ipml("queue control add", *arguments, "--source", "invoice")
        assert (answer.exit_code, answer.err.count("\n")) == (2, 1)
    assert ipml("queue control remove 1").exit_code == 2


def test_reviewers_are_shown_with_their_figures(ipml, database: str):
    """Ana decided one case, whose truth was known: she was wrong."""
    ipml("queue control add 1 --truth counterfeit --source 'test purchase'")
    answer = ipml("queue reviewers --brands")
    assert answer.exit_code == 0
    assert "ana" in answer.out
    assert "0 % (0-79), n=1" in answer.out
    assert "No case was judged by two people yet" in answer.out


def test_what_is_known_to_be_decided_wrongly_is_listed(ipml, database: str):
    """Ana's genuine is a counterfeit, as the test purchase showed."""
    assert "genuine" not in ipml("queue reviewers --disputed").out
    ipml("queue control add 1 --truth counterfeit --source 'test purchase'")
    told = ipml("queue reviewers --disputed").out
    assert re.search(r"1 .*genuine .*counterfeit .*known .*100 %", told)


def test_who_sells_under_a_seller_is_noted(ipml, database: str):
    """And forgotten; a person who is not there is a mistake."""
    engine = open_database(database)
    assert ipml("admin user sells ana s1").exit_code == 0
    with reading(engine) as connection:
        assert list_own_sellers(connection, "ana") == ["s1"]
    assert re.search(r"ana .*reviewer .*s1", ipml("admin user list").out)
    assert ipml("admin user sells ana s1 --no-longer").exit_code == 0
    with reading(engine) as connection:
        assert list_own_sellers(connection, "ana") == []
    assert ipml("admin user sells bo s1").exit_code == 2
