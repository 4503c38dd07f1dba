"""Which listings reviewers looked at, what they said, and when: the labels a marketplace really has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.history import count_known
from ipml.simulation.voices import VOICE_CODES

# Part of all listings that is looked at; some decisions fall after the end of the year and are not yet known.
LOOKED_AT_SHARE = 0.37
MISSED_SHARE = 0.06
WRONGED_SHARE = 0.006
DELAY_DAYS = 8.0


def review_listings(offers: pd.DataFrame, events: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the decisions known by the end of the year, as rows of the offers they are about.

    Reviewers look at a random part, and more often at what is cheap, from a young account, loudly written or from a
    seller with complaints. They miss 6 % of the fakes they see and wrong 0.6 % of the genuine.

    Parameters
    ----------
    offers : DataFrame of shape (n_offers, ...)
        From `make_offers`.
    events : DataFrame of shape (n_events, 5)
        From `make_events`.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    DataFrame of shape (n_decisions, 3), indexed like `offers`
        seller, is_counterfeit (what the reviewer said), decided_day.
    """
    looked_at = rng.random(len(offers)) < _odds_of_a_look(_suspicion(offers, events))
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


def _odds_of_a_look(suspicion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Scale suspicion to chances of at most 90 % whose mean is `LOOKED_AT_SHARE`, by halving."""
    low, high = 0.0, 3.0
    for _ in range(30):
        scale = (low + high) / 2
        too_many = np.minimum(scale * suspicion, 0.9).mean() > LOOKED_AT_SHARE
        low, high = (low, scale) if too_many else (scale, high)
    return np.asarray(np.minimum(low * suspicion, 0.9))
