"""Listings that lack fields are judged by all else."""

import numpy as np

from ipml.features.figures import COUNTED
from ipml.listings.fields import FIELDS
from ipml.simulation.marketplace import simulate_marketplace

OPTIONAL = [field.name for field in FIELDS if not field.is_required]


def test_probabilities_hold_without_fields(classifier):
    """Without any optional column and without any set of them, their mean stays within half of that of whole ones."""
    listings = simulate_marketplace(n_listings=1_500, seed=2).listings
    whole, generator = classifier.predict_proba(listings)[:, 1].mean(), np.random.default_rng(0)
    sets = [generator.choice(OPTIONAL, size, replace=False).tolist() for size in range(2, len(OPTIONAL), 2)]
    for columns in [*([column] for column in OPTIONAL), *sets, ["listed_at", "observed_at"]]:
        left = classifier.predict_proba(listings.drop(columns=columns, errors="ignore"))[:, 1].mean()
        assert 1 / 1.5 < left / whole < 1.5, columns


def test_a_complaint_always_raises_a_score(classifier):
    """A seller of whom nothing was known is more suspicious by three complaints, whatever the absence had added."""
    unknown = simulate_marketplace(n_listings=500, seed=4).listings
    unknown = unknown.drop(columns=[name for name in OPTIONAL if name.startswith("seller_")], errors="ignore")
    recorded = unknown.assign(**dict.fromkeys(COUNTED, 0.0))
    recorded["seller_complaints"] = 3.0
    assert (classifier.predict_proba(recorded)[:, 1] > classifier.predict_proba(unknown)[:, 1]).all()
