"""However a file is cut into chunks, what comes out is what `read_listings` says of the whole of it."""

import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, UnreadableFile
from ipml.listings.column_maps import ColumnMap
from ipml.listings.readers import read_listings
from ipml.listings.writers import RejectsFile
from ipml.scoring.batch import chunks, file_scoring
from ipml.scoring.batch.file_scoring import score_file

IDS = st.sampled_from(["a", "b", "c", "d", ""])
MOMENTS = st.sampled_from(["2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z", "soon", None])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"listing_id": IDS, "observed_at": MOMENTS, "price": st.sampled_from(["1", "2", "", "much"])}
    ),
    max_size=25,
)


def make_file(rows: list[dict[str, str | None]], folder: Path, suffix: str, group: int) -> Path:
    """Write rows as a file, of row groups of a size; each with a title that may break a line."""
    frame = pd.DataFrame(rows, columns=["listing_id", "observed_at", "price"], dtype="str")
    frame = frame.assign(seller_id="s", currency="EUR", title=[f'Bag "{at}"\nnew' for at in range(len(frame))])
    path = folder / f"shop{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        path.write_text(frame.to_json(orient="records", lines=True))
    else:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=group)
    return path


@settings(max_examples=8)
@given(ROWS, st.integers(1, 9), st.integers(1, 9), st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_rows_and_rejects_are_those_of_the_whole_file(make_scorer, rows, chunk_rows, group, suffix):
    """Bad rows, rows that come again in the same chunk or in another one, and the first row of each."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr(file_scoring, "CHUNK_ROWS", chunk_rows)
        patch.setattr(chunks, "BUCKET_KEYS", 3)
        source = make_file(rows, folder, suffix, group)
        (whole,) = read_listings(source)
        with RejectsFile(folder / "expected.csv") as expected:
            expected.write(whole)
        counts = score_file(make_scorer(), source, folder / "scored.parquet", rejects=folder / "rejects.csv")
        scored = pd.read_parquet(folder / "scored.parquet")
        assert scored["title"].tolist() == whole.listings["title"].tolist()
        assert (folder / "rejects.csv").read_bytes() == (folder / "expected.csv").read_bytes()
        assert (counts.scored, counts.rejected) == (len(whole.listings), len(whole.bad_rows))
        assert counts.abstained == scored["abstained"].notna().sum()
        check_first_error(make_scorer(), source, folder, whole.problems)


def check_first_error(scorer, source: Path, folder: Path, problems) -> None:
    """Check that without a file of rejects the first bad row is the one that is named."""
    if not problems:
        score_file(scorer, source, folder / "strict.parquet")
        return
    with pytest.raises(InvalidListings) as caught:
        score_file(scorer, source, folder / "strict.parquet")
    assert caught.value.problems[0] == problems[0]
    assert not (folder / "strict.parquet").exists()


def test_the_highest_of_the_whole_file_are_explained(make_scorer, tmp_path, monkeypatch):
    """Of equal scores the earlier; a row that comes again is never among them."""
    prices = [1, 9, 5, 9, 3, 9, 2, 8]
    rows = [{"listing_id": str(at), "observed_at": None, "price": str(price)} for at, price in enumerate(prices)]
    rows.append(rows[1])
    for chunk_rows, suffix in ((1, ".parquet"), (2, ".csv"), (5, ".jsonl"), (9, ".parquet")):
        monkeypatch.setattr(file_scoring, "CHUNK_ROWS", chunk_rows)
        source, target = make_file(rows, tmp_path, suffix, 3), tmp_path / f"{chunk_rows}.parquet"
        score_file(make_scorer(), source, target, rejects=tmp_path / f"{chunk_rows}.csv", explain_top=4)
        reasons = pd.read_parquet(target).set_index("listing_id")["reasons"].dropna()
        assert reasons.index.tolist() == ["1", "3", "5", "7"]
        assert [f"Is {name}" in text for name, text in reasons.items()] == [True] * 4


def test_a_folder_of_parquet_files_is_one_source(make_scorer, tmp_path, monkeypatch):
    """In the order of their names; chunks go over the ends of files, and rows are numbered on."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 4)
    (tmp_path / "shop").mkdir()
    for number, size in enumerate([3, 0, 7, 1]):
        ids = [f"{number}-{at}" for at in range(size)]
        frame = pd.DataFrame({"listing_id": ids, "seller_id": "s", "title": "Bag", "price": -1.0, "currency": "EUR"})
        frame["price"] = frame["price"].where(frame["listing_id"] == "2-3", 1.0)
        frame.astype({"listing_id": "str"}).to_parquet(tmp_path / "shop" / f"{number}.parquet", row_group_size=2)
    counts = score_file(make_scorer(), tmp_path / "shop", tmp_path / "scored.csv", rejects=tmp_path / "r.csv")
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert counts.scored == len(scored) == 10
    expected = ["0-0", "0-1", "0-2", "2-0", "2-1", "2-2", "2-4", "2-5", "2-6", "3-0"]
    assert scored["listing_id"].tolist() == expected
    assert "\n7,price,'-1.0," in (tmp_path / "r.csv").read_text()
    pd.DataFrame({"title": ["1"]}).to_parquet(tmp_path / "shop" / "3.parquet")
    with pytest.raises(UnreadableFile, match=r"3\.parquet: found other columns or types"):
        score_file(make_scorer(), tmp_path / "shop", tmp_path / "other.csv")


def test_a_column_map_sees_the_number_of_each_row_in_the_file(make_scorer, tmp_path, monkeypatch):
    """Ids made from row numbers do not begin anew in each chunk."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 2)
    columns = {"listing_id": {"row_number": "shop-"}, "seller_id": {"value": "s"}, "title": {"column": "what"}}
    pd.DataFrame({"what": ["Bag"] * 5}).to_parquet(tmp_path / "own.parquet")
    mapped = ColumnMap(name="shop", columns=columns)
    score_file(make_scorer(), tmp_path / "own.parquet", tmp_path / "scored.parquet", columns=mapped)
    assert pd.read_parquet(tmp_path / "scored.parquet")["listing_id"].tolist() == [f"shop-{row}" for row in range(1, 6)]


def test_a_text_file_is_scored_as_its_map_says(make_scorer, tmp_path, monkeypatch):
    """Separator, encoding, decimals and dates are those of the column map, in each chunk; odd cells are kept apart."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 2)
    rows = "".join(f"{at};Gürtel, rot;{at},50;31.12.2025 14:30\n" for at in range(5))
    text = f"Nr.;Titel;Preis;Datum\n{rows}6;Gürtel;1.5;26.10.2025 02:30\n"
    columns = {
        **{"listing_id": {"column": "Nr."}, "seller_id": {"value": "s"}, "title": {"column": "Titel"}},
        **{"price": {"column": "Preis", "decimal": ","}, "currency": {"value": "EUR"}},
        "listed_at": {"column": "Datum", "date_order": "DMY", "zone": "Europe/Berlin"},
    }
    for encoding in ("cp1252", "utf-16"):
        (tmp_path / "shop.csv").write_bytes(text.encode(encoding))
        mapped = ColumnMap(name="shop", separator=";", encoding=encoding, columns=columns)
        files = tmp_path / f"{encoding}.parquet", tmp_path / f"{encoding}-rejects.csv"
        score_file(make_scorer(), tmp_path / "shop.csv", files[0], columns=mapped, rejects=files[1])
        scored, rejects = pd.read_parquet(files[0]), pd.read_csv(files[1])
        assert scored["title"].tolist() == ["Gürtel, rot"] * 5
        assert scored["price"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
        assert (scored["listed_at"] == pd.Timestamp("2025-12-31T13:30Z")).all()
        assert rejects[["row", "column"]].to_numpy().tolist() == [[6, "price"], [6, "listed_at"]]
