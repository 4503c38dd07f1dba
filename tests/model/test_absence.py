"""Listings that lack columns are judged by all else."""

from ipml.listings.fields import FIELDS
from ipml.simulation.marketplace import simulate_marketplace

OPTIONAL = [[field.name] for field in FIELDS if not field.is_required]


def test_probabilities_hold_without_a_column(classifier):
    """Their mean stays within half of that of whole listings, and close to it where the absence is weighed."""
    listings = simulate_marketplace(n_listings=1_500, seed=2).listings

    def compare(columns: list[str]) -> float:
        left = listings.drop(columns=columns, errors="ignore")
        return classifier.predict_proba(left)[:, 1].mean() / classifier.predict_proba(listings)[:, 1].mean()

    assert all(1 / 1.5 < compare(columns) < 1.5 for columns in OPTIONAL)
    dates = ["listed_at", "observed_at"]
    assert all(
        1 / 1.1 < compare(columns) < 1.1 for columns in (dates, dates[:1], ["description"], [*dates, "description"])
    )
