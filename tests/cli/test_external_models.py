"""Models that ipml did not train, by commands: registered, compared, promoted, served, and in evidence."""

import json
from pathlib import Path

import httpx
import lightgbm
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from support.actions import KEEPING_EVIDENCE
from support.staff import OPERATOR, add_staff

from ipml.records import Verdict
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import open_database, writing
from tests.cli.test_serve import run
from tests.model.external.test_external import NUMBERS, Server, answering, make_estimator, make_listings

EXPERIMENT = 'name = "{}"\n[data]\nlistings = "listings.parquet"\n[split]\nkind = "seller folds"\nn_folds = 2\n'
EXPERIMENT += '[evaluation]\nn_resamples = 50\nattacks = ["leet digits"]\n'
BY_MODEL, OCCLUDED = "as the model itself weighs it", "the score would be"


@pytest.mark.parametrize(("name", "why"), [("served", OCCLUDED), ("boosted.txt", BY_MODEL), ("linear.skops", BY_MODEL)])
def test_a_model_goes_from_its_file_to_a_queue_and_into_evidence(ipml, tmp_path: Path, monkeypatch, name, why) -> None:
    """Files, service and evidence have one score, and reasons of the model or by occlusion.

    A service that answers otherwise than when it was registered is refused.
    """
    listings, _ = make_listings()
    listings.to_parquet(tmp_path / "listings.parquet")
    new = listings.drop(columns=["is_counterfeit", "labelled_at"]).tail(1)
    new.to_parquet(tmp_path / "new.parquet")
    outside, y = make_listings(seed=1)
    outside = outside.astype({"title": "category"})[["title", *NUMBERS]]
    skops.io.dump(make_estimator(LogisticRegression(max_iter=5_000)), tmp_path / "linear.skops")
    boosted = lightgbm.train({"verbose": -1, "objective": "binary"}, lightgbm.Dataset(outside, y))
    boosted.save_model(tmp_path / "boosted.txt")
    with answering(make_estimator(DecisionTreeClassifier(max_depth=3))) as address:
        trusted = f"lightgbm,{address}"
        monkeypatch.setenv("IPML_TRUSTED_MODELS", trusted)
        for version, estimator in enumerate(("linear.skops", address if name == "served" else name), start=1):
            (tmp_path / "own.toml").write_text(EXPERIMENT.format(f"m{version}"))
            assert f"models:/ipml/{version}" in ipml(f"model register-external own.toml --estimator {estimator}").out
        assert "B - A" in ipml("model compare models:/ipml/1 models:/ipml@challenger").out
        promoted = ipml("model promote --override trial").out
        assert "golden listings scored as when it was saved" in promoted
        assert "models:/ipml/2 is champion" in promoted

        ipml("score new.parquet --out scored.parquet")
        ipml("enqueue scored.parquet --top 1")
        engine = open_database("sqlite:///ipml.db")
        add_staff(engine)
        with writing(engine) as connection:
            held = claim(connection, "ana", 1)
            decide(connection, DecisionRequest(held, Verdict.COUNTERFEIT, "declared_replica"), context=KEEPING_EVIDENCE)
        assert ipml(f"evidence export 1 --out case --by {OPERATOR}").exit_code == 0
        scored = json.loads((tmp_path / "case" / "data" / "evidence-000001.json").read_text())["score"]
        assert all(why in reason["sentence"] for reason in scored["reasons"] if reason["feature"] != "rest")
        checked = ipml("evidence verify case --rescore").out
        assert "1 of 1 scores came out again" in checked
        assert (f"the model answers at {address}, and may have changed there" in checked) == (name == "served")

        score = pytest.approx(scored["score"], abs=1e-9)
        assert pd.read_parquet(tmp_path / "scored.parquet")["score"].tolist() == [score]
        (listing,) = json.loads(new.dropna(axis=1).to_json(orient="records"))
        with run("--api-only", "--model", "models:/ipml@champion", IPML_TRUSTED_MODELS=trusted) as (_, url):
            (answer,) = httpx.post(f"{url}/v1/score?explain=true", json={"listings": [listing]}).json()["scores"]
        assert answer["score"] == score
        assert [one["sentence"] for one in answer["reasons"]] == [one["sentence"] for one in scored["reasons"]]
        Server.estimator = make_estimator(LogisticRegression(max_iter=5_000))
        again = ipml("evidence verify case --rescore")
        assert again.is_refusal("golden listings", "register it anew") == (name == "served")
