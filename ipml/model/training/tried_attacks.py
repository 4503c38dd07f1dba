"""The attacks that a training tries on its test: which disguises, and how much of the finds is left."""

from __future__ import annotations

from dataclasses import dataclass

from ipml.errors import UnmeasurableScores
from ipml.model.attacks import Attack, find_attacks
from ipml.model.evaluation import MODEL
from ipml.model.robustness import Robustness, robustness_of
from ipml.model.tested import Tested
from ipml.model.training.experiment import Experiment

SOME = (
    "zero-width space, all",
    "homoglyph, 30 % Cyrillic",
    "mathematical bold",
    "tags around letters",
    "spaced out",
    "leet digits",
    "padding, end",
    "mixed, lossless",
    "genuine price",
    "fresh account",
)
"""One attack of each kind and two ways of gaming: enough to see a model that disguise fools, in seconds."""


@dataclass(frozen=True, slots=True)
class KeptRecall:
    """Share of the recall that is left under attack, in 0-1.

    An attack that gives itself away counts as 1: that more is found under it makes up for no other.
    """

    mean: float
    worst: float


def choose_attacks(experiment: Experiment) -> tuple[Attack, ...]:
    """Return the attacks that an experiment asks for.

    Raises
    ------
    UnusableSetting
        It names one that there is not.

    Examples
    --------
    >>> shoes = Experiment(name="shoes", data={"listings": "shoes.csv"}, evaluation={"attacks": ["leet digits"]})
    >>> [attack.name for attack in choose_attacks(shoes)]
    ['leet digits']
    """
    match experiment.evaluation.attacks:
        case "none" | ():
            return ()
        case "all":
            return find_attacks(())
        case "some":
            return find_attacks(SOME)
        case names:
            return find_attacks(names)


def measure_attacks(experiment: Experiment, tested: Tested) -> Robustness | None:
    """Say what the attacks on a test cost; None where none was tried, or no score is precise enough to count finds."""
    if not tested.attacked:
        return None
    try:
        return robustness_of(
            tested.y,
            tested.scores[MODEL][0],
            tested.attacked,
            sellers=tested.listings["seller_id"],
            weight=tested.weight,
            n_resamples=experiment.evaluation.n_resamples,
            seed=experiment.seed,
        )
    except UnmeasurableScores:
        return None


def recall_kept(robustness: Robustness | None) -> KeptRecall | None:
    """Return how much of the recall the attacks leave on average, and how much the worst does.

    Examples
    --------
    >>> y, clean = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    >>> attacked = {"leet digits": [0.9, 0.1, 0.3, 0.2], "spaced out": [0.9, 0.1, 0.8, 0.2]}
    >>> recall_kept(robustness_of(y, clean, attacked, sellers=list("abcd")))
    KeptRecall(mean=0.75, worst=0.5)
    """
    if robustness is None:
        return None
    kept = [min(cost.recall.value / robustness.recall.value, 1.0) for cost in robustness.costs]
    return KeptRecall(mean=sum(kept) / len(kept), worst=min(kept))
