"""What sellers have in common who have nothing to do with each other, and honest firms with several shops."""

from __future__ import annotations

import numpy as np

from ipml.simulation.network_rows import Codes, Days, Rows, new_values

IN_BUSINESS_CENTRE = 0.15
WITH_AGENTS_PHONE = 0.04
BY_COURIER = 0.6
RECYCLED_PHONE = 0.005
SOLD_DEVICE = 0.01
MOVED_HOUSE = 0.01
STOCK_IMAGES = 0.5
WITH_TEMPLATE = 0.7
COPIES_IMAGES = 0.01
IN_FIRM = 0.02


def add_strangers(
    rows: Rows, planted: Rows, strangers: Codes, network: Codes, joined: Days, rng: np.random.Generator
) -> None:
    """Give every stranger what honest sellers have, and every network member what everybody has too."""
    n = len(strangers)
    since = joined[strangers]
    rows.add("payout", strangers, new_values(n, rng), since)
    rows.add("phone", strangers, _mostly_own(n, WITH_AGENTS_PHONE, 120, rng), since)
    rows.add("address", strangers, _mostly_own(n, IN_BUSINESS_CENTRE, 80, rng), since)
    rows.add("device", strangers, new_values(n, rng), since)
    rows.add("ship_from", strangers, _mostly_own(n, BY_COURIER, 1_500, rng), since)
    everybody = np.concatenate([strangers, np.flatnonzero(network > 0)])
    start = np.maximum(joined[everybody], 0.0)
    _add_common(rows, everybody, start, rng)
    for kind, share in (("phone", RECYCLED_PHONE), ("device", SOLD_DEVICE), ("address", MOVED_HOUSE)):
        _hand_on(rows, planted, kind, strangers, share, joined, rng)
    _copy_images(rows, planted, strangers, joined, rng)


def add_firms(rows: Rows, strangers: Codes, joined: Days, rng: np.random.Generator) -> Codes:
    """Let some strangers be honest firms of two to four shops; return the firm of each stranger (0: none)."""
    firm = np.zeros(len(strangers), dtype=np.int64)
    start, number = 0, 0
    while start + 4 < len(strangers) * IN_FIRM:
        size, number = int(rng.integers(2, 5)), number + 1
        shops = strangers[start : start + size]
        firm[start : start + size] = number
        for kind, share in (("payout", 1.0), ("phone", 0.7), ("address", 0.8), ("device", 0.6)):
            if rng.random() < share:
                rows.add(kind, shops, new_values(1, rng), joined[shops] + 1)
        start += size
    return firm


def _mostly_own(n: int, share: float, mean_size: float, rng: np.random.Generator) -> Codes:
    """Return values of their own for most, and for the others one of some hubs, whose sizes are heavy-tailed."""
    values = new_values(n, rng)
    in_hub = np.flatnonzero(rng.random(n) < share)
    values[in_hub] = _draw_common(len(in_hub), mean_size, rng)
    return values


def _draw_common(n: int, mean_size: float, rng: np.random.Generator) -> Codes:
    """Return for each of n a value that on average so many of them have, some a hundred times as many as others."""
    n_values = max(int(n / mean_size), 1)
    share = 1 / (1 + np.arange(n_values)) ** 0.8
    return new_values(n_values, rng)[rng.choice(n_values, n, p=share / share.sum())]


def _add_common(rows: Rows, everybody: Codes, start: Days, rng: np.random.Generator) -> None:
    n = len(everybody)
    for _ in range(3):
        values = _mostly_own(n, STOCK_IMAGES, 12, rng)  # the manufacturer's photo of one article
        rows.add("image", everybody, values, start + rng.exponential(60, n))
    for _ in range(2):
        rows.add("phrase", everybody, _mostly_own(n, 0.8, 60, rng), start + rng.exponential(60, n))
    some = rng.random(n) < WITH_TEMPLATE
    rows.add("template", everybody[some], _draw_common(int(some.sum()), 400, rng), start[some])
    rows.add("timing", everybody, _draw_common(n, 25, rng), start + rng.exponential(60, n))


def _hand_on(
    rows: Rows, planted: Rows, kind: str, strangers: Codes, share: float, joined: Days, rng: np.random.Generator
) -> None:
    """Let what somebody else had come to a stranger: a recycled number, a used device, a flat."""
    to = strangers[rng.random(len(strangers)) < share]
    values = np.concatenate([rows.of_kind(kind)[1], planted.of_kind(kind)[1]])
    rows.add(kind, to, rng.choice(values, len(to)), joined[to] + 2)


def _copy_images(rows: Rows, planted: Rows, strangers: Codes, joined: Days, rng: np.random.Generator) -> None:
    """Let some strangers copy two pictures each of somebody in a network."""
    thieves = strangers[rng.random(len(strangers)) < COPIES_IMAGES]
    seller, value, _ = planted.of_kind("image")
    order = np.argsort(seller, kind="stable")
    victim = rng.integers(0, len(order), len(thieves))
    for step in range(2):
        taken = value[order[np.minimum(victim + step, len(order) - 1)]]
        rows.add("image", thieves, taken, np.maximum(joined[thieves], 200.0) + rng.exponential(60, len(thieves)))
