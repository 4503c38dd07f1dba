"""External models: opened only where trusted, calibrated, saved, scored alone as together, and explained in full."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from ipml.errors import Failed, UntrustedModel, UnusableSetting
from ipml.listings.kinds import Kind
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.model.external import ExternalClassifier, read_source
from ipml.model.external.classifier import READ, frame_of
from ipml.model.model_file import load_model, save_model
from ipml.scoring.rescoring import rescore
from ipml.scoring.scorer import make_scorer
from tests.model.conftest import FACTS

NUMBERS = ["price", "seller_age_days"]


def make_listings(n: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Return listings of which cheap replicas of new sellers are mostly counterfeit, and their labels."""
    draw = np.random.default_rng(seed)
    y = draw.random(n) < 0.4
    titles = np.where(y ^ (draw.random(n) < 0.1), "AAA replica watch", "wool hat")
    facts = {"listing_id": map(str, range(n)), "seller_id": [f"s{number // 4}" for number in range(n)], "title": titles}
    numbers = {"price": np.where(y, 20.0, 90.0) + draw.normal(0, 4, n), "seller_age_days": draw.integers(1, 900, n)}
    return check_listings(pd.DataFrame(facts | numbers | {"currency": "EUR", "is_counterfeit": y})), y.astype(int)


def make_estimator(last: Any) -> Any:
    """Return a pipeline of words and numbers with some last step, fitted on listings of its own."""
    columns = [("words", TfidfVectorizer(), "title"), ("numbers", SimpleImputer(), NUMBERS)]
    listings, y = make_listings(seed=9)
    return make_pipeline(ColumnTransformer(columns), last).fit(frame_of(listings), y)


class Server(BaseHTTPRequestHandler):
    """Answer as a model server of MLflow does: with the value of the class for each listing."""

    estimator: Any = None

    def do_POST(self) -> None:
        """Answer for the listings of one request."""
        split = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["dataframe_split"]
        frame = frame_of(pd.DataFrame(split["data"], columns=split["columns"]))
        body = json.dumps({"predictions": self.estimator.predict_proba(frame)[:, 1].tolist()}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def answering(estimator: Any) -> Iterator[str]:
    """Give the address where an estimator answers."""
    Server.estimator = estimator
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/invocations"
    server.shutdown()
    server.server_close()


@pytest.fixture
def address() -> Iterator[str]:
    """Return where an endpoint answers."""
    with answering(make_estimator(LogisticRegression(max_iter=5_000))) as where:
        yield where


def write(estimator: Any, path: Path) -> str:
    """Write an estimator as a pickle, and return its path."""
    joblib.dump(estimator, path)
    return str(path)


def test_nothing_is_opened_that_is_not_trusted_by_name(tmp_path, address):
    """A pickle, a type that skops does not trust and an address are refused with the word that allows them."""
    import skops.io

    tree = tmp_path / "tree.skops"
    skops.io.dump(make_estimator(DecisionTreeClassifier(max_depth=3)), tree)
    linear = write(make_estimator(LogisticRegression(max_iter=5_000)), tmp_path / "a.pkl")
    for name, word in ((linear, "pickle"), (str(tree), "sklearn.tree._tree.Tree"), (address, address)):
        with pytest.raises(UntrustedModel, match=f"IPML_TRUSTED_MODELS={word}"):
            read_source(name).open("", "x")
        assert read_source(name).open(f"other,{word}", "x").predict
    with pytest.raises(UntrustedModel):  # the beginning of an address ends where a name ends
        read_source(address.replace("invocations", "")[:-1] + "1/").open(address.rpartition("/")[0], "x")


def test_a_saved_model_scores_alone_as_together_and_its_reasons_sum_to_the_log_odds(tmp_path, address):
    """Linear, by occlusion and over HTTP: saved, loaded with trust alone, sent to a process, scored and explained."""
    listings, y = make_listings(seed=1)
    tree = write(make_estimator(DecisionTreeClassifier(max_depth=3)), tmp_path / "tree.pkl")
    linear = write(make_estimator(LogisticRegression(max_iter=5_000)), tmp_path / "linear.pkl")
    trusted = f"pickle,{address}"
    for number, (name, is_calibrated) in enumerate(((linear, True), (tree, False), (address, True))):
        fitted = ExternalClassifier(read_source(name), is_calibrated=is_calibrated, trusted=trusted).fit(listings, y)
        save_model(fitted, tmp_path / f"m{number}", **FACTS, trusted=trusted)
        with pytest.raises(UntrustedModel):
            load_model(tmp_path / f"m{number}")
        loaded = load_model(tmp_path / f"m{number}", trusted=trusted)
        scorer = pickle.loads(pickle.dumps(make_scorer(loaded.classifier, "x/1", digest=loaded.digest)))
        frame, records = scorer.score_frame(listings), list(frame_to_listings(listings))
        assert [scorer.score(record).score for record in records[:3]] == pytest.approx(frame["score"].tolist()[:3])
        for scored in scorer.explain_frame(listings.iloc[:3]):
            total = scored.base_rate + sum(reason.weight for reason in scored.reasons)
            assert total == pytest.approx(scored.log_odds)
            assert rescore(scorer, scored).is_same
            assert (scored.score_low is not None) is is_calibrated
        assert y[frame["score"] > 0.7].mean() > 0.6 > 0.3 > y[frame["score"] < 0.3].mean()


def test_an_estimator_fitted_anew_is_calibrated_on_sellers_left_out(tmp_path):
    """A tree that knows each training listing by heart would be sure of all; calibrated on others it is not."""
    draw = np.random.default_rng(30)
    listings, _ = make_listings(400, seed=3)
    y = (draw.random(400) < 0.5).astype(int)
    source = read_source(write(make_estimator(DecisionTreeClassifier()), tmp_path / "t.pkl"))
    fitted = ExternalClassifier(source, refit=True, trusted="pickle").fit(listings, y)
    assert np.abs(fitted.predict_proba(listings)[:, 1] - 0.5).max() < 0.2
    assert fitted.source.digest != source.digest


class Odd(LogisticRegression):
    """An estimator that answers in the ways that it is told to."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer = answer

    def predict_proba(self, X: Any) -> Any:
        """Answer as told."""
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = self.answer(X) if callable(self.answer) else self.answer
        return np.asarray(answer) if answer is not None else super().predict_proba(X)


def test_odd_answers_are_one_line_that_names_the_estimator(tmp_path):
    """Too few rows, NaN, values beyond 1, an exception: each is refused, with what was found and expected."""
    listings, y = make_listings(40)
    for answer, found in (
        ([0.5, 0.5], r"an answer of shape \(2,\)"),
        ([float("nan")] * 40, "the value nan"),
        ([1.5] * 40, "the value 1.5"),
        (ValueError("no such word\nat all"), "no such word"),
    ):
        source = read_source(write(Odd(answer), tmp_path / "odd.pkl"))
        with pytest.raises(UnusableSetting, match=f"external estimator .pickle.: found .*{found}"):
            ExternalClassifier(source, trusted="pickle").fit(listings, y)


def test_an_endpoint_that_is_gone_is_no_untrusted_model(tmp_path):
    """Nothing listens there: the line names the address, and says nothing of the model file."""
    source = read_source("http://127.0.0.1:9/invocations")
    with pytest.raises(Failed, match=r"127\.0\.0\.1:9/invocations"):
        ExternalClassifier(source, trusted="http://127.0.0.1:9").fit(*make_listings(40))


def test_columns_of_a_marketplaces_own_are_read_by_name_and_classes_by_label(tmp_path):
    """A text and a number reach an estimator whose first class is "counterfeit", also where a listing has neither."""
    listings, y = make_listings(60, seed=4)
    own = pd.DataFrame({"extra.tier": np.where(y, "new", "gold"), "extra.returns": 0.5 * y})
    columns = [
        ("tier", OneHotEncoder(handle_unknown="ignore"), ["extra.tier"]),
        ("n", SimpleImputer(), own.columns[1:]),
    ]
    estimator = make_pipeline(ColumnTransformer(columns), LogisticRegression())
    estimator.fit(own, np.where(y, "counterfeit", "genuine"))
    extra = [dict(zip(("tier", "returns"), row, strict=True)) for row in own.itertuples(index=False)]
    known = check_listings(listings.assign(extra=[*extra[:-1], None]))
    source = read_source(write(estimator, tmp_path / "own.pkl"))
    scorer = make_scorer(ExternalClassifier(source, is_calibrated=False, trusted="pickle").fit(known, y), "x/1")
    score, records = scorer.score_frame(known)["score"], list(frame_to_listings(known))
    assert score[:-1][y[:-1] == 1].min() > 0.5 > score[:-1][y[:-1] == 0].max()
    assert [scorer.score(record).score for record in records[-3:]] == pytest.approx(score.tolist()[-3:])
    (first, *_) = scorer.score(records[int(np.argmax(y))]).reasons
    assert "tier new" in first.sentence
    assert first.weight > 0


def suspect(field: str, is_needed: bool, X: pd.DataFrame) -> Any:
    """Suspect listings that have a field."""
    has_field = X[field].notna() & (X[field].astype(str) != "")
    assert has_field.all() or not is_needed
    return np.where(has_field, 0.9, 0.2)


@pytest.mark.slow
def test_occlusion_leaves_out_each_field_that_an_estimator_is_shown(subtests, tmp_path):
    """Ids, own columns and vectors, too: the score without the field is stated, or all weighs in the rest."""
    of_kind = {Kind.NUMBER: 0.5, Kind.COUNT: 5, Kind.SHARE: 0.5, Kind.MOMENT: "2026-05-01T00:00:00Z", Kind.TEXT: "x"}
    of_kind |= {Kind.VECTOR: [0.5, 1.0], Kind.EXTRA: '{"tier":"gold"}'}
    facts = {"currency": "EUR", "country": "DE", "gtin": "4006381333931", "image_hash": "0123456789abcdef"}
    facts |= {"condition": "new", "seller_language": "en"} | dict.fromkeys(("url", "image_urls"), "https://a.example/1")
    listing = check_listings(pd.DataFrame([{one.name: facts.get(one.name, of_kind[one.kind]) for one in READ}]))
    listings = pd.concat([listing, listing], ignore_index=True)
    for field, needs in [*((field, False) for field in READ), (READ[0], True)]:
        with subtests.test(field=field.name, needs=needs):
            source = read_source(write(Odd(partial(suspect, field.name, needs)), tmp_path / "odd.pkl"))
            fitted = ExternalClassifier(source, is_calibrated=False, trusted="pickle").fit(listings, [0, 1])
            (scored,) = make_scorer(fitted, "x/1").explain_frame(listing)
            left_out = [reason for reason in scored.reasons if reason.feature.endswith(".left_out")]
            assert ["20 %" in reason.sentence for reason in left_out] == [True] * (not needs)
            total = scored.base_rate + sum(reason.weight for reason in scored.reasons)
            assert total == pytest.approx(scored.log_odds)


def test_labels_are_never_shown():
    """What an external estimator is shown holds neither the label nor what belongs to it."""
    shown = frame_of(make_listings(8)[0])
    assert not {"is_counterfeit", "labelled_at", "label_weight", "label_probability"} & set(shown)
    assert list(shown) == [field.name for field in READ]
