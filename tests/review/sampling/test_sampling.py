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
    """The same listings are shown, and the file is known again."""
    file = make_file(scores)
    shuffled = order.sample(file, len(file))
    one, other = (draw_sample(listings, seed, SamplingRule(0.4), top=top) for listings in (file, shuffled))
    assert one.digest == other.digest
    shown = [
        {item.listing.listing_id: place for item, place in choose_shown(*pair)}
        for pair in ((file, one), (shuffled, other))
    ]
    assert shown[0] == shown[1]


@given(FILE, SEEDS, st.integers(1, 10))
def test_a_listing_twice_in_a_file_counts_once(scores: list[float | None], seed: str, top: int):
    """It neither raises the count nor takes the place of another."""
    file = make_file(scores)
    once, twice = (draw_sample(listings, seed, SamplingRule(0.2), top=top) for listings in (file, [*file, *file]))
    assert (once.listings, once.shown, once.digest) == (twice.listings, twice.shown, twice.digest)


def test_counts_are_those_of_what_is_shown():
    """Each stratum says how many of it became cases."""
    file = make_file([number / 3_000 for number in range(3_000)])
    sample = draw_sample(file, "07", SamplingRule(0.3), top=500)
    shown = [place.stratum for place in sample.places.values()]
    assert sample.shown == tuple(shown.count(number) for number in range(len(sample.strata)))
    assert 0 < sum(place.random_order is not None for place in sample.places.values()) < 500


def test_among_equal_scores_the_draw_is_still_fair():
    """Which of them are sure does not decide which of the others are drawn (within four standard errors)."""
    sample = draw_sample(make_file([0.5] * 8_000), "07", SamplingRule(0.5), top=2_000)
    assert len(sure_rows(sample)) == 2_000
    drawn = len(sample.places) - 2_000
    assert abs(drawn - 2_000) < 4 * (6_000 * (1 / 3) * (2 / 3)) ** 0.5


def test_lots_are_even_in_every_stratum():
    """Cases taken in the order of lots are at any time a fair sample of each stratum."""
    sample = draw_sample(make_file([number / 20_000 for number in range(20_000)]), "07", SamplingRule(0.5), top=3_000)
    for number, stratum in enumerate(sample.strata):
        to_uniform = [
            place.random_order
            for place in sample.places.values()
            if place.stratum == number and place.random_order is not None
        ]
        if not stratum.is_sure:
            assert abs(sum(to_uniform) / len(to_uniform) - 0.5) < 4 * (1 / 12 / len(to_uniform)) ** 0.5


@pytest.mark.parametrize("score", [-0.1, 1.5])
def test_a_score_that_is_no_probability_is_refused(score: float):
    """It would spoil the odds of all others."""
    with pytest.raises(UnstorableValue, match="score"):
        draw_sample(make_file([0.5, score]), "00", SamplingRule(0.05), top=1)
