"""Do archived decisions come out again? A marketplace scored with portfolios, decided on, scored anew from evidence.

    python -m experiments.enforcement.rescoring --decisions 1000

Half of a simulated marketplace trains a model; the other half goes through files: scored with the portfolios of its
sellers, enqueued, decided on. Then the model is loaded afresh, and every piece of evidence is decrypted and its listing
scored again: all four numbers (score, log-odds, both bounds) must differ by no more than 1e-9. Beside it stands how
many would not come out, had the portfolio of the seller not been kept. Some go out as packages and come back as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, select

from experiments.databases import own_database
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.evidence.package import PackageOutput, export_package
from ipml.enforcement.evidence.pieces import find_evidence, read_scored_listing
from ipml.enforcement.evidence.verify import check_package
from ipml.enforcement.policy import load_enforcement_policy
from ipml.features.goods import brand_table
from ipml.model.model_file import save_model
from ipml.model.pipeline import CounterfeitClassifier, make_features
from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.scoring.batch.file_scoring import BatchOptions, score_file
from ipml.scoring.batch.scored_files import read_scored
from ipml.scoring.portfolio_store import start_store
from ipml.scoring.rescoring import TOLERANCE, rescore
from ipml.scoring.scorer import Scorer, load_model
from ipml.simulation.marketplace import simulate_marketplace
from ipml.storage.database import reading, writing
from ipml.storage.tables import evidence


def main() -> None:
    """Score, decide, score again, and print how large the differences are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--packages", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with own_database() as (engine, folder):
        later = train(folder, options.decisions, options.seed)
        score_later(folder, later)
        decide_all(engine, folder, options.decisions)
        scorer = load_model(folder / "model")
        archived = read_archived(engine)
        judged = [rescore(scorer, one) for one in archived]
        n_same = sum(one.is_same for one in judged)
        n_known = sum(bool(one.earlier_listings) for one in archived)
        n_without = sum(not rescore(scorer, replace(one, earlier_listings=None)).is_same for one in archived)
        print(f"{len(archived)} decisions; of {n_known} of them the seller had listed before")
        print(f"largest difference {max(one.difference for one in judged):g}   bar: {TOLERANCE:g}")
        print(f"come out again: {n_same} of {len(archived)}   bar: all")
        print(f"would not, had the portfolio not been kept: {n_without}")
        print(f"packages that are whole and come out again: {export_some(engine, scorer, folder, options.packages)}")
    sys.exit(0 if n_same == len(archived) >= options.decisions else 1)


def train(folder: Path, n_decisions: int, seed: int) -> pd.DataFrame:
    """Train a model on one half of a marketplace, save it, and return the listings of the other half."""
    market = simulate_marketplace(n_listings=2 * n_decisions + 1_000, seed=seed)
    labelled = market.listings[market.listings["is_counterfeit"].notna()]
    learnt = labelled.head(len(market.listings) // 2 - 300)
    classifier = CounterfeitClassifier(make_features(brand_table(market.brands)), n_folds=3)
    classifier.fit(learnt, learnt["is_counterfeit"].to_numpy(dtype=int))
    save_model(classifier, folder / "model", name="market", data_digest="0", experiment={}, figures={})
    return market.listings.drop(learnt.index).reset_index(drop=True)


def score_later(folder: Path, listings: pd.DataFrame) -> None:
    """Score the other half through files, with the portfolios of all its sellers."""
    scorer = load_model(folder / "model")
    store = start_store(scorer)
    store.take_in(scorer, listings)
    listings.to_csv(folder / "listings.csv", index=False)
    score_file(scorer, folder / "listings.csv", folder / "scored.parquet", BatchOptions(portfolios=store.portfolios))


def decide_all(engine: Engine, folder: Path, n_decisions: int) -> None:
    """Put the most suspicious into a queue and decide on each."""
    scored = sorted(read_scored(folder / "scored.parquet"), key=lambda one: -(one.score or 0.0))
    enqueue(engine, scored[:n_decisions], joins_alike=False)
    for number in range(n_decisions):
        verdict, ground = (Verdict.COUNTERFEIT, "declared_replica") if number % 10 < 7 else (Verdict.GENUINE, "")
        with writing(engine) as connection:
            decide(
                connection,
                DecisionRequest(claim(connection, "ana"), verdict, ground),
                context=ReviewContext(actions=Enforcement(load_enforcement_policy())),
            )


def read_archived(engine: Engine) -> list[ScoredListing]:
    """Return the scored listings in all evidence."""
    with reading(engine) as connection:
        cases = connection.scalars(select(evidence.c.case_id).distinct().order_by(evidence.c.case_id)).all()
        kept = [one for case in cases for one in find_evidence(connection, case)]
        return [read_scored_listing(one.content) for one in kept]


def export_some(engine: Engine, scorer: Scorer, folder: Path, n_packages: int) -> str:
    """Export some cases and check the packages."""
    n_whole = 0
    for case in range(1, n_packages + 1):
        package = export_package(engine, case, PackageOutput(folder / f"case-{case}", "lea")).path
        files = (package / "data").glob("evidence-*.json")
        scored = [read_scored_listing(json.loads(file.read_text(encoding="ascii"))) for file in files]
        n_whole += not check_package(package).findings and all(rescore(scorer, one).is_same for one in scored)
    return f"{n_whole} of {n_packages}"


if __name__ == "__main__":
    main()
