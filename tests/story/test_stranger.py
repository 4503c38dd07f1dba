"""A data scientist takes extractors and columns of their own through everything, by commands and HTTP alone."""

import json
import os
import subprocess
import sys
from contextlib import suppress

import httpx
import numpy as np
import pandas as pd
import pytest
from support.receiver import wait_until
from support.staff import PASSWORD

from ipml.listings.schema import check_listings
from ipml.listings.writers import write_listings
from story.people import Browser
from story.processes import find_port

MODULE = """
import sklearn.base
class Loudness(sklearn.base.TransformerMixin, sklearn.base.BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return X[["title"]].assign(marks=X["title"].str.count("!"))[["marks"]]
"""
EXPERIMENT = """
name = "own"
data = {{ listings = "old.parquet", extra_numbers = {{ returns_30d = "Returns in 30 d" }}, extra_categories = "tier" }}
split = {{ kind = "seller folds", n_folds = 2 }}
evaluation = {{ n_resamples = 10, attacks = "none" }}
model = {{ C = {C}, n_folds = 2 }}
[features]
loudness = {{ class = "strange:Loudness", columns = ["title"], sentence = "Title has {{marks:.0f}} exclamation marks" }}
phrases = {{ class = "sklearn.feature_extraction.text:TfidfVectorizer", columns = "title", min_df = 5 }}
"""


@pytest.mark.slow
def test_what_is_own_goes_through_everything(market, tmp_path):
    """Training, scoring by two processes, reload of a promoted model, case page, evidence and drift know it by name."""
    settings = {"IPML_EXTRACTORS": "scikit-learn, strange:Loudness", "IPML_MODEL_RELOAD_SECONDS": "1"}
    settings["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    def start(*arguments, **said):
        command = [sys.executable, "-m", "ipml", *arguments]
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | settings, text=True, **said)

    def run(*arguments, given=None):
        process = start(*arguments, stdin=-1, stdout=-1, stderr=-1)
        printed, complaints = process.communicate(given, timeout=300)
        assert process.returncode in (0, 1), complaints
        return printed

    (tmp_path / "strange.py").write_text(MODULE)
    listings, is_fake = market.listings, market.truth.set_index("listing_id")["is_counterfeit"]
    shares = np.random.default_rng(0).random(len(listings)) / 20 + 0.3 * is_fake[listings["listing_id"]].to_numpy(float)
    extra = [{"returns_30d": share, "tier": "gold" if share > 0.02 else "new"} for share in shares.round(3)]
    listings = check_listings(listings.assign(extra=pd.Series(extra, listings.index, dtype=object)))
    latest = listings.tail(400).drop(columns=["is_counterfeit", "labelled_at"])
    moved = latest.assign(extra='{"returns_30d":0.9,"tier":"old"}')
    for name, part in (("old", listings.head(2_400)), ("new", latest), ("moved", moved)):
        write_listings(part, tmp_path / f"{name}.parquet")
    for C in (0.3, 1.0):
        (tmp_path / "own.toml").write_text(EXPERIMENT.format(C=C))
        run("model", "train", "own.toml")
    run("model", "promote", "models:/ipml/1", "--override", "the first")
    for jobs in "12":
        run("score", "new.parquet", "--out", f"{jobs}.jsonl", "--jobs", jobs)
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()
    scored = [json.loads(line) for line in (tmp_path / "1.jsonl").read_text().splitlines()]
    top = max(scored, key=lambda one: one["score"] or 0)
    bag = {name: top[name] for name in ("seller_id", "title", "price", "currency", "extra")} | {"listing_id": "http"}
    run("enqueue", "1.jsonl", "--top", "5")
    for name, role in (("ana", "reviewer"), ("lea", "lead")):
        run("admin", "user", "add", name, "--role", role, "--password-stdin", given=f"{PASSWORD}\n")
    port = find_port()
    server = start("serve", "--port", str(port), "--model", "models:/ipml@champion")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

            def find_version():
                with suppress(httpx.TransportError):
                    return client.post("/v1/score", json=bag).json().get("model_version")

            wait_until(find_version, 60)
            first = find_version()
            client.post("/v1/listings", json=bag).raise_for_status()
            submitted = client.get("/v1/listings/http").json()
            run("model", "promote", "models:/ipml/2", "--override", "the second")
            wait_until(lambda: find_version() != first, 60)
        said = next(one["sentence"] for one in submitted["reasons"] if one["feature"] == "extra.returns_30d")
        assert said.startswith("Returns in 30 d: 3")
        browser = Browser(f"http://127.0.0.1:{port}", "ana")
        page = browser.open(f"/cases/{submitted['case']}")
        assert said in page
        browser.press(page, f"/cases/{submitted['case']}/decide", choice="counterfeit/declared_replica")
        browser.close()
    finally:
        server.terminate()
        server.wait(60)
    run("evidence", "export", str(submitted["case"]), "--out", "package", "--by", "lea")
    assert "1 of 1 scores came out again" in run(
        "evidence", "verify", "package", "--rescore", "--model", "models:/ipml/1"
    )
    assert "extra.returns_30d" in run("model", "drift", "models/own", "moved.parquet")
