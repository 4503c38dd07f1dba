"""`ipml data` and `ipml score`: listings simulated, guessed, validated, labelled, remembered and scored."""

import csv
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.databases import copy_sqlite

from ipml.cli.model import labels
from ipml.cli.options import count_jobs
from ipml.listings.readers import read_listings
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.scoring.batch.scored_files import read_scored
from ipml.storage.database import open_database, writing

FILES = {"listings.parquet", "events.parquet", "brands.toml", "truth.parquet"}


def test_the_command_writes_four_files_and_a_summary(ipml, tmp_path: Path):
    """The summary counts listings and sellers, gives the shares and names each file."""
    answer = ipml("data simulate --listings 1000 --seed 2 --out market")
    assert answer.exit_code == 0
    assert {path.name for path in (tmp_path / "market").iterdir()} == FILES
    assert "listings    1,000" in answer.out
    assert "prevalence  7.0%" in answer.out
    assert all(name in answer.out.replace("\n", "") for name in FILES)


# `ipml data guess-columns` writes a first column map, which loads as it is
SHOP = "Artikel-Nr.;Verkäufer;Titel;Preis;Währung;Eingestellt am\n1;s;Gürtel;1.234,50;EUR;31.12.2025 14:30\n"


def test_a_guessed_map_is_written_and_followed(ipml, tmp_path: Path) -> None:
    """What is written is what is shown without a target, and validation of the file with it finds good rows."""
    (tmp_path / "shop.csv").write_bytes(SHOP.encode("cp1252"))
    written = ipml("data guess-columns shop.csv --out shop.toml --zone Europe/Berlin")
    assert (written.exit_code, written.err) == (0, "")
    assert "ipml data validate shop.csv --columns shop.toml" in written.out
    shown = ipml("data guess-columns shop.csv --zone Europe/Berlin")
    assert shown.out == (tmp_path / "shop.toml").read_text(encoding="utf-8")
    assert ipml("data validate shop.csv --columns shop.toml").out.startswith("1 good rows, 0 bad rows")


def test_what_cannot_be_guessed_is_said_in_one_line(accepted, tmp_path: Path) -> None:
    """A corrected map is not written over; a zone that is none, and a file that is none, are named."""
    (tmp_path / "shop.csv").write_text(SHOP, encoding="utf-8")
    (tmp_path / "shop.toml").write_text("corrected", encoding="utf-8")
    wrong = {
        "shop.csv --out shop.toml": "a new name, or --force",
        "shop.csv --out shop.txt": "expected .toml",
        "shop.csv --zone Mars/Base": "a time zone such as Europe/Berlin",
        "none.csv": "none.csv: found No such file",
        "shop.toml": "the suffix '.toml'",
    }
    assert accepted({f"data guess-columns {line}": words for line, words in wrong.items()}) == {}
    assert (tmp_path / "shop.toml").read_text(encoding="utf-8") == "corrected"


# `ipml data validate` names every bad cell, and answers with its exit code
HEADER = "listing_id,seller_id,title,price,currency\n"


def test_good_and_bad_rows_are_counted_shown_and_kept_apart(ipml, tmp_path):
    """With exit code 1; --out takes the good rows, no cell commands the terminal, and prices of 0 are named once."""
    bad = ["9;5", "\x1b[2J", "[red]x", "[/nothing]", "=A1"]
    rows = [f"{number},s,Belt,{cell},EUR\n" for number, cell in enumerate(bad, 2)]
    (tmp_path / "shop.csv").write_text(HEADER + "0,s,Hat,0,EUR\n1,s,Bag,9.5,EUR\n" + "".join(rows), encoding="utf-8")
    answer = ipml("data validate shop.csv --out good.parquet --rejects rejects.csv")
    assert answer.exit_code == 1
    assert "2 good rows, 5 bad rows with 5 problems" in answer.out
    assert "A price of 0 in 1 rows is read as an unknown price." in answer.out
    assert all(repr(cell) in answer.out for cell in bad)
    assert "\x1b" not in answer.out
    (validation,) = read_listings(tmp_path / "good.parquet")
    assert validation.listings["listing_id"].tolist() == ["0", "1"]


def test_vectors_that_csv_cannot_hold_are_counted(ipml, tmp_path):
    """It is said how many pictures' vectors are left out; other files hold them."""
    vector = '{"listing_id": "1", "seller_id": "s", "title": "Bag", "image_vector": [0.5]}\n'
    (tmp_path / "shop.jsonl").write_text(vector)
    said = {suffix: ipml(f"data validate shop.jsonl --out good.{suffix}").out for suffix in ("csv", "parquet")}
    assert "is without the vectors that 1 rows had" in said["csv"]
    assert "image_vector" not in said["parquet"]


# `ipml data labels` writes what reviewers decided
MONDAY, TUESDAY = datetime(2024, 5, 6, tzinfo=UTC), datetime(2024, 5, 7, 12, tzinfo=UTC)


@pytest.mark.parametrize("at_once", [1, 2, 10_000])
def test_labels_are_listings_that_training_reads(ipml, tmp_path, monkeypatch, at_once):
    """Read back without a problem, with their truth, however many are in memory; a date is its first moment in UTC."""
    monkeypatch.setattr(labels, "_LABELS_AT_ONCE", at_once)
    engine = open_database(copy_sqlite(tmp_path))
    for listing_id, verdict, now in (("L1", Verdict.COUNTERFEIT, MONDAY), ("L2", Verdict.GENUINE, TUESDAY)):
        listing = Listing(listing_id, "s1", "NA", price=12.5, currency="EUR", observed_at=MONDAY)
        enqueue(engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "m1")])
        ground = "test_purchase" if verdict is Verdict.COUNTERFEIT else ""
        with writing(engine) as connection:
            decide(connection, DecisionRequest(claim(connection, "ana", now=now), verdict, ground), now=now)
    engine.dispose()
    assert ipml("data labels --out labels.parquet").out.startswith("2 labels, 1 of them counterfeit")
    (validation,) = read_listings(tmp_path / "labels.parquet")
    assert validation.problems == ()
    first, second = frame_to_listings(validation.listings)
    assert (first.listing_id, first.title, first.price) == ("L1", "NA", 12.5)
    assert (first.is_counterfeit, first.labelled_at, first.label_weight) == (True, MONDAY, 1.0)
    assert second.is_counterfeit is False
    moments = {"2024-05-05": 0, "2024-05-06": 1, "2024-05-07T11:59:59": 1, "2024-05-07T14:00:00+0200": 2}
    said = {moment: ipml("data labels --force --out labels.csv --known-by", moment).out[:8] for moment in moments}
    assert said == {moment: f"{count} labels" for moment, count in moments.items()}


# `ipml data portfolios` keeps what is known of sellers, and `ipml score --portfolios` uses it
MOMENTS = "listing_id,seller_id,title,observed_at\n"
TAKE_IN = "data portfolios earlier.csv --out sellers.npz"
WRONG_PORTFOLIOS = {
    "data portfolios no.csv --out sellers.npz": "ipml: no.csv: found No such file",
    "data portfolios earlier.csv --out earlier.csv": "found earlier.csv twice",
    "data portfolios earlier.csv --out no/sellers.npz": "ipml: cannot write no/sellers.npz: found ",
    "data portfolios earlier.csv --out tonight.csv": "tonight.csv: found no archive of the arrays expected",
    "score tonight.csv --out scored.csv --portfolios no.npz": "ipml: no.npz: found No such file",
    "score tonight.csv --out scored.csv --portfolios earlier.csv": "ipml: earlier.csv: found no archive ",
    "score tonight.csv --out scored.csv --portfolios scored.csv": "found scored.csv twice",
}


@pytest.fixture
def shop(ipml, saved_model, classifier, market, tmp_path, monkeypatch):
    """Return a folder with listings of last night, as suspicious as any, and of tonight, and a model in use."""
    listings = check_listings(market.listings.tail(200))
    worst = listings.iloc[[np.argmax(classifier.suspicion(listings))] * 8]
    moments = pd.date_range("2030-01-01", periods=8, freq="h", tz="UTC")
    earlier = worst.assign(listing_id=list("01234567"), seller_id="s", listed_at=moments, observed_at=moments)
    write_listings(earlier, tmp_path / "earlier.csv")
    (tmp_path / "tonight.csv").write_text(f"{MOMENTS}9,s,Nike shoes,2030-01-02T00:00:00Z\n")
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    return tmp_path


def test_what_a_seller_listed_before_raises_the_score_of_the_next(ipml, shop):
    """Night by night: scored by what was known before, then taken in once, the store the same to the byte."""
    assert ipml(TAKE_IN).out.startswith("8 listings taken into sellers.npz by market/")
    written = (shop / "sellers.npz").read_bytes()
    again = ipml(TAKE_IN)
    assert again.out.startswith("0 listings taken into sellers.npz by market/")
    assert "8 were in it already, and count once" in again.out
    assert (shop / "sellers.npz").read_bytes() == written
    ipml("score tonight.csv --out without.csv")
    answer = ipml("score tonight.csv --out with.csv --portfolios sellers.npz")
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    ((without,), (known,)) = (list(read_scored(shop / name)) for name in ("without.csv", "with.csv"))
    assert known.score > without.score
    assert any("of this seller's 8 earlier listings" in reason.sentence for reason in known.reasons)


def test_a_mistake_exits_2_with_one_line(ipml, accepted, shop, classifier):
    """Nothing is written, nor where the store is another model's; bad rows with a file for them exit with 1."""
    before = sorted(shop.iterdir())
    assert accepted(WRONG_PORTFOLIOS) == {}
    assert sorted(shop.iterdir()) == before
    save_model(classifier, shop / "other", name="other", data_digest="0", experiment={}, figures={})
    (shop / "earlier.csv").write_text(f"{MOMENTS}7,s,Wool hat,\n8,s,,\n")
    answer = ipml(f"{TAKE_IN} --rejects bad.csv")
    assert answer.exit_code == 1
    assert "1 listings taken" in answer.out
    assert "1 bad rows kept in bad.csv" in answer.out
    written = (shop / "sellers.npz").read_bytes()
    lines = ("data portfolios tonight.csv --out", "score tonight.csv --out scored.csv --portfolios")
    said = "ipml: sellers.npz: found portfolios by the model 'market/"
    assert accepted({f"{line} sellers.npz --model other": said for line in lines}) == {}
    assert (shop / "sellers.npz").read_bytes() == written
    assert not (shop / "scored.csv").exists()


GOOD = "listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n2,s,AAA replica watch,19.0,EUR\n"
BAD = "3,s,Belt,9;5,EUR\n"
WRONG = {
    "score no.csv --out scored.csv": "ipml: no.csv: found No such file or directory; expected ",
    "score shop.xls --out scored.csv": "ipml: shop.xls: found the suffix '.xls'; expected ",
    "score bad.csv --out scored.csv": "ipml: bad.csv: 1 bad row: row 3, price: found '9;5', expected a number ",
    "score shop.csv --out scored.xls": "ipml: cannot write scored.xls: found the suffix '.xls'; expected ",
    "score shop.csv --out no/scored.csv": "cannot write no/scored.csv: found No such file or directory; expected ",
    "score shop.csv --out folder.csv": "ipml: cannot write folder.csv: found a folder; expected ",
    "score shop.csv --out others": "cannot write others: found a folder with 'letter.txt' in it; expected ",
    "score shop.csv --out mine.csv": "found something of that name; expected a new name, or --force",
    "score shop.csv --out scored.csv --jobs many": "ipml: --jobs: found 'many'; expected ",
    "score shop.csv --out scored.csv --columns ozone": "ipml: --columns: found 'ozone'; expected ",
    "score shop.csv --out scored.csv --rejects no/bad.csv": "ipml: cannot write no/bad.csv: found ",
}


@pytest.fixture
def priced_shop(ipml, saved_model, tmp_path, monkeypatch):
    """Return a file of two good listings, and let the model of the settings be the small marketplace's."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    (tmp_path / "shop.csv").write_text(GOOD)
    return tmp_path / "shop.csv"


def test_all_good_exits_0_and_says_one_thing(ipml, priced_shop, saved_model, tmp_path):
    """The listings are counted, nothing else is printed; as many as asked for are explained, the worst first."""
    answer = ipml("score shop.csv --out scored.parquet --explain-top 1 --require-familiar --model", saved_model)
    assert (answer.exit_code, answer.err.strip(), answer.out.count("\n")) == (0, "", 1)
    assert answer.out.startswith("2 listings scored by market/")
    assert answer.out.endswith(" into scored.parquet\n")
    scored = list(read_scored(tmp_path / "scored.parquet"))
    assert [(one.listing.listing_id, bool(one.reasons)) for one in scored] == [("1", False), ("2", True)]


def test_bad_rows_and_what_cannot_be_judged_are_counted(ipml, priced_shop, tmp_path):
    """The good ones are scored, the bad ones kept apart, with exit code 1; what is abstained from is said."""
    priced_shop.write_text(f"{GOOD}{BAD}4,s,\u2605\u2605,1.0,EUR\n")
    answer = ipml("score shop.csv --out scored.csv --rejects rejects.csv")
    assert answer.exit_code == 1
    assert "1 bad rows kept in rejects.csv" in answer.out
    assert "1 of them could not be judged; `abstained` says why" in answer.out
    assert len(list(read_scored(tmp_path / "scored.csv"))) == 3
    with (tmp_path / "rejects.csv").open(newline="") as stream:
        assert [row["row"] for row in csv.DictReader(stream)] == ["3"]


def test_a_name_without_a_suffix_is_a_folder(ipml, priced_shop, tmp_path):
    """Of Parquet files, with a word that it is whole; scored again it is left as it is, and that is said."""
    (tmp_path / "map.toml").write_text('name = "x"\n[columns]\nlisting_id = "id"\nseller_id = "who"\ntitle = "what"\n')
    (tmp_path / "own.csv").write_text("id,who,what\n7,s,Wool hat\n")
    assert ipml("score own.csv --out scored --columns map.toml").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "scored").iterdir()) == ["_SUCCESS", "part-00000.parquet"]
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored")] == ["7"]
    again = ipml("score own.csv --out scored --columns map.toml")
    assert (again.exit_code, "1 rows had been done by an earlier run" in again.out) == (0, True)


def test_a_run_of_another_model_is_refused_until_restarted(ipml, priced_shop, tmp_path, monkeypatch):
    """In one line that says what differs and what to do."""
    with monkeypatch.context() as patched:
        patched.setattr("ipml.scoring.batch.file_scoring.CHUNK_ROWS", 1)
        patched.setattr("ipml.scoring.batch.file_scoring.join_file", stop)
        stopped = ipml("score shop.csv --out scored.csv")
    assert (stopped.exit_code, stopped.out) == (130, "")
    assert stopped.err.strip().endswith("are in .scored.csv.chunks: give the same command again to go on")
    refused = ipml("score shop.csv --out scored.csv --explain-top 1")
    assert refused.is_refusal("with another number of listings to explain: 100; expected 1.")
    assert ipml("score shop.csv --out scored.csv --explain-top 1 --restart").exit_code == 0
    assert not (tmp_path / ".scored.csv.chunks").exists()


def stop(*_: object) -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


def test_another_market_is_said_first_and_can_be_refused(ipml, priced_shop, tmp_path):
    """Refused, nothing stands there; what was scored is kept, and a record says afterwards what was unlike."""
    rows = "".join(f"{row},s{row},Vaskrolo munti {row}\n" for row in range(40))
    (tmp_path / "other.csv").write_text("listing_id,seller_id,title\n" + rows)
    refused = ipml("score other.csv --out scored --require-familiar")
    assert refused.is_refusal("other.csv: found listings unlike those market/", "never met in training; up to")
    assert not (tmp_path / "scored").exists()
    done = ipml("score other.csv --out scored")
    assert done.exit_code == 0
    assert "40 rows had been done by an earlier run" in done.out
    assert done.err.startswith("ipml: unlike the listings market/")
    record = json.loads((tmp_path / "scored/_SUCCESS").read_text())["unlike"]
    assert (record[0]["subject"], record[0]["n_listings"]) == ("words", 40)
    assert record[0]["found"] > record[0]["high"]
    assert ipml("score other.csv --out scored").err == done.err


def test_jobs_are_a_number_or_all():
    """All are the cores this process may use."""
    cores = len(os.sched_getaffinity(0))
    assert [count_jobs(jobs) for jobs in ("3", "all", "0")] == [3, cores, cores]


def test_a_mistake_in_scoring_exits_2_with_one_line(ipml, accepted, priced_shop, tmp_path):
    """It says what was found and what was expected, and nothing is written; what is there goes by --force alone."""
    (tmp_path / "bad.csv").write_text(GOOD + BAD)
    (tmp_path / "shop.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "letter.txt").touch()
    (tmp_path / "mine.csv").write_text("mine")
    before = sorted(tmp_path.iterdir())
    assert accepted(WRONG) == {}
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert ipml("score shop.csv -o mine.csv --force").exit_code == 0
    assert "--out" in ipml("score shop.csv").err
