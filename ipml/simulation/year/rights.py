"""Who gives notice of what: rights holders, careful and careless; buyers; and one who acts in bad faith.

Rights holders see what the model misses. They look through what is offered under their brand, find a part of the
counterfeits, and err; each sends what a week brought in one notice. A buyer who was deceived complains alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.sellers import KIND_CODES
from ipml.simulation.year.plan import FIRST_MORNING
from ipml.simulation.year.weeks import Week

Kind = Literal["holder", "buyer", "bad faith"]

_QUALITIES = (
    (0.7, 0.98),
    (0.25, 0.92),
    (0.05, 0.7),
)  # share of rights holders, and how much of what they note is right
_DILIGENCE = (0.05, 0.4)  # part of the counterfeits missed by the model that a rights holder finds
_SEEN_ANYWAY = 0.05  # how much less often they note what has been found by then
_BUYERS_OF_FAKES, _BUYERS_OF_GENUINE = 0.005, 0.000_05
_BAD_FAITH = 0.000_002  # part of all listings that the one in bad faith notes: good ones of honest competitors
_BAD_FAITH_LEAST = 3  # a week, or a small year would never show what is done about it
_MOST_IN_A_NOTICE = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """A rights holder: how much is found of what the model misses, and how much of what is noted is right."""

    brand: str
    diligence: float
    precision: float


@dataclass(frozen=True, slots=True)
class DrawnNotice:
    """A notice that somebody will give.

    Attributes
    ----------
    name : str
        Of who gives it: "holder-07", "buyer-0000123".
    at : datetime
    rows : tuple of int
        Rows of the week's listings that it is about.
    """

    kind: Kind
    name: str
    brand: str | None
    at: datetime
    rows: tuple[int, ...]


def name_holders(brands: Brands, seed: int) -> list[Holder]:
    """Return a rights holder for each brand.

    Examples
    --------
    >>> from ipml.listings.brands import load_brands
    >>> holders = name_holders(load_brands(), seed=0)
    >>> len(holders), all(holder.precision >= 0.7 for holder in holders)
    (72, True)
    """
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
    """Draw the notices that a week's listings give rise to.

    Parameters
    ----------
    is_found : array of bool, shape (n_listings,)
        Which of them the model found suspicious enough for people to look at.
    kinds : array of int, shape (n_listings,)
        Codes of the kinds of their sellers.
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
    """Return the rows that a rights holder notes, most of them rightly."""
    own = week.brand == number
    odds = np.where(is_found, holder.diligence * _SEEN_ANYWAY, holder.diligence)
    right = np.flatnonzero(own & week.is_counterfeit & (rng.random(len(own)) < odds))
    genuine = np.flatnonzero(own & ~week.is_counterfeit)
    n_wrong = min(int(rng.poisson(len(right) * (1 - holder.precision) / holder.precision)), len(genuine))
    return sorted([*right.tolist(), *rng.choice(genuine, n_wrong, replace=False).tolist()])
