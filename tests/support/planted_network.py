"""A planted network as large as they come, among strangers, kept in a folder as `ipml cooperate network find` would."""

from pathlib import Path

import numpy as np
import pandas as pd

from ipml.cooperation.networks.detection import Networks, add_events, find_networks
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.networks.ties import find_newcomers
from ipml.simulation.networks import Rows, plant_network, to_frame

FIRST_DAY = pd.Timestamp("2026-01-05", tz="UTC")


def plant_events(members: int, strangers: int, seed: int = 4) -> pd.DataFrame:
    """Return what the members of one network share, and phones of strangers who share nothing."""
    rng = np.random.default_rng(seed)
    count = members + strangers
    names = np.array([f"seller-{number:05d}" for number in rng.permutation(count)], dtype=object)
    rows, joined = Rows(), rng.uniform(0, 300, count)
    plant_network(rows, np.arange(members), joined, rng)
    alone = np.arange(members, count)
    rows.add("phone", alone, rng.integers(1, 2**62, len(alone)), joined[alone])
    return to_frame([rows], names, FIRST_DAY, rng)


def keep_planted(folder: Path, members: int, strangers: int = 1000) -> Networks:
    """Keep a planted network in a folder; the last day's events are added on the day, so that there are newcomers."""
    events = plant_events(members, strangers)
    by_seller = events.groupby("seller_id")["seen_at"].min()
    late = events["seller_id"].map(by_seller) > by_seller.quantile(0.985)
    before = find_networks(events[~late])
    after = add_events(before, events[late])
    store_networks(after, folder, find_newcomers(before, after))
    return after
