"""Weeks of a simulated year: makes each week's listings on demand, and draws the notices about them.

The weeks together hold exactly the planned listings and counterfeits, spread over each seller's active time. Sellers'
events are held only as sums, a few numbers for each seller. Rights holders find a part of the counterfeits that the
model missed, err at times, and send one notice a week; deceived buyers complain alone; one notifier acts in bad
faith.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands, load_brands
from ipml.simulation.attackers import craft_of
from ipml.simulation.listings import N_CHOICES, number_listings, write_listings
from ipml.simulation.marketplace import LOOKED_AT_SHARE
from ipml.simulation.offers import Shelves, make_offers, stock_shelves
from ipml.simulation.sellers import (
    EARLIER_DAYS,
    KIND_CODES,
    OTHER_STRIKES,
    RATED_SHARE,
    SELLER_KINDS,
    STRIKE_SHARE,
    UNHAPPY_SHARE,
    YEAR_DAYS,
    draw_rates,
)
from ipml.simulation.year.population import FIRST_MORNING

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

_LATE_WEEKS = 3  # delay until complaints are known
_HAPPY, _UNHAPPY = 0.875, 0.25  # the usual rating, in 0-1


class _Conduct:
    """Sellers' history so far; `difficulty` (0-1) moves complaints from fakes to honest sellers."""

    def __init__(self, sellers: pd.DataFrame, difficulty: float, rng: np.random.Generator) -> None:
        kinds = sellers["kind"].to_numpy()
        size = np.sqrt(sellers["n_listings"].to_numpy() / sellers["n_listings"].mean())
        luck = rng.gamma(0.8, 1 / 0.8, len(sellers))
        per_day = np.array([kind.sales_per_day for kind in SELLER_KINDS])[kinds]
        self._sales_a_day = (per_day * luck * size).astype(np.float32)
        self._strikes_a_day = (OTHER_STRIKES / YEAR_DAYS * size).astype(np.float32)
        self._sizes = sellers["n_listings"].to_numpy(dtype=np.float32)
        self._returned = draw_rates(sellers, "return_rate", difficulty, rng).astype(np.float32)
        self._complained = draw_rates(sellers, "complaint_rate", difficulty, rng).astype(np.float32)
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
        """Advance from day `since` to day `until`, in which each seller listed `n_fakes`."""
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
        """Return the history columns of listings, given seller and day of observation."""
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
        """Draw the sales of listings until they were observed: their part of the seller's usual sales."""
        days = (offers["observed_day"] - offers["listed_day"]).to_numpy()
        each = self._sales_a_day[seller] / self._sizes[seller]
        return np.asarray(rng.poisson(np.clip(each * days, 0.0, 1_000.0)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Week:
    """A week's listings, ordered by when they are observed; the first week is number 0.

    `listings` have the canonical columns with seller history. `is_counterfeit`, `seller` and `brand` have the shape
    (n_listings,): the truth, positions of sellers, and positions of the true brands, which a listing may not name.
    `first` is the number of listings in earlier weeks; numbering continues from there.
    """

    number: int
    listings: pd.DataFrame
    is_counterfeit: npt.NDArray[np.bool_]
    seller: Codes
    brand: Codes
    first: int

    def moved(self, shift: pd.Timedelta) -> Week:
        """Return the same week, shifted in time."""
        moments = {name: self.listings[name] + shift for name in ("listed_at", "observed_at")}
        return replace(self, listings=self.listings.assign(**moments))


def write_weeks(
    sellers: pd.DataFrame, difficulty: float, seed: int, *, n_weeks: int, week_days: float = 7.0
) -> Iterator[Week]:
    """Yield the listings of a year, week by week.

    `sellers` come from `recruit_sellers`; `difficulty` lies in 0-1. The last week of the year is cut at its end.
    """
    rng = np.random.default_rng([seed, 2])
    brands, craft = load_brands(), craft_of(difficulty)
    n_styles = int(sellers["style"].max()) + 1
    shelves, habits = _stock(n_styles, brands, rng), rng.random((n_styles, N_CHOICES), dtype=np.float32)
    conduct = _Conduct(sellers, difficulty, rng)
    left = _Left(sellers)
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
    """Fakes and genuine goods that sellers have yet to list."""

    def __init__(self, sellers: pd.DataFrame) -> None:
        self._fakes = sellers["n_fakes"].to_numpy().astype(np.int64)
        self._genuine = sellers["n_listings"].to_numpy().astype(np.int64) - self._fakes
        self._start = np.clip(sellers["active_day"].to_numpy(), -YEAR_DAYS, -0.5)
        self._end = np.minimum(np.maximum(sellers["left_day"].to_numpy(), self._start + 0.5), 0.0)

    def take(self, since: float, until: float, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Draw fakes and genuine goods for some days from those left, so that all are listed by the end."""
        begin = np.maximum(self._start, since)
        share = np.clip((np.minimum(self._end, until) - begin) / np.maximum(self._end - begin, 1e-9), 0.0, 1.0)
        fakes, genuine = rng.binomial(self._fakes, share), rng.binomial(self._genuine, share)
        self._fakes, self._genuine = self._fakes - fakes, self._genuine - genuine
        return fakes, genuine


def _present(
    sellers: pd.DataFrame, who: Codes, n_fakes: Codes, n_genuine: Codes, since: float, until: float
) -> pd.DataFrame:
    """Return the sellers who list something in some days, as if active in these days only."""
    present = sellers.iloc[who].reset_index(drop=True)
    start = np.clip(present["active_day"].to_numpy(), since, until - 0.01)
    end = np.clip(present["left_day"].to_numpy(), start + 0.01, until)
    return present.assign(n_fakes=n_fakes[who], n_listings=(n_fakes + n_genuine)[who], active_day=start, left_day=end)


def _stock(n_styles: int, brands: Brands, rng: np.random.Generator) -> Shelves:
    """Stock shelves of small integers, since there may be millions of sellers."""
    shelves = stock_shelves(n_styles, brands, rng)
    return Shelves(*(part.astype(np.uint8) for part in (shelves.carried, shelves.wanted, shelves.breadth)))


Kind = Literal["holder", "buyer", "bad faith"]

_QUALITIES = (
    (0.7, 0.98),
    (0.25, 0.92),
    (0.05, 0.7),
)  # share of rights holders, and the share of their reports that is right
_DILIGENCE = (0.05, 0.4)  # part of the counterfeits missed by the model that a rights holder finds
_SEEN_ANYWAY = 0.05  # factor for listings that the model has found already
_BUYERS_OF_FAKES, _BUYERS_OF_GENUINE = 0.005, 0.000_05
_BAD_FAITH = 0.000_002  # share of all listings reported in bad faith: genuine ones of honest competitors
_BAD_FAITH_LEAST = 3  # a week, so that a small year shows the response too
_MOST_IN_A_NOTICE = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """A rights holder: `diligence` is the share found of missed fakes, `precision` the share of right reports."""

    brand: str
    diligence: float
    precision: float


@dataclass(frozen=True, slots=True)
class DrawnNotice:
    """A notice to be given by a notifier such as "holder-07" or "buyer-0000123".

    `rows` are the rows of the week's listings that it reports.
    """

    kind: Kind
    name: str
    brand: str | None
    at: datetime
    rows: tuple[int, ...]


def name_holders(brands: Brands, seed: int) -> list[Holder]:
    """Return a rights holder for each brand."""
    rng = np.random.default_rng([seed, 6])
    shares, precisions = zip(*_QUALITIES, strict=True)
    return [
        Holder(brand.name, float(rng.uniform(*_DILIGENCE)), float(rng.choice(precisions, p=shares))) for brand in brands
    ]


def draw_notices(
    week: Week,
    is_found: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.int64],
    holders: list[Holder],
    rng: np.random.Generator,
    first_morning: pd.Timestamp = FIRST_MORNING,
) -> list[DrawnNotice]:
    """Draw the notices about a week's listings.

    `is_found` marks listings that the model sends to review; `kinds` are the codes of their sellers' kinds; both have
    the shape (n_listings,).
    """
    monday = (first_morning + pd.Timedelta(days=7 * (week.number + 1))).to_pydatetime()
    notices: list[DrawnNotice] = []
    for number, holder in enumerate(holders):
        noted = _note(week, is_found, number, holder, rng)
        at = monday + timedelta(days=number % 7, hours=8)
        for start in range(0, len(noted), _MOST_IN_A_NOTICE):
            rows = tuple(noted[start : start + _MOST_IN_A_NOTICE])
            notices.append(DrawnNotice("holder", f"holder-{number:02d}", holder.brand, at, rows))
    odds = np.where(week.is_counterfeit, _BUYERS_OF_FAKES, _BUYERS_OF_GENUINE)
    for row in np.flatnonzero(rng.random(len(odds)) < odds).tolist():
        at = monday + timedelta(days=float(rng.gamma(2.0, 2.0)))
        notices.append(DrawnNotice("buyer", f"buyer-{week.first + row:07d}", None, at, (row,)))
    honest = ~week.is_counterfeit & np.isin(kinds, [KIND_CODES["authorised"], KIND_CODES["discounter"]])
    n_bad = min(_BAD_FAITH_LEAST + int(rng.poisson(_BAD_FAITH * len(honest))), int(honest.sum()))
    rows = tuple(rng.choice(np.flatnonzero(honest), n_bad, replace=False).tolist())
    if rows:
        notices.append(DrawnNotice("bad faith", "rival", None, monday + timedelta(days=2, hours=9), rows))
    return notices


def _note(
    week: Week, is_found: npt.NDArray[np.bool_], number: int, holder: Holder, rng: np.random.Generator
) -> list[int]:
    """Return the rows that a rights holder reports, most of them rightly."""
    own = week.brand == number
    odds = np.where(is_found, holder.diligence * _SEEN_ANYWAY, holder.diligence)
    right = np.flatnonzero(own & week.is_counterfeit & (rng.random(len(own)) < odds))
    genuine = np.flatnonzero(own & ~week.is_counterfeit)
    n_wrong = min(int(rng.poisson(len(right) * (1 - holder.precision) / holder.precision)), len(genuine))
    return sorted([*right.tolist(), *rng.choice(genuine, n_wrong, replace=False).tolist()])
