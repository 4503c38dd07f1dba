"""Another learner where features interact: `python -m experiments.candidates.interactions`.

Invented markets, in half of which two numbers say something only together: a listing is suspect where one of them is
high and the other low. In the other half each is informative alone. scikit-learn's gradient boosting takes the
place of the learner where sellers left out of training say so: where their log loss is lower by more than one standard
error, in pairs over sellers. That choice, and either learner, is then judged on sellers that had no part in it.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ipml.features.own import OwnFeatures
from ipml.features.text import TextFeatures
from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.splits import seller_folds
from ipml.model.pipeline import CounterfeitClassifier, Features

Floats = NDArray[np.float64]
NUMBERS = ["seller_age_days", "seller_sales"]
N_SELLERS, LISTINGS_OF_EACH = 120, 8
_SUSPECT, _ORDINARY = ("mirror grade watch", "aaa bag", "1:1 shoes"), ("steel watch", "leather bag", "wool hat")


def invent(rng: np.random.Generator, *, interact: bool) -> tuple[pd.DataFrame, NDArray[np.int8]]:
    """Return the listings of a market and their labels, about a quarter of them counterfeit."""
    n = N_SELLERS * LISTINGS_OF_EACH
    seller = np.repeat(np.arange(N_SELLERS), LISTINGS_OF_EACH)
    ids = np.char.mod(f"{rng.integers(10**9)}-%d", seller)
    first, second = rng.uniform(-1.0, 1.0, (2, n))
    says = rng.random(n) < 0.3
    numbers = -6.0 * first * second if interact else 1.5 * (first - second)
    log_odds = numbers + 2.0 * says - 2.2 + 0.5 * rng.normal(size=N_SELLERS)[seller]
    titles = np.where(says, rng.choice(_SUSPECT, n), rng.choice(_ORDINARY, n))
    columns = {"seller_id": ids, "title": titles, NUMBERS[0]: first + 1.0, NUMBERS[1]: second + 1.0}
    return pd.DataFrame(columns), (rng.random(n) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.int8)


def make(boosts: bool) -> CounterfeitClassifier:
    """Return a classifier with either learner, not fitted."""
    scaled = OwnFeatures(make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)
    features = Features([("title", TextFeatures("title", bits=7)), ("numbers", scaled)])
    return CounterfeitClassifier(features, n_folds=3, learner=HistGradientBoostingClassifier() if boosts else None)


def gain_on_sellers_left_out(listings: pd.DataFrame, y: NDArray[np.int8]) -> float:
    """Return by how many standard errors boosting has the lower log loss, in pairs over sellers left out."""
    losses = np.zeros((2, len(y)))
    for train, test in seller_folds(listings, y, 3):
        for boosts in (False, True):
            fitted = make(boosts).fit(listings.iloc[train], y[train])
            right = fitted.predict_proba(listings.iloc[test])[np.arange(len(test)), y[test]]
            losses[int(boosts), test] = -np.log(np.maximum(right, 1e-6))
    gains = pd.Series(losses[0] - losses[1]).groupby(listings["seller_id"].to_numpy()).sum()
    return float(gains.mean() / gains.sem())


def main(markets: Annotated[int, typer.Option(min=2, help="How many of each kind.")] = 20, seed: int = 0) -> None:
    """Print how often boosting is taken, and what each learner and the choice are worth on other sellers."""
    for interact in (True, False):
        taken, precisions = [], []
        for number in range(markets):
            rng = np.random.default_rng([seed, interact, number])
            (listings, y), (others, truth) = invent(rng, interact=interact), invent(rng, interact=interact)
            taken.append(gain_on_sellers_left_out(listings, y) > 1.0)
            scores = [make(boosts).fit(listings, y).predict_proba(others)[:, 1] for boosts in (False, True)]
            either = [average_precision(truth, score) for score in scores]
            precisions.append([*either, either[int(taken[-1])]])
        linear, boosted, chosen = np.mean(precisions, axis=0)
        kind = "numbers that interact" if interact else "numbers that do not"
        said = f"average precision {linear:.3f} by ipml's learner, {boosted:.3f} by boosting, {chosen:.3f} as chosen"
        typer.echo(f"{kind}: boosting taken in {sum(taken)} of {markets} markets; {said}")


if __name__ == "__main__":
    typer.run(main)
