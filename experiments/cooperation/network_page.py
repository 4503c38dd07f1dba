"""How long it takes to look at a network among many: to read it alone, to find roles, to lay it out, to answer a page.

    python -m experiments.cooperation.network_page --sellers 100000

Times are of the processor, in milliseconds, the best of five; the largest network of the marketplace is looked at. Last
of all 300 members with 3,000 links are laid out, which no simulated network has.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fastapi.testclient import TestClient

from ipml.cooperation.networks.detection import Networks, find_networks, first_numbers
from ipml.cooperation.networks.layout import lay_out
from ipml.cooperation.networks.links import Links
from ipml.cooperation.networks.roles import guess_roles
from ipml.cooperation.networks.store import list_networks, load_network, load_networks, store_networks
from ipml.cooperation.networks.ties import find_strands
from ipml.settings import Settings
from ipml.simulation.networks import simulate_networks
from ipml.storage.database import migrate, open_database, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import PasswordCost, add_user
from ipml.web.app import make_app

_TRIES = 5


def measure(what: str, act: Callable[[], object], tries: int = _TRIES) -> None:
    """Print how long something takes."""
    best = float("inf")
    for _ in range(tries):
        start = time.process_time()
        act()
        best = min(best, time.process_time() - start)
    print(f"{what:<44}{best * 1000:>10,.1f} ms")


def make_dense(networks: Networks, members: int, links: int) -> Networks:
    """Return a network of some members, in parts of fifteen, with as many links as asked for."""
    rng = np.random.default_rng(7)
    part = np.arange(members) // 15
    chance = np.where(part[:, np.newaxis] == part, 30.0, 1.0) * rng.random((members, members))
    chance[np.tril_indices(members)] = 0.0
    first, second = np.unravel_index(np.argsort(-chance, axis=None)[:links], chance.shape)
    order = np.lexsort((second, first))
    place = np.arange(networks.holdings.n_sellers)
    numbering = first_numbers(np.where(place < members, 0, place))
    found = Links(first[order], second[order], rng.integers(2200, 6000, links))
    return Networks(networks.holdings, found, networks.group, numbering, networks.rules)


def ask_pages(folder: Path, number: int) -> None:
    """Print how long the server takes to answer, kept and not."""
    engine = open_database("sqlite://")
    migrate(engine)
    cost = PasswordCost(passes=1, memory_kib=8, lanes=1)
    with writing(engine) as connection:
        add_user(connection, "lea", "correct horse battery", Role.LEAD, cost)
    app = make_app(engine, Settings(networks=folder), cost=cost)
    client = TestClient(app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"})
    client.post("/login", data={"name": "lea", "password": "correct horse battery"})
    member = f"/networks/{number}/members/1"
    tie = re.findall(r'"(/networks/\d+/ties/\d+/\d+)"', client.get(member).text)[:1]
    app.state.networks._kept.clear()
    measure("page of a network, read for it", lambda: client.get(f"/networks/{number}"), tries=1)
    for what, path in (("network", f"/networks/{number}"), ("member", member), *(("link", path) for path in tie)):
        measure(f"page of a {what}, kept", lambda path=path: client.get(path))  # type: ignore[misc]
    measure("list, the first time", lambda: client.get("/networks"), tries=1)
    measure("list, kept", lambda: client.get("/networks"))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sellers", type=int, default=100_000)
    parser.add_argument("--whole", action="store_true", help="also read all networks at once, for comparison")
    asked = parser.parse_args()
    networks = find_networks(simulate_networks(3, n_sellers=asked.sellers, n_networks=asked.sellers // 1000).attributes)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "networks"
        measure("to keep all networks", lambda: store_networks(networks, folder), tries=1)
        largest = list_networks(folder)[0][0]
        number = largest.number
        print(f"{asked.sellers:,} sellers; the largest network: {largest.members} members, {largest.links} links")
        if asked.whole:
            measure("to read all networks", lambda: load_networks(folder), tries=1)
        measure("to read one network", lambda: load_network(folder, number))
        alone = load_network(folder, number)
        layout = lay_out(alone, number)
        measure("to find its roles", lambda: guess_roles(alone, number))
        measure("to lay it out", lambda: lay_out(alone, number))
        measure("to find what its links are made of", lambda: find_strands(alone, layout.members, layout.links))
        ask_pages(folder, number)
    dense = make_dense(networks, 300, 3000)
    measure("to lay out 300 members with 3,000 links", lambda: lay_out(dense, 1))


if __name__ == "__main__":
    main()
