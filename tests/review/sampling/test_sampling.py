"""A scored file is sample into what is shown and what is not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnstorableValue
from ipml.records import Listing, ScoredListing
from ipml.review.sampling.exploration import Sample, SamplingRule, choose_shown, draw_sample

FILE = st.lists(st.none() | st.floats(0, 1) | st.sampled_from([0.2, 0.5]), max_size=40)
SEEDS = st.binary(min_size=1, max_size=32).map(bytes.hex)


def make_file(scores: list[float | None]) -> list[ScoredListing]:
    """Return a scored listing for each score."""
    return [
        ScoredListing(Listing(f"L{number}", "s1", "Leather wallet"), score, None, (), (), None, "m1")
        for number, score in enumerate(scores)
    ]


def sure_rows(sample: Sample) -> list[int]:
    """Return the rows shown for their score."""
    return [row for row, place in sample.places.items() if place.lane == "ranked"]


@given(FILE, SEEDS, st.integers(1, 50), st.floats(0, 1))
def test_the_most_suspicious_are_shown(scores: list[float | None], seed: str, top: int, min_score: float):
    """What is not sure is never above what is, and nothing below the least score is sure."""
    sample = draw_sample(make_file(scores), seed, SamplingRule(0.2), top=top, min_score=min_score)
    good = sorted((score for score in scores if score is not None and score >= min_score), reverse=True)
    assert sorted((scores[row] for row in sure_rows(sample)), reverse=True) == good[:top]


@given(FILE, SEEDS)
def test_without_options_everything_is_shown(scores: list[float | None], seed: str):
    """All are sure, in the order of the file, and nothing is drawn."""
    file = make_file(scores)
    sample = draw_sample(file, seed, SamplingRule(0.2))
    assert [item for item, _ in choose_shown(file, sample)] == file
    assert all(place.lane == "ranked" and place.sampling_probability == 1 for place in sample.places.values())


@given(FILE, SEEDS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(scores: list[float | None], seed: str, top: int, order: random.Random):
    """The same listings are shown, and the file is known again; a listing that is in it twice counts once."""
    file = make_file(scores)
    files = (file, order.sample(file, len(file)), [*file, *file])
    samples = [draw_sample(some, seed, SamplingRule(0.4), top=top) for some in files]
    assert len({(one.listings, one.shown, one.digest) for one in samples}) == 1
    shown = [
        {item.listing.listing_id: place for item, place in choose_shown(some, sample)}
        for some, sample in zip(files[:2], samples[:2], strict=True)
    ]
    assert shown[0] == shown[1]


def test_counts_are_those_of_what_is_shown():
    """Each stratum says how many of it became cases, and at any time those taken in order of lots are a fair sample."""
    sample = draw_sample(make_file([number / 6_000 for number in range(6_000)]), "07", SamplingRule(0.5), top=1_000)
    shown = [place.stratum for place in sample.places.values()]
    assert sample.shown == tuple(shown.count(number) for number in range(len(sample.strata)))
    for number, stratum in enumerate(sample.strata):
        lots = [place.random_order for place in sample.places.values() if place.stratum == number]
        if stratum.is_sure:
            assert set(lots) == {None}
        else:
            assert abs(sum(lots) / len(lots) - 0.5) < 4 * (1 / 12 / len(lots)) ** 0.5


def test_among_equal_scores_the_draw_is_still_fair():
    """Which of them are sure does not decide which of the others are drawn (within four standard errors)."""
    sample = draw_sample(make_file([0.5] * 4_000), "07", SamplingRule(0.5), top=1_000)
    assert len(sure_rows(sample)) == 1_000
    drawn = len(sample.places) - 1_000
    assert abs(drawn - 1_000) < 4 * (3_000 * (1 / 3) * (2 / 3)) ** 0.5


def test_a_score_that_is_no_probability_is_refused():
    """It would spoil the odds of all others."""
    for score in (-0.1, 1.5):
        with pytest.raises(UnstorableValue, match="score"):
            draw_sample(make_file([0.5, score]), "00", SamplingRule(0.05), top=1)
