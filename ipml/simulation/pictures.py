"""Pictures of the simulated goods: which offers show the same, altered by counterfeiters, and what was known of each.

Which offers show the same picture is decided with the offers (`ipml.simulation.offers`): the maker's, the seller's own
of a model, or one of a kind. Counterfeiters mirror some of those that they take, or lay a banner over them. The bank of
pictures recognises both (`ipml.review.pictures.picture_hash`), so that they count as the same picture. How many other
listings with a picture had been found counterfeit, or genuine, counts what reviewers had decided when a listing was
observed, and nothing of what many sellers show, as the bank does (`ipml.review.pictures.same_picture`).

A picture follows from its address alone, so that only those that are looked at need to be drawn.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.offers import VOICE_CODES

MIRRORED_SHARE, BANNERED_SHARE = 0.2, 0.3
PLAIN, MIRRORED, BANNERED = range(3)
"""What was done to a picture; the last figure of its address."""

_COMMON_SELLERS = 20
_LONGEST_DAYS = 1_000.0  # more than a simulated market lives

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def show_pictures(offers: pd.DataFrame, decisions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the address of each offer's picture, and how many others with it were known to be what.

    Parameters
    ----------
    offers : DataFrame of shape (n_offers, ...)
        From `make_offers`.
    decisions : DataFrame of shape (n_decisions, 3), indexed like `offers`
        seller, is_counterfeit, decided_day; each offer is decided at most once, after it was observed.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    DataFrame of shape (n_offers, 3), indexed like `offers`
        image_urls, picture_counterfeit_matches, picture_genuine_matches.
    """
    alterations = _alter(offers, rng)
    names = [
        f"https://pictures.example/{image:016x}-{goods}-{alteration}.jpg"
        for image, goods, alteration in zip(
            offers["image"].tolist(), offers["goods"].tolist(), alterations.tolist(), strict=True
        )
    ]
    groups, _ = pd.factorize(offers["image"])
    matches = count_matches(groups, offers["observed_day"].to_numpy(), decisions)
    urls = pd.Series(pd.array(names, dtype="str"), index=offers.index, name="image_urls")
    return pd.concat([urls, matches.set_index(offers.index)], axis=1)


def _alter(offers: pd.DataFrame, rng: np.random.Generator) -> Codes:
    """Choose what is done to each picture: nothing, unless a counterfeiter took it from somewhere."""
    chance = rng.random(len(offers))
    is_taken = offers["is_counterfeit"].to_numpy() & (offers["voice"].to_numpy() != VOICE_CODES["private"])
    altered = np.where(chance < MIRRORED_SHARE, MIRRORED, PLAIN)
    altered = np.where((chance >= MIRRORED_SHARE) & (chance < MIRRORED_SHARE + BANNERED_SHARE), BANNERED, altered)
    return np.where(is_taken, altered, PLAIN)


def count_matches(groups: Codes, observed_day: Array, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return how many listings with the picture of each had been found counterfeit, and genuine, by its moment.

    Examples
    --------
    >>> decisions = pd.DataFrame(
    ...     {"seller": [1, 2], "is_counterfeit": [True, False], "decided_day": [-9.0, -5.0]}, index=[0, 1]
    ... )
    >>> count_matches(np.array([7, 7, 7, 8]), np.array([-12.0, -8.0, -3.0, -1.0]), decisions).to_numpy()
    array([[0., 0.],
           [1., 0.],
           [1., 1.],
           [0., 0.]])
    """
    decided = decisions.assign(group=groups[decisions.index]).sort_values("decided_day", kind="stable")
    firsts = decided[~decided.duplicated(["group", "seller"])]
    is_fake = decided["is_counterfeit"].to_numpy(dtype=bool)
    fakes, genuine, sellers = (
        _count_before(groups, observed_day, some) for some in (decided[is_fake], decided[~is_fake], firsts)
    )
    tells = (sellers < _COMMON_SELLERS) | (2 * fakes > fakes + genuine)
    return pd.DataFrame(
        {"picture_counterfeit_matches": fakes * tells, "picture_genuine_matches": genuine * tells}, dtype=float
    )


def _count_before(groups: Codes, observed_day: Array, decided: pd.DataFrame) -> Codes:
    """Return how many of some decisions were about the group of each listing, by its moment."""
    start = groups * _LONGEST_DAYS
    keys = np.sort(decided["group"].to_numpy() * _LONGEST_DAYS + decided["decided_day"].to_numpy())
    until = np.searchsorted(keys, start + observed_day, side="right")
    return until - np.searchsorted(keys, start - _LONGEST_DAYS / 2, side="left")
