"""`ipml model select` chooses the listings from whose review the model learns most."""

import pandas as pd

from ipml.listings.fields import COLUMNS
from ipml.listings.readers import read_listings


def test_as_many_as_asked_for_are_written_with_their_probability(ipml, accepted, saved_model, market, tmp_path):
    """None of them has a label, and few are of one seller; without the columns of the selection they are listings."""
    market.listings.to_parquet(tmp_path / "june.parquet", index=False)
    answer = ipml("model select june.parquet --budget 40 --out selected.parquet --model", saved_model)
    assert answer.exit_code == 0
    assert answer.out.startswith("40 listings of ")
    selected = pd.read_parquet(tmp_path / "selected.parquet")
    known = market.listings.set_index("listing_id")["is_counterfeit"]
    assert known.loc[selected["listing_id"]].isna().all()
    assert selected["is_drawn"].sum() == 4
    assert (selected["selection_probability"][~selected["is_drawn"]] == 1).all()
    assert selected["score"].between(0, 1).all()
    selected[list(COLUMNS)].to_parquet(tmp_path / "again.parquet", index=False)
    (validation,) = read_listings(tmp_path / "again.parquet")
    assert (len(validation.listings), validation.problems) == (40, ())
    wrong = {
        f"model select june.parquet --out june.parquet --model {saved_model}": "june.parquet twice",
        f"model select june.parquet --out selected.xls --model {saved_model}": "the suffix '.xls'",
        "model select june.parquet --out selected.csv --model no/model": "No model ",
    }
    assert accepted(wrong) == {}
