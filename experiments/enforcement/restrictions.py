"""Random restrictions of simulated listings whose sellers wrote who they are wherever they could."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from experiments.enforcement.identities import Identity, countries_of, give_identities, leave_contacts
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind, Restriction
from ipml.records import Listing, Reason
from ipml.review.decisions import GROUNDS
from ipml.simulation.marketplace import simulate_marketplace

_FEATURES = ("price.brand", "title", "description", "brand.disguise", "seller.returns", "offer.contact", "portfolio")
_TERRITORIES: tuple[tuple[str, ...], ...] = ((), (), ("DE",), ("FR", "DE", "AT"), ("CN", "IT"), ("GR", "NO", "US"))
_COUNTRIES = ("US", "GB", "DE", "FR", "ES", "BR", "RU", "CN", None)


def draw_listings(n_listings: int, seed: int = 0) -> tuple[list[Listing], dict[str, Identity]]:
    """Return listings in half of which somebody can be found, and who the sellers are."""
    frame = simulate_marketplace(max(500, n_listings), seed=seed).listings.tail(n_listings)
    people = give_identities(countries_of(frame), seed)
    frame = leave_contacts(frame, people, share=0.9, seed=seed)
    wanted = [
        name for name in Listing.__slots__ if name in frame.columns and name not in ("is_counterfeit", "labelled_at")
    ]
    return [_record(wanted, row) for row in frame[wanted].itertuples(index=False)], people


def draw_restrictions(listings: list[Listing], seed: int = 0) -> Iterator[tuple[Restriction, tuple[Reason, ...], str]]:
    """Give a restriction of each listing, with reasons of its score and how its decision came about."""
    rng = random.Random(seed)  # noqa: S311 - for tests only
    kinds = [*MeasureKind, *(kind for kind in PenaltyKind if kind is not PenaltyKind.WARN)]
    for number, listing in enumerate(listings, 1):
        since = (listing.observed_at or datetime(2026, 5, 1, tzinfo=UTC)) + timedelta(hours=rng.randint(1, 2_000))
        until = rng.choice([None, since + timedelta(days=rng.randint(1, 400)), datetime(2041, 1, 1, tzinfo=UTC)])
        odd_days: list[Any] = [None, datetime(1970, 1, 1, tzinfo=UTC), since + timedelta(days=9), listing.listed_at]
        restriction = Restriction(
            subject=f"measure:{number}",
            kind=rng.choice(kinds),
            pseudonym=f"{number:032x}",
            case_id=number,
            decision_id=number,
            listing=replace(listing, listed_at=rng.choice(odd_days), country=rng.choice(_COUNTRIES)),
            ground=rng.choice(list(GROUNDS)),
            since=since,
            until=until,
            territories=rng.choice(_TERRITORIES),
            is_detected=rng.random() < 0.8,
            is_automatic=rng.random() < 0.2,
            source=rng.choice(["own", "notice", "trusted flagger", "a call"]),
        )
        contact = listing.description or listing.title
        drawn = rng.sample(_FEATURES, rng.randint(0, 5))
        reasons = tuple(Reason(feature, contact[:80], rng.uniform(-1, 2)) for feature in drawn)
        yield restriction, reasons, rng.choice(["review", "bulk", "spread", "policy"])


def _record(names: list[str], row: Any) -> Listing:
    known = {name: value for name, value in zip(names, row, strict=True) if not pd.isna(value)}
    moments = {name: known[name].to_pydatetime() for name in ("listed_at", "observed_at") if name in known}
    return Listing(**(known | moments))
