"""Statements of random decisions hold, spoilt ones are refused, and no seller is found in them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))  # experiments are scripts of the project, not part of the package

from experiments.enforcement.mutations import MUTATIONS
from experiments.enforcement.statements import measure


def test_random_statements_hold_and_tell_of_nobody():
    """Both checks accept all, and refuse each in more than 50 ways; the scanner finds sellers in letters only."""
    n_listings, n_spoilt = 150, 5
    found = measure(n_listings, seed=1, n_spoilt=n_spoilt)
    assert found.stated == found.accepted == found.accepted_by_judge == n_listings
    assert found.told_of == 0
    assert found.in_letters == found.in_titles > n_listings / 20
    assert found.in_listings > n_listings / 5
    assert len(MUTATIONS) >= 50
    assert found.spoilt == found.refused == found.refused_by_judge == n_spoilt * len(MUTATIONS)
