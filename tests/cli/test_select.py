"""`ipml model select` chooses the listings from whose review the model learns most."""

import pandas as pd
import pytest

from ipml.listings.fields import COLUMNS
from ipml.listings.readers import read_listings


@pytest.fixture
def june(market, tmp_path):
    """Return a file of listings, of which some have a label."""
    market.listings.to_parquet(tmp_path / "june.parquet", index=False)
    return tmp_path / "june.parquet"


def test_as_many_as_asked_for_are_written_with_their_probability(ipml, june, saved_model, market, tmp_path):
    """None of them has a label, and few are of one seller."""
    answer = ipml("model select", june, "--model", saved_model, "--budget", 40, "--out", "selected.csv")
    assert answer.exit_code == 0
    assert answer.out.startswith("40 listings of ")
    selected = pd.read_csv(tmp_path / "selected.csv")
    known = market.listings.set_index("listing_id")["is_counterfeit"]
    assert known.loc[selected["listing_id"]].isna().all()
    assert selected["is_drawn"].sum() == 4
    assert (selected["selection_probability"][~selected["is_drawn"]] == 1).all()
    assert selected["score"].between(0, 1).all()


def test_the_listings_are_as_they_were(ipml, june, saved_model, tmp_path):
    """Without the columns of the selection the file is one of listings."""
    ipml("model select", june, "--model", saved_model, "--budget", 10, "--out", "selected.parquet")
    selected = pd.read_parquet(tmp_path / "selected.parquet")
    selected[list(COLUMNS)].to_parquet(tmp_path / "again.parquet", index=False)
    (validation,) = read_listings(tmp_path / "again.parquet")
    assert (len(validation.listings), validation.problems) == (10, ())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "june.parquet"], "june.parquet twice"),
        (["--out", "selected.xls"], "the suffix '.xls'"),
        (["--out", "selected.csv", "--model", "no/model"], "No model "),
    ],
)
def test_a_mistake_exits_2_with_one_line(ipml, june, saved_model, options, said):
    """It says what was found."""
    model = [] if "--model" in options else ["--model", saved_model]
    answer = ipml("model select", june, *options, *model)
    assert answer.exit_code == 2
    assert said in answer.err
