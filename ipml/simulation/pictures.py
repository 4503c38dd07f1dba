"""Pictures of simulated offers: gives addresses, alterations by counterfeiters, and matches with decided listings.

`ipml.simulation.offers` decides which offers show the same picture. Counterfeiters mirror some pictures or lay a
banner over them; `ipml.review.pictures.picture_hash` recognises both, so they count as the same picture. A picture
follows from its address alone, so only pictures that are looked at need to be drawn.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.records import Listing
from ipml.simulation.offers import GOODS, VOICE_CODES

MIRRORED_SHARE, BANNERED_SHARE = 0.2, 0.3
PLAIN, MIRRORED, BANNERED = range(3)
"""Alterations of a picture; the last digit of its address."""

_COMMON_SELLERS = 20
_LONGEST_DAYS = 1_000.0  # more than a simulated market lasts

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def show_pictures(offers: pd.DataFrame, decisions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return image_urls, picture_counterfeit_matches and picture_genuine_matches of each offer, indexed like `offers`.

    `decisions` (seller, is_counterfeit, decided_day) are indexed like `offers`; each offer is decided at most once,
    after it was observed.
    """
    alterations = _alter(offers, rng)
    names = [
        make_address(image, goods, alteration)
        for image, goods, alteration in zip(
            offers["image"].tolist(), offers["goods"].tolist(), alterations.tolist(), strict=True
        )
    ]
    groups, _ = pd.factorize(offers["image"])
    matches = count_matches(groups, offers["observed_day"].to_numpy(), decisions)
    urls = pd.Series(pd.array(names, dtype="str"), index=offers.index, name="image_urls")
    return pd.concat([urls, matches.set_index(offers.index)], axis=1)


def make_address(image: int, goods: int, alteration: int = PLAIN) -> str:
    """Return the address of a picture of goods (position in `ipml.simulation.offers.GOODS`)."""
    return f"https://pictures.example/{image:016x}-{goods}-{alteration}.jpg"


def give_picture(listing: Listing) -> Listing:
    """Return a simulated listing with the address of a picture of its goods, which follows from its id."""
    goods = [one.name for one in GOODS].index(listing.category or GOODS[0].name)
    image = int.from_bytes(sha256(listing.listing_id.encode()).digest()[:7])
    return replace(listing, image_urls=make_address(image, goods))


def _alter(offers: pd.DataFrame, rng: np.random.Generator) -> Codes:
    """Choose the alteration of each picture; only counterfeiters who took a picture from elsewhere alter it."""
    chance = rng.random(len(offers))
    is_taken = offers["is_counterfeit"].to_numpy() & (offers["voice"].to_numpy() != VOICE_CODES["private"])
    altered = np.where(chance < MIRRORED_SHARE, MIRRORED, PLAIN)
    altered = np.where((chance >= MIRRORED_SHARE) & (chance < MIRRORED_SHARE + BANNERED_SHARE), BANNERED, altered)
    return np.where(is_taken, altered, PLAIN)


def count_matches(groups: Codes, observed_day: Array, decisions: pd.DataFrame) -> pd.DataFrame:
    """Count the listings with the same picture that were decided before each was observed: counterfeit, and genuine.

    Pictures that many sellers show count nothing, as in `ipml.review.pictures.same_picture`.

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
    """Count the decisions about the group of each listing that were taken before it was observed."""
    start = groups * _LONGEST_DAYS
    keys = np.sort(decided["group"].to_numpy() * _LONGEST_DAYS + decided["decided_day"].to_numpy())
    until = np.searchsorted(keys, start + observed_day, side="right")
    return until - np.searchsorted(keys, start - _LONGEST_DAYS / 2, side="left")
