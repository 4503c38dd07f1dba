"""Marketplace with known truth: simulates brands, sellers, networks, listings, events and labels from one seed.

Its labels are those that a real marketplace has: only listings that reviewers looked at, with their verdict and date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.errors import UnusableSetting
from ipml.listings.brands import Brands, load_brands, write_brands
from ipml.listings.fields import COLUMNS
from ipml.listings.seller_events import history_as_of
from ipml.simulation.attackers import check_difficulty, craft_of
from ipml.simulation.listings import number_listings, take_words, to_moments, write_listings
from ipml.simulation.offers import VOICE_CODES, make_offers
from ipml.simulation.pictures import show_pictures
from ipml.simulation.sellers import KIND_CODES, count_known, make_events, recruit_sellers, strike_sellers

# Share of all listings that is reviewed; decisions after the end of the year are not yet known.
LOOKED_AT_SHARE = 0.37
MISSED_SHARE = 0.06
WRONGED_SHARE = 0.006
DELAY_DAYS = 8.0


def _review_listings(offers: pd.DataFrame, events: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the decisions known by the end of the year: seller, is_counterfeit (the verdict), decided_day.

    Rows are indexed like `offers`. Reviewers look at a random part, and more often at offers that are cheap, from a
    young account, loudly written, or from a seller with complaints. They miss 6 % of the fakes that they see, and
    call 0.6 % of the genuine listings counterfeit.
    """
    looked_at = rng.random(len(offers)) < _scale_to_chances(_suspicion(offers, events))
    decided_day = offers["observed_day"].to_numpy() + rng.gamma(1.2, DELAY_DAYS / 1.2, len(offers))
    truth = offers["is_counterfeit"].to_numpy()
    errs = rng.random(len(offers)) < np.where(truth, MISSED_SHARE, WRONGED_SHARE)
    decisions = pd.DataFrame(
        {"seller": offers["seller"], "is_counterfeit": truth ^ errs, "decided_day": decided_day}, index=offers.index
    )
    return decisions[looked_at & (decided_day <= 0.0)]


def _suspicion(offers: pd.DataFrame, events: pd.DataFrame) -> npt.NDArray[np.float64]:
    complaints = events[events["kind"] == "complained"]
    complained = count_known(complaints, offers["seller"].to_numpy(), offers["observed_day"].to_numpy())
    is_cheap = offers["price_ratio"].to_numpy() < 0.5
    is_young = (offers["observed_day"] - offers["joined_day"]).to_numpy() < 60.0
    is_loud = offers["voice"].to_numpy() == VOICE_CODES["eager"]
    return np.asarray(0.3 + 0.4 * is_cheap + 0.6 * is_young + 0.5 * is_loud + 0.4 * np.minimum(complained, 3))


def _scale_to_chances(suspicion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale suspicion to probabilities of at most 0.9 whose mean is `LOOKED_AT_SHARE`, by bisection."""
    low, high = 0.0, 3.0
    for _ in range(30):
        scale = (low + high) / 2
        too_many = np.minimum(scale * suspicion, 0.9).mean() > LOOKED_AT_SHARE
        low, high = (low, scale) if too_many else (scale, high)
    return np.asarray(np.minimum(low * suspicion, 0.9))


MIN_LISTINGS = 500


@dataclass(frozen=True, slots=True)
class Marketplace:
    """A simulated marketplace, and the truth about it.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, ...)
        Canonical columns, ordered by observed_at, with the seller's history as known at that time. is_counterfeit and
        labelled_at are missing where no reviewer looked; is_counterfeit is the verdict, not the truth.
    events : DataFrame of shape (n_events, 5)
        seller_id, kind, occurred_at, known_at, amount, ordered by when each became known.
    brands : Brands
        The bundled brands, with the authorised sellers of this marketplace.
    truth : DataFrame of shape (n_listings, 4)
        listing_id, is_counterfeit, seller_kind, network_id.
    """

    listings: pd.DataFrame
    events: pd.DataFrame
    brands: Brands
    truth: pd.DataFrame

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write the marketplace into a folder, and return the paths of its four files.

        A missing folder is created; existing files of these names are replaced. Training reads `listings.parquet`,
        `events.parquet` (the sellers' history) and `brands.toml`. `truth.parquet` is for evaluation only: a real
        marketplace has no such file. The same marketplace gives the same bytes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / name for name in ("listings.parquet", "events.parquet", "brands.toml", "truth.parquet"))
        self.listings.to_parquet(paths[0], index=False)
        self.events.to_parquet(paths[1], index=False)
        write_brands(self.brands, paths[2])
        self.truth.to_parquet(paths[3], index=False)
        return paths


def simulate_marketplace(
    n_listings: int = 50_000,
    seed: int = 0,
    difficulty: float = 0.5,
    say: Callable[[str], object] = lambda _: None,
    *,
    has_pictures: bool = False,
) -> Marketplace:
    """Simulate a year of a marketplace, up to 2026-06-30, in which 7 % of the listings are counterfeit.

    Difficulty, as average precision against the truth on later listings of sellers not trained on (20,000 listings,
    means over seeds 0 to 2, prevalence there 0.06 to 0.08; `tests/simulation/test_difficulty.py`)::

        difficulty                             0     0.25  0.5   0.75  1
        words and letters, stacked into trees  0.96  0.83  0.64  0.27  0.11
        list of replica words                  0.57  0.38  0.22  0.09  0.06
        price against the brand's              0.35  0.19  0.19  0.09  0.05

    Parameters
    ----------
    n_listings : int, default=50_000
        At least 500.
    seed : int, default=0
        The same seed gives the same marketplace.
    difficulty : float, default=0.5
        In 0-1: how well counterfeiters imitate, and how suspicious honest sellers look.
    say : callable, default does nothing
        Called with the name of each step as it begins.
    has_pictures : bool, default=False
        Whether listings have picture addresses, and counts of listings with the same picture that were decided before
        (`ipml.simulation.pictures`). All else is the same either way.

    Raises
    ------
    UnusableSetting
        If a parameter is outside its bounds.

    Examples
    --------
    >>> marketplace = simulate_marketplace(n_listings=1_000, seed=1)
    >>> int(marketplace.truth["is_counterfeit"].sum())
    70
    """
    check_difficulty(difficulty)
    if n_listings < MIN_LISTINGS or seed < 0:
        found = f"{n_listings} listings and seed {seed}"
        raise UnusableSetting("simulation", found, f"at least {MIN_LISTINGS} listings and a seed of at least 0")
    # One random stream for each stage, so that a change in one leaves the others as they were.
    chances = [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(7)]
    craft = craft_of(difficulty)
    bundled = load_brands()
    say("recruiting sellers")
    sellers = recruit_sellers(n_listings, craft, difficulty, chances[0])
    offers = make_offers(sellers, bundled, craft, difficulty, chances[1])
    say("selling and reviewing")
    events = make_events(sellers, offers, difficulty, chances[2])
    decisions = _review_listings(offers, events, chances[3])
    events = _publish_events(pd.concat([events, strike_sellers(decisions, chances[4])]), sellers)
    say("writing listings")
    listings = write_listings(offers, sellers["seller_id"], bundled, craft, chances[5])
    say("looking up the history of sellers")
    listings = pd.concat([listings, history_as_of(events, listings), _publish_labels(decisions, len(offers))], axis=1)
    if has_pictures:
        shown = show_pictures(offers, decisions, chances[6])
        listings = pd.concat([listings, shown], axis=1)[[name for name in COLUMNS if name in {*listings, *shown}]]
    return Marketplace(listings, events, _authorise(bundled, sellers), _tell_truth(offers))


def _publish_events(events: pd.DataFrame, sellers: pd.DataFrame) -> pd.DataFrame:
    """Return the events that occurred by the end of the year, as the marketplace records them."""
    events = events[events["occurred_day"] <= 0.0]
    events = events.sort_values(["known_day", "seller", "kind", "occurred_day"], kind="stable", ignore_index=True)
    return pd.DataFrame(
        {
            "seller_id": take_words(sellers["seller_id"], events["seller"]),
            "kind": events["kind"],
            "occurred_at": to_moments(events["occurred_day"]),
            "known_at": to_moments(events["known_day"]),
            "amount": events["amount"],
        }
    )


def _publish_labels(decisions: pd.DataFrame, n_listings: int) -> pd.DataFrame:
    """Return verdicts and their dates, missing for listings that no reviewer looked at."""
    labels = pd.DataFrame(
        {
            "is_counterfeit": decisions["is_counterfeit"].astype("boolean"),
            "labelled_at": to_moments(decisions["decided_day"]),
        }
    )
    return labels.reindex(pd.RangeIndex(n_listings))


def _authorise(brands: Brands, sellers: pd.DataFrame) -> Brands:
    """Fill in the authorised sellers of each brand; on a small marketplace some brands have none."""
    authorised = sellers.loc[sellers["kind"] == KIND_CODES["authorised"], "seller_id"].to_list()
    filled = [
        replace(brand, authorised_sellers=tuple(authorised[place :: len(brands)])) for place, brand in enumerate(brands)
    ]
    return replace(brands, brands=tuple(filled))


def _tell_truth(offers: pd.DataFrame) -> pd.DataFrame:
    networks = offers["network"]
    return pd.DataFrame(
        {
            "listing_id": number_listings(len(offers)),
            "is_counterfeit": offers["is_counterfeit"],
            "seller_kind": take_words(list(KIND_CODES), offers["kind"]),
            "network_id": ("network-" + networks.astype("str").str.zfill(4)).where(networks >= 0),
        }
    )
