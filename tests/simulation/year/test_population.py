"""Who sells in a simulated year, what is listed week by week, and who gives notice of which."""

import ast
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ipml
from ipml.errors import UnusableSetting
from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.simulation.sellers import KIND_CODES
from ipml.simulation.year.population import FIRST_MORNING, N_WEEKS, Plan, recruit_population
from ipml.simulation.year.weeks import DrawnNotice, Holder, Week, draw_notices, name_holders, write_weeks


@settings(max_examples=4)
@given(st.integers(0, 1_000), st.sampled_from([1e-5, 4e-5]))
def test_listings_and_counterfeits_are_those_planned(seed, scale):
    """Whatever the seed and scale, sellers together hold the planned listings, and offenders all counterfeits."""
    plan = Plan(scale, seed)
    sellers = recruit_population(plan).sellers
    assert (sellers["n_listings"].sum(), sellers["n_fakes"].sum()) == (plan.n_listings, plan.n_fakes)
    assert (sellers["n_fakes"] > 0).sum() == plan.n_offenders
    assert (sellers["n_fakes"] <= sellers["n_listings"]).all()


def test_accounts_of_networks_are_counterfeiters_who_begin_when_they_were_opened():
    """Members of networks offer counterfeits, and nothing of theirs was seen long before they joined."""
    plan = Plan(0.0001, 3)
    people = recruit_population(plan)
    members = people.sellers[people.sellers["network"] >= 0]
    assert members["network"].nunique() == plan.n_networks
    assert set(members["kind"]) == {KIND_CODES["counterfeiter"]}
    assert (members["n_fakes"] > 0).all()
    assert set(members["seller_id"]) <= set(people.attributes["seller_id"])
    assert (members["joined_day"] <= members["active_day"]).all()
    assert (members["active_day"] < members["left_day"]).all()


def test_there_are_as_many_networks_as_there_were_gangs():
    """From 1/1000 on as many as history gives, below that fewer."""
    assert [Plan(scale).n_networks for scale in (1.0, 0.01, 0.001, 0.0001)] == [43, 43, 43, 4]


def test_a_plan_that_cannot_be_simulated_is_refused():
    """A scale outside its bounds or a year without days is a setting that cannot be used."""
    for wrong in ({"scale": 0.0}, {"scale": 2.0}, {"scale": 0.1, "n_days": 0}, {"scale": np.nan}):
        with pytest.raises(UnusableSetting):
            Plan(**wrong)


def test_a_year_that_ended_yesterday_is_the_same_but_for_its_days():
    """Nothing in it is later than its last midnight; sellers are the same, and all that is seen is moved alike."""
    for n_days in (7, 365):
        plan = Plan(0.00004, n_days=n_days)
        moved = plan.ending_before(date(2031, 3, 4))
        assert moved.closed_at == datetime(2031, 3, 4, tzinfo=UTC)
        here, there = recruit_population(plan), recruit_population(moved)
        pd.testing.assert_frame_equal(here.sellers, there.sellers)
        assert (there.attributes["seen_at"] < moved.closed_at).all()
        assert (here.attributes["seen_at"] + moved.shift == there.attributes["seen_at"]).all()
    week = next(write_weeks(here.sellers, 0.5, 0, n_weeks=1))
    assert (week.moved(moved.shift).listings["observed_at"] - moved.shift == week.listings["observed_at"]).all()


PLAN = Plan(0.00001, seed=4)


@pytest.fixture(scope="module")
def sellers() -> pd.DataFrame:
    """Return the sellers of a small marketplace."""
    return recruit_population(PLAN).sellers


@pytest.fixture(scope="module")
def weeks(sellers) -> list[Week]:
    """Return the weeks of their year."""
    return list(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=N_WEEKS))


def test_the_weeks_together_hold_what_was_planned_for_each_seller(sellers, weeks):
    """Every seller's listings and counterfeits come in some week, once each, their ids following one another."""
    seller = np.concatenate([week.seller for week in weeks])
    truth = np.concatenate([week.is_counterfeit for week in weeks])
    assert np.array_equal(np.bincount(seller, minlength=len(sellers)), sellers["n_listings"])
    assert np.array_equal(np.bincount(seller[truth], minlength=len(sellers)), sellers["n_fakes"])
    ids = pd.concat([week.listings["listing_id"] for week in weeks]).tolist()
    assert ids == [f"listing-{number:07d}" for number in range(PLAN.n_listings)]


def test_listings_are_observed_in_their_week_by_the_seller_named(sellers, weeks):
    """A marketplace could send each week's listings: observed in its days, with the id of their seller."""
    for week in weeks[::4]:
        since = FIRST_MORNING + pd.Timedelta(days=7 * week.number)
        observed = week.listings["observed_at"]
        assert ((observed >= since - pd.Timedelta(seconds=2)) & (observed < since + pd.Timedelta(days=7))).all()
        assert (week.listings["listed_at"] <= observed).all()
        assert week.listings["seller_id"].tolist() == sellers["seller_id"].iloc[week.seller].tolist()
        assert len(check_listings(week.listings, "year")) == len(week.listings)


def test_the_same_seed_gives_the_same_weeks(sellers, weeks):
    """However many are asked for."""
    again = next(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=1))
    pd.testing.assert_frame_equal(again.listings, weeks[0].listings)


def test_what_is_known_of_sellers_only_grows(weeks):
    """Sales, complaints and listings of a seller are never fewer in a later week."""
    history = pd.concat([week.listings for week in weeks])
    for name in ("seller_sales", "seller_complaints", "seller_listings"):
        assert (history.groupby("seller_id")[name].diff().dropna() >= 0).all()


@pytest.fixture(scope="module")
def drawn() -> tuple[Week, np.ndarray]:
    """Return a week of a small marketplace, and the kinds of its sellers."""
    sellers = recruit_population(Plan(0.0002, seed=2)).sellers
    week = next(write_weeks(sellers, 0.5, 2, n_weeks=1))
    return week, sellers["kind"].to_numpy()[week.seller]


def notices_of(drawn: tuple[Week, np.ndarray], holders: list[Holder]) -> list[DrawnNotice]:
    """Draw the notices of a week of which the model found nothing."""
    week, kinds = drawn
    return draw_notices(week, np.zeros(len(kinds), dtype=bool), kinds, holders, np.random.default_rng(1))


def test_notices_are_of_the_kind_of_those_who_give_them(drawn):
    """After the week, rights holders note listings of their own brand, those in bad faith genuine competitors."""
    week, _ = drawn
    brands = [brand.name for brand in load_brands()]
    notices = notices_of(drawn, name_holders(load_brands(), 2))
    assert {one.kind for one in notices} >= {"holder", "bad faith"}
    for one in notices:
        assert one.at >= FIRST_MORNING + np.timedelta64(7, "D")
        if one.kind == "holder":
            assert {brands[week.brand[row]] for row in one.rows} == {one.brand}
        if one.kind == "bad faith":
            assert not week.is_counterfeit[list(one.rows)].any()


def test_the_more_diligent_note_more_and_who_never_errs_notes_no_genuine_listing(drawn):
    """A rights holder who finds all and errs in nothing notes exactly the counterfeits that the model missed."""
    week, _ = drawn
    notices = notices_of(drawn, [Holder(brand.name, 1.0, 1.0) for brand in load_brands()])
    rows = sorted(row for one in notices if one.kind == "holder" for row in one.rows)
    assert rows == np.flatnonzero(week.is_counterfeit).tolist()
    idle = notices_of(drawn, [Holder(brand.name, 0.0, 1.0) for brand in load_brands()])
    assert not [one for one in idle if one.kind == "holder"]


def test_nothing_else_imports_the_year_or_the_networks() -> None:
    """They are an optional part: no other module loads them on import."""
    package = Path(ipml.__path__[0])
    others = [path for path in package.rglob("*.py") if path.parent.name != "year"]
    optional = ("ipml.simulation.year", "ipml.simulation.networks")
    loaded = {
        (path.name, node.module)
        for path in others
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(optional)
    }
    assert len(others) > 100
    assert loaded == set()
