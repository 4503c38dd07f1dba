"""`ipml model label-errors` lists the labels that somebody should look at again."""

import pandas as pd
import pytest

EXPERIMENT = (
    'name = "market"\nmodel.C = 0.1\nmodel.n_folds = 2\ndata.listings = "listings.parquet"\nsplit.n_folds = 2\n'
)


@pytest.fixture
def flipped(market, tmp_path) -> set[str]:
    """Return the ids of listings whose label is wrong, in the data of an experiment."""
    listings = market.listings.copy()
    truth = market.truth.set_index("listing_id").loc[listings["listing_id"], "is_counterfeit"].to_numpy()
    is_labelled = listings["is_counterfeit"].notna().to_numpy()
    is_flipped = is_labelled & (pd.Series(range(len(listings))) % 20 == 0).to_numpy()
    listings["is_counterfeit"] = pd.Series(truth ^ is_flipped, dtype="boolean").where(is_labelled).to_numpy()
    listings["title"] = "=" + listings["title"]
    listings.to_parquet(tmp_path / "listings.parquet", index=False)
    (tmp_path / "market.toml").write_text(EXPERIMENT)
    return set(listings.loc[is_flipped, "listing_id"])


def test_labels_that_were_flipped_are_at_the_top(ipml, flipped, tmp_path):
    """The list is written with titles that no spreadsheet takes for formulae, and the first are shown."""
    answer = ipml("model label-errors market.toml --out doubtful.csv --top 50")
    assert answer.exit_code == 0
    listed = pd.read_csv(tmp_path / "doubtful.csv")
    assert len(listed) == 50
    assert listed["listing_id"].isin(flipped).mean() > 0.5
    assert listed["title"].str.startswith("'=").all()
    assert {"label", "score", "suspicion", "reason", "seller_id"} <= {*listed}
    assert answer.out.count("labelled counterfeit, but scored") >= 10
    assert "labels shown; 50 into doubtful.csv." in answer.out
