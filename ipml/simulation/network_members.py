"""One planted network: a source, distributors, the accounts they run, what these reuse, and what they sell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ipml.simulation.network_rows import Codes, Days, Rows, new_values

ROLES = ("source", "distributor", "seller")
SELLERS_TO_A_DISTRIBUTOR = 9
ACCOUNTS_TO_A_PAYOUT = (2, 6)
ACCOUNTS_TO_A_DEVICE = (2, 7)
IMAGES_TO_A_CELL = 12
LATE_SOURCE = 0.4
CURRENCY = "EUR"  # of what they sell
CAREFUL = {"payout": 0.3, "device": 0.4}  # the part of accounts that have one of their own


def plant_network(rows: Rows, members: Codes, joined: Days, rng: np.random.Generator) -> tuple[Codes, pd.DataFrame]:
    """Add what the members of a network have; return their roles (positions in `ROLES`) and their listings.

    The first member is the source: it makes pictures, phrases and templates, most of which it puts into listings
    before anybody else. Distributors take them over some days later, and each of their sellers after that.
    """
    size = len(members)
    n_cells = max(1, round((size - 1) / (SELLERS_TO_A_DISTRIBUTOR + 1)))
    roles = np.full(size, ROLES.index("seller"))
    roles[0], roles[1 : 1 + n_cells] = ROLES.index("source"), ROLES.index("distributor")
    cell = np.concatenate([[-1], np.arange(n_cells), rng.integers(0, n_cells, size - 1 - n_cells)])
    start = _open_accounts(members, roles, joined, rng)
    _add_accounts(rows, members, cell, start, rng)
    _add_places(rows, members, roles, cell, start, rng)
    _add_goods(rows, members, roles, cell, start, rng)
    return roles, _sell(members, roles, start, rng)


def _open_accounts(members: Codes, roles: Codes, joined: Days, rng: np.random.Generator) -> Days:
    """Accounts of sellers are opened after those of who supplies them; a source may come to the marketplace late."""
    first = rng.uniform(0.0, 150.0)
    delay = np.array([0.0, 12.0, 60.0])[roles]
    start = first + delay * rng.gamma(2.0, 0.5, len(members))
    if rng.random() < LATE_SOURCE:
        start[0] += rng.exponential(30.0)
    joined[members] = start
    return start


def _add_accounts(rows: Rows, members: Codes, cell: Codes, start: Days, rng: np.random.Generator) -> None:
    """Payouts and devices serve batches of accounts of one cell; phones are burners, some used twice."""
    for one in np.unique(cell):
        mine = members[cell == one]
        since = start[cell == one]
        for kind, (least, most) in (("payout", ACCOUNTS_TO_A_PAYOUT), ("device", ACCOUNTS_TO_A_DEVICE)):
            batch = new_values(len(mine), rng)[_batches(len(mine), least, most, rng)]
            is_careful = rng.random(len(mine)) < CAREFUL[kind]
            rows.add(kind, mine, np.where(is_careful, new_values(len(mine), rng), batch), since)
        pair = np.where(rng.random(len(mine)) < 0.3, np.arange(len(mine)) // 2, len(mine) + np.arange(len(mine)))
        rows.add("phone", mine, new_values(2 * len(mine), rng)[pair], since)
        burst = _batches(len(mine), 3, 8, rng)
        rows.add("timing", mine, new_values(len(mine), rng)[burst], since + 1 + rng.exponential(3, len(mine)))


def _add_places(rows: Rows, members: Codes, roles: Codes, cell: Codes, start: Days, rng: np.random.Generator) -> None:
    """Addresses are invented, or the cell's; goods go out from the cell's store, which the workshop supplies."""
    store, workshop = new_values(int(cell.max()) + 1, rng), new_values(1, rng)
    home = np.where(rng.random(len(members)) < 0.4, store[cell], new_values(len(members), rng))
    rows.add("address", members[1:], home[1:], start[1:])
    from_store = (rng.random(len(members)) < 0.55) & (cell >= 0)
    rows.add("ship_from", members[from_store], store[cell[from_store]] + 1, start[from_store] + 2)
    direct = (roles == ROLES.index("source")) | ((roles == ROLES.index("distributor")) & (rng.random(len(roles)) < 0.5))
    rows.add("ship_from", members[direct], workshop, start[direct] + 1)
    rows.add("address", members[:1], workshop + 1, start[:1])


def _add_goods(rows: Rows, members: Codes, roles: Codes, cell: Codes, start: Days, rng: np.random.Generator) -> None:
    """Pictures come from the source by way of the cells; phrases and a template are the whole network's."""
    n_cells = int(cell.max()) + 1
    made = new_values(IMAGES_TO_A_CELL * (1 + n_cells // 3), rng)
    out = start.min() + rng.exponential(20.0, len(made))  # when the source has each
    for one in range(n_cells):
        stock = rng.choice(len(made), IMAGES_TO_A_CELL, replace=False)
        for place in np.flatnonzero(cell == one):
            is_distributor = roles[place] == ROLES.index("distributor")
            used = rng.choice(stock, int(rng.integers(6, 11) if is_distributor else rng.integers(2, 7)), replace=False)
            lag = rng.exponential(6.0 if is_distributor else 30.0, len(used))
            rows.add("image", members[place], made[used], np.maximum(start[place], out[used]) + lag)
    shown = rng.random(len(made)) < 0.6  # some are only ever sent to distributors
    since = np.maximum(start[0], out[shown]) + rng.exponential(5.0, int(shown.sum()))
    rows.add("image", members[0], made[shown], since)
    for kind, count, share in (("phrase", 3, 0.45), ("template", 1, 0.6)):
        for value in new_values(count, rng):
            uses = rng.random(len(members)) < share
            rows.add(kind, members[uses], value, start[uses] + rng.exponential(8.0, int(uses.sum())))


def _batches(n: int, least: int, most: int, rng: np.random.Generator) -> Codes:
    """Cut n accounts into batches of some size each; return the batch of each."""
    sizes = rng.integers(least, most + 1, n)
    return np.repeat(np.arange(n), sizes)[:n]


def _sell(members: Codes, roles: Codes, start: Days, rng: np.random.Generator) -> pd.DataFrame:
    """Return what members list and sell: few sell much, many listings sell nothing, prices keep to the network."""
    each = rng.poisson(np.array([6.0, 12.0, 8.0])[roles]) + 1
    place = np.repeat(np.arange(len(members)), each)
    success = rng.gamma(1.5, 1 / 1.5, len(members))[place] * rng.lognormal(0.0, 1.0, len(place))
    units = rng.poisson(np.array([6.0, 4.0, 2.0])[roles][place] * success)
    price = rng.lognormal(rng.normal(3.5, 0.5), 0.5, len(place))
    day = start[place] + rng.exponential(40.0, len(place))
    value = np.round(units * price, 2)
    return pd.DataFrame({"seller": members[place], "day": day, "units": units, "value": value, "currency": CURRENCY})
