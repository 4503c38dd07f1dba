"""`ipml model robustness`: a table of what each attack costs, worst first."""

import pytest

from ipml.listings.writers import write_listings
from ipml.model.robustness.robustness import Robustness

FEW = ["--families", "leet digits", "--families", "upper case", "--families", "no price"]


@pytest.fixture(scope="module")
def unseen(market, tmp_path_factory):
    """Return a file of listings of the small marketplace, some without a label."""
    path = tmp_path_factory.mktemp("robustness") / "unseen.parquet"
    write_listings(market.listings.head(600), path)
    return path


def test_the_costs_are_shown_and_kept(ipml, saved_model, unseen, tmp_path):
    """The table has a row per attack; the file holds the same figures."""
    answer = ipml("model robustness", saved_model, unseen, *FEW, "--out", "report.json")
    assert answer.exit_code == 0, answer.err
    robustness = Robustness.from_json((tmp_path / "report.json").read_text())
    assert {cost.name for cost in robustness.costs} == {"leet digits", "upper case", "no price"}
    assert robustness.table() in answer.out
    assert "Devanagari" in answer.out


def test_an_unknown_attack_is_a_mistake(ipml, saved_model, unseen):
    """One line names those that resemble it."""
    answer = ipml("model robustness", saved_model, unseen, "--families", "leet digit")
    assert answer.exit_code == 2
    assert "leet digits" in answer.err
    assert answer.err.count("\n") == 1


def test_a_folder_that_is_not_there_is_known_before_the_work(ipml, saved_model, unseen):
    """Nothing is measured."""
    answer = ipml("model robustness", saved_model, unseen, "--out", "nowhere/report.json")
    assert answer.exit_code == 2
    assert "no such folder" in answer.err


def test_listings_without_labels_cannot_be_measured(ipml, saved_model, tmp_path):
    """The message says what is missing."""
    (tmp_path / "shop.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n")
    answer = ipml("model robustness", saved_model, "shop.csv", *FEW)
    assert answer.exit_code == 2
    assert "at least one counterfeit" in answer.err
