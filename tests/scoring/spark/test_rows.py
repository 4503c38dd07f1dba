"""A batch of rows is checked and scored in a worker as a file of them is on one machine."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import Refused, UnreadableFile
from ipml.listings.fields import COLUMNS
from ipml.listings.schema import validate_rows
from ipml.listings.writers import to_arrow
from ipml.scoring.scorer import Scorer
from ipml.scoring.spark.rows import (
    BROKEN,
    JUDGED_COLUMNS,
    Form,
    RowReading,
    check_batch,
    checked_to_arrow,
    judge_rows,
    judged_to_arrow,
    read_checked,
)

pytestmark = pytest.mark.slow
KEEPING = RowReading("shop", keeps_bad=True)
IDS = st.one_of(st.none(), st.sampled_from(["", "1", "2", "x\0", "é" * 201]))
PRICES = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 9.5, float("inf")]))
ROWS = st.fixed_dictionaries(
    {"listing_id": IDS, "seller_id": IDS, "title": IDS, "price": PRICES, "currency": st.sampled_from([None, "EUR"])}
)
TYPES = pa.schema({name: pa.string() for name in ("listing_id", "seller_id", "title", "currency")}).append(
    pa.field("price", pa.float64())
)


@given(st.lists(ROWS, max_size=6))
def test_what_is_good_and_what_is_wrong_is_said_as_on_one_machine(rows):
    """Every row comes out, in order: the good ones as `validate_rows` has them, the others with its problems."""
    batch = pa.RecordBatch.from_pylist(rows, schema=TYPES)
    frame = batch.to_pandas()
    frame = frame.where(frame != "").set_axis(pd.RangeIndex(1, len(rows) + 1, name="row"))
    expected = validate_rows(frame)
    checked = check_batch(batch, KEEPING)
    assert checked.index.tolist() == list(range(len(rows)))
    checked.index = frame.index
    good = checked[checked["problems"].isna()].drop(columns=["problems", "raw"])
    pd.testing.assert_frame_equal(good, expected.listings, check_index_type=False)
    found = [(row, one["column"], one["value"]) for row, cell in checked["problems"].dropna().items() for one in cell]
    assert found == [(problem.row, problem.column, problem.value) for problem in expected.problems]


@given(st.lists(ROWS, min_size=1, max_size=6))
def test_checked_rows_survive_the_way_through_spark(rows):
    """As Arrow and back the good ones are the same, dtypes included, and the bad ones say the same of themselves."""
    batch = pa.RecordBatch.from_pylist(rows, schema=TYPES)
    checked = check_batch(batch, KEEPING)
    back = read_checked(checked_to_arrow(checked, batch, ()))
    is_good = checked["problems"].isna()
    pd.testing.assert_frame_equal(back.loc[is_good, list(COLUMNS)], checked.loc[is_good, list(COLUMNS)])
    for name in ("problems", "raw"):
        assert [list(cell) for cell in back[name].dropna()] == [list(cell) for cell in checked[name].dropna()]
        assert back[name].isna().tolist() == checked[name].isna().tolist()


def test_the_first_bad_row_is_an_error_where_none_are_kept():
    """With the listing and the cell, since there are no row numbers."""
    batch = pa.record_batch({"listing_id": ["1"], "seller_id": ["s"], "title": pa.array([None], pa.string())})
    with pytest.raises(Refused, match="shop: found 1 bad row, such as listing '1': title: ''; expected text of"):
        check_batch(batch, RowReading("shop"))


def test_cells_are_not_guessed_at():
    """A whole number for a text is named as it stands, not as a float; a moment gets no zone of any machine."""
    ids = pa.array([2**53 + 1, None], pa.int64())
    moments = pa.array([None, pd.Timestamp("2026-03-01")], pa.timestamp("us"))
    cells = {"listing_id": ids, "seller_id": ["s", "s"], "title": ["a", "b"], "observed_at": moments}
    first, second = check_batch(pa.record_batch(cells), KEEPING)["problems"]
    assert first[0]["value"] == "the number 9007199254740993"
    assert "observed_at" in {problem["column"] for problem in second}


def test_letters_that_are_no_utf_8_are_refused():
    """They would go on unseen, for Arrow does not look at them by itself."""
    broken = pa.array([b"\xff"]).view(pa.string())
    with pytest.raises(UnreadableFile, match="UTF-8"):
        check_batch(pa.record_batch({"listing_id": broken, "seller_id": ["s"], "title": ["a"]}), KEEPING)


def test_a_row_that_spark_could_not_read_is_kept_as_it_stands():
    """The rows around it keep their places."""
    cells = {"listing_id": ["1", None, "3"], "seller_id": ["s", None, "s"], "title": ["a", None, "c"]}
    batch = pa.record_batch({**cells, BROKEN: [None, "2,s", None], "__id": [7, 8, 9]})
    checked = check_batch(batch, RowReading("shop", keeps_bad=True, places=("__id",)))
    assert checked_to_arrow(checked, batch, ("__id",))["__id"].to_pylist() == [7, 8, 9]
    assert checked["raw"].fillna("").tolist() == ["", '"2,s"', ""]
    assert checked["listing_id"].fillna("").tolist() == ["1", "", "3"]


def test_lines_of_json_are_read_by_the_rules_of_a_file_of_them():
    """Empty lines are none, broken ones are kept, and each row keeps its own place."""
    lines = [b"", b'{"listing_id": "1", "seller_id": "s", "title": "a"}', b" ", b"{", b'{"listing_id": "2"}']
    batch = pa.record_batch({"line": lines, "__id": list(range(5))})
    checked = check_batch(batch, RowReading("shop", Form.JSON_LINES, keeps_bad=True, places=("__id",)))
    assert checked_to_arrow(checked, batch, ("__id",))["__id"].to_pylist() == [1, 3, 4]
    assert checked["problems"].isna().tolist() == [True, False, False]


def test_scores_stand_beside_their_rows(classifier, market):
    """Bad rows get none, also on a way through Spark; the others what `score_frame` says, null where it abstains."""
    table = to_arrow(market.listings.tail(20)).set_column(
        0, "listing_id", pa.array([None if row == 3 else str(row) for row in range(20)])
    )
    scorer, rows = Scorer(classifier, "market/1"), check_batch(table, KEEPING)
    for some in (rows, read_checked(checked_to_arrow(rows, table, ()))):
        judged = judged_to_arrow(judge_rows(some, scorer, None), table, ()).to_pandas()
        is_good = judged["problems"].isna()
        assert is_good.tolist() == judged["raw"].isna().tolist() == [row != 3 for row in range(20)]
        assert judged.loc[3, "problems"][0]["column"] == "listing_id"
        expected = scorer.score_frame(rows[rows["problems"].isna()]).reset_index(drop=True)[list(JUDGED_COLUMNS)]
        found = judged.loc[is_good, list(JUDGED_COLUMNS)].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)
        assert judged.loc[~is_good, list(JUDGED_COLUMNS)].isna().all(axis=None)
