"""`ipml model drift` compares listings with those of the time when the model was made."""

import json
import shutil

import pandas as pd
import pytest

WRONG = {
    "model drift market june.parquet": "ipml model drift MODEL LISTINGS --remember --out REFERENCE.json",
    "model drift none.json june.parquet": "No drift reference",
    "model drift models:/ipml@champion june.parquet": "No drift reference",
    "model drift market june.parquet --remember --out x.html": ".json",
    "model drift market june.parquet --out june.txt": ".html",
}


@pytest.fixture
def june(ipml, saved_model, market, tmp_path):
    """Put a file of listings and a model of the test's own into its folder."""
    market.listings.head(1_000).to_parquet(tmp_path / "june.parquet", index=False)
    return shutil.copytree(saved_model, tmp_path / "market")


@pytest.fixture
def remembered(ipml, june):
    """Keep the reference of these listings beside the model."""
    answer = ipml("model drift market june.parquet --remember --out market.drift.json")
    assert answer.exit_code == 0
    assert answer.out.startswith("1,000 listings are the reference")


def test_the_same_listings_have_not_moved(ipml, remembered, june, tmp_path):
    """Exit code 0, and no table of what moved; scores are compared only where the model is named with the reference."""
    answer = ipml("model drift market june.parquet")
    assert answer.exit_code == 0
    assert answer.out.startswith("1,000 listings, ")
    assert "checks: none" in answer.out
    assert "has moved" not in answer.out
    moved = shutil.move(tmp_path / "market.drift.json", tmp_path / "alone.json")
    assert "expected share" not in ipml("model drift alone.json june.parquet --all").out
    assert "expected share" in ipml("model drift", moved, "june.parquet", "--model", june, "--all").out


def test_what_alarms_is_shown_and_exits_1(ipml, market, remembered, tmp_path):
    """The report is written as a page and as JSON, too."""
    market.listings.head(1_000).assign(brand="[red]New\x1b[31m").to_parquet(tmp_path / "july.parquet", index=False)
    answer = ipml("model drift market july.parquet --out july.html --out july.json")
    assert answer.exit_code == 1
    assert "checks: alarm" in answer.out
    assert "brand has new values" in answer.out
    assert "\x1b[31m" not in answer.out
    assert json.loads((tmp_path / "july.json").read_text())["alarm"] == "alarm"
    assert "<h1>Drift of july.parquet: alarm</h1>" in (tmp_path / "july.html").read_text()


def test_listings_without_labels_are_compared_without_them(ipml, market, remembered, tmp_path):
    """Nothing is said of label rate and calibration; and a share of a file is not the file."""
    unlabelled = market.listings.head(1_000).assign(is_counterfeit=pd.Series(pd.NA, dtype="boolean"))
    unlabelled.to_parquet(tmp_path / "new.parquet", index=False)
    answer = ipml("model drift market new.parquet --all")
    assert answer.exit_code == 0
    assert "the expected share of counterfeits" in answer.out
    assert "listings with a label" not in answer.out
    (tmp_path / "bad.csv").write_text("listing_id,seller_id,title,price,currency\n1,s,Bag,9;5,EUR\n")
    assert ipml("model drift market bad.csv").is_refusal("1 bad row")


def test_a_model_without_a_reference_says_so(accepted, june):
    """And how to make one; a reference is JSON, a report JSON or a page."""
    assert accepted(WRONG) == {}
