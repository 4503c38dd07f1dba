"""Statements of random decisions hold, spoilt ones are refused, and no seller is found in them."""

import doctest
import sys
from pathlib import Path

import pandas as pd

from experiments.enforcement import identities
from experiments.enforcement.identities import countries_of, give_identities, leave_contacts
from ipml.listings.schema import validate_listings
from ipml.simulation.marketplace import simulate_marketplace

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


def test_a_seller_is_the_same_person_whoever_else_there_is():
    """An identity follows from seed and seller alone; all that tells of people is there, and leads to nobody."""
    assert doctest.testmod(identities).failed == 0
    alone = give_identities({"s1": "DE"}, seed=1)["s1"]
    assert give_identities({"s0": "US", "s1": "DE", "s2": None}, seed=1)["s1"] == alone
    assert give_identities({"s1": "DE"}, seed=2)["s1"] != alone
    people = give_identities({f"s{country}": country for country in ("US", "GB", "DE", "FR", "ES", "BR", "RU", "CN")})
    for person in people.values():
        assert all(getattr(person, name) for name in person.__slots__)
        assert person.phone_digits.startswith("100")
        assert person.email.rpartition(".")[2] in ("example", "invalid")


def test_some_sellers_write_who_they_are_into_their_listings():
    """Only the texts change, in a part of the listings; the same seed changes the same ones, and all stay valid."""
    listings = simulate_marketplace(500).listings
    before = listings.copy()
    people = give_identities(countries_of(listings))
    written = leave_contacts(listings, people, seed=3)
    pd.testing.assert_frame_equal(listings, before)
    pd.testing.assert_frame_equal(written, leave_contacts(listings, people, seed=3))
    changed = [name for name in listings.columns if not written[name].equals(listings[name])]
    assert changed == ["title", "description", "brand", "category", "gtin"]
    is_changed = (written[changed].fillna("") != listings[changed].fillna("")).any(axis=1)
    assert 0.05 < is_changed.mean() < 0.3
    assert validate_listings(written).problems == ()
