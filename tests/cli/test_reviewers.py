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


def test_reviewers_are_shown_with_their_figures(ipml, database: str):
    """Ana decided one case, whose truth a test purchase showed: she was wrong. What one command did the next shows."""
    assert "genuine" not in ipml("queue reviewers --disputed").out
    told = ipml("queue control add 1 --truth counterfeit --source '[b]test purchase'")
    assert (told.exit_code, told.out) == (0, "Case 1 is known to be counterfeit; each reviewer will meet it once.\n")
    assert "[b]test purchase" in ipml("queue control list").out
    answer = ipml("queue reviewers --brands")
    assert answer.exit_code == 0
    assert "ana" in answer.out
    assert "0 % (0-79), n=1" in answer.out
    assert "No case was judged by two people yet" in answer.out
    assert re.search(r"1 .*genuine .*counterfeit .*known .*100 %", ipml("queue reviewers --disputed").out)
    assert ipml("queue control remove 1").exit_code == 0
    assert "test purchase" not in ipml("queue control list").out


def test_mistakes_are_answered_with_one_line(accepted, database: str):
    """An open case, a truth that is none, a case that is not on the list, and a person who is not there."""
    wrong = ("control add 2 --truth genuine --source invoice", "control add 1 --truth perhaps --source invoice")
    lines = [f"queue {line}" for line in (*wrong, "control remove 1")] + ["admin user sells bo s1"]
    assert accepted(dict.fromkeys(lines, "")) == {}


def test_who_sells_under_a_seller_is_noted(ipml, database: str):
    """And forgotten."""
    engine = open_database(database)
    for option, known in (("", ["s1"]), (" --no-longer", [])):
        assert ipml(f"admin user sells ana s1{option}").exit_code == 0
        with reading(engine) as connection:
            assert list_own_sellers(connection, "ana") == known
        assert bool(re.search(r"ana .*reviewer .*s1", ipml("admin user list").out)) == bool(known)
