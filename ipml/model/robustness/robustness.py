"""Robustness: measures how much a model still finds when sellers rewrite, re-price and launder.

The threshold is the lowest one with the required precision on untouched listings. All counterfeits are then attacked in
one way, and those that still reach the threshold are counted. For figures over folds, pool the scores of
`score_attacks` and pass them to `robustness_of`.

A model can also mistake a script for a disguise. False alarms are therefore counted on harmless listings in fifteen
languages, made up in `genuine_scripts.toml`: the same goods at the same prices, so only the writing differs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter

from ipml.errors import UnmeasurableScores, UnusableSetting
from ipml.model.evaluation.evaluation import align
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    check_scores,
    measure_named,
    rank_once,
    resample_rankings,
)
from ipml.model.labels import find_counterfeit_column
from ipml.model.robustness.attacks import FAMILIES, Family, Targets, attack_listings
from ipml.model.robustness.scenarios import SCENARIOS, Scenario, game_listings

Attack = Family | Scenario
ATTACKS: Mapping[str, Attack] = {**FAMILIES, **SCENARIOS}
"""All families and scenarios by name."""

ROWS_AT_A_TIME = 5_000


class AttackableClassifier(Protocol):
    """Classifier that maps a frame of listings to probabilities."""

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        ...


def find_attacks(names: Collection[str]) -> tuple[Attack, ...]:
    """Return the attacks with the given names or kinds; all if none is given.

    Raises `UnusableSetting`: a name is neither an attack nor a kind.

    >>> [attack.name for attack in find_attacks(["leet digits", "upper case"])]
    ['upper case', 'leet digits']
    """
    choices = {*ATTACKS, *(attack.kind for attack in ATTACKS.values())}
    for name in names:
        if name not in choices:
            near = ", ".join(get_close_matches(name, sorted(choices), n=5, cutoff=0.0))
            raise UnusableSetting("attack", repr(name), f"an attack or a kind of them, such as {near}")
    return tuple(attack for attack in ATTACKS.values() if not names or attack.name in names or attack.kind in names)


def score_attacks(
    classifier: AttackableClassifier,
    listings: pd.DataFrame,
    y: ArrayLike,
    *,
    families: Iterable[Attack] = tuple(ATTACKS.values()),
    targets: Targets = "all",
    seed: int = 0,
    clean: Floats | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[str, Floats]]:
    """Yield the name of each attack and the scores of all listings after it hit the counterfeits.

    All listings of an attacker are scored again, since genuine ones may change with the others. Those of other sellers
    keep their scores.

    Parameters
    ----------
    classifier : AttackableClassifier
        Fitted on other sellers.
    listings : DataFrame of shape (n_listings, …)
        Canonical listing columns.
    families : iterable of Family or Scenario, default=all
    targets : {"all", "trade words"}, default="all"
        Rewritten words, as for `attack_text`.
    clean : array of shape (n_listings,), optional
        Scores before any attack, if already computed.
    """
    truth = np.asarray(y, dtype=bool)
    before = score_by_seller(classifier, listings) if clean is None else clean
    for family in families:
        say(family.name)
        if isinstance(family, Scenario):
            attacked = game_listings(listings, family, truth, ~truth, seed=seed).listings
        else:
            attacked = attack_listings(listings, family, truth, seed=seed, targets=targets)
        yield family.name, _score_again(classifier, listings, attacked, truth, before)


def _score_again(
    classifier: AttackableClassifier,
    listings: pd.DataFrame,
    attacked: pd.DataFrame,
    truth: NDArray[np.bool_],
    before: Floats,
) -> Floats:
    """Score all listings of the attackers again, under their old and new seller ids."""
    n_listings, now = len(listings), attacked["seller_id"]
    attackers = {*listings["seller_id"][truth], *now.iloc[:n_listings][truth]}
    rows = np.flatnonzero(now.isin(attackers))
    scores = np.concatenate([before, np.full(len(attacked) - n_listings, np.nan)])  # what sellers added comes last
    scores[rows] = score_by_seller(classifier, attacked.iloc[rows])
    return scores[:n_listings]


def score_by_seller(classifier: AttackableClassifier, listings: pd.DataFrame) -> Floats:
    """Return the scores, shape (n_listings,), computed for a few thousand listings at a time and whole sellers.

    >>> class Counter:
    ...     def predict_proba(self, X):
    ...         return np.full((len(X), 2), len(X))
    >>> score_by_seller(Counter(), pd.DataFrame({"seller_id": ["a", "b", "a"]}))
    array([3., 3., 3.])
    """
    sellers, _ = pd.factorize(listings["seller_id"])
    last_of_seller = np.cumsum(np.bincount(sellers)) - 1
    parts = (last_of_seller // ROWS_AT_A_TIME)[sellers]
    scores = np.empty(len(listings))
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        scores[rows] = classifier.predict_proba(listings.iloc[rows])[:, find_counterfeit_column(classifier)]
    return scores


OWN = "own"
_average_precision = measure_named("average_precision")


@dataclass(frozen=True, slots=True)
class AttackCost:
    """Loss of recall and precision by one attack.

    Attributes
    ----------
    kind : str
        "own" for an attack that ipml does not have.
    is_lossless : bool
        Whether a reader still reads every word as it was.
    recall : Estimate
        Share of the attacked counterfeits that reach the threshold.
    recall_lost : Estimate
        Difference from the untouched recall; negative where the attack gives itself away.
    average_precision_kept : Estimate
        Average precision with all counterfeits attacked, divided by that without.
    recall_kept : Estimate
        Share of the recall that remains, at most 1: an attack that gives itself away makes up for no other.
    """

    name: str
    kind: str
    is_lossless: bool
    recall: Estimate
    recall_lost: Estimate
    average_precision_kept: Estimate
    recall_kept: Estimate


@dataclass(frozen=True, slots=True)
class Robustness:
    """Costs of all attacks, with 95 % intervals over sellers.

    Attributes
    ----------
    threshold : float
        Lowest score that counts as found.
    precision : float
        Required precision on untouched listings at that threshold.
    recall, average_precision : Estimate
        On untouched listings.
    costs : tuple of AttackCost
        In the given order of the attacks.
    recall_kept : Estimate or None
        Mean over all attacks; None for a selection of them.
    """

    threshold: float
    precision: float
    recall: Estimate
    average_precision: Estimate
    costs: tuple[AttackCost, ...]
    recall_kept: Estimate | None = None

    @property
    def worst(self) -> AttackCost:
        """The attack that costs most recall."""
        return max(self.costs, key=lambda cost: cost.recall_lost.value)

    @property
    def mean_recall_lost(self) -> float:
        """Mean loss of recall over all attacks."""
        return float(np.mean([cost.recall_lost.value for cost in self.costs]))

    @property
    def lossless(self) -> Robustness:
        """The same for the attacks that a reader does not notice."""
        return Robustness(
            self.threshold,
            self.precision,
            self.recall,
            self.average_precision,
            tuple(cost for cost in self.costs if cost.is_lossless),
        )

    def table(self) -> str:
        """Return the costs as text for a terminal, the worst first."""
        worst_first = sorted(self.costs, key=lambda cost: -cost.recall_lost.value)
        return align([["attack", "kind", "lossless", "recall", "recall lost", "AP kept"], *map(_row, worst_first)])

    def summary(self) -> str:
        """Return the threshold, the mean and the worst cost in a few lines."""
        lines = [
            f"untouched: recall {self.recall} at precision {self.precision}, threshold {self.threshold:.4f}; "
            f"average precision {self.average_precision}"
        ]
        for name, part in (("all", self), ("lossless", self.lossless)):
            if part.costs:
                lines.append(
                    f"{name}, {len(part.costs)} attacks: {part.mean_recall_lost:.3f} of recall lost on average, "
                    f"{part.worst.recall_lost.value:.3f} by the worst, {part.worst.name}"
                )
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return _JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> Robustness:
        """Read what `to_json` wrote."""
        return _JSON.validate_json(text)


_JSON = TypeAdapter(Robustness)


def measure_robustness(
    classifier: AttackableClassifier,
    listings: pd.DataFrame,
    y: ArrayLike,
    *,
    families: Iterable[Attack] = tuple(ATTACKS.values()),
    targets: Targets = "all",
    precision: float = 0.8,
    resampling: Resampling = DEFAULT_RESAMPLING,
    say: Callable[[str], None] = lambda _: None,
) -> Robustness:
    """Attack the counterfeits among some listings in every way, and measure the cost of each attack.

    Parameters
    ----------
    classifier, listings, y, families, targets, say
        As for `score_attacks`.
    precision : float, default=0.8
        Required precision on untouched listings.
    resampling : Resampling
        Its seed is also that of the attacks.

    Raises
    ------
    UnmeasurableScores
        No counterfeit, a single seller, or no threshold with that precision.
    """
    clean = score_by_seller(classifier, listings)
    threshold_at_precision(y, clean, precision)  # known before the long part begins
    seed = resampling.seed
    attacked = dict(
        score_attacks(classifier, listings, y, families=families, targets=targets, seed=seed, clean=clean, say=say)
    )
    return robustness_of(y, clean, attacked, listings["seller_id"], precision=precision, resampling=resampling)


def robustness_of(
    y: ArrayLike,
    clean: ArrayLike,
    attacked: Mapping[str, ArrayLike],
    sellers: ArrayLike,
    *,
    precision: float = 0.8,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Robustness:
    """Measure the cost of attacks from the scores before and after.

    Parameters
    ----------
    clean : array of shape (n_listings,)
        Scores of the untouched listings; 0 where the scorer abstains, which counts as not found.
    attacked : mapping of str to array of shape (n_listings,)
        Scores of all listings after each attack hit all counterfeits.
    sellers : array of shape (n_listings,)
        Sellers before any attack.
    precision : float, default=0.8
    resampling : Resampling
        The threshold is the same on every resample.

    Raises
    ------
    UnmeasurableScores
        As for `measure_robustness`.

    Examples
    --------
    >>> y, clean = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    >>> robustness = robustness_of(y, clean, {"leet digits": [0.9, 0.1, 0.3, 0.2]}, list("abcd"))
    >>> robustness.threshold, robustness.worst.recall.value, robustness.worst.average_precision_kept.value
    (0.8, 0.5, 1.0)
    """
    threshold = threshold_at_precision(y, clean, precision, resampling.weight)

    def draw(score: ArrayLike) -> tuple[Floats, Floats]:
        recall, average_precision = np.full((2, 1 + resampling.n_resamples), np.nan)
        for numbers, ranking in resample_rankings(y, score, sellers, resampling):
            above = np.flatnonzero(ranking.scores >= threshold)
            recall[numbers] = ranking.recall[:, above[-1]] if len(above) else 0.0
            average_precision[numbers] = _average_precision(ranking)
        return recall, average_precision

    recall, average_precision = draw(clean)
    costs, kept = [], []
    recall_before = np.where(recall > 0, recall, np.nan)
    for name, score in attacked.items():
        recall_after, average_precision_after = draw(score)
        kept.append(np.minimum(recall_after / recall_before, 1.0))
        costs.append(
            AttackCost(
                name=name,
                kind=ATTACKS[name].kind if name in ATTACKS else OWN,
                is_lossless=name in ATTACKS and ATTACKS[name].is_lossless,
                recall=estimate_of(recall_after),
                recall_lost=estimate_of(recall - recall_after),
                average_precision_kept=estimate_of(average_precision_after / average_precision),
                recall_kept=estimate_of(kept[-1]),
            )
        )
    of_untouched = estimate_of(recall), estimate_of(average_precision)
    return Robustness(threshold, precision, *of_untouched, tuple(costs), estimate_of(np.mean(kept, axis=0)))


def threshold_at_precision(
    y: ArrayLike, score: ArrayLike, precision: float = 0.8, weight: ArrayLike | None = None
) -> float:
    """Return the lowest threshold with at least this precision.

    Raises `UnmeasurableScores`: no threshold is that precise.

    >>> threshold_at_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], precision=0.6)
    0.7
    """
    counts = None if weight is None else np.asarray(weight, dtype=float)
    ranking = rank_once(*check_scores(y, score, are_probabilities=False), counts)
    precise = np.flatnonzero(ranking.precision[0] >= precision)
    if len(precise) == 0:
        raise UnmeasurableScores(f"a precision of {ranking.precision.max():.2f} at most", f"{precision} or more")
    return float(ranking.scores[precise[-1]])


def _row(cost: AttackCost) -> list[str]:
    estimates = map(str, (cost.recall, cost.recall_lost, cost.average_precision_kept))
    return [cost.name, cost.kind, "yes" if cost.is_lossless else "no", *estimates]


REFERENCE = "English"

_PRICES_USD = (12.0, 25.0, 9.5, 34.0, 18.0)
_LISTED_AT = pd.Timestamp("2026-01-05T12:00Z")
_OBSERVED_AT = pd.Timestamp("2026-03-05T12:00Z")


@dataclass(frozen=True, slots=True)
class ScriptAlarms:
    """False alarms on the harmless listings in one language.

    Attributes
    ----------
    share : float
        Share of the listings that reach the threshold, 0-1.
    surplus : float
        Difference from the share in English.
    """

    language: str
    script: str
    share: float
    surplus: float


def false_alarms_by_script(classifier: AttackableClassifier, threshold: float) -> tuple[ScriptAlarms, ...]:
    """Return the false alarms on harmless listings in each language, the reference first.

    >>> import numpy as np
    >>> class Alarmist:
    ...     def predict_proba(self, X):
    ...         is_ascii = X["title"].str.isascii().to_numpy(dtype=float)
    ...         return np.column_stack([is_ascii, 1 - is_ascii])
    >>> alarms = false_alarms_by_script(Alarmist(), 0.5)
    >>> [(alarm.language, alarm.share, alarm.surplus) for alarm in alarms if alarm.language in ("English", "Greek")]
    [('English', 0.0, 0.0), ('Greek', 1.0, 1.0)]
    """
    shares = {
        name: float((classifier.predict_proba(listings)[:, find_counterfeit_column(classifier)] >= threshold).mean())
        for name, listings in genuine_listings().items()
    }
    return tuple(
        ScriptAlarms(name, _languages()[name]["script"], share, share - shares[REFERENCE])
        for name, share in shares.items()
    )


def alarms_table(alarms: Iterable[ScriptAlarms]) -> str:
    """Return false alarms as text for a terminal, a row per language."""
    rows = [[alarm.language, alarm.script, f"{alarm.share:.3f}", f"{alarm.surplus:+.3f}"] for alarm in alarms]
    return align([["language", "script", "false alarms", f"above {REFERENCE}"], *rows])


def genuine_listings() -> dict[str, pd.DataFrame]:
    """Return the harmless listings by language, with canonical columns; English first."""
    return {
        name: _make_listings(name, language["goods"], language["details"], language["descriptions"])
        for name, language in _languages().items()
    }


def _make_listings(
    name: str, goods: Sequence[str], details: Sequence[str], descriptions: Sequence[str]
) -> pd.DataFrame:
    titles = [f"{good}, {detail}" for good in goods for detail in details]
    numbers = range(len(titles))
    return pd.DataFrame(
        {
            "listing_id": [f"{name} {number}" for number in numbers],
            "seller_id": [f"{name} seller {number}" for number in numbers],
            "title": titles,
            "description": [descriptions[number % len(descriptions)] for number in numbers],
            "price": [_PRICES_USD[number % len(_PRICES_USD)] for number in numbers],
            "currency": "USD",
            "listed_at": _LISTED_AT,
            "observed_at": _OBSERVED_AT,
        }
    )


@cache
def _languages() -> dict[str, dict[str, Any]]:
    text = files("ipml.model.robustness").joinpath("genuine_scripts.toml").read_text(encoding="utf-8")
    languages: dict[str, dict[str, Any]] = tomllib.loads(text)
    return languages
