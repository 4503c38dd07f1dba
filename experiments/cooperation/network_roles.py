"""Fit the weights of the signs by which `ipml.cooperation.networks.roles` ranks who may be the source of a network.

    python -m experiments.cooperation.network_roles --seeds 101 102 103 104

Simulated networks as they are found, not as they are; one softmax over the candidates of each. Seeds from 100 on are
for fitting, those below for judging (`networks.py`).
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.optimize import minimize

from ipml.cooperation.networks.detection import Networks, find_networks
from ipml.cooperation.networks.roles import _places_of, find_near, order_members, read_signs
from ipml.simulation.networks import NetworkedSellers, simulate_networks


def main() -> None:
    """Print the weights, and how often the source is first and among the first three with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(101, 109)))
    cases, n_networks = [], 0
    for seed in parser.parse_args().seeds:
        sellers = simulate_networks(seed)
        n_networks += sellers.truth["network"].nunique() - 1
        cases += collect(sellers, find_networks(sellers.attributes))
    names = list(cases[0][0])
    tables = [(np.stack([signs[name] for name in names], axis=1), place) for signs, place in cases]

    def loss(weights: np.ndarray) -> float:
        scores = [(table @ weights, place) for table, place in tables]
        return sum(np.logaddexp.reduce(score) - score[place] for score, place in scores) + 0.05 * float(
            weights @ weights
        )

    weights = minimize(loss, np.zeros(len(names))).x
    ranks = np.array([(table @ weights > (table @ weights)[place]).sum() for table, place in tables])
    print({name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)})
    print(f"{n_networks} networks, source among the candidates in {len(cases) / n_networks:.3f}")
    print(
        f"first in {(ranks < 1).sum() / n_networks:.3f}, among the first three in {(ranks < 3).sum() / n_networks:.3f}"
    )


def collect(sellers: NetworkedSellers, found: Networks) -> list[tuple[dict[str, np.ndarray], int]]:
    """Return the signs of all candidates of each planted network, and which of them the source is."""
    truth = sellers.truth.set_index("seller_id").loc[list(found.holdings.seller_ids)]
    network, is_source = truth["network"].to_numpy(), (truth["role"] == "source").to_numpy()
    cases = []
    for number in range(1, network.max() + 1):
        known = np.bincount(found.numbering.number[network == number])
        known[0] = 0
        most = int(known.argmax())
        who = np.union1d(found.members_of(most), find_near(found, most)[0])
        place = np.flatnonzero((network[who] == number) & is_source[who])
        if known.any() and len(place):
            cases.append((read_signs(order_members(found, who), _places_of(found, who)), int(place[0])))
    return cases


if __name__ == "__main__":
    main()
