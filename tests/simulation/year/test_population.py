"""Who sells in a simulated year."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.simulation.sellers import KIND_CODES
from ipml.simulation.year.population import Plan, recruit_population
from ipml.simulation.year.weeks import write_weeks


@settings(max_examples=4)
@given(st.integers(0, 1_000), st.sampled_from([1e-5, 4e-5]))
def test_listings_and_counterfeits_are_those_planned(seed, scale):
    """Whatever the seed and scale, sellers together hold the planned listings, and offenders all counterfeits."""
    plan = Plan(scale, seed)
    sellers = recruit_population(plan).sellers
    assert sellers["n_listings"].sum() == plan.n_listings
    assert sellers["n_fakes"].sum() == plan.n_fakes
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
