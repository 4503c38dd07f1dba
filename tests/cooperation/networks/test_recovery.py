"""A marketplace of full size: what is planted is found, and hubs join nobody."""

import numpy as np
import pandas as pd
import pytest

from ipml.cooperation.networks.detection import find_networks
from ipml.simulation.networks import simulate_networks


@pytest.mark.slow
def test_networks_among_fifty_thousand_sellers_are_found():
    """With a fifth of what they share unseen, pairwise F1 is at least 0.9 and no two planted networks are one."""
    sellers = simulate_networks(3)
    found = find_networks(sellers.attributes)
    truth = sellers.truth.set_index("seller_id").loc[list(found.holdings.seller_ids)]
    rows = pd.DataFrame({"number": found.numbering.number, "network": truth["network"], "firm": truth["firm"]})
    right = count_pairs(rows, "number", "network")
    claimed = count_pairs(rows, "number") - count_pairs(rows, "number", "firm")
    assert 2 * right / (claimed + count_pairs(rows, "network")) >= 0.9
    shared = rows[(rows["number"] > 0) & (rows["network"] > 0)].value_counts(["number", "network"])
    assert not shared[shared > 1].reset_index()["number"].duplicated().any()


def count_pairs(rows, *labels):
    """Return how many pairs have the same labels, all above 0."""
    count = rows[np.all(rows[list(labels)] > 0, axis=1)].value_counts(list(labels))
    return (count * (count - 1) / 2).sum()
