"""Columns of a marketplace's own reach the model from any file, count as observed, and are named in reasons."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import InvalidListings, UnusableSetting
from ipml.features.extra import ExtraNumber, check_extra, make_extra_features
from ipml.listings.extra import LARGEST, parse_extra, read_extra
from ipml.listings.maps.column_maps import load_columns
from ipml.listings.readers import read_listings
from ipml.listings.schema import check_listings, check_records, frame_to_listings, listings_to_frame, validate_record
from ipml.listings.writers import write_listings
from ipml.model.drift import measure_drift
from ipml.model.drift.reference import DriftReference, reference_of
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.review.arrivals.snapshot import decode, encode
from ipml.scoring.rescoring import rescore
from ipml.scoring.scorer import Scorer, load_model

BAG = {"listing_id": "1", "seller_id": "s", "title": "Tote bag"}
LABELS = {"returns_30d": "Returns in 30 days"}
CELLS = st.floats(-LARGEST, LARGEST) | st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100)


@given(st.dictionaries(st.from_regex(r"[a-z](?:_?[a-z0-9]){0,5}", fullmatch=True), CELLS | st.none(), max_size=5))
def test_what_was_given_comes_back_from_records_and_frames(cells):
    """As an object or as its JSON, in one spelling; what is missing is left out."""
    listing = validate_record({**BAG, "extra": cells})
    assert parse_extra(listing.extra) == {name: cell for name, cell in cells.items() if cell is not None}
    assert validate_record({**BAG, "extra": json.dumps(cells)}).extra == read_extra(listing.extra) == listing.extra
    assert list(frame_to_listings(listings_to_frame([listing]))) == [listing]


@pytest.fixture(scope="module")
def learnt(market):
    """Listings with returns that tell counterfeits, and a tier; a tenth without either."""
    listings = market.listings[market.listings["is_counterfeit"].notna()].tail(400)
    rng = np.random.default_rng(0)
    returns = (rng.random(400) * 0.1 + 0.2 * listings["is_counterfeit"].astype(float)).tolist()
    extra = [{"returns_30d": value, "tier": str(rng.choice(["gold", "new"]))} for value in returns]
    extra[::10] = [None] * 40
    return check_listings(listings.assign(extra=pd.Series(extra, index=listings.index, dtype=object)))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_files_hold_them(learnt, tmp_path, ending):
    """Whatever the format; a map makes them of columns, in which a text that is written as a number is one."""
    write_listings(learnt.head(20), tmp_path / f"listings.{ending}")
    (again,) = (read.listings for read in read_listings(tmp_path / f"listings.{ending}"))
    assert again["extra"].fillna("").tolist() == learnt["extra"].head(20).fillna("").tolist()
    (tmp_path / "own.toml").write_text(
        'name = "own"\n[columns]\nlisting_id = "id"\nseller_id = "by"\ntitle = "name"\n"extra.tier" = "Tier"\n'
        '"extra.returns_30d" = { column = "Returned", decimal = ",", unit = "%", scale = 0.01 }\n'
    )
    (tmp_path / "own.csv").write_text('id,by,name,Tier,Returned\n1,s,Bag,gold,"31,5 %"\n2,s,Bag,,\n')
    (mapped,) = (read.listings for read in read_listings(tmp_path / "own.csv", load_columns(tmp_path / "own.toml")))
    assert [parse_extra(text) for text in mapped["extra"].fillna("")] == [{"returns_30d": 0.315, "tier": "gold"}, {}]


def test_they_are_explained_saved_and_scored_again(learnt, tmp_path):
    """By their labels, beside what is usual; beyond all of training a number gains nothing; other names are idle."""
    features = make_features(own=make_extra_features(LABELS, ["tier"]))
    classifier = CounterfeitClassifier(features, C=0.3, n_folds=2).fit(learnt, learnt["is_counterfeit"].astype(int))
    save_model(classifier, tmp_path / "model", name="own", data_digest="0", experiment={}, figures={})
    scorer = load_model(tmp_path / "model")
    scored = scorer.score({**BAG, "extra": {"returns_30d": 0.25, "tier": "gold", "unheard_of": 7}})
    said = {reason.feature: reason for reason in scored.reasons}
    assert said["extra.returns_30d"].sentence.startswith("Returns in 30 days: 25 %, usually ")
    assert said["extra.returns_30d"].weight > 1
    assert said["extra.tier"].sentence == "Tier: gold"
    assert Scorer(classifier, scorer.version).score_frame(learnt)["score"].equals(scorer.score_frame(learnt)["score"])
    absurd, more = (scorer.score({**BAG, "extra": {"returns_30d": value}}).log_odds for value in (1e9, 1.0))
    assert absurd == more
    assert rescore(scorer, decode(encode(scored))).is_same
    unknown = scorer.score({**BAG, "extra": {"returns_30d": "a lot"}})
    assert unknown.log_odds == scorer.score(BAG).log_odds
    assert "Returns in 30 days: unknown" in [reason.sentence for reason in unknown.reasons]


def test_a_number_is_said_to_be_beyond_only_where_it_is():
    """The least and the most of training are not "or less" and "or more", however often they come."""
    count = ExtraNumber("n", "Complaints").fit(pd.DataFrame({"extra": [f'{{"n":{n}.0}}' for n in (0, 0, 2, 5, 5)]}))

    def say(n):
        row = count.transform(pd.DataFrame({"extra": [f'{{"n":{n}.0}}']}))[0].tolist()
        return count.say_reason(dict(zip(count.get_feature_names_out(), row, strict=True)), 1.0).partition(",")[0]

    assert [say(n) for n in (-1, 0, 5, 9)] == [f"Complaints: {n}" for n in ("0 or less", "0", "5", "5 or more")]


def test_drift_is_measured_by_name(learnt):
    """Where numbers move, or words come, or all is missing later; texts in the place of numbers are missing."""
    reference = DriftReference.from_json(reference_of(learnt, None).to_json(), "reference")

    def moved(extra):
        later = learnt.assign(extra=pd.Series([read_extra(extra)] * len(learnt), index=learnt.index, dtype="str"))
        return {check.subject for check in measure_drift(reference, later).checks if check.alarm == "alarm"}

    assert not {check.alarm for check in measure_drift(reference, learnt).checks} - {"none"}
    assert {"extra.returns_30d", "extra.tier"} <= moved({"returns_30d": 0.9, "tier": "old"})
    assert {"extra.returns_30d", "extra.tier"} <= moved({}) & moved({"returns_30d": "x", "tier": 3.0})


def test_what_cannot_be_learnt_is_refused_in_a_line():
    """Names that no listing has, numbers that are texts, and names that none can have or that come twice."""
    extra = [read_extra({"returns": "many", "tier": "gold"}), None]
    for numbers, categories, found in [
        ((), ["teir"], "teir .*which no training"),
        (["returns"], (), "'many' as the num"),
    ]:
        with pytest.raises(UnusableSetting, match=rf"^extra columns: found [^\n]*{found}[^\n]*$"):
            check_extra(extra, numbers, categories)
    for numbers, categories in ((["Bad name"], ()), (["tier"], ["tier"]), (["tier", "tier"], ())):
        with pytest.raises(UnusableSetting, match=r"^extra columns: found the name [^\n]+$"):
            make_extra_features(numbers, categories)
    for cell in (1e308, "x" * 300, [1], True):
        with pytest.raises(InvalidListings, match=r"extra: found \W*bad_one\W"):
            check_records([{**BAG, "extra": {"tier": "gold", "bad_one": cell}}])
    assert ExtraNumber("a", "A").fit(pd.DataFrame({"extra": [""]})).usual_ == 0
