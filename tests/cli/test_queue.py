"""`ipml queue` ranks, previews and measures."""

from pathlib import Path

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from ipml.records import Listing, ScoredListing
from ipml.review.queue import enqueue, list_cases
from ipml.review.ranking.queue_order import current_ranking
from ipml.storage.database import open_database, reading

POLICY = Path(__file__).parents[2] / "ipml/review/ranking/policy.toml"


@pytest.fixture
def engine(ipml, tmp_path):
    """Return the database of the test's own folder, with a likely cheap and an unlikely dear listing."""
    engine = open_database(copy_sqlite(tmp_path))
    add_staff(engine)
    offers = [("cheap", 0.9, 5.0), ("dear\x1b[2J", 0.4, 3000.0)]
    enqueue(
        engine,
        [
            ScoredListing(Listing(name, "s1", "Bag", price=price, currency="EUR"), score, None, (), (), None, "m")
            for name, score, price in offers
        ],
    )
    return engine


def test_rerank_puts_an_order_in_force(ipml, engine):
    """The dear listing comes first by value, and last by score again."""
    answer = ipml("queue rerank --order value")
    assert (answer.exit_code, answer.out[:28]) == (0, "2 cases ranked by value unde")
    with reading(engine) as connection:
        assert list_cases(connection)[0].case_id == 2
    ipml("queue rerank --order score")
    with reading(engine) as connection:
        assert list_cases(connection)[0].case_id == 1


def test_simulate_policy_shows_what_would_change_and_changes_nothing(ipml, engine, tmp_path):
    """A hostile id of a listing does not reach the terminal as it is."""
    (tmp_path / "new.toml").write_bytes(POLICY.read_bytes())
    answer = ipml("queue simulate-policy --policy new.toml --top 1 --minutes 2")
    assert answer.exit_code == 0
    assert "1 cases enter the first 1: 2 (dear" in answer.out
    assert "\x1b" not in answer.out
    with reading(engine) as connection:
        assert current_ranking(connection).ranking_id is None


def test_plan_and_simulation_say_that_lists_are_left_out(ipml, engine, tmp_path):
    """Where a list changes the order of the queue now; two minutes are one review, that of the dear listing."""
    (tmp_path / "new.toml").write_bytes(POLICY.read_bytes())
    asked = "queue plan 2", "queue simulate-policy --policy new.toml"
    assert ipml("queue plan 2").out[:26] == "1 reviews in 2 minutes, wo"
    assert not any("Lists of sellers" in ipml(line).out for line in asked)
    ipml("seller lists add denied s9 --why 'sold fakes' --source 'a letter'")
    said = "Lists of sellers are left out: in the queue cases of denied sellers come before all others."
    assert [ipml(line).out.splitlines()[-1] for line in asked] == [said, said]
    assert ipml("queue minutes").out.splitlines()[-1] == "Too few decisions yet to propose minutes."


def test_mistakes_are_answered_with_one_line(accepted, engine, tmp_path):
    """And nothing is put in force."""
    (tmp_path / "bad.toml").write_text("prevalence = 0.1\n")
    wrong = {
        "queue rerank --order best": "order: found 'best'; expected one of score, value, fifo.",
        "queue rerank --policy none.toml": "policy none.toml: found no such file",
        "queue simulate-policy --policy bad.toml": "policy bad.toml: found no currency",
    }
    assert accepted(wrong) == {}
    with reading(engine) as connection:
        assert current_ranking(connection).ranking_id is None
