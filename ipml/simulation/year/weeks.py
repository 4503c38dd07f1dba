"""The listings of the year, week by week, each week written when it is asked for and then forgotten.

The weeks of a year are the same whichever of them are looked at first, and together hold exactly the listings and
counterfeits that were planned: each seller's are spread over the time in which the seller is active.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands, load_brands
from ipml.simulation.attackers import craft_of
from ipml.simulation.listings import number_listings, write_listings
from ipml.simulation.offers import Shelves, make_offers, stock_shelves
from ipml.simulation.sellers import YEAR_DAYS
from ipml.simulation.texts import N_CHOICES
from ipml.simulation.year.conduct import Conduct

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Week:
    """A week's listings.

    Attributes
    ----------
    number : int
        From 0.
    listings : DataFrame of shape (n_listings, ...)
        The canonical columns with the history of the sellers, in the order in which they are observed.
    is_counterfeit : array of bool, shape (n_listings,)
        The truth.
    seller, brand : array of int, shape (n_listings,)
        Positions among the sellers, and the brands, of which a listing need not name its own.
    first : int
        How many listings there were in the weeks before; the listings are numbered from there on.
    """

    number: int
    listings: pd.DataFrame
    is_counterfeit: npt.NDArray[np.bool_]
    seller: Codes
    brand: Codes
    first: int

    def moved(self, shift: pd.Timedelta) -> Week:
        """Return the same week at another time."""
        moments = {name: self.listings[name] + shift for name in ("listed_at", "observed_at")}
        return replace(self, listings=self.listings.assign(**moments))


def write_weeks(
    sellers: pd.DataFrame, difficulty: float, seed: int, *, n_weeks: int, week_days: float = 7.0
) -> Iterator[Week]:
    """Yield the listings of a year, week by week.

    Parameters
    ----------
    sellers : DataFrame
        As `recruit_sellers` returns them.
    difficulty : float
        In 0-1.
    seed : int
    n_weeks : int
        How many to write; the last one of the year is as short as it needs to be.
    week_days : float, default=7.0
        How long a week is.
    """
    rng = np.random.default_rng([seed, 2])
    brands, craft = load_brands(), craft_of(difficulty)
    n_styles = int(sellers["style"].max()) + 1
    shelves, habits = _stock(n_styles, brands, rng), rng.random((n_styles, N_CHOICES), dtype=np.float32)
    conduct = Conduct(sellers, difficulty, rng)
    left = _Left.of(sellers)
    first = 0
    for number in range(n_weeks):
        since = -YEAR_DAYS + number * week_days
        until = min(since + week_days, 0.0)
        chances = np.random.default_rng([seed, 3, number])
        n_fakes, n_genuine = left.take(since, until, chances)
        who = np.flatnonzero(n_fakes + n_genuine)
        present = _present(sellers, who, n_fakes, n_genuine, since, until)
        offers = make_offers(present, brands, craft, difficulty, chances, shelves)
        listings = write_listings(offers, present["seller_id"], brands, craft, chances, habits)
        seller = who[offers["seller"]]
        known = conduct.known_of(seller, offers["observed_day"].to_numpy())
        known["listing_sales"] = conduct.sell_listings(seller, offers, chances)
        listings["listing_id"] = number_listings(len(listings), first)
        truth = offers["is_counterfeit"].to_numpy(dtype=bool)
        yield Week(number, pd.concat([listings, known], axis=1), truth, seller, offers["brand"].to_numpy(), first)
        first += len(listings)
        conduct.live(since, until, n_fakes, chances)


class _Left:
    """What sellers have yet to list in their time, of fakes and of genuine goods."""

    def __init__(self, fakes: Codes, genuine: Codes, start: npt.NDArray[np.float64], end: npt.NDArray[np.float64]):
        self._fakes, self._genuine, self._start, self._end = fakes, genuine, start, end

    @classmethod
    def of(cls, sellers: pd.DataFrame) -> _Left:
        fakes = sellers["n_fakes"].to_numpy().astype(np.int64)
        genuine = sellers["n_listings"].to_numpy().astype(np.int64) - fakes
        start = np.clip(sellers["active_day"].to_numpy(), -YEAR_DAYS, -0.5)
        return cls(fakes, genuine, start, np.minimum(np.maximum(sellers["left_day"].to_numpy(), start + 0.5), 0.0))

    def take(self, since: float, until: float, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Draw how many of each fall into some days; from the days that are left, so that in the end all are taken."""
        begin = np.maximum(self._start, since)
        share = np.clip((np.minimum(self._end, until) - begin) / np.maximum(self._end - begin, 1e-9), 0.0, 1.0)
        fakes, genuine = rng.binomial(self._fakes, share), rng.binomial(self._genuine, share)
        self._fakes, self._genuine = self._fakes - fakes, self._genuine - genuine
        return fakes, genuine


def _present(
    sellers: pd.DataFrame, who: Codes, n_fakes: Codes, n_genuine: Codes, since: float, until: float
) -> pd.DataFrame:
    """Return the sellers who list something in some days, as if they were there in these alone."""
    present = sellers.iloc[who].reset_index(drop=True)
    start = np.clip(present["active_day"].to_numpy(), since, until - 0.01)
    end = np.clip(present["left_day"].to_numpy(), start + 0.01, until)
    return present.assign(n_fakes=n_fakes[who], n_listings=(n_fakes + n_genuine)[who], active_day=start, left_day=end)


def _stock(n_styles: int, brands: Brands, rng: np.random.Generator) -> Shelves:
    """Stock shelves that take little room: there may be millions of sellers."""
    shelves = stock_shelves(n_styles, brands, rng)
    return Shelves(*(part.astype(np.uint8) for part in (shelves.carried, shelves.wanted, shelves.breadth)))
