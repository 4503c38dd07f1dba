"""What it says that two sellers share a value: the rarer, the more.

Counted in hundredths of a bit, as whole numbers, so that sums do not depend on the order of what is added up. The
number of sellers is rounded up to a power of two: a marketplace that grows by a day changes no weight, and one that
doubles changes all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ipml.cooperation.network.kinds import KINDS
from ipml.cooperation.network.rules import NetworkRules

Codes = npt.NDArray[np.int64]
HUNDREDTHS = 100


def marketplace_bits(n_sellers: int) -> int:
    """Return log2 of the number of sellers, rounded up.

    >>> marketplace_bits(50_000), marketplace_bits(65_536), marketplace_bits(65_537)
    (16, 16, 17)
    """
    return max(n_sellers - 1, 1).bit_length()


def weigh(holders: Codes, kinds: Codes, n_sellers: int, rules: NetworkRules) -> Codes:
    """Return what each value is worth to a pair that shares it, in hundredths of a bit.

    Parameters
    ----------
    holders : array of shape (n_values,)
        How many have it. Where few do, it is worth much; where more than the kind allows, nothing.
    kinds : array of shape (n_values,)
        Positions in `KINDS`.

    Examples
    --------
    >>> from ipml.cooperation.network.rules import load_network_rules
    >>> payouts = np.zeros(3, dtype=np.int64)
    >>> weigh(np.array([2, 5, 201]), payouts, 50_000, load_network_rules()).tolist()
    [3200, 3000, 0]
    """
    lead = np.array([rules.kinds[kind].lead for kind in KINDS])[kinds]
    most = np.array([rules.kinds[kind].most for kind in KINDS])[kinds]
    bits = marketplace_bits(n_sellers) - np.log2(np.maximum(holders - 1, 1)) + lead
    counts = (holders >= 2) & (holders <= most)
    return np.where(counts, np.maximum(np.rint(bits * HUNDREDTHS), 0), 0).astype(np.int64)


def ceilings(n_sellers: int, rules: NetworkRules) -> Codes:
    """Return what all values of a kind together are worth at most, for each of `KINDS`, in hundredths of a bit."""
    bits: npt.NDArray[np.float64] = np.array([rules.kinds[kind].ceiling for kind in KINDS]) + marketplace_bits(
        n_sellers
    )
    hundredths: Codes = np.maximum(np.rint(bits * HUNDREDTHS), 0).astype(np.int64)
    return hundredths


def find_probability(bits: float, n_sellers: int) -> float:
    """Return how likely two sellers who share so many bits belong together, of odds of 1 to 4 n before (`rules.toml`).

    Examples
    --------
    >>> [round(find_probability(16 + bits, 50_000), 2) for bits in (0, 2, 6, 20)]
    [0.2, 0.5, 0.94, 1.0]
    """
    return float(1 / (1 + 2.0 ** (marketplace_bits(n_sellers) + 2 - bits)))


def needed_to_link(n_sellers: int, rules: NetworkRules) -> int:
    """Return from which sum on two sellers are linked, in hundredths of a bit."""
    return round((marketplace_bits(n_sellers) + rules.needed) * HUNDREDTHS)
