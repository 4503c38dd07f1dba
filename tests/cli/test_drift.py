"""`ipml model drift` compares listings with those of the time when the model was made."""

import json
import shutil

import pandas as pd
import pytest


@pytest.fixture
def model(saved_model, tmp_path):
    """Return a model folder of the test's own."""
    return shutil.copytree(saved_model, tmp_path / "shoes")


@pytest.fixture
def june(market, tmp_path):
    """Return a file of listings."""
    path = tmp_path / "june.parquet"
    market.listings.head(1_000).to_parquet(path, index=False)
    return path


@pytest.fixture
def remembered(ipml, model, june, tmp_path):
    """Return the reference of these listings, beside the model."""
    path = tmp_path / "shoes.drift.json"
    answer = ipml("model", "drift", model, june, "--remember", "--out", path)
    assert answer.exit_code == 0
    assert answer.out.startswith("1,000 listings are the reference")
    return path


@pytest.mark.slow
def test_the_same_listings_have_not_moved(ipml, model, june, remembered):
    """Exit code 0, and no table of what moved."""
    answer = ipml("model", "drift", model, june)
    assert answer.exit_code == 0
    assert answer.out.startswith("1,000 listings, ")
    assert "checks: none" in answer.out
    assert "has moved" not in answer.out


def test_what_alarms_is_shown_and_exits_1(ipml, model, market, remembered, tmp_path):
    """The report is written as a page and as JSON, too."""
    market.listings.head(1_000).assign(brand="[red]New\x1b[31m").to_parquet(tmp_path / "july.parquet", index=False)
    answer = ipml("model", "drift", model, "july.parquet", "--out", "july.html", "--out", "july.json")
    assert answer.exit_code == 1
    assert "checks: alarm" in answer.out
    assert "brand has new values" in answer.out
    assert "\x1b[31m" not in answer.out
    assert json.loads((tmp_path / "july.json").read_text())["alarm"] == "alarm"
    assert "<h1>Drift of july.parquet: alarm</h1>" in (tmp_path / "july.html").read_text()


def test_a_reference_alone_compares_no_scores(ipml, june, remembered):
    """Unless the model is named beside it."""
    alone = ipml("model", "drift", remembered, june, "--all")
    assert alone.exit_code == 0
    assert "expected share" not in alone.out


def test_a_reference_with_its_model_compares_scores(ipml, model, june, remembered):
    """As with the reference beside the model."""
    assert "expected share" in ipml("model", "drift", remembered, june, "--model", model, "--all").out


def test_listings_without_labels_are_compared_without_them(ipml, model, market, remembered, tmp_path):
    """Nothing is said of label rate and calibration."""
    unlabelled = market.listings.head(1_000).assign(is_counterfeit=pd.Series(pd.NA, dtype="boolean"))
    unlabelled.to_parquet(tmp_path / "new.parquet", index=False)
    answer = ipml("model", "drift", model, "new.parquet", "--all")
    assert answer.exit_code == 0
    assert "the expected share of counterfeits" in answer.out
    assert "listings with a label" not in answer.out


@pytest.mark.parametrize("source", ["shoes", "none.json", "models:/ipml@champion"])
def test_a_model_without_a_reference_says_so(ipml, model, june, source):
    """And how to make one."""
    answer = ipml("model", "drift", source, june)
    assert answer.exit_code == 2
    assert "No drift reference" in answer.err
    assert "ipml model drift MODEL LISTINGS --remember --out REFERENCE.json" in answer.err


@pytest.mark.parametrize("options", [("--remember",), ("--remember", "--out", "x.html"), ("--out", "june.txt")])
def test_the_suffix_says_what_is_written(ipml, model, june, options):
    """A reference is JSON, a report JSON or a page; nothing is read where it is something else."""
    answer = ipml("model", "drift", model, june, *options)
    assert answer.exit_code == 2
    assert ".json" in answer.err or ".html" in answer.err


def test_listings_with_bad_rows_are_refused(ipml, remembered, tmp_path):
    """A share of a file is not the file."""
    (tmp_path / "bad.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n")
    answer = ipml("model", "drift", remembered, "bad.csv")
    assert answer.exit_code == 2
    assert "1 bad row" in answer.err
