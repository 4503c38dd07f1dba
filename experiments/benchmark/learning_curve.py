"""How much a model of another market helps where few local labels are known: average precision on unseen sellers.

Beside each other stand the donor by itself, a model of the local labels alone, and one that starts from the donor. Half
of the local sellers are tested on; labels are those of listings drawn at random from the other half, anew for each
seed. The simulated markets differ in their categories, brands, sellers and difficulty; those of real listings are
there where IPML_DATA says where the files lie. A donor of shuffled labels knows nothing, and should do no harm.

Example: python -m experiments.benchmark.learning_curve --labels 50 --labels 200 --seeds 10 --pair "simulated"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, log_loss

from experiments.benchmark.protocols import read_darknet, read_ozon
from ipml.model.pipeline import CounterfeitClassifier
from ipml.simulation.marketplace import simulate_marketplace

Floats = NDArray[np.float64]
N_SIMULATED = 8_000
MEASURES = {"average precision": average_precision_score, "log loss": log_loss}


def main(
    labels: Annotated[list[int] | None, typer.Option(help="Numbers of local labels.")] = None,
    seeds: Annotated[int, typer.Option(help="How often sellers and labels are drawn.")] = 10,
    pair: Annotated[list[str] | None, typer.Option(help="Which pairs, by name; all where none is given.")] = None,
) -> None:
    """Print for each pair of markets and number of labels the means over seeds, and what the donor brings, paired."""
    for name in pair or PAIRS:
        make_donor, read_local = PAIRS[name]
        donor, local = fit_donor(make_donor), read_local()
        typer.echo(f"\n{name}")
        for n_labels in labels or [0, 50, 200, 1_000]:
            scored = [score_seed(donor, local, n_labels, seed) for seed in range(seeds)]
            for measure, figure in MEASURES.items():
                print_row(
                    n_labels, measure, [{way: figure(y, of) for way, of in ways.items()} for y, ways, _ in scored]
                )
            weights = [weight for _, _, weight in scored]
            typer.echo(f"{'':6} weight of the donor: {np.round(weights, 2).tolist()}")


def score_seed(
    donor: CounterfeitClassifier, local: pd.DataFrame, n_labels: int, seed: int
) -> tuple[NDArray[np.int8], dict[str, Floats], float]:
    """Return labels of the sellers tested on, the scores of each way to a model, and the weight of the donor."""
    rng = np.random.default_rng(seed)
    sellers = rng.permutation(local["seller_id"].unique())
    is_tested = local["seller_id"].isin(sellers[: len(sellers) // 2]).to_numpy()
    known = rng.permutation(np.flatnonzero(~is_tested))[:n_labels]
    learnt, tested = local.iloc[np.sort(known)], local[is_tested]
    of_donor = donor.predict_proba(tested)[:, 1]
    y = labels_of(learnt)
    if len(set(y)) < 2:  # nothing can be learnt: the donor remains, or nothing
        nothing = np.full(len(tested), 0.5)
        return labels_of(tested), {"donor": of_donor, "local": nothing, "both": of_donor}, 1.0
    alone = CounterfeitClassifier(seed=seed).fit(learnt, y)
    both = CounterfeitClassifier(seed=seed).fit(learnt, y, donor=donor)
    scores = {"donor": of_donor, "local": alone.predict_proba(tested)[:, 1], "both": both.predict_proba(tested)[:, 1]}
    return labels_of(tested), scores, both.donor_weight_


def print_row(n_labels: int, measure: str, figures: list[dict[str, float]]) -> None:
    """Print the means, and how much better than each is what starts from the donor, with intervals of 95 %."""
    of = pd.DataFrame(figures)
    means = ", ".join(f"{way} {mean:.3f}" for way, mean in of.mean().items())
    gains = ", ".join(f"{compare(of['both'] - of[way])} to {way}" for way in ("donor", "local"))
    typer.echo(f"{n_labels:6,} {measure}: {means}; difference {gains}")


def compare(differences: pd.Series[float]) -> str:
    """Return the mean of differences over seeds with Student's interval."""
    mean, n = differences.mean(), len(differences)
    width = student.ppf(0.975, n - 1) * differences.std() / np.sqrt(n) if n > 1 else np.nan
    return f"{mean:+.3f} ({mean - width:+.3f} to {mean + width:+.3f})"


@cache
def fit_donor(read: Callable[[], pd.DataFrame]) -> CounterfeitClassifier:
    """Return a model of all listings of a market."""
    market = read()
    return CounterfeitClassifier().fit(market, labels_of(market))


def labels_of(listings: pd.DataFrame) -> NDArray[np.int8]:
    """Return 1 for each counterfeit, else 0."""
    return listings["is_counterfeit"].to_numpy(dtype=np.int8)


def read_simulated_donor() -> pd.DataFrame:
    """Return an easy simulated market of half of the categories."""
    return _simulate(seed=0, difficulty=0.4, part=0)


def read_simulated_local() -> pd.DataFrame:
    """Return a harder simulated market of the other half of the categories."""
    return _simulate(seed=1, difficulty=0.6, part=1)


def read_shuffled_donor() -> pd.DataFrame:
    """Return the first simulated market with its labels shuffled."""
    market = read_simulated_donor()
    shuffled = np.random.default_rng(0).permutation(market["is_counterfeit"])
    return market.assign(is_counterfeit=shuffled)


@cache
def _simulate(seed: int, difficulty: float, part: int) -> pd.DataFrame:
    market = simulate_marketplace(N_SIMULATED, seed, difficulty)
    listings = market.listings.assign(is_counterfeit=market.truth["is_counterfeit"].to_numpy())
    names = sorted(listings["category"].dropna().unique())
    return listings[listings["category"].isin(names[part::2])].reset_index(drop=True)


PAIRS: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[], pd.DataFrame]]] = {
    "simulated": (read_simulated_donor, read_simulated_local),
    "shuffled": (read_shuffled_donor, read_simulated_local),
    "simulated to dark-net goods": (read_simulated_donor, read_darknet),
    "marketplace sample to dark-net goods": (read_ozon, read_darknet),
    "dark-net goods to simulated": (read_darknet, read_simulated_local),
    "dark-net goods to marketplace sample": (read_darknet, read_ozon),
}


if __name__ == "__main__":
    typer.run(main)
