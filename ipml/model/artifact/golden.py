"""Golden listings: a few of our own that every model scores when it is saved and again whenever it is loaded.

A model whose files are whole may still score otherwise: under other libraries, or with a state that was put
together by somebody else. The log-odds in its card show that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import GoldenMismatch, first_line
from ipml.listings.schema import listings_to_frame
from ipml.records import Listing

TOLERANCE = 1e-9  # of log-odds: room for another order of summation, not for another model


class Classifier(Protocol):
    """What can be saved as a model: it turns a frame of listings into log-odds."""

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the log-odds before calibration, shape (n_listings,)."""
        ...


def golden_log_odds(classifier: Classifier) -> tuple[float, ...]:
    """Return the log-odds of the golden listings, in their order.

    Examples
    --------
    >>> class Shy:
    ...     def decision_function(self, X):
    ...         return np.full(len(X), -3)
    >>> set(golden_log_odds(Shy()))
    {-3.0}
    """
    frame = listings_to_frame(GOLDEN_LISTINGS)
    return tuple(float(value) for value in np.asarray(classifier.decision_function(frame), dtype=float))


def check_golden(classifier: Classifier, expected: Sequence[float], folder: Path) -> None:
    """Refuse a classifier under which the golden listings score otherwise than when it was saved.

    Parameters
    ----------
    classifier : Classifier
        As it was loaded; it need not even be a classifier.
    expected : sequence of float
        Log-odds in the card.
    folder : Path
        Where the model lies, for the message.

    Raises
    ------
    GoldenMismatch
        Scoring fails, or a log-odds differs by more than 1e-9.
    """
    try:
        log_odds = golden_log_odds(classifier)
    except Exception as error:  # a crafted or broken state can fail anywhere in scoring
        raise GoldenMismatch(folder, f"an error ({first_line(error)})") from error
    if not len(log_odds) == len(expected) == len(GOLDEN_LISTINGS):
        raise GoldenMismatch(folder, f"{len(log_odds)} log-odds, with {len(expected)} in the card")
    difference = np.abs(np.subtract(log_odds, expected)).max()  # NaN where any is
    if not difference <= TOLERANCE:  # so that NaN is refused, too
        raise GoldenMismatch(folder, f"log-odds that differ by up to {difference:.3g}")


_SEEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

GOLDEN_LISTINGS = (
    Listing(
        listing_id="plain",
        seller_id="golden-1",
        title="Brown leather wallet with coin pocket",
        description="Lightly used, no scratches. Collected in person or sent by post.",
        brand="Fossil",
        category="wallets",
        price=35.0,
        currency="EUR",
        listed_at=_SEEN,
        observed_at=_SEEN,
        seller_age_days=2100.0,
        seller_sales=340.0,
        seller_returns=6.0,
        seller_rating=0.98,
    ),
    Listing(
        listing_id="declared",
        seller_id="golden-2",
        title="AAA+ grade replica watch 1:1 mirror, no box",
        description="Best factory, same weight as the real one.",
        brand="Rolex",
        category="watches",
        price=89.0,
        currency="USD",
        seller_age_days=9.0,
        seller_sales=0.0,
        seller_listings=120.0,
    ),
    Listing(
        listing_id="disguised",
        seller_id="golden-2",
        title="N\u0456k\u0435 a\u200bir s\u200bho\u0435s  \uff32\uff25\uff30 quality &amp; fast",
        brand="N\u0456k\u0435",
        price=19.99,
        currency="USD",
        seller_age_days=9.0,
        seller_complaints=4.0,
    ),
    Listing(
        listing_id="cyrillic",
        seller_id="golden-3",
        title="Кроссовки мужские, размер 43, оригинал",
        brand="Adidas",
        category="обувь",
        price=5400.0,
        currency="RUB",
        country="RU",
    ),
    Listing(
        listing_id="japanese",
        seller_id="golden-4",
        title="革の手袋 新品 箱付き",
        brand="Gucci",
        price=24000.0,
        currency="JPY",
        country="JP",
    ),
    Listing(listing_id="bare", seller_id="golden-5", title="x"),
    Listing(
        listing_id="long",
        seller_id="golden-6",
        title="Garden hose, twenty metres, with brass couplings",
        description="A hose for the garden that does not kink and lies flat when it is empty. " * 60,
        price=22.5,
        currency="EUR",
        seller_age_days=800.0,
    ),
    Listing(
        listing_id="extreme",
        seller_id="golden-7",
        title="SOLID GOLD WATCH!!! " * 8,
        brand="Omega",
        price=1_000_000.0,
        currency="USD",
        seller_age_days=10_000.0,
        seller_sales=5_000_000.0,
        seller_returns=0.0,
        seller_complaints=100_000.0,
        seller_rating=0.0,
        seller_strikes=50.0,
        seller_listings=200_000.0,
    ),
)
"""Where one changes, `ipml.model.artifact.manifest.FORMAT` is raised: older cards say nothing of the new one."""
