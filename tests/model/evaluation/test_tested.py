"""The scores of a test come back as they were written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnreadableFile
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL, read_tested, write_tested
from ipml.model.evaluation.label_weights import weigh_by_probability

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.none() | TEXTS, st.booleans()), max_size=9, unique_by=lambda row: row[0])


def make_tested(rows: list[tuple[str, str, str | None, bool]], n_repeats: int) -> kept.Tested:
    """Return a test of some listings: id, seller, brand and truth of each."""
    listings = pd.DataFrame(rows, columns=["listing_id", "seller_id", "brand", "y"])
    listings = listings.astype({"listing_id": "str", "seller_id": "str", "brand": "str", "y": "bool"})
    moments = pd.date_range("2026-01-01", periods=len(rows), freq="D", tz="UTC")
    scores = [np.linspace(0, 1, len(rows)) ** power for power in range(1, n_repeats + 1)]
    columns = listings[["listing_id", "seller_id", "brand"]].assign(observed_at=moments, title="not kept")
    return kept.Tested(columns, listings["y"].to_numpy(), {MODEL: scores, "prevalence": scores})


@given(ROWS, st.integers(1, 12))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list, n_repeats: int) -> None:
    """Ids, moments, brands, truth and every repeat's scores are kept, bit by bit and in order; nothing else is."""
    path = tmp_path_factory.mktemp("tested") / "tested.parquet"
    tested = make_tested(rows, n_repeats)
    write_tested(tested, path)
    read = read_tested(path)
    assert list(read.listings) == ["listing_id", "observed_at", "seller_id", "brand"]
    pd.testing.assert_frame_equal(read.listings, tested.listings[list(read.listings)])
    assert np.array_equal(read.y, tested.y)
    assert list(read.scores) == [MODEL]
    assert np.array_equal(read.scores[MODEL], tested.scores[MODEL])


def test_odds_and_values_are_kept_where_known(tmp_path: Path) -> None:
    """With them, a later comparison weighs labels and adds prices as the first did."""
    tested = make_tested([("1", "s", None, True), ("2", "s", None, False)], 1)
    known = {"label_probability": [1.0, 0.25], "value": [30.0, np.nan], "value_currency": "EUR"}
    write_tested(replace(tested, listings=tested.listings.assign(**known)), tmp_path / "tested.parquet")
    read = read_tested(tmp_path / "tested.parquet")
    assert np.array_equal(read.weight, weigh_by_probability([1.0, 0.25]))
    assert read.listings["value"].tolist()[0] == 30.0
    assert read.listings["value_currency"].tolist() == ["EUR", "EUR"]
    assert tested.weight is None


def test_another_table_is_said_so(tmp_path: Path) -> None:
    """Other columns are no test, a listing twice cannot be paired, and what cannot be read is one line."""
    path = tmp_path / "tested.parquet"
    with pytest.raises(UnreadableFile, match="No such file"):
        read_tested(path)
    write_tested(make_tested([("1", "s", None, True)], 1), path)
    table = pd.read_parquet(path)
    for other, said in (
        (table.assign(title="Bag"), "scores of a test"),
        (table.assign(score_3=0.5), "scores of a test"),
        (pd.concat([table] * 2, ignore_index=True), "twice"),
    ):
        other.to_parquet(path)
        with pytest.raises(UnreadableFile, match=said):
            read_tested(path)
    path.write_text("listing_id\n1\n")
    with pytest.raises(UnreadableFile, match="no Parquet"):
        read_tested(path)
