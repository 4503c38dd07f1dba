"""`ipml model shadow` says what would change, and changes nothing."""

import pandas as pd
import pytest

from ipml.cli.model.models import SHOWN_DISPUTED, _describe_shadow
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Listing, Reason, ScoredListing
from ipml.scoring.shadow import Disputed


@pytest.fixture(scope="module")
def challenger(market, tmp_path_factory):
    """Return the folder of a model that has seen little."""
    labelled = market.listings[market.listings["is_counterfeit"].notna()].head(300)
    less = CounterfeitClassifier(C=0.1, n_folds=2)
    less.fit(labelled, labelled["is_counterfeit"].to_numpy(dtype=int))
    folder = tmp_path_factory.mktemp("challenger") / "less"
    save_model(less, folder, name="less", data_digest="0", experiment={}, figures={})
    return folder


def test_it_is_said_what_would_change(ipml, market, saved_model, challenger, tmp_path, monkeypatch):
    """Agreement with the model of the settings, and each listing that only one puts at the top; there is no queue."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    write_listings(market.listings.tail(120), tmp_path / "tonight.parquet")
    answer = ipml("model shadow tonight.parquet --out both.csv --top 30 --challenger", challenger)
    assert (answer.exit_code, answer.err.strip()) == (0, "")
    for said in ("market/", "less/", "mean score", "Rank correlation of their scores: 0.", "In the top 30 of both: "):
        assert said in answer.out
    both = pd.read_csv(tmp_path / "both.csv", dtype={"listing_id": str})
    only = both[both["in_top"] == "challenger"]
    assert f"Only in the top of the challenger: {len(only)} listings" in answer.out
    assert sum(f"({name})" in answer.out for name in only["listing_id"]) == min(len(only), SHOWN_DISPUTED)
    assert "Both scores of all 120 listings are in both.csv" in answer.out
    assert {path.name for path in tmp_path.iterdir()} == {"tonight.parquet", "both.csv"}


def test_a_mistake_exits_2_with_one_line(ipml, accepted, saved_model, tmp_path, monkeypatch):
    """It says what was found and what was expected; bad rows with a file for them are counted, with exit code 1."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    (tmp_path / "shop.csv").write_text("listing_id,seller_id,title\n1,s,Wool hat\n2,s,\n")
    other = f"--challenger {saved_model}"
    wrong = {
        f"no.csv --out both.csv {other}": "ipml: no.csv: found No such file",
        f"shop.csv --out shop.csv {other}": "found shop.csv twice",
        f"shop.csv --out both.xls {other}": "ipml: cannot write both.xls: found the suffix '.xls'",
        "shop.csv --out both.csv --challenger no": "no. Train one, or name another.",
    }
    assert accepted({f"model shadow {line}": words for line, words in wrong.items()}) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]
    answer = ipml(f"model shadow shop.csv --out both.csv --rejects bad.csv {other}")
    assert answer.exit_code == 1
    assert "1 bad rows kept in bad.csv" in answer.out
    assert "Rank correlation" in answer.out


def test_what_a_seller_wrote_is_inert_in_the_terminal():
    """Letters that a terminal would obey are shown as one that says so; a missing score is a dash."""
    title = "\x1b[2J a\rb \u202egnp.exe line\nbreak \x07"
    reasons = (Reason("f", f"Says “{title}”", 1.0), Reason("g", "genuine", -1.0))
    said = [ScoredListing(Listing(title, "s", title), score, score, reasons, (), None, "m/1") for score in (0.5, None)]
    shown = _describe_shadow(said[0], Disputed(*said))
    assert not any(letter in shown for letter in "\x1b\r\u202e\x07")
    assert shown.count("\n") == 1
    assert "50.0% →   –" in shown
