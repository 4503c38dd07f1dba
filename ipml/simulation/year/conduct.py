"""What is known of each seller week by week: sales, returns, complaints, ratings, strikes and listings so far.

`ipml.simulation.history` makes an event of each; over a year of millions of listings only their sums are kept, so that
what is held in memory is a few numbers for each seller.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.difficulty import blend
from ipml.simulation.history import (
    EARLIER_DAYS,
    OTHER_STRIKES,
    RATED_SHARE,
    STRIKE_SHARE,
    UNHAPPY_SHARE,
)
from ipml.simulation.reviewing import LOOKED_AT_SHARE
from ipml.simulation.sellers import SELLER_KINDS, YEAR_DAYS

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

_LATE_WEEKS = 3  # until complaints are known
_HAPPY, _UNHAPPY = 0.875, 0.25  # the usual rating, in 0-1


class Conduct:
    """What sellers did so far, as it is known.

    Parameters
    ----------
    sellers : DataFrame
        As `recruit_sellers` returns them.
    difficulty : float
        In 0-1; the harder, the fewer complaints about fakes and the more about honest sellers.
    """

    def __init__(self, sellers: pd.DataFrame, difficulty: float, rng: np.random.Generator) -> None:
        kinds = sellers["kind"].to_numpy()
        size = np.sqrt(sellers["n_listings"].to_numpy() / sellers["n_listings"].mean())
        luck = rng.gamma(0.8, 1 / 0.8, len(sellers))
        per_day = np.array([kind.sales_per_day for kind in SELLER_KINDS])[kinds]
        self._sales_a_day = (per_day * luck * size).astype(np.float32)
        self._strikes_a_day = (OTHER_STRIKES / YEAR_DAYS * size).astype(np.float32)
        self._sizes = sellers["n_listings"].to_numpy(dtype=np.float32)
        self._returned = _draw_rates([kind.return_rate for kind in SELLER_KINDS], kinds, difficulty, rng)
        self._complained = _draw_rates([kind.complaint_rate for kind in SELLER_KINDS], kinds, difficulty, rng)
        self._start, self._end, self._joined = (
            sellers[name].to_numpy(dtype=np.float32) for name in ("active_day", "left_day", "joined_day")
        )
        self.sales, self.returns, self.complaints, self.ratings, self.happiness, self.strikes = (
            np.zeros(len(sellers), dtype=np.float32) for _ in range(6)
        )
        self.listings = (sellers["n_listings"] - sellers["n_fakes"]).to_numpy(dtype=np.float32)
        self._late: list[Floats] = [np.zeros(len(sellers), dtype=np.float32)] * _LATE_WEEKS
        self.live(-YEAR_DAYS - EARLIER_DAYS, -YEAR_DAYS, np.zeros(len(sellers), dtype=np.int64), rng)

    def live(self, since: float, until: float, n_fakes: Codes, rng: np.random.Generator) -> None:
        """Let some days pass, in which each seller listed so many fakes."""
        days = np.clip(np.minimum(self._end, until) - np.maximum(self._start, since), 0.0, None)
        sold = rng.poisson(self._sales_a_day * days)
        complained = rng.binomial(sold, self._complained).astype(np.float32)
        rated = rng.binomial(sold, RATED_SHARE)
        unhappy = rng.binomial(rated, np.minimum(UNHAPPY_SHARE + self._complained, 1.0))
        self.sales += sold
        self.returns += rng.binomial(sold, self._returned)
        self._late.append(complained)
        self.complaints += self._late.pop(0)
        self.ratings += rated
        self.happiness += _HAPPY * (rated - unhappy) + _UNHAPPY * unhappy
        self.strikes += rng.binomial(n_fakes, LOOKED_AT_SHARE * STRIKE_SHARE) + rng.poisson(self._strikes_a_day * days)
        self.listings += n_fakes

    def known_of(self, seller: Codes, day: npt.NDArray[np.float64]) -> pd.DataFrame:
        """Return the history columns of listings, each of a seller and observed on a day."""
        ratings = self.ratings[seller]
        rating = np.divide(self.happiness[seller], ratings, out=np.full(len(seller), np.nan), where=ratings > 0)
        return pd.DataFrame(
            {
                "seller_age_days": (day - self._joined[seller]).round(6),
                "seller_sales": self.sales[seller].astype(np.float64),
                "seller_returns": self.returns[seller].astype(np.float64),
                "seller_complaints": self.complaints[seller].astype(np.float64),
                "seller_rating": rating.round(6),
                "seller_strikes": self.strikes[seller].astype(np.float64),
                "seller_listings": np.maximum(self.listings[seller].astype(np.float64), 1.0),
            }
        )

    def sell_listings(self, seller: Codes, offers: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Draw what listings had sold when they were observed: their part of the seller's usual sales since then."""
        days = (offers["observed_day"] - offers["listed_day"]).to_numpy()
        each = self._sales_a_day[seller] / self._sizes[seller]
        return np.asarray(rng.poisson(np.clip(each * days, 0.0, 1_000.0)), dtype=np.float64)


def _draw_rates(bounds: list[tuple[float, float]], kinds: Codes, difficulty: float, rng: np.random.Generator) -> Floats:
    """Draw a rate per seller about that of the kind: some careful, some careless."""
    rates = np.array([blend(*bound, difficulty) for bound in bounds])[kinds] * rng.gamma(1.0, 1.0, len(kinds))
    return np.minimum(rates, 0.9).astype(np.float32)
