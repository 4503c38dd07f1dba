"""The offers as the marketplace shows them: the canonical columns of a listing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.attackers import Craft
from ipml.simulation.goods import models_of
from ipml.simulation.sellers import MARKETS
from ipml.simulation.texts import N_CHOICES, write_texts
from ipml.simulation.voices import VOICE_CODES

END_OF_YEAR = pd.Timestamp("2026-06-30T23:59:59Z")
BLOCK_ROWS = 50_000
NUMBERED_SHARE = 0.6
# How often an offer in each voice fills in the brand's field.
BRANDED_SHARES = {
    "retail": 0.97,
    "clearance": 0.93,
    "private": 0.85,
    "compatible": 0.50,
    "inspired": 0.35,
    "eager": 0.75,
}


def write_listings(
    offers: pd.DataFrame,
    seller_ids: pd.Series[Any],
    brands: Brands,
    craft: Craft,
    rng: np.random.Generator,
    habits: npt.NDArray[np.floating] | None = None,
) -> pd.DataFrame:
    """Return the listings of the offers, without seller history and labels, shape (n_offers, 14).

    The `habits` are the choices of words that each style likes to make, shape (n_styles, N_CHOICES), each in 0-1; they
    are drawn where not given.
    """
    habits = rng.random((int(offers["style"].max()) + 1, N_CHOICES)) if habits is None else habits
    return pd.DataFrame(
        {
            "listing_id": number_listings(len(offers)),
            "seller_id": take_words(seller_ids, offers["seller"]),
            **_write_texts_in_blocks(offers, brands, craft, habits, rng),
            "brand": _name_brands(offers, brands, rng),
            "category": take_words([brand.category for brand in brands], offers["brand"]),
            "price": offers["price"],
            "currency": take_words([market.currency for market in MARKETS], offers["market"]),
            "listed_at": to_moments(offers["listed_day"]),
            "observed_at": to_moments(offers["observed_day"]),
            "condition": take_words(["new", "used"], offers["is_used"].astype(int)),
            "country": take_words([market.country for market in MARKETS], offers["market"]),
            "gtin": _number_articles(offers, brands, craft, rng),
            "image_hash": pd.Series([f"{image:016x}" for image in offers["image"].to_numpy()], dtype="str"),
        }
    )


def number_listings(n_listings: int, first: int = 0) -> pd.Series[Any]:
    """Return the ids of listings in the order in which they are observed."""
    return pd.Series([f"listing-{number:07d}" for number in range(first, first + n_listings)], dtype="str")


def take_words(words: Iterable[str], positions: pd.Series[Any]) -> pd.Series[Any]:
    """Return the words at the positions.

    Examples
    --------
    >>> take_words(["new", "used"], pd.Series([1, 0, 1])).tolist()
    ['used', 'new', 'used']
    """
    return pd.Series(pd.array(list(words), dtype="str").take(positions.to_numpy()))


def to_moments(days: pd.Series[Any]) -> pd.Series[Any]:
    """Turn days before the end of the year into moments in UTC, to the second.

    Examples
    --------
    >>> to_moments(pd.Series([-1.0]))[0].isoformat()
    '2026-06-29T23:59:59+00:00'
    """
    seconds = np.round(days.to_numpy() * 86_400).astype("timedelta64[s]")
    return (END_OF_YEAR + pd.Series(seconds, index=days.index)).astype("datetime64[us, UTC]")


def _write_texts_in_blocks(
    offers: pd.DataFrame,
    brands: Brands,
    craft: Craft,
    habits: npt.NDArray[np.floating],
    rng: np.random.Generator,
) -> dict[str, pd.Series[Any]]:
    """Write block by block, so that only one block's texts are Python objects at a time."""
    blocks = []
    for start in range(0, len(offers), BLOCK_ROWS):
        titles, descriptions = write_texts(offers.iloc[start : start + BLOCK_ROWS], brands, craft, habits, rng)
        blocks.append(pd.DataFrame({"title": titles, "description": descriptions}, dtype="str"))
    texts = pd.concat(blocks, ignore_index=True)
    return {"title": texts["title"], "description": texts["description"]}


def _name_brands(offers: pd.DataFrame, brands: Brands, rng: np.random.Generator) -> pd.Series[Any]:
    shares = np.array([BRANDED_SHARES[voice] for voice in VOICE_CODES])[offers["voice"]]
    names = take_words([brand.name for brand in brands], offers["brand"])
    return names.where((rng.random(len(offers)) < shares) & ~offers["is_disguised"].to_numpy())


def _number_articles(offers: pd.DataFrame, brands: Brands, craft: Craft, rng: np.random.Generator) -> pd.Series[Any]:
    is_retail = np.isin(offers["voice"], [VOICE_CODES["retail"], VOICE_CODES["clearance"]])
    shares = np.where(offers["is_counterfeit"], craft.numbered, NUMBERED_SHARE)
    gtins = np.array([[model.gtin for model in models_of(brand.name)] for brand in brands], dtype=object)
    articles = pd.Series(gtins[offers["brand"], offers["model"]], dtype="str")
    return articles.where(is_retail & (rng.random(len(offers)) < shares))
