"""How well the networks behind sellers are found, on simulated sellers whose networks are known.

    python -m experiments.cooperation.networks               # quality over ten seeds, sales, day by day
    python -m experiments.cooperation.networks --million     # time and memory with a million sellers

Rules and weights were tuned on seeds from 101 on; those from 11 to 20 were not looked at before the rules were final.
Each figure is printed with its bar. "Joined" counts planted networks that share with another the found network in which
most of them are; "mixed" counts found networks with two or more members of each of two planted ones, which is stricter.
Pairs within honest firms with several shops are neither right nor wrong; every other pair that is not of one planted
network is wrong.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from ipml.cooperation.networks.detection import Networks, add_events, find_networks
from ipml.cooperation.networks.roles import NetworkRole, guess_roles
from ipml.cooperation.networks.sales import estimate_sales
from ipml.cooperation.networks.ties import find_newcomers
from ipml.money import Rates
from ipml.simulation.networks import CURRENCY, NetworkedSellers, simulate_networks


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--days", type=int, default=2, help="for so many seeds, go day by day too")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--find", type=Path, help="be the process that is measured")
    options = parser.parse_args()
    if options.find:
        measure_find(options.find)
    elif options.million:
        measure_million()
    else:
        measure_quality(options.seeds, options.days)


def measure_quality(seeds: list[int], n_days: int) -> None:
    """Print what is found of planted networks, over all seeds."""
    rows = []
    for place, seed in enumerate(seeds):
        sellers = simulate_networks(seed)
        found = find_networks(sellers.attributes)
        row = judge_pairs(sellers, found) | judge_sources(sellers, found) | judge_sales(sellers, found)
        rows.append(row | (judge_days(sellers, found) if place < n_days else {}))
        print(seed, rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(f"pairwise F1: least {table['f1'].min():.3f}, mean {table['f1'].mean():.3f} (bar: 0.9)")
    print(f"planted networks joined: {table['joined'].sum()} (bar: 0); mixed: {table['mixed'].sum()}")
    print(f"strangers in planted networks: {table['strangers'].sum()} (no bar)")
    print(f"source among the first three: {table['source_3'].mean():.3f} (bar: 0.8)")
    print(f"source first: {table['source_1'].mean():.3f} (no bar)")
    print(f"roles right: {table['roles'].mean():.3f} of members found (no bar)")
    for name in ("units", "value"):
        print(f"interval of {name} holds the truth: {table[name].mean():.3f} (bar: 0.85 to 0.95)")
    if n_days:
        print_days(table)


def print_days(table: pd.DataFrame) -> None:
    """Print what came of going day by day."""
    opened, flagged, wrong = (int(table[name].sum()) for name in ("opened", "flagged", "flagged_wrongly"))
    print(
        f"accounts of planted networks opened on five days: {opened}, flagged on the day {flagged}; strangers: {wrong}"
    )
    print(f"by days the same as all at once: {bool(table['same'].dropna().all())} (bar: True)")


def truth_of(sellers: NetworkedSellers, found: Networks) -> pd.DataFrame:
    """Return the truth in the order of what was found."""
    return sellers.truth.set_index("seller_id").loc[list(found.holdings.seller_ids)]


def judge_pairs(sellers: NetworkedSellers, found: Networks) -> dict[str, float]:
    """Compare pairs of sellers found in one network with pairs planted in one."""
    truth, number = truth_of(sellers, found), found.numbering.number
    network, firm = truth["network"].to_numpy(), truth["firm"].to_numpy()
    right = count_pairs(number, network)
    claimed = count_pairs(number) - count_pairs(number, firm)
    precision, recall = right / claimed, right / count_pairs(network)
    both = pd.DataFrame({"number": number, "network": network})[(number > 0) & (network > 0)]
    shared = both.value_counts().loc[lambda count: count > 1].reset_index()
    matched = [match for _, match in best_matches(found, network) if match]
    is_of_planted = (number > 0) & np.isin(number, both["number"])
    return {
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * precision * recall / (precision + recall), 3),
        "joined": len(matched) - len(set(matched)),
        "mixed": int((shared["number"].value_counts() > 1).sum()),
        "strangers": int((is_of_planted & (network == 0)).sum()),
    }


def count_pairs(*labels: np.ndarray) -> float:
    """Return how many pairs have the same label (above 0) in all."""
    rows = np.stack(labels)[:, np.all(np.stack(labels) > 0, axis=0)]
    count = np.unique(rows, axis=1, return_counts=True)[1].astype(float)
    return float((count * (count - 1) / 2).sum())


def judge_sources(sellers: NetworkedSellers, found: Networks) -> dict[str, float]:
    """Say of how many planted networks the source is first, or among the first three; not found is not among them."""
    truth = truth_of(sellers, found)
    network, role = truth["network"].to_numpy(), truth["role"].to_numpy()
    ranks, right, total = [], 0, 0
    for planted, number in best_matches(found, network):
        if not number:
            ranks.append(99)
            continue
        roles = guess_roles(found, number)
        source = found.holdings.seller_ids[(network == planted) & (role == "source")][0]
        names = [hypothesis.seller_id for hypothesis in roles.hypotheses]
        ranks.append(names.index(source) if source in names else 99)
        said = np.array([str(one) if one is not NetworkRole.SOURCE else "source" for one in roles.role])
        right, total = right + int((said == role[roles.members]).sum()), total + len(said)
    place = np.array(ranks)
    return {
        "source_1": round(float((place < 1).mean()), 3),
        "source_3": round(float((place < 3).mean()), 3),
        "roles": round(right / max(total, 1), 3),
    }


def judge_sales(sellers: NetworkedSellers, found: Networks) -> dict[str, float]:
    """Say how often the intervals hold what the members found of a planted network truly sold."""
    network = truth_of(sellers, found)["network"].to_numpy()
    listings = sellers.listings.astype({"units": "float64"})
    seen = listings.assign(**{name: listings[name].where(listings["is_known"]) for name in ("units", "value")})
    covered: dict[str, list[bool]] = {"units": [], "value": []}
    for _, number in best_matches(found, network):
        if not number:
            continue
        own = listings["seller_id"].isin(found.holdings.seller_ids[found.members_of(number)])
        sold = estimate_sales(found, number, seen, Rates(CURRENCY, {}))
        bounds = (sold.units.low, sold.units.high), (sold.value.low.amount, sold.value.high.amount)
        for name, (low, high) in zip(covered, bounds, strict=True):
            total = float(listings.loc[own, name].sum())
            covered[name].append(low - 1e-6 <= total <= high + 1e-6)
    return {name: round(float(np.mean(hits)), 3) for name, hits in covered.items()}


def best_matches(found: Networks, network: np.ndarray) -> list[tuple[int, int]]:
    """Return for each planted network the found one that has most of it (0: none)."""
    matches = []
    for planted in range(1, network.max() + 1):
        count = np.bincount(found.numbering.number[network == planted])
        count[0] = 0
        matches.append((planted, int(count.argmax())))
    return matches


def judge_days(sellers: NetworkedSellers, found: Networks) -> dict[str, float]:
    """Add the events of each of five days to what was known before, and the rest; compare with all found at once.

    Of accounts planted networks open on these days: how many are flagged the same day, and of what is flagged, how
    much is theirs or a firm's.
    """
    rows, truth = sellers.attributes, sellers.truth.set_index("seller_id")
    days = rows["seen_at"].dt.floor("D")
    busy = pd.date_range("2025-05-01", periods=5, tz="UTC")
    networks = find_networks(rows[days < busy[0]])
    flagged, opened = set(), set()
    for day in busy:
        after = add_events(networks, rows[days == day])
        flagged |= {newcomer.seller_id for newcomer in find_newcomers(networks, after)}
        opened |= set(after.holdings.seller_ids) - set(networks.holdings.seller_ids)
        networks = after
    networks = add_events(networks, rows[days > busy[-1]])
    is_same = (
        np.array_equal(networks.group, found.group)
        and np.array_equal(networks.links.first, found.links.first)
        and np.array_equal(networks.links.second, found.links.second)
        and np.array_equal(networks.links.weight, found.links.weight)
    )
    new = {seller for seller in opened if truth["network"][seller] > 0}
    wrong = {seller for seller in flagged if not truth["network"][seller] and not truth["firm"][seller]}
    counts = {"opened": len(new), "flagged": len(new & flagged), "flagged_wrongly": len(wrong)}
    return {"same": bool(is_same)} | counts


def measure_million() -> None:
    """Make a million sellers with five million attributes, and find their networks in a process of its own."""
    with TemporaryDirectory(prefix="networks") as folder:
        path = Path(folder) / "attributes.parquet"
        sellers = simulate_networks(1, n_sellers=1_000_000, n_networks=860)
        is_planted = sellers.attributes["seller_id"].isin(sellers.truth.loc[sellers.truth["network"] > 0, "seller_id"])
        share = (5_000_000 - is_planted.sum()) / (~is_planted).sum()
        keep = is_planted | (np.random.default_rng(1).random(len(is_planted)) < share)
        sellers.attributes[keep].to_parquet(path)
        del sellers
        command = [sys.executable, "-m", "experiments.cooperation.networks", "--find", str(path)]
        subprocess.run(command, check=True)  # noqa: S603  ourselves


def measure_find(path: Path) -> None:
    """Find networks in a file and print time and memory."""
    start, used = time.perf_counter(), time.process_time()
    networks = find_networks(path)
    took, used = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    n_rows = networks.holdings.held.num_rows
    print(f"{networks.holdings.n_sellers:,} sellers, {n_rows:,} attributes, {networks.numbering.given:,} networks")
    print(f"{took:.0f} s (bar: 120), {used:.0f} s of the processor, peak memory {peak:.2f} GB (bar: 4)")


if __name__ == "__main__":
    main()
