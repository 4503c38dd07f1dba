"""What a classifier says of listings after each attack on the counterfeits among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnusableSetting
from ipml.model.attacks.attacks import Targets, attack_listings
from ipml.model.attacks.families import FAMILIES, Family
from ipml.model.attacks.gaming import SCENARIOS, Scenario, game_listings
from ipml.model.ranking import Floats

Attack = Family | Scenario
ATTACKS: Mapping[str, Attack] = {**FAMILIES, **SCENARIOS}
"""All families and scenarios by name."""

ROWS_AT_A_TIME = 5_000


class Classifier(Protocol):
    """What can be attacked: it turns a frame of listings into probabilities."""

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        ...


def find_attacks(names: Collection[str]) -> tuple[Attack, ...]:
    """Return the attacks of some names or kinds; all where none is named.

    Raises
    ------
    UnusableSetting
        A name is neither that of an attack nor that of a kind.

    Examples
    --------
    >>> [attack.name for attack in find_attacks(["leet digits", "upper case"])]
    ['upper case', 'leet digits']
    """
    known = {*ATTACKS, *(attack.kind for attack in ATTACKS.values())}
    for name in names:
        if name not in known:
            near = ", ".join(get_close_matches(name, sorted(known), n=5, cutoff=0.0))
            raise UnusableSetting("attack", repr(name), f"an attack or a kind of them, such as {near}")
    return tuple(attack for attack in ATTACKS.values() if not names or attack.name in names or attack.kind in names)


def score_attacks(
    classifier: Classifier,
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

    All listings of an attacker are scored again, as those that are not counterfeit may change with the others; those
    of other sellers keep their scores.

    Parameters
    ----------
    classifier : Classifier
        Fitted, on other sellers than these.
    listings : DataFrame of shape (n_listings, …)
        Canonical listing columns.
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    families : iterable of Family or Scenario
        The attacks; all of them by default.
    targets : {"all", "trade words"}, default="all"
        Which words are rewritten, as for `ipml.model.attacks.attack_text`.
    seed : int, default=0
    clean : array of shape (n_listings,), optional
        The scores before any attack; worked out where not given.
    say : function of str, optional
        Called with the name of each attack before it is made.
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
    classifier: Classifier, listings: pd.DataFrame, attacked: pd.DataFrame, truth: NDArray[np.bool_], before: Floats
) -> Floats:
    """Score the listings of all whose counterfeits were attacked, under their old names or new ones."""
    n_listings, now = len(listings), attacked["seller_id"]
    attackers = {*listings["seller_id"][truth], *now.iloc[:n_listings][truth]}
    rows = np.flatnonzero(now.isin(attackers))
    scores = np.concatenate([before, np.full(len(attacked) - n_listings, np.nan)])  # what sellers added comes last
    scores[rows] = score_by_seller(classifier, attacked.iloc[rows])
    return scores[:n_listings]


def score_by_seller(classifier: Classifier, listings: pd.DataFrame) -> Floats:
    """Return the scores, shape (n_listings,), of a few thousand listings at a time, never parting a seller's.

    Examples
    --------
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
        scores[rows] = classifier.predict_proba(listings.iloc[rows])[:, 1]
    return scores
