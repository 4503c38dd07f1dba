"""`ipml data portfolios` keeps what is known of sellers, and `ipml score --portfolios` uses it."""

import numpy as np
import pandas as pd
import pytest

from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from ipml.model.model_file import save_model
from ipml.scoring.batch.scored_files import read_scored

HEADER = "listing_id,seller_id,title,observed_at\n"
TAKE_IN = "data portfolios earlier.csv --out sellers.npz"
WRONG = {
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
    (tmp_path / "tonight.csv").write_text(f"{HEADER}9,s,Nike shoes,2030-01-02T00:00:00Z\n")
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


def test_bad_rows_with_a_file_for_them_exit_1(ipml, shop):
    """The good ones are taken in, the bad ones kept apart and counted."""
    (shop / "earlier.csv").write_text(f"{HEADER}7,s,Wool hat,\n8,s,,\n")
    answer = ipml(f"{TAKE_IN} --rejects bad.csv")
    assert answer.exit_code == 1
    assert "1 listings taken" in answer.out
    assert "1 bad rows kept in bad.csv" in answer.out


def test_a_mistake_exits_2_with_one_line(ipml, accepted, shop, classifier):
    """It says what was found and expected, and nothing is written; a store of another model is refused, too."""
    before = sorted(shop.iterdir())
    assert accepted(WRONG) == {}
    assert sorted(shop.iterdir()) == before
    save_model(classifier, shop / "other", name="other", data_digest="0", experiment={}, figures={})
    ipml(TAKE_IN)
    written = (shop / "sellers.npz").read_bytes()
    said = "ipml: sellers.npz: found portfolios by the model 'market/"
    lines = (
        "data portfolios tonight.csv --out sellers.npz",
        "score tonight.csv --out scored.csv --portfolios sellers.npz",
    )
    assert accepted({f"{line} --model other": said for line in lines}) == {}
    assert (shop / "sellers.npz").read_bytes() == written
    assert not (shop / "scored.csv").exists()
