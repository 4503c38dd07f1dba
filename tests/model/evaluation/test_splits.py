"""What an honest split promises, whatever the listings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ipml.errors import Refused
from ipml.model.evaluation.splits import NEVER, Split, later_unseen_sellers, leaking_random_split, seller_folds

START = pd.Timestamp("2026-01-01", tz="UTC")
AFTERWARDS = START + pd.Timedelta(days=1_000)


def make_listings(n_listings: int = 400, n_sellers: int = 60, seed: int = 0) -> pd.DataFrame:
    """Listings over a hundred days, some never labelled, others up to sixty days later."""
    random = np.random.default_rng(seed)
    observed = START + pd.to_timedelta(random.integers(100, size=n_listings), unit="D")
    labelled = pd.Series(observed + pd.to_timedelta(random.integers(60, size=n_listings), unit="D"))
    is_labelled = random.random(n_listings) < 0.67
    truth = pd.Series(random.random(n_listings) < 0.3, dtype="boolean")
    return pd.DataFrame(
        {
            "listing_id": [f"l{number}" for number in range(n_listings)],
            "seller_id": [f"s{number}" for number in random.integers(n_sellers, size=n_listings)],
            "observed_at": observed,
            "labelled_at": labelled.where(is_labelled & (random.random(n_listings) < 0.9)),
            "is_counterfeit": truth.where(is_labelled),
        }
    )


@st.composite
def splits(draw: st.DrawFn) -> tuple[pd.DataFrame, Split]:
    """Listings and their split by time and seller."""
    listings = make_listings(seed=draw(st.integers(0, 50)))
    test_share, seller_share = draw(st.floats(0.05, 0.9)), draw(st.floats(0.1, 0.9))
    try:
        return listings, later_unseen_sellers(listings, test_share, seller_share, draw(st.integers(0, 9)))
    except Refused:
        assume(False)
        raise


@given(splits())
def test_a_split_parts_sellers_and_moments(drawn):
    """No seller is on both sides, no label learnt from became known after the cut, and what is tested has one."""
    listings, split = drawn
    train, test = listings.iloc[split.train], listings.iloc[split.test]
    assert set(train["seller_id"]).isdisjoint(test["seller_id"])
    assert (train["observed_at"] <= split.cut).all()
    assert (test["observed_at"] > split.cut).all()
    assert train["is_counterfeit"].notna().all()
    assert not (train["labelled_at"] > split.cut).any()
    assert test["is_counterfeit"].notna().all()
    assert not split.leaks


def test_the_test_share_of_listings_lies_after_the_cut():
    """A quarter, up to those of its day; a new seller is unseen; a larger share holds back these sellers and more."""
    listings = make_listings()
    cut = later_unseen_sellers(listings, test_share=0.25).cut
    new = listings["observed_at"] > cut
    assert new.mean() == pytest.approx(0.25, abs=0.02)
    listings.loc[new, "seller_id"] = "new-" + listings.loc[new, "seller_id"]
    split = later_unseen_sellers(listings, test_share=0.25)
    assert len(split.test) == (new & listings["is_counterfeit"].notna()).sum()
    listings = make_listings()
    few, many = (later_unseen_sellers(listings, seller_share=share) for share in (0.2, 0.6))
    assert set(many.train) < set(few.train)


@pytest.mark.parametrize("split_listings", [later_unseen_sellers, leaking_random_split])
def test_splits_depend_on_the_seed_and_not_on_the_order_of_rows(split_listings):
    """Shuffled rows, and a second run, put the same listings on the same sides; another seed does not."""
    listings = make_listings()
    shuffled = listings.sample(frac=1, random_state=1)
    split, again = split_listings(listings), split_listings(shuffled)
    for side in ("train", "test"):
        rows, others = getattr(split, side), getattr(again, side)
        assert set(listings["listing_id"].iloc[rows]) == set(shuffled["listing_id"].iloc[others])
    assert set(split.test) != set(split_listings(listings, seed=1).test)


def test_a_random_split_leaks_and_another_moment_may_split():
    """Sellers stand on both sides; folds need enough of each kind; another moment parts what was seen at once."""
    listings = make_listings()
    split = leaking_random_split(listings)
    assert split.leaks
    assert set(listings["seller_id"].iloc[split.train]) & set(listings["seller_id"].iloc[split.test])
    few = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    for kind, y in (("counterfeit", few), ("genuine", 1 - few)):
        assert len(list(seller_folds(pd.DataFrame({"seller_id": list("abcdefgh")}), y, n_folds=2))) == 2
        with pytest.raises(Refused, match=f"2 sellers of {kind} listings; expected at least 3"):
            list(seller_folds(pd.DataFrame({"seller_id": list("abcdefgh")}), y, n_folds=3))
    listings = listings.assign(listed_at=listings["observed_at"], observed_at=START, labelled_at=pd.NaT)
    split = later_unseen_sellers(listings, moment="listed_at")
    assert (listings["listed_at"].iloc[split.train] <= split.cut).all()


def test_folds_test_every_listing_once_and_no_seller_twice():
    """A partition, each seller in one part, none richer or poorer by a third, whatever the order of rows."""
    listings = make_listings()
    y = listings["is_counterfeit"].fillna(False).to_numpy(dtype=float)
    tested, shares = [], []
    for train, test in seller_folds(listings, y):
        assert set(listings["seller_id"].iloc[train]).isdisjoint(listings["seller_id"].iloc[test])
        tested.extend(test)
        shares.append(y[test].mean())
    assert sorted(tested) == list(range(len(listings)))
    assert shares == pytest.approx([y.mean()] * 5, rel=0.33)
    shuffled = listings.sample(frac=1, random_state=1)
    folds, again = (
        [
            set(frame["seller_id"].iloc[test])
            for _, test in seller_folds(frame, frame["is_counterfeit"].fillna(False), seed=3)
        ]
        for frame in (listings, shuffled)
    )
    assert folds == again


def test_labels_of_one_campaign_are_split_by_sellers_and_moments_of_listings():
    """Labels given after all listings are learnt from as if known when observed, but not those for the test alone."""
    listings = make_listings().assign(labelled_at=AFTERWARDS)
    listings.loc[::7, "labelled_at"] = NEVER
    split = later_unseen_sellers(listings)
    alone = later_unseen_sellers(listings.assign(labelled_at=pd.NaT, is_counterfeit=listings["is_counterfeit"]))
    assert set(split.train) == {row for row in alone.train if row % 7}
    assert set(alone.test) <= set(split.test)


def test_what_cannot_be_split_is_said(subtests):
    """Each impossible frame raises one line that says what is missing and what to do."""
    for change, complaint in [
        ({"observed_at": pd.NaT}, "400 of 400 listings without a moment in observed_at"),
        ({"observed_at": START}, "0 counterfeit and 0 genuine listings for test"),
        ({"is_counterfeit": False}, "found 0 counterfeit and .* for training"),
        ({"seller_id": "the only one"}, "1 sellers"),
        (
            {"labelled_at": lambda of: of["observed_at"].mask(of["is_counterfeit"].eq(True).fillna(False), AFTERWARDS)},
            r'0 counterfeit and \d+ genuine listings for training; .*split\.kind = "seller folds"\. .*labelled_at',
        ),
    ]:
        with subtests.test(change=change, complaint=complaint), pytest.raises(Refused, match=complaint):
            later_unseen_sellers(make_listings().assign(**change))
