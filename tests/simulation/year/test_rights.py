"""Who gives notice of what in a simulated year."""

import numpy as np
import pytest

from ipml.listings.brands import load_brands
from ipml.simulation.year.population import FIRST_MORNING, Plan, recruit_population
from ipml.simulation.year.weeks import DrawnNotice, Holder, Week, draw_notices, name_holders, write_weeks


@pytest.fixture(scope="module")
def drawn() -> tuple[Week, np.ndarray]:
    """Return a week of a small marketplace, and the kinds of its sellers."""
    sellers = recruit_population(Plan(0.0003, seed=2)).sellers
    week = next(write_weeks(sellers, 0.5, 2, n_weeks=1))
    return week, sellers["kind"].to_numpy()[week.seller]


def notices_of(drawn: tuple[Week, np.ndarray], holders: list[Holder]) -> list[DrawnNotice]:
    """Draw the notices of a week of which the model found nothing."""
    week, kinds = drawn
    return draw_notices(week, np.zeros(len(kinds), dtype=bool), kinds, holders, np.random.default_rng(1))


def test_rights_holders_note_their_own_brand_once_the_week_is_over(drawn):
    """A notice is of one brand, about listings of that week, and comes after it."""
    week, _ = drawn
    brands = [brand.name for brand in load_brands()]
    notices = notices_of(drawn, name_holders(load_brands(), 2))
    assert {one.kind for one in notices} >= {"holder", "bad faith"}
    for one in notices:
        assert one.at >= FIRST_MORNING + np.timedelta64(7, "D")
        if one.kind == "holder":
            assert {brands[week.brand[row]] for row in one.rows} == {one.brand}


def test_whoever_acts_in_bad_faith_notes_genuine_listings(drawn):
    """All of them of honest competitors."""
    week, _ = drawn
    rows = [row for one in notices_of(drawn, []) if one.kind == "bad faith" for row in one.rows]
    assert rows
    assert not week.is_counterfeit[rows].any()


def test_the_more_diligent_note_more_and_who_never_errs_notes_no_genuine_listing(drawn):
    """A rights holder who finds all and errs in nothing notes exactly the counterfeits that the model missed."""
    week, _ = drawn
    notices = notices_of(drawn, [Holder(brand.name, 1.0, 1.0) for brand in load_brands()])
    rows = sorted(row for one in notices if one.kind == "holder" for row in one.rows)
    assert rows == np.flatnonzero(week.is_counterfeit).tolist()
    idle = notices_of(drawn, [Holder(brand.name, 0.0, 1.0) for brand in load_brands()])
    assert not [one for one in idle if one.kind == "holder"]
