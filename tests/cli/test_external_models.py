"""Models that ipml did not train, by commands: registered, compared, promoted, served, and in evidence."""

import json
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.consequences import KEEPING
from support.staff import OPERATOR, add_staff

from ipml.records import Verdict
from ipml.review.queue import claim, decide
from ipml.storage.database import open_database, writing
from tests.cli.test_serve import run
from tests.model.external.test_external import Server

NUMBERS = ["price", "seller_age_days", "seller_sales", "seller_strikes"]
EXPERIMENT = 'name = "{}"\n[data]\nlistings = "listings.parquet"\n[split]\nkind = "seller folds"\nn_folds = 2\n'
EXPERIMENT += '[evaluation]\nn_resamples = 50\nattacks = ["leet digits"]\n'
BY_MODEL, OCCLUDED = "as the model itself weighs it", "the score would be"


def make_words(columns: list[str]) -> object:
    """Return a pipeline of scikit-learn of words and numbers."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    parts = ColumnTransformer([("words", TfidfVectorizer(min_df=3), "title"), ("numbers", numbers, columns)])
    return make_pipeline(parts, LogisticRegression(max_iter=2_000))


@pytest.fixture
def models(market, tmp_path) -> Iterator[dict[str, tuple[str, str]]]:
    """Write listings of some sellers, and models that learnt from others; give each model's file, and its reasons."""
    listings, y = market.listings, market.truth["is_counterfeit"].to_numpy(dtype=int)
    returns = np.random.default_rng(0).random(len(y)) + 0.5 * y
    is_outside = listings["seller_id"].map(hash_name).to_numpy() % 2 == 0
    extra = [json.dumps({"returns": value}) for value in returns.tolist()]
    listings.assign(extra=extra)[~is_outside].to_parquet(tmp_path / "listings.parquet")
    outside = listings.assign(**{"extra.returns": returns, "category": listings["category"].astype("category")})
    outside, y = outside[is_outside], y[is_outside]
    skops.io.dump(make_words([*NUMBERS, "extra.returns"]).fit(outside, y), tmp_path / "linear.skops")
    columns = ["category", "extra.returns", *NUMBERS]
    boosted = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(outside[columns], y), 20)
    boosted.save_model(tmp_path / "boosted.txt")
    Server.estimator = make_words(NUMBERS).fit(outside, y)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/invocations"
    yield {"served": (address, OCCLUDED), "boosted": ("boosted.txt", BY_MODEL), "linear": ("linear.skops", BY_MODEL)}
    server.shutdown()
    server.server_close()


def hash_name(name: str) -> int:
    """Return a number of a seller."""
    return sum(name.encode())


def test_a_model_goes_from_its_file_to_a_queue_and_into_evidence(
    ipml: Callable[..., object], models: dict[str, tuple[str, str]], tmp_path: Path, monkeypatch, subtests
) -> None:
    """Files, service and evidence have one score, with reasons of the model or by occlusion.

    A service that answers otherwise than when it was registered is refused.
    """
    address = models["served"][0]
    trusted = f"lightgbm,{address}"
    monkeypatch.setenv("IPML_TRUSTED_MODELS", trusted)
    new = pd.read_parquet(tmp_path / "listings.parquet").drop(columns=["is_counterfeit", "labelled_at"]).tail(40)
    new.to_parquet(tmp_path / "new.parquet")
    for version, (name, (estimator, why)) in enumerate(models.items(), start=1):
        with subtests.test(name):
            (tmp_path / f"{name}.toml").write_text(EXPERIMENT.format(name))
            registered = ipml(f"model register-external {name}.toml --estimator {estimator}")
            assert f"Registered as models:/ipml/{version}" in registered.out
            if version > 1:
                assert "B - A" in ipml(f"model compare models:/ipml@champion models:/ipml/{version}").out
            promoted = ipml(f"model promote models:/ipml/{version} --override trial").out
            assert "golden listings scored as when it was saved" in promoted
            assert f"models:/ipml/{version} is champion" in promoted
            assert ipml(f"score new.parquet --out {name}.parquet").exit_code == 0

            database = f"sqlite:///{name}.db"
            ipml(f"enqueue {name}.parquet --top 1 --database {database}")
            engine = open_database(database)
            add_staff(engine)
            with writing(engine) as connection:
                held = claim(connection, "ana", 1)
                decide(connection, held, Verdict.COUNTERFEIT, ground="declared_replica", consequences=KEEPING)
            assert ipml(f"evidence export 1 --out {name} --by {OPERATOR} --database {database}").exit_code == 0
            stored = json.loads((tmp_path / name / "data" / "evidence-000001.json").read_text())
            scored, listing_id = stored["score"], stored["listing"]["listing_id"]
            assert all(why in reason["sentence"] for reason in scored["reasons"] if reason["feature"] != "rest")
            checked = ipml(f"evidence verify {name} --rescore").out
            assert "1 of 1 scores came out again" in checked
            assert (f"the model answers at {address}, and may have changed there" in checked) == (name == "served")
            in_file = pd.read_parquet(tmp_path / f"{name}.parquet").set_index("listing_id")["score"]
            assert in_file[listing_id] == pytest.approx(scored["score"], abs=1e-9)
            (row,) = json.loads(new[new["listing_id"] == listing_id].to_json(orient="records", date_format="iso"))
            listing = {key: value for key, value in row.items() if value is not None}
            listing |= {"extra": json.loads(row["extra"])}
            with run("--api-only", "--model", "models:/ipml@champion", IPML_TRUSTED_MODELS=trusted) as (_, url):
                answer = httpx.post(f"{url}/v1/score?explain=true", json={"listings": [listing]}, timeout=30).json()
            assert answer["scores"][0]["score"] == pytest.approx(scored["score"], abs=1e-9)
            sentences = {reason["sentence"] for reason in answer["scores"][0]["reasons"]}
            assert sentences == {reason["sentence"] for reason in scored["reasons"]}
    Server.estimator = make_words(["price"]).fit(new, np.arange(40) % 2)
    assert ipml("evidence verify served --model models/served").is_refusal("golden listings", "register it anew")
