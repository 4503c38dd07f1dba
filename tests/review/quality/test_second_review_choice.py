"""Which decisions are looked at again, and when: set shares, known odds, spread evenly."""

from datetime import timedelta
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.reviewing import NOON, Make, judge

from ipml.review.quality.blind_reviews import draw_uniform, find_gap, find_second_review_shares
from ipml.review.queue import enqueue
from ipml.settings import Settings

SETTINGS = Settings(audit_share=0.1, audit_hours=0, repeat_share=0, control_share=0)


@given(st.lists(st.text(max_size=5), max_size=3))
def test_a_draw_lies_between_0_and_1(facts: list[str]):
    """And is the same again for the same facts."""
    assert 0 <= draw_uniform(*facts) < 1
    assert draw_uniform(*facts) == draw_uniform(*facts)


def test_draws_fall_below_odds_as_often_as_the_odds_say():
    """Of 20,000 facts a share equal to the odds is drawn, within four standard errors."""
    n = 20_000
    draws = [draw_uniform("audit", number) for number in range(n)]
    for odds in (0.02, 0.3):
        assert abs(fmean(draw < odds for draw in draws) - odds) < 4 * (odds * (1 - odds) / n) ** 0.5


def test_gaps_have_the_mean_that_the_share_asks_for():
    """Neither too many looks nor too few in the long run, and never two in a row for long."""
    for share in (0.02, 0.05, 0.2):
        gaps = [find_gap("audit", "ana", number, share) for number in range(4_000)]
        assert fmean(gaps) == pytest.approx(1 / share, rel=0.03)
        assert 0.5 / share - 1 <= min(gaps) <= max(gaps) <= 1.5 / share + 1


def test_shares_are_of_all_reviews():
    """With 10 % of audits there is one for nine ordinary cases."""
    shares = find_second_review_shares(Settings(control_share=0, repeat_share=0, audit_share=0.1))
    assert shares["audit"] == pytest.approx(1 / 9)


def test_the_share_of_looks_is_the_one_set(engine: Engine, make_scored: Make):
    """Over 60 reviews of two people a tenth are audits, give or take three; no two of a person follow each other."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(60)], now=NOON)
    looks: dict[str, list[bool]] = {"ana": [], "ben": []}
    for number in range(60):
        name, now = ("ana", "ben")[number % 2], NOON + timedelta(seconds=number)
        looks[name].append(not judge(engine, by=name, now=now, settings=SETTINGS).decision_id)
    assert 3 <= sum(map(sum, looks.values())) <= 9
    assert not any(one and other for row in looks.values() for one, other in pairwise(row))
