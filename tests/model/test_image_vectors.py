"""Image vectors and known pictures count where they are known, and change nothing where they are not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import validate_schema
from sklearn.metrics import average_precision_score

from ipml.errors import InvalidListings
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.listings.writers import to_arrow
from ipml.model.model_file.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier
from ipml.model.tracking.flavor import LABEL_FIELDS, FlavorModel, _make_signature
from ipml.model.training.experiment import digest_listings
from ipml.scoring.online_scoring import ModelInUse, score_listings
from ipml.scoring.rescoring import rescore
from ipml.scoring.scorer import Scorer, load_model
from ipml.scoring.spark.rows import RowReading, check_batch, checked_to_arrow, judge_rows, read_checked

LENGTH = 40
SAYS_COUNTERFEIT, SAYS_GENUINE = (f"Picture resembles pictures of {what}" for what in ("counterfeits", "genuine goods"))


@pytest.fixture(scope="module")
def listings(market) -> pd.DataFrame:
    """Return labelled listings, whose pictures tell something of what they are; a fifth has no vector."""
    found = market.listings[market.listings["is_counterfeit"].notna()].head(800).reset_index(drop=True)
    rng, is_counterfeit = np.random.default_rng(1), found["is_counterfeit"].to_numpy(dtype=bool)
    vectors = rng.normal(size=(len(found), LENGTH)) + 2 * rng.normal(size=LENGTH)
    vectors += np.where(is_counterfeit, 0.2, -0.2)[:, None] * rng.normal(size=LENGTH)
    cells = [None if missing else vector for missing, vector in zip(rng.random(len(found)) < 0.2, vectors, strict=True)]
    return check_listings(found.assign(image_vector=pd.Series(cells, dtype=object)))


def fit(listings: pd.DataFrame, source_model: CounterfeitClassifier | None = None) -> CounterfeitClassifier:
    """Return a model of some listings."""
    classifier = CounterfeitClassifier(C=0.1, n_folds=2)
    return classifier.fit(listings, listings["is_counterfeit"].to_numpy(dtype=int), source_model=source_model)


@pytest.fixture(scope="module")
def parts(listings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return listings to learn from, and those of other sellers."""
    sellers = listings["seller_id"].drop_duplicates()
    is_learnt = listings["seller_id"].isin(sellers[: len(sellers) * 2 // 3])
    return listings[is_learnt].reset_index(drop=True), listings[~is_learnt].reset_index(drop=True)


@pytest.fixture(scope="module")
def model(parts) -> CounterfeitClassifier:
    """Return a model that learnt from vectors."""
    return fit(parts[0])


@pytest.fixture(scope="module")
def plain(parts) -> CounterfeitClassifier:
    """Return a model of the same listings without vectors."""
    return fit(parts[0].drop(columns="image_vector"))


def turn(listings: pd.DataFrame) -> pd.DataFrame:
    """Return listings whose vectors stand in a turned space."""
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(LENGTH, LENGTH)))
    turned = [None if vector is None else vector @ rotation for vector in listings["image_vector"]]
    return listings.assign(image_vector=pd.Series(turned, dtype=object))


def test_a_model_without_vectors_is_the_same_to_the_bit(parts, plain):
    """Whether the column is absent or empty; and it ignores vectors where others know them."""
    seen, unseen = parts
    without = unseen.drop(columns="image_vector")
    expected = plain.predict_proba(without)
    assert np.array_equal(fit(seen.assign(image_vector=None)).predict_proba(without), expected)
    assert np.array_equal(plain.predict_proba(unseen), expected)
    assert "image" not in dict(plain.features_.transformer_list)


def test_vectors_that_tell_help_to_rank_unseen_sellers(parts, model, plain):
    """Without one the model still says something; what counts is how vectors lie to each other, not the axes."""
    _, unseen = parts
    y = unseen["is_counterfeit"].to_numpy(dtype=int)
    with_vectors, without = (average_precision_score(y, one.predict_proba(unseen)[:, 1]) for one in (model, plain))
    assert with_vectors > without
    blind = model.predict_proba(unseen.drop(columns="image_vector"))[:, 1]
    assert average_precision_score(y, blind) > y.mean()
    seen, unseen = parts
    turned = fit(turn(seen)).decision_function(turn(unseen))
    np.testing.assert_allclose(turned, model.decision_function(unseen), atol=0.02)


def test_every_way_scores_the_same(parts, model, tmp_path):
    """A frame, records, one record, a mapping of lists, and the model as it comes back from its file."""
    _, unseen = parts
    some = unseen.head(60)
    save_model(model, tmp_path / "model", name="m", data_digest="", experiment={}, figures={})
    scorer = load_model(tmp_path / "model")
    expected = scorer.score_frame(some)["log_odds"].to_numpy()
    np.testing.assert_array_equal(Scorer(model, "m/1").score_frame(some)["log_odds"], expected)
    records = list(frame_to_listings(some))
    ways = {
        "records": scorer.score_records(records),
        "one record": [scorer.score(record) for record in records],
        "without reasons": [scorer.score(record, explain=False) for record in records],
        "a served model": ModelInUse(scorer).score_records(records)[0],
        "the function": score_listings(some, scorer),
    }
    for way, scored in ways.items():
        found = np.array([one.log_odds for one in scored], dtype=np.float64)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9, err_msg=way)
    sent = {"listing_id": "1", "seller_id": "s", "title": "Bag", "image_vector": [0.5] * LENGTH}
    assert scorer.score(sent).log_odds == score_listings([sent], scorer)[0].log_odds


def test_one_reason_says_what_all_components_weigh(parts, model):
    """What sellers see is one sentence; scored again without the vector, the comparison says why it is another."""
    _, unseen = parts
    scored = Scorer(model, "m/1").explain_frame(unseen.head(80))
    said = [[reason for reason in one.reasons if reason.feature.startswith("image")] for one in scored]
    assert [len(some) for some in said] == [int(one.listing.image_vector is not None) for one in scored]
    sentences = {(reason.sentence, reason.weight > 0) for some in said for reason in some}
    assert sentences == {(SAYS_COUNTERFEIT, True), (SAYS_GENUINE, False)}
    for one in scored:
        assert one.base_rate + sum(reason.weight for reason in one.reasons) == pytest.approx(one.log_odds)
    scorer = Scorer(model, "m/1")
    record = next(one for one in frame_to_listings(parts[1]) if one.image_vector is not None)
    archived = scorer.score(record)
    assert rescore(scorer, archived).is_same
    without = rescore(scorer, replace(archived, listing=replace(record, image_vector=None)))
    assert "the vectors of its picture or text, if it had any, were not kept" in without.problem


def test_mlflow_and_a_worker_of_a_cluster_score_the_same(parts, model):
    """A signature that takes lists, also as they come from JSON; rows through Spark's types, a bad one kept apart."""
    some = parts[1].head(40).reset_index(drop=True)
    scorer = Scorer(model, "m/1")
    expected = scorer.score_frame(some)["score"].to_numpy()
    vectors = [None if vector is None else vector.tolist() for vector in some["image_vector"]]
    sent = some.drop(columns=list(LABEL_FIELDS)).assign(image_vector=pd.Series(vectors, dtype=object))
    served = FlavorModel(scorer.score_frame)
    validate_schema(sent.drop(columns=["listed_at", "observed_at"]), _make_signature().inputs)
    assert served.predict(sent)["score"].tolist() == expected.tolist()
    with pytest.raises(MlflowException, match="row 3, image_vector: found 'a list of 2 numbers'"):
        served.predict(sent.assign(image_vector=[[0.5, 0.1] if row == 2 else None for row in range(40)]))
    reading = RowReading("shop", keeps_bad=True)
    batch = to_arrow(some.assign(image_vector=pd.Series([[0.5], *vectors[1:]], dtype=object)))
    checked = check_batch(batch, reading, scorer)
    assert [problem["column"] for problem in checked["problems"][0]] == ["image_vector"]
    returned = read_checked(checked_to_arrow(check_batch(to_arrow(some), reading), to_arrow(some), ()))
    np.testing.assert_array_equal(judge_rows(returned, scorer, None)["score"], expected)


@pytest.mark.slow
def test_a_successor_sees_with_the_eyes_of_its_donor(parts, model, plain):
    """It has vectors if its source model has, even where its own listings have none; and none where that has none."""
    seen, _ = parts
    again = fit(seen.head(400).drop(columns="image_vector"), source_model=model)
    assert "image" in dict(again.features_.transformer_list)
    np.testing.assert_array_equal(*(each.features_.parts()["image"].components_ for each in (again, model)))
    assert "image" not in dict(fit(seen.head(400), source_model=plain).features_.transformer_list)


def test_vectors_are_part_of_what_a_model_learnt_from(listings):
    """The digest of training data changes with one number of one vector, and is what it was where there is none."""
    changed = listings.copy()
    row = int(np.flatnonzero(changed["image_vector"].notna())[0])
    changed.at[row, "image_vector"] = changed["image_vector"][row] + np.float32(0.001)
    assert digest_listings(changed) != digest_listings(listings)


MATCHES = ["picture_counterfeit_matches", "picture_genuine_matches"]


@pytest.fixture(scope="module")
def pictured(market) -> pd.DataFrame:
    """Return labelled listings, whose pictures tell something of what they are."""
    found = market.listings[market.listings["is_counterfeit"].notna()].head(250).reset_index(drop=True)
    rng, is_counterfeit = np.random.default_rng(1), found["is_counterfeit"].to_numpy(dtype=bool)
    return found.assign(
        picture_counterfeit_matches=np.where(is_counterfeit, rng.poisson(1.0, len(found)), 0.0),
        picture_genuine_matches=np.where(is_counterfeit, 0.0, rng.poisson(0.3, len(found))),
    )


def test_a_model_without_pictures_is_the_same_to_the_bit(pictured):
    """Whether the columns are absent or empty; and it ignores them where others know them."""
    without = pictured.drop(columns=MATCHES)
    plain, empty = fit(without), fit(pictured.assign(**dict.fromkeys(MATCHES, np.nan)))
    expected = plain.predict_proba(without)
    assert np.array_equal(empty.predict_proba(without), expected)
    assert np.array_equal(plain.predict_proba(pictured), expected)
    assert "picture" not in dict(plain.features_.transformer_list)


def test_a_match_with_counterfeits_raises_the_score(pictured, tmp_path):
    """And is a reason; the model comes back from its file as it was, and gives a successor the same."""
    model = fit(pictured)
    row = pictured.head(1).assign(picture_counterfeit_matches=0.0, picture_genuine_matches=0.0)
    known = row.assign(picture_counterfeit_matches=4.0)
    assert model.predict_proba(known)[0, 1] > model.predict_proba(row)[0, 1]
    unknown = row.assign(picture_counterfeit_matches=np.nan, picture_genuine_matches=np.nan)
    assert np.array_equal(model.predict_proba(unknown), model.predict_proba(row))
    save_model(model, tmp_path / "model", name="m", data_digest="", experiment={}, figures={})
    (scored,) = score_listings(known, tmp_path / "model")
    assert "Pictures of 4 other listings found counterfeit" in [reason.sentence for reason in scored.reasons]
    again = fit(pictured.drop(columns=MATCHES), source_model=model)
    assert "picture" in dict(again.features_.transformer_list)


def test_vectors_of_texts_do_as_those_of_pictures_do(parts, tmp_path):
    """To the bit, beside them and in a model file, with a reason of their own; a vector of another length is named."""
    exchanged = {"image_vector": "text_vector", "text_vector": "image_vector"}
    seen, unseen = (part.rename(columns=exchanged).head(300) for part in parts)
    of_texts, of_pictures = fit(seen), fit(parts[0].head(300))
    expected = of_pictures.decision_function(parts[1].head(300))
    np.testing.assert_array_equal(of_texts.decision_function(unseen), expected)
    both = fit(seen.assign(image_vector=seen["text_vector"]))
    assert {"image", "text_vector"} <= both.features_.parts().keys()
    save_model(of_texts, tmp_path / "model", name="m", data_digest="", experiment={}, figures={})
    scorer = load_model(tmp_path / "model")
    (scored,) = scorer.explain_frame(check_listings(unseen[unseen["text_vector"].notna()].head(1)))
    said = {reason.feature: reason.sentence for reason in scored.reasons}
    assert said["text_vector.likeness"].startswith("Text resembles texts of ")
    with pytest.raises(InvalidListings, match="text_vector: found 'a list of 3 numbers', expected a list of"):
        scorer.score(replace(scored.listing, text_vector=(1.0, 0.0, 0.0)))
