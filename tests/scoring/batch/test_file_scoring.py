"""A file of listings becomes a file of scores, whole or not at all, every row once, in order; it is read back."""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, MissingColumns, UnreadableFile, UnwritableFile
from ipml.listings.maps.column_maps import ColumnMap, load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.listings.writers import RejectsFile, write_listings
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Listing
from ipml.scoring.batch import chunks, file_scoring
from ipml.scoring.batch.chunks import keep_top
from ipml.scoring.batch.file_scoring import BatchOptions, score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.scorer import Scorer
from ipml.scoring.shadow import shadow_file

SCORE_MANY = """
import resource
from pathlib import Path
from ipml.scoring.batch.file_scoring import score_file
from ipml.scoring.scorer import load_model

score_file(load_model("model"), Path("many.parquet"), Path("scored.parquet"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SILENT = [Listing(f"silent{number}", "s", "\u2605\u2605\u2605") for number in range(5)]


def test_every_kind_of_file_is_read_back_the_same(scorer, market, tmp_path, monkeypatch):
    """Each listing once, in order, with scores to the bit, and of the highest ten reasons, highlights and prices."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 12)
    newest = pd.concat([listings_to_frame(SILENT), check_listings(market.listings.tail(20))], ignore_index=True)
    write_listings(newest, tmp_path / "newest.parquet")
    direct = scorer.explain_frame(newest)
    highest = sorted(one.score for one in direct if one.score is not None)[-10:]
    for suffix in (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz"):
        score_file(scorer, tmp_path / "newest.parquet", tmp_path / f"scored{suffix}", BatchOptions(explain_top=10))
        scored = list(read_scored(tmp_path / f"scored{suffix}"))
        for read, expected in zip(scored, direct, strict=True):
            assert (read.listing, read.score, read.log_odds) == (expected.listing, expected.score, expected.log_odds)
            assert (read.abstained, read.model_version) == (expected.abstained, "market/1")
            if read.reasons:
                assert read == replace(expected, suspicion=None)  # what a listing counts for stays out of files
        assert sorted(read.score for read in scored if read.reasons) == highest


def test_where_nothing_can_be_judged_the_file_is_read_back(make_scorer, tmp_path):
    """A night without new listings is no error; of listings that cannot be judged there is a cause for each."""
    head = "listing_id,seller_id,title\n"
    for text, causes in ((head, []), (f"{head}1,s,Bag\n2,s,Belt\n", ["no price"] * 2)):
        (tmp_path / "shop.csv").write_text(text)
        for suffix in (".parquet", ".csv", ".jsonl"):
            counts = score_file(
                make_scorer(), tmp_path / "shop.csv", tmp_path / f"scored{suffix}", BatchOptions(restart=True)
            )
            assert (counts.scored, counts.abstained) == (len(causes), len(causes))
            assert [one.abstained for one in read_scored(tmp_path / f"scored{suffix}")] == causes


@given(
    st.lists(st.one_of(st.just(np.nan), st.sampled_from([0.1, 0.5, 0.9]), st.floats(0, 1)), max_size=40),
    st.integers(1, 10),
    st.integers(0, 12),
)
def test_the_highest_are_kept_however_scores_arrive(scores, rows, most):
    """Of equal scores the earlier is kept; what has no score is not."""
    top: list[tuple[float, int]] = []
    numbered = pd.Series(scores, dtype="float64")
    for start in range(0, len(scores), rows):
        top = keep_top(top, numbered.iloc[start : start + rows], most)
    ranked = sorted((-score, row) for row, score in enumerate(scores) if not np.isnan(score))
    assert sorted(-row for _, row in top) == sorted(row for _, row in ranked[:most])


def test_progress_counts_every_row(shop, make_scorer, tmp_path, monkeypatch):
    """Good and bad rows are told as they are done, with how many there are; then those that are written."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 10)
    told: list[tuple[str, int, int | None]] = []
    rejects = tmp_path / "rejects.csv"
    counts = score_file(
        make_scorer(), shop, tmp_path / "s.csv", BatchOptions(rejects=rejects), on_rows=lambda *row: told.append(row)
    )
    expected = [*(("scored", done, 23) for done in (0, 10, 20, 23)), *(("written", done, 23) for done in (10, 20, 23))]
    assert told == expected
    assert (counts.scored, counts.rejected, counts.abstained) == (20, 3, 1)
    assert "3,price,much," in rejects.read_text()


def test_an_error_leaves_the_old_file_untouched(shop, make_scorer, tmp_path, monkeypatch):
    """Without a file for bad rows one is an error, and of the new file only the chunks before it stay, hidden."""
    (tmp_path / "scored.csv").write_text("yesterday's")
    for rows, left in ((5, set()), (1, {".scored.csv.chunks"})):
        monkeypatch.setattr(file_scoring, "CHUNK_ROWS", rows)
        with pytest.raises(InvalidListings, match=r"shop\.csv: 1 bad row: row 3, price"):
            score_file(make_scorer(), shop, tmp_path / "scored.csv")
        assert (tmp_path / "scored.csv").read_text() == "yesterday's"
        assert {path.name for path in tmp_path.iterdir()} == {"shop.csv", "scored.csv"} | left


def test_a_file_can_be_scored_onto_itself(shop, make_scorer, tmp_path):
    """The source is read to its end before the target takes its place."""
    score_file(make_scorer(), shop, shop, BatchOptions(rejects=tmp_path / "rejects.csv"))
    assert len(list(read_scored(shop))) == 20


def test_where_nothing_can_be_read_or_written_nothing_is_scored(shop, make_scorer, tmp_path):
    """A wrong suffix, a missing folder, a folder in the way and no source are found before the work, not after it."""
    (tmp_path / "folder.csv").mkdir()
    scorer, left = make_scorer(), sorted(tmp_path.iterdir())
    for target in ("scored.txt", "missing/scored", "scored.parquet.gz", "missing/scored.csv", "folder.csv"):
        with pytest.raises(UnwritableFile, match=r"cannot write .*: found .*; expected "):
            score_file(scorer, shop, tmp_path / target, BatchOptions(rejects=tmp_path / "rejects.csv"))
    with pytest.raises(UnreadableFile, match=r"no\.csv: found No such file"):
        score_file(scorer, tmp_path / "no.csv", tmp_path / "scored.csv")
    assert (scorer.scored, sorted(tmp_path.iterdir())) == (0, left)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(classifier, market, tmp_path):
    """Scoring four times as many listings takes hardly more memory."""
    save_model(classifier, tmp_path / "model", name="market", data_digest="0", experiment={}, figures={})
    peaks = [peak_megabytes(market.listings, copies, tmp_path) for copies in (15, 60)]
    assert peaks[1] < peaks[0] + 60, peaks


def peak_megabytes(listings: pd.DataFrame, copies: int, folder: Path) -> float:
    """Return the most memory a process takes that scores so many copies of some listings."""
    chunks = (
        check_listings(listings.assign(listing_id=listings["listing_id"] + f"-{number}")) for number in range(copies)
    )
    write_listings(chunks, folder / "many.parquet")
    done = subprocess.run([sys.executable, "-c", SCORE_MANY], cwd=folder, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


@pytest.mark.slow
def test_a_real_file_is_scored_whole(scorer, real_data, tmp_path):
    """Each of 53,826 listings comes out once, in order, with a probability or the cause why there is none."""
    columns = load_columns(Path(__file__).parents[3] / "experiments/columns/ebay_2019.toml")
    counts = score_file(
        scorer, real_data / "ebay_2019.csv.gz", tmp_path / "scored.parquet", BatchOptions(columns=columns)
    )
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    source = pd.read_csv(real_data / "ebay_2019.csv.gz", dtype=str)
    assert counts.scored == len(scored) == len(source)
    assert scored["listing_id"].tolist() == source["item_number"].tolist()
    assert scored["score"].between(0, 1).equals(scored["abstained"].isna())
    assert scored["reasons"].notna().sum() == 100


LENGTH = 6


@pytest.fixture(scope="module")
def pictured(market) -> pd.DataFrame:
    """Return labelled listings with vectors, which the first of them lack."""
    found = market.listings[market.listings["is_counterfeit"].notna()].head(200).reset_index(drop=True)
    vectors = (
        np.random.default_rng(1).normal(size=(len(found), LENGTH)) + found[["is_counterfeit"]].astype(float).to_numpy()
    )
    cells = [None if row < 30 else vector for row, vector in enumerate(vectors)]
    return check_listings(found.assign(image_vector=pd.Series(cells, dtype=object)))


@pytest.fixture(scope="module")
def seeing(pictured) -> Scorer:
    """Return a model that learnt from vectors."""
    y = pictured["is_counterfeit"].to_numpy(dtype=int)
    return Scorer(CounterfeitClassifier(n_folds=2).fit(pictured, y), "m/1")


def test_a_file_scores_as_its_frame_does(pictured, seeing, tmp_path, monkeypatch):
    """In chunks of 25 rows, of which the first has no vector, with reasons that name them."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 250)
    some = pictured.head(60)
    expected = seeing.score_frame(some)["log_odds"]
    for source, target in (("parquet", "parquet"), ("jsonl", "csv")):
        write_listings(some, tmp_path / f"shop.{source}")
        score_file(seeing, tmp_path / f"shop.{source}", tmp_path / f"scored.{target}", BatchOptions(explain_top=20))
        scored = list(read_scored(tmp_path / f"scored.{target}"))
        np.testing.assert_allclose([one.log_odds for one in scored], expected, atol=1e-9)
        assert any(reason.feature == "image.likeness" for one in scored for reason in one.reasons)
    vectors = pq.read_table(tmp_path / "scored.parquet")["image_vector"].to_pylist()  # which CSV does not hold
    assert [vector is None for vector in vectors] == [row < 30 for row in range(60)]


def test_a_vector_of_another_length_is_a_bad_row(pictured, seeing, tmp_path):
    """Named with its row and kept apart, or an error before anything is written."""
    some = pictured.tail(6).reset_index(drop=True)
    some.at[4, "image_vector"] = np.ones(3, dtype=np.float32)
    write_listings(some, tmp_path / "shop.parquet")
    expected = (
        "row 5, image_vector: found 'a list of 3 numbers', expected a list of 6 finite numbers, as the model learnt"
    )
    with pytest.raises(InvalidListings, match=expected):
        score_file(seeing, tmp_path / "shop.parquet", tmp_path / "scored.parquet")
    rejects = tmp_path / "rejects.csv"
    counts = score_file(
        seeing, tmp_path / "shop.parquet", tmp_path / "scored.parquet", BatchOptions(rejects=rejects, restart=True)
    )
    assert (counts.scored, counts.rejected) == (5, 1)
    with rejects.open(newline="") as stream:
        (line,) = csv.DictReader(stream)
    assert line["row"] == "5"
    assert json.loads(line["raw"])["image_vector"] == [1.0, 1.0, 1.0]


def test_a_model_without_vectors_takes_any(pictured, seeing, classifier, tmp_path):
    """It ignores them, whatever their lengths; and the two are compared on one file."""
    some = pictured.tail(60).reset_index(drop=True)
    write_listings(some, tmp_path / "shop.parquet")
    plain = Scorer(classifier, "plain/1")
    shadow_file(plain, seeing, tmp_path / "shop.parquet", tmp_path / "shadow.parquet", top=5)
    some.at[4, "image_vector"] = np.ones(3, dtype=np.float32)
    write_listings(some, tmp_path / "mixed.parquet")
    assert score_file(plain, tmp_path / "mixed.parquet", tmp_path / "scored.parquet").scored == 60


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
        counts = score_file(
            make_scorer(), source, folder / "scored.parquet", BatchOptions(rejects=folder / "rejects.csv")
        )
        scored = pd.read_parquet(folder / "scored.parquet")
        assert scored["title"].tolist() == whole.listings["title"].tolist()
        assert (folder / "rejects.csv").read_bytes() == (folder / "expected.csv").read_bytes()
        assert (counts.scored, counts.rejected) == (len(whole.listings), len(whole.bad_rows))
        assert counts.abstained == scored["abstained"].notna().sum()
        if whole.problems:  # and without a file of rejects the first bad row is the one that is named
            with pytest.raises(InvalidListings) as caught:
                score_file(make_scorer(), source, folder / "strict.parquet")
            assert caught.value.problems[0] == whole.problems[0]
            assert not (folder / "strict.parquet").exists()


def test_the_highest_of_the_whole_file_are_explained(make_scorer, tmp_path, monkeypatch):
    """Of equal scores the earlier; a row that comes again is never among them."""
    prices = [1, 9, 5, 9, 3, 9, 2, 8]
    rows = [{"listing_id": str(at), "observed_at": None, "price": str(price)} for at, price in enumerate(prices)]
    rows.append(rows[1])
    for chunk_rows, suffix in ((1, ".parquet"), (2, ".csv"), (5, ".jsonl"), (9, ".parquet")):
        monkeypatch.setattr(file_scoring, "CHUNK_ROWS", chunk_rows)
        source, target = make_file(rows, tmp_path, suffix, 3), tmp_path / f"{chunk_rows}.parquet"
        score_file(make_scorer(), source, target, BatchOptions(rejects=tmp_path / f"{chunk_rows}.csv", explain_top=4))
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
    counts = score_file(
        make_scorer(), tmp_path / "shop", tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "r.csv")
    )
    scored = pd.read_csv(tmp_path / "scored.csv")
    assert counts.scored == len(scored) == 10
    expected = ["0-0", "0-1", "0-2", "2-0", "2-1", "2-2", "2-4", "2-5", "2-6", "3-0"]
    assert scored["listing_id"].tolist() == expected
    assert "\n7,price,'-1.0," in (tmp_path / "r.csv").read_text()
    pd.DataFrame({"title": ["1"]}).to_parquet(tmp_path / "shop" / "3.parquet")
    with pytest.raises(UnreadableFile, match=r"3\.parquet: found other columns or types"):
        score_file(make_scorer(), tmp_path / "shop", tmp_path / "other.csv")


def test_a_text_file_is_scored_as_its_map_says(make_scorer, tmp_path, monkeypatch):
    """Separator, encoding, decimals, dates and row numbers are those of its map; odd cells are kept apart."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 2)
    rows = "".join(f"Gürtel, rot;{at},50;31.12.2025 14:30\n" for at in range(5))
    text = f"Titel;Preis;Datum\n{rows}Gürtel;1.5;26.10.2025 02:30\n"
    columns = {
        **{"listing_id": {"row_number": "shop-"}, "seller_id": {"value": "s"}, "title": {"column": "Titel"}},
        **{"price": {"column": "Preis", "decimal": ","}, "currency": {"value": "EUR"}},
        "listed_at": {"column": "Datum", "date_order": "DMY", "zone": "Europe/Berlin"},
    }
    for encoding in ("cp1252", "utf-16"):
        (tmp_path / "shop.csv").write_bytes(text.encode(encoding))
        mapped = ColumnMap(name="shop", separator=";", encoding=encoding, columns=columns)
        files = tmp_path / f"{encoding}.parquet", tmp_path / f"{encoding}-rejects.csv"
        score_file(make_scorer(), tmp_path / "shop.csv", files[0], BatchOptions(columns=mapped, rejects=files[1]))
        scored, rejects = pd.read_parquet(files[0]), pd.read_csv(files[1])
        assert scored["listing_id"].tolist() == [f"shop-{row}" for row in range(1, 6)]
        assert scored["title"].tolist() == ["Gürtel, rot"] * 5
        assert scored["price"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
        assert (scored["listed_at"] == pd.Timestamp("2025-12-31T13:30Z")).all()
        assert rejects[["row", "column"]].to_numpy().tolist() == [[6, "price"], [6, "listed_at"]]


BAD_CELLS = (
    *(("score", "high"), ("score", "1.5"), ("score", "nan"), ("score_low", "-0.5"), ("score_high", "inf")),
    *(("log_odds", "inf"), ("reasons", "[{]"), ("reasons", '["because"]'), ("highlights", '{"start": 1}')),
    ("reasons", '[{"feature": "f", "sentence": "Price", "weight": "much"}]'),
    *(("price_range", '{"brand": "Nike"}'), ("model_version", ""), ("title", "")),
)


@pytest.fixture(scope="module")
def scored(classifier, market, tmp_path_factory) -> Path:
    """Return a folder with the latest listings, and their scores as a file and as a folder of three shards."""
    folder = tmp_path_factory.mktemp("scored")
    write_listings(check_listings(market.listings.tail(20)), folder / "shop.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_scoring, "CHUNK_ROWS", 7)
        for target in ("scored", "scored.parquet", "scored.jsonl"):
            score_file(
                Scorer(classifier, "market/1"), folder / "shop.parquet", folder / target, BatchOptions(explain_top=5)
            )
    return folder


def test_a_file_that_was_never_scored_is_refused(scored):
    """The columns that are missing are named."""
    columns = "score, score_low, score_high, log_odds, abstained, model_version"
    with pytest.raises(MissingColumns, match=f"no column {columns}"):
        next(read_scored(scored / "shop.parquet"))


def test_a_cell_that_ipml_would_not_write_is_named(tmp_path, subtests):
    """With its row and column, before any later row is given out."""
    good = {"listing_id": "1", "seller_id": "s", "title": "Bag", "score": "0.5", "log_odds": "0", "abstained": ""}
    good |= {"score_low": "0.4", "score_high": "0.6", "model_version": "m/1", "price_range": ""}
    good |= {"reasons": "[]", "highlights": "[]"}
    for column, cell in BAD_CELLS:
        rows = [good, good | {"listing_id": "2", column: cell}]
        pd.DataFrame(rows).to_csv(tmp_path / "scored.csv", index=False)
        with subtests.test(f"{column}: {cell}"):
            with pytest.raises(InvalidListings) as caught:
                list(read_scored(tmp_path / "scored.csv"))
            assert [(one.row, one.column) for one in caught.value.problems] == [(2, column)]


def test_a_broken_line_of_a_scored_file_is_an_error(scored, tmp_path):
    """A listing is never lost between scoring and queue without a word."""
    (tmp_path / "scored.jsonl").write_bytes((scored / "scored.jsonl").read_bytes() + b'{"listing_id": "cut off')
    with pytest.raises(InvalidListings, match="row 21"):
        list(read_scored(tmp_path / "scored.jsonl"))


def test_a_file_holds_what_the_shards_of_a_folder_do(scored):
    """The same rows, columns and types in the same order, to any reader."""
    shards = [pq.read_table(path) for path in sorted((scored / "scored").glob("*.parquet"))]
    joined = pq.read_table(scored / "scored.parquet")
    joined.validate(full=True)
    assert len(shards) == 3
    assert joined.equals(pa.concat_tables(shards), check_metadata=True)
    columns = ["listing_id", "title", "score", "reasons"]
    found = duckdb.sql(f"SELECT {', '.join(columns)} FROM read_parquet('{scored}/scored.parquet')").to_arrow_table()
    assert found.to_pylist() == joined.select(columns).to_pylist()
    assert list(read_scored(scored / "scored")) == list(read_scored(scored / "scored.parquet"))


def test_a_folder_that_does_not_say_it_is_whole_is_refused(scored, tmp_path):
    """Files may be missing from it."""
    shutil.copytree(scored / "scored", tmp_path / "scored")
    (tmp_path / "scored" / "_SUCCESS").unlink()
    with pytest.raises(UnreadableFile, match="found no file _SUCCESS; expected a folder that `ipml score` has finish"):
        next(read_scored(tmp_path / "scored"))


def test_a_base_rate_among_the_reasons_of_an_older_file_is_read_as_what_it_is(classifier, scored, tmp_path):
    """A file of an earlier release has no column for it; it gives the same listings."""
    frame = pd.read_parquet(scored / "scored.parquet")
    old = {"feature": "baseline", "sentence": "Where every listing starts", "weight": classifier.intercept}
    frame["reasons"] = [
        json.dumps([*json.loads(text), old]) if isinstance(text, str) else None for text in frame["reasons"]
    ]
    frame.drop(columns="base_rate").to_parquet(tmp_path / "older.parquet")
    assert list(read_scored(tmp_path / "older.parquet")) == list(read_scored(scored / "scored.parquet"))
