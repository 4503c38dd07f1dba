"""The rows kept beside a part are those that could be among the highest of all parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ipml.scoring.batch.chunks import choose_hopeful, read_hopeful, read_scores, write_hopeful

scores = st.lists(st.none() | st.sampled_from([0.0, 0.1, 0.5, 0.9]), max_size=20)


def keep(cells: list[float | None], most: int, folder) -> pd.Series:
    """Keep the hopeful of a part whose rows are 10, 20 and so on; return its scores by row."""
    found = pd.Series(cells, index=10 * np.arange(1, len(cells) + 1), dtype=float)
    places = choose_hopeful(found, most)
    table = pa.table({"score": found, "title": [f"of row {row}" for row in found.index]})
    write_hopeful(table.take(places), found.index.to_numpy()[places], folder / "part-00000.top.parquet")
    return found


@given(scores, st.integers(1, 5), st.data())
def test_the_highest_that_do_not_come_again_are_known_or_said_not_to_be(tmp_path_factory, cells, most, data):
    """Whichever rows come again, the highest of the others are among the scores that are read."""
    folder = tmp_path_factory.mktemp("part")
    found = keep(cells, most, folder)
    again = np.array(data.draw(st.lists(st.sampled_from(list(found.index) or [10]), unique=True)), dtype=np.int64)
    read = read_scores(folder / "part-00000", most, again)
    expected = found[~found.index.isin(again)].dropna().nlargest(most)
    if read is None:
        assert set(again) & set(found.dropna().nlargest(most).index)
    else:
        assert read.nlargest(most).to_dict() == expected.to_dict()


def test_rows_are_read_whole(tmp_path):
    """Those that are asked for, ascending, with all their columns; none where one of them was not kept."""
    keep([0.1, 0.9, None, 0.5], 2, tmp_path)
    read = read_hopeful(tmp_path / "part-00000", np.array([20, 40]))
    assert read["title"].to_pylist() == ["of row 20", "of row 40"]
    assert read_hopeful(tmp_path / "part-00000", np.array([10, 20])) is None
    assert read_hopeful(tmp_path / "part-00001", np.array([10])) is None
