"""Pictures of a simulated marketplace: what is known of each by then, and how they look to a hash."""

from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Engine, select
from support.reviewing import NOON, Make
from support.transactions import read_scalars

from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.queue import enqueue
from ipml.simulation.drawings import draw_address, store_pictures
from ipml.simulation.marketplace import Marketplace, simulate_marketplace
from ipml.simulation.offers import GOODS
from ipml.simulation.pictures import BANNERED, PLAIN, count_matches
from ipml.storage.tables import pictures

MATCHES = ["picture_counterfeit_matches", "picture_genuine_matches"]


def test_matches_count_what_was_decided_before_and_of_few_sellers():
    """As counting one by one does: no later decision, none of a picture that many sellers show, counts."""
    rng = np.random.default_rng(1)
    groups, days = rng.integers(0, 12, 900), rng.uniform(-300, 0, 900)
    decisions = pd.DataFrame({"seller": rng.integers(0, 60, 900), "is_counterfeit": rng.random(900) < 0.4})
    decisions["decided_day"] = days + rng.exponential(9, 900)
    decisions = decisions[rng.random(900) < 0.5]
    found = count_matches(groups, days, decisions).to_numpy().tolist()
    for group, day, counted in zip(groups, days, found, strict=True):
        known = decisions[(groups[decisions.index] == group) & (decisions["decided_day"] <= day)]
        n_fakes = int(known["is_counterfeit"].sum())
        tells = known["seller"].nunique() < 20 or 2 * n_fakes > len(known)
        assert counted == ([n_fakes, len(known) - n_fakes] if tells else [0, 0])


def test_pictures_change_nothing_else_and_tell_something_but_not_all(marketplace: Marketplace):
    """All other columns are the same to the bit; a match is more often on a fake, and most fakes have none."""
    pictured = simulate_marketplace(20_000, seed=0, has_pictures=True)
    assert not {*MATCHES, "image_urls"} & {*marketplace.listings}
    pd.testing.assert_frame_equal(pictured.listings[list(marketplace.listings)], marketplace.listings)
    is_fake, has_match = pictured.truth["is_counterfeit"], pictured.listings[MATCHES[0]] > 0
    assert 1.5 * has_match[~is_fake].mean() < has_match[is_fake].mean() < 0.4


def test_drawings_are_told_apart_and_known_again_under_a_banner(engine: Engine, make_scored: Make, tmp_path: Path):
    """Each number gives its own picture, the same each time; it is stored as if it had been fetched, once."""
    names = [
        f"https://pictures.example/{n:016x}-{n % len(GOODS)}-{way}.jpg" for way in (PLAIN, BANNERED) for n in range(14)
    ]
    assert [draw_address(name) for name in names] == [draw_address(name) for name in names]
    said = [make_scored(f"L{n}", seller_id=f"s{n}", image_urls=name) for n, name in enumerate(names)]
    enqueue(engine, [*said, make_scored("other", image_urls="https://a.example/1.jpg")], joins_alike=False, now=NOON)
    assert [store_pictures(engine, tmp_path, NOON) for _ in range(2)] == [28, 0]
    group_pictures(engine, tmp_path, HashIndex())
    groups = read_scalars(engine, select(pictures.c.group_id).order_by(pictures.c.case_id))
    assert groups == [*groups[:14], *groups[:14], None]
    assert len(set(groups)) == 15
