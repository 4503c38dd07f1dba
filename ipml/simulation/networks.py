"""Sellers with known networks: simulates what accounts share, since when, and what they sold.

Honest sellers share much too: a courier's depot, a business centre, a common phrase, the manufacturer's photo, an
agent's phone, a recycled number; some are one firm with several shops. The accounts of a network share what its
people reuse: a payout for a few accounts, a device for a batch, the pictures of one distributor; their phones are
thrown away. Networks also have things in common with other networks and with strangers. A part of all this was never
seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ipml.cooperation.networks.attributes import KINDS, AttributeKind

Codes = npt.NDArray[np.int64]
Days = npt.NDArray[np.float64]


class Rows:
    """Rows of seller attributes as arrays; values are numbers until `to_frame`, new ones come from `_new_values`."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Codes, Codes, Days]] = []

    def add(self, kind: str, seller: npt.ArrayLike, value: npt.ArrayLike, day: npt.ArrayLike) -> None:
        """Add values that sellers had since some days; each argument is an array, or one value for all."""
        sellers, values, days = np.broadcast_arrays(np.atleast_1d(seller), value, day)
        self._parts.append(
            (KINDS.index(AttributeKind(kind)), sellers.astype(np.int64), values.astype(np.int64), days.astype(float))
        )

    def of_kind(self, kind: str) -> tuple[Codes, Codes, Days]:
        """Return seller, value and day of the rows of a kind."""
        parts = [part[1:] for part in self._parts if part[0] == KINDS.index(AttributeKind(kind))]
        seller, value, day = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return seller, value, day

    def all(self) -> tuple[Codes, Codes, Codes, Days]:
        """Return kind, seller, value and day of all rows."""
        kinds = np.repeat([part[0] for part in self._parts], [len(part[1]) for part in self._parts])
        seller, value, day = (np.concatenate(arrays) for arrays in list(zip(*self._parts, strict=True))[1:])
        return kinds, seller, value, day

    def without(self, share: float, rng: np.random.Generator) -> Rows:
        """Return the rows that remain when a random share was never seen."""
        rows = Rows()
        for kind, seller, value, day in self._parts:
            is_seen = rng.random(len(seller)) >= share
            if is_seen.any():
                rows._parts.append((kind, seller[is_seen], value[is_seen], day[is_seen]))
        return rows


def _new_values(count: int, rng: np.random.Generator) -> Codes:
    """Return random values below 2^62, which practically never repeat."""
    return rng.integers(1, 2**62, count)


def to_frame(
    parts: list[Rows], names: npt.NDArray[np.object_], first_day: pd.Timestamp, rng: np.random.Generator
) -> pd.DataFrame:
    """Return rows as a marketplace exports them: ids, kinds, hashes and times, in random order."""
    kinds, seller, value, day = (np.concatenate(arrays) for arrays in zip(*(rows.all() for rows in parts), strict=True))
    order = rng.permutation(len(kinds))
    digits = pa.array(value[order]).cast(pa.string())
    return pd.DataFrame(
        {
            "seller_id": pd.array(pa.array(names).take(pa.array(seller[order])), dtype="str"),
            "kind": pd.array(pa.array([kind.value for kind in KINDS]).take(pa.array(kinds[order])), dtype="str"),
            "value": pd.array(digits, dtype="str"),
            "seen_at": first_day + pd.to_timedelta((day[order] * 86_400).round(), unit="s"),
        }
    )


ROLES = ("source", "distributor", "seller")
SELLERS_TO_A_DISTRIBUTOR = 9
ACCOUNTS_TO_A_PAYOUT = (2, 6)
ACCOUNTS_TO_A_DEVICE = (2, 7)
IMAGES_TO_A_CELL = 12
LATE_SOURCE = 0.4
CURRENCY = "EUR"  # of what they sell
CAREFUL = {"payout": 0.3, "device": 0.4}  # share of accounts with one of their own


@dataclass(frozen=True, slots=True)
class _NetworkAccounts:
    """Accounts of a network by place: seller, role (position in `ROLES`), cell (-1: the source) and day of opening."""

    members: Codes
    roles: Codes
    cell: Codes
    start: Days


def plant_network(rows: Rows, members: Codes, joined: Days, rng: np.random.Generator) -> tuple[Codes, pd.DataFrame]:
    """Add the attributes of a network's members; return their roles (positions in `ROLES`) and their listings.

    The first member is the source: it makes pictures, phrases and templates, most of which it lists first.
    Distributors take them over some days later, and their sellers after that.
    """
    size = len(members)
    n_cells = max(1, round((size - 1) / (SELLERS_TO_A_DISTRIBUTOR + 1)))
    roles = np.full(size, ROLES.index("seller"))
    roles[0], roles[1 : 1 + n_cells] = ROLES.index("source"), ROLES.index("distributor")
    cell = np.concatenate([[-1], np.arange(n_cells), rng.integers(0, n_cells, size - 1 - n_cells)])
    start = _open_accounts(members, roles, joined, rng)
    accounts = _NetworkAccounts(members, roles, cell, start)
    _add_accounts(rows, accounts, rng)
    _add_places(rows, accounts, rng)
    _add_goods(rows, accounts, rng)
    return roles, _sell(members, roles, start, rng)


def _open_accounts(members: Codes, roles: Codes, joined: Days, rng: np.random.Generator) -> Days:
    """Draw when accounts open: sellers after their suppliers; a source may join the marketplace late."""
    first = rng.uniform(0.0, 150.0)
    delay = np.array([0.0, 12.0, 60.0])[roles]
    start = first + delay * rng.gamma(2.0, 0.5, len(members))
    if rng.random() < LATE_SOURCE:
        start[0] += rng.exponential(30.0)
    joined[members] = start
    return start


def _add_accounts(rows: Rows, accounts: _NetworkAccounts, rng: np.random.Generator) -> None:
    """Add payouts and devices, shared by batches of accounts of a cell, and burner phones, some used twice."""
    for number in np.unique(accounts.cell):
        mine = accounts.members[accounts.cell == number]
        since = accounts.start[accounts.cell == number]
        for kind, (least, most) in (("payout", ACCOUNTS_TO_A_PAYOUT), ("device", ACCOUNTS_TO_A_DEVICE)):
            batch = _new_values(len(mine), rng)[_batches(len(mine), least, most, rng)]
            is_careful = rng.random(len(mine)) < CAREFUL[kind]
            rows.add(kind, mine, np.where(is_careful, _new_values(len(mine), rng), batch), since)
        pair = np.where(rng.random(len(mine)) < 0.3, np.arange(len(mine)) // 2, len(mine) + np.arange(len(mine)))
        rows.add("phone", mine, _new_values(2 * len(mine), rng)[pair], since)
        burst = _batches(len(mine), 3, 8, rng)
        rows.add("timing", mine, _new_values(len(mine), rng)[burst], since + 1 + rng.exponential(3, len(mine)))


def _add_places(rows: Rows, accounts: _NetworkAccounts, rng: np.random.Generator) -> None:
    """Add addresses, invented or the cell's; goods ship from the cell's store, which the workshop supplies."""
    members, roles, cell, start = accounts.members, accounts.roles, accounts.cell, accounts.start
    store, workshop = _new_values(int(cell.max()) + 1, rng), _new_values(1, rng)
    home = np.where(rng.random(len(members)) < 0.4, store[cell], _new_values(len(members), rng))
    rows.add("address", members[1:], home[1:], start[1:])
    from_store = (rng.random(len(members)) < 0.55) & (cell >= 0)
    rows.add("ship_from", members[from_store], store[cell[from_store]] + 1, start[from_store] + 2)
    direct = (roles == ROLES.index("source")) | ((roles == ROLES.index("distributor")) & (rng.random(len(roles)) < 0.5))
    rows.add("ship_from", members[direct], workshop, start[direct] + 1)
    rows.add("address", members[:1], workshop + 1, start[:1])


def _add_goods(rows: Rows, accounts: _NetworkAccounts, rng: np.random.Generator) -> None:
    """Add pictures, which spread from the source through the cells, and phrases and a template of the whole network."""
    members, roles, cell, start = accounts.members, accounts.roles, accounts.cell, accounts.start
    n_cells = int(cell.max()) + 1
    made = _new_values(IMAGES_TO_A_CELL * (1 + n_cells // 3), rng)
    out = start.min() + rng.exponential(20.0, len(made))  # when the source makes each
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
        for value in _new_values(count, rng):
            uses = rng.random(len(members)) < share
            rows.add(kind, members[uses], value, start[uses] + rng.exponential(8.0, int(uses.sum())))


def _batches(n: int, least: int, most: int, rng: np.random.Generator) -> Codes:
    """Cut n accounts into batches of random size; return the batch of each."""
    sizes = rng.integers(least, most + 1, n)
    return np.repeat(np.arange(n), sizes)[:n]


def _sell(members: Codes, roles: Codes, start: Days, rng: np.random.Generator) -> pd.DataFrame:
    """Draw listings and sales: few members sell much, many listings sell nothing, prices are similar in a network."""
    each = rng.poisson(np.array([6.0, 12.0, 8.0])[roles]) + 1
    place = np.repeat(np.arange(len(members)), each)
    success = rng.gamma(1.5, 1 / 1.5, len(members))[place] * rng.lognormal(0.0, 1.0, len(place))
    units = rng.poisson(np.array([6.0, 4.0, 2.0])[roles][place] * success)
    price = rng.lognormal(rng.normal(3.5, 0.5), 0.5, len(place))
    day = start[place] + rng.exponential(40.0, len(place))
    value = np.round(units * price, 2)
    return pd.DataFrame({"seller": members[place], "day": day, "units": units, "value": value, "currency": CURRENCY})


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


@dataclass(frozen=True, slots=True)
class _Strangers:
    """Sellers outside the networks, and by seller number the network (0: none) and the day of joining of everybody."""

    sellers: Codes
    network: Codes
    joined: Days


def _add_strangers(rows: Rows, planted: Rows, strangers: _Strangers, rng: np.random.Generator) -> None:
    """Give every stranger the attributes of honest sellers, and every network member the common ones."""
    sellers, joined = strangers.sellers, strangers.joined
    n, since = len(sellers), joined[sellers]
    rows.add("payout", sellers, _new_values(n, rng), since)
    rows.add("phone", sellers, _mostly_own(n, WITH_AGENTS_PHONE, 120, rng), since)
    rows.add("address", sellers, _mostly_own(n, IN_BUSINESS_CENTRE, 80, rng), since)
    rows.add("device", sellers, _new_values(n, rng), since)
    rows.add("ship_from", sellers, _mostly_own(n, BY_COURIER, 1_500, rng), since)
    everybody = np.concatenate([sellers, np.flatnonzero(strangers.network > 0)])
    start = np.maximum(joined[everybody], 0.0)
    _add_common(rows, everybody, start, rng)
    for kind, share in (("phone", RECYCLED_PHONE), ("device", SOLD_DEVICE), ("address", MOVED_HOUSE)):
        to = sellers[rng.random(n) < share]  # a recycled number, a used device, a flat
        values = np.concatenate([rows.of_kind(kind)[1], planted.of_kind(kind)[1]])
        rows.add(kind, to, rng.choice(values, len(to)), joined[to] + 2)
    _copy_images(rows, planted, sellers, joined, rng)


def _add_firms(rows: Rows, strangers: Codes, joined: Days, rng: np.random.Generator) -> Codes:
    """Turn some strangers into honest firms of two to four shops; return the firm of each stranger (0: none)."""
    firm = np.zeros(len(strangers), dtype=np.int64)
    start, number = 0, 0
    while start + 4 < len(strangers) * IN_FIRM:
        size, number = int(rng.integers(2, 5)), number + 1
        shops = strangers[start : start + size]
        firm[start : start + size] = number
        for kind, share in (("payout", 1.0), ("phone", 0.7), ("address", 0.8), ("device", 0.6)):
            if rng.random() < share:
                rows.add(kind, shops, _new_values(1, rng), joined[shops] + 1)
        start += size
    return firm


def _mostly_own(n: int, share: float, mean_size: float, rng: np.random.Generator) -> Codes:
    """Return unique values for most, and values of heavy-tailed hubs for the given share."""
    values = _new_values(n, rng)
    in_hub = np.flatnonzero(rng.random(n) < share)
    values[in_hub] = _draw_common(len(in_hub), mean_size, rng)
    return values


def _draw_common(n: int, mean_size: float, rng: np.random.Generator) -> Codes:
    """Return a value for each of n, shared by `mean_size` on average, some by a hundred times as many as others."""
    n_values = max(int(n / mean_size), 1)
    share = 1 / (1 + np.arange(n_values)) ** 0.8
    return _new_values(n_values, rng)[rng.choice(n_values, n, p=share / share.sum())]


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


def _copy_images(rows: Rows, planted: Rows, strangers: Codes, joined: Days, rng: np.random.Generator) -> None:
    """Let some strangers copy two pictures each from a network member."""
    thieves = strangers[rng.random(len(strangers)) < COPIES_IMAGES]
    seller, value, _ = planted.of_kind("image")
    order = np.argsort(seller, kind="stable")
    victim = rng.integers(0, len(order), len(thieves))
    for step in range(2):
        taken = value[order[np.minimum(victim + step, len(order) - 1)]]
        rows.add("image", thieves, taken, np.maximum(joined[thieves], 200.0) + rng.exponential(60, len(thieves)))


COPIES_A_RIVAL = 0.4
SERVICES = 20  # for 43 networks: agents who sell phones, addresses and the use of devices
SOLD_ACCOUNTS = 0.01


def _add_crossings(rows: Rows, network: Codes, strangers: Codes, joined: Days, rng: np.random.Generator) -> None:
    """Let networks copy each other's pictures, use the same services, and sell each other accounts."""
    n_networks = int(network.max())
    members = [np.flatnonzero(network == number) for number in range(1, n_networks + 1)]
    _copy_rivals(rows, network, members, joined, rng)
    for _ in range(round(SERVICES * n_networks / 43)):
        _add_service(rows, np.concatenate(members), strangers, joined, rng)
    _sell_accounts(rows, np.concatenate(members), joined, rng)


def _copy_rivals(rows: Rows, network: Codes, members: list[Codes], joined: Days, rng: np.random.Generator) -> None:
    """Let some networks copy five pictures of another; a third of their members use two of them."""
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
    """Add an agent whose 20 to 300 customers, from networks and not, share a phone, address or device."""
    size = int(min(20 * (1 + rng.pareto(1.2)), 300))
    some = rng.choice(members, min(size // 2, len(members) // 4), replace=False)
    customers = np.concatenate([some, rng.choice(strangers, min(size // 2, len(strangers)), replace=False)])
    kind = ("phone", "address", "device")[int(rng.integers(0, 3))]
    rows.add(kind, customers, _new_values(1, rng), np.maximum(joined[customers], 0.0) + 1)


def _sell_accounts(rows: Rows, members: Codes, joined: Days, rng: np.random.Generator) -> None:
    """Let sold accounts have been used once on a device of another account."""
    sold = members[rng.random(len(members)) < SOLD_ACCOUNTS]
    _, value, _ = rows.of_kind("device")
    rows.add("device", sold, rng.choice(value, len(sold)), joined[sold] - 5)


FIRST_DAY = pd.Timestamp("2025-01-01", tz="UTC")
YEAR_DAYS = 365.0
_SMALLEST, _LARGEST = 5, 300
MISSING_SHARE, KNOWN_SALES_SHARE = 0.2, 0.15
_TAIL = 1.1  # of network sizes: a few are twenty times as large as most


@dataclass(frozen=True, slots=True)
class NetworkedSellers:
    """Sellers with known networks.

    Attributes
    ----------
    attributes : DataFrame of shape (n_rows, 4)
        seller_id, kind, value (an abstract hash), seen_at: what a marketplace sees, in random order.
    truth : DataFrame of shape (n_sellers, 4)
        seller_id, network (0: none), firm (an honest firm with several shops; 0: none), role ("" outside networks).
    listings : DataFrame of shape (n_listings, 7)
        Listings of network members: seller_id, listing_id, listed_at, units, value, currency, is_known. Units and
        value are the truth; a marketplace knows them only where is_known holds.
    """

    attributes: pd.DataFrame
    truth: pd.DataFrame
    listings: pd.DataFrame


def simulate_networks(
    seed: int,
    *,
    n_sellers: int = 50_000,
    n_networks: int = 43,
    missing: float = MISSING_SHARE,
    known_sales: float = KNOWN_SALES_SHARE,
    most_members: int | None = None,
) -> NetworkedSellers:
    """Simulate sellers, some of them in networks.

    Parameters
    ----------
    seed : int
        The same seed gives the same sellers.
    n_sellers, n_networks : int
        Numbers in all; network sizes are heavy-tailed, from 5 to 300 members.
    missing : float
        Share of network members' attributes that were never seen.
    known_sales : float
        Share of their listings with known sales.
    most_members : int, optional
        Limit for all networks together: they shrink to fit, to five members each at least.

    Examples
    --------
    >>> sellers = simulate_networks(1, n_sellers=2_000, n_networks=3)
    >>> sellers.truth["network"].nunique() - 1, sellers.attributes.columns.tolist()
    (3, ['seller_id', 'kind', 'value', 'seen_at'])
    """
    rng = np.random.default_rng(seed)
    sizes = _draw_sizes(n_networks, n_sellers, rng)
    if most_members is not None and sizes.sum() > most_members:
        sizes = np.maximum(sizes * most_members // sizes.sum(), _SMALLEST)
    place = rng.permutation(n_sellers)  # seller numbers must not reveal networks
    joined = np.sort(rng.uniform(-700.0, YEAR_DAYS, n_sellers))[rng.permutation(n_sellers)]
    network = np.zeros(n_sellers, dtype=np.int64)
    network[place[: sizes.sum()]] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    members = np.split(place, sizes.cumsum())[:-1]
    sharing = _connect(members, _Strangers(place[sizes.sum() :], network, joined), missing, rng)
    return sharing.publish(_name_sellers(n_sellers, rng), FIRST_DAY, known_sales, rng)


def connect_sellers(names: Sequence[str], network: Codes, first_day: pd.Timestamp, seed: int) -> NetworkedSellers:
    """Simulate what given sellers share in the year from `first_day`; `network` numbers that of each from 1 (0: none).

    >>> names = [f"shop-{number}" for number in range(500)]
    >>> shops = connect_sellers(names, np.repeat([1, 2, 0], [6, 5, 489]), FIRST_DAY, 0)
    >>> shops.truth["role"].value_counts().to_dict()
    {'': 489, 'seller': 7, 'source': 2, 'distributor': 2}
    """
    rng = np.random.default_rng(seed)
    joined = rng.uniform(-700.0, YEAR_DAYS, len(names))
    members = [np.flatnonzero(network == number) for number in range(1, int(network.max()) + 1)]
    sharing = _connect(members, _Strangers(np.flatnonzero(network == 0), network, joined), MISSING_SHARE, rng)
    return sharing.publish(np.array(names, dtype=object), first_day, KNOWN_SALES_SHARE, rng)


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Attributes and sales of sellers, by seller number."""

    rows: list[Rows]
    network: Codes
    firm: Codes
    role: npt.NDArray[np.object_]
    listings: list[pd.DataFrame]

    def publish(
        self,
        names: npt.NDArray[np.object_],
        first_day: pd.Timestamp,
        known_sales: float,
        rng: np.random.Generator,
    ) -> NetworkedSellers:
        """Name the sellers and date the rows."""
        truth = {"seller_id": names, "network": self.network, "firm": self.firm, "role": self.role.astype(str)}
        attributes = to_frame(self.rows, names, first_day, rng)
        listings = _finish_listings(self.listings, names, first_day, known_sales, rng)
        return NetworkedSellers(attributes, pd.DataFrame(truth), listings)


def _connect(members: Sequence[Codes], strangers: _Strangers, missing: float, rng: np.random.Generator) -> _Sharing:
    """Give the members of networks, and strangers, what they share; a part of it was never seen."""
    network, joined = strangers.network, strangers.joined
    planted, others, listings = Rows(), Rows(), []
    role = np.full(len(network), "", dtype=object)
    for accounts in members:
        roles, sold = plant_network(planted, accounts, joined, rng)
        role[accounts] = np.array(ROLES, dtype=object)[roles]
        listings.append(sold)
    _add_crossings(planted, network, strangers.sellers, joined, rng)
    planted = planted.without(missing, rng)
    _add_strangers(others, planted, strangers, rng)
    firm = np.zeros(len(network), dtype=np.int64)
    firm[strangers.sellers] = _add_firms(others, strangers.sellers, joined, rng)
    return _Sharing([planted, others], network, firm, role, listings)


def _draw_sizes(n_networks: int, n_sellers: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    largest = min(_LARGEST, max(n_sellers // (4 * max(n_networks, 1)), _SMALLEST + 1))
    sizes = _SMALLEST * (1 + rng.pareto(_TAIL, n_networks))
    return np.minimum(sizes, largest if n_sellers < 20_000 else _LARGEST).astype(np.int64)


def _name_sellers(n_sellers: int, rng: np.random.Generator) -> npt.NDArray[np.object_]:
    return np.array([f"s{number:08d}" for number in rng.permutation(n_sellers)], dtype=object)


def _finish_listings(
    parts: list[pd.DataFrame],
    names: npt.NDArray[np.object_],
    first_day: pd.Timestamp,
    known_sales: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    listings = pd.concat(parts, ignore_index=True)
    listings.insert(0, "seller_id", names[listings.pop("seller")])
    listings.insert(1, "listing_id", [f"l{number:07d}" for number in range(len(listings))])
    listings["listed_at"] = first_day + pd.to_timedelta((listings.pop("day") * 86_400).round(), unit="s")
    listings["is_known"] = rng.random(len(listings)) < known_sales
    return listings[["seller_id", "listing_id", "listed_at", "units", "value", "currency", "is_known"]]
