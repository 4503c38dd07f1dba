"""What networks have in common with other networks, and with strangers, though they are not one."""

from __future__ import annotations

import numpy as np

from ipml.simulation.network_rows import Codes, Days, Rows, new_values

COPIES_A_RIVAL = 0.4
SERVICES = 20  # for 43 networks: who sells phones, addresses and the use of devices to whoever pays
SOLD_ACCOUNTS = 0.01


def add_crossings(rows: Rows, network: Codes, strangers: Codes, joined: Days, rng: np.random.Generator) -> None:
    """Let networks copy each other's pictures, use the same services, and sell each other accounts."""
    n_networks = int(network.max())
    members = [np.flatnonzero(network == number) for number in range(1, n_networks + 1)]
    _copy_rivals(rows, network, members, joined, rng)
    for _ in range(round(SERVICES * n_networks / 43)):
        _add_service(rows, np.concatenate(members), strangers, joined, rng)
    _sell_accounts(rows, np.concatenate(members), joined, rng)


def _copy_rivals(rows: Rows, network: Codes, members: list[Codes], joined: Days, rng: np.random.Generator) -> None:
    """Some networks take five pictures of another, and a third of their members use two of them."""
    seller, value, day = rows.of_kind("image")
    for number, mine in enumerate(members, start=1):
        if rng.random() >= COPIES_A_RIVAL or len(members) < 2:
            continue
        rival = 1 + (number + int(rng.integers(0, len(members) - 1))) % len(members)
        theirs = np.flatnonzero(network[seller] == rival)
        loot = rng.choice(theirs, min(5, len(theirs)), replace=False)
        for thief in mine[rng.random(len(mine)) < 1 / 3]:
            used = rng.choice(loot, min(2, len(loot)), replace=False)
            rows.add("image", thief, value[used], np.maximum(joined[thief], day[used]) + rng.exponential(20, len(used)))


def _add_service(rows: Rows, members: Codes, strangers: Codes, joined: Days, rng: np.random.Generator) -> None:
    """An agent has customers of any network and of none: some twenty to three hundred, who share what he lends."""
    size = int(min(20 * (1 + rng.pareto(1.2)), 300))
    some = rng.choice(members, min(size // 2, len(members) // 4), replace=False)
    customers = np.concatenate([some, rng.choice(strangers, min(size // 2, len(strangers)), replace=False)])
    kind = ("phone", "address", "device")[int(rng.integers(0, 3))]
    rows.add(kind, customers, new_values(1, rng), np.maximum(joined[customers], 0.0) + 1)


def _sell_accounts(rows: Rows, members: Codes, joined: Days, rng: np.random.Generator) -> None:
    """An account that was sold was used once on the device of another network's account."""
    sold = members[rng.random(len(members)) < SOLD_ACCOUNTS]
    _, value, _ = rows.of_kind("device")
    rows.add("device", sold, rng.choice(value, len(sold)), joined[sold] - 5)
