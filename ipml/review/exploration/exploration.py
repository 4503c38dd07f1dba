"""Which listings besides the most suspicious are shown to a person, and with what odds.

Looking only where the model looks, nobody learns what it overlooks. So each of the other listings is drawn
independently of all others. Its odds are higher where a review tells more: where it is uncertain what the listings are
(Neyman 1934), and never so low that a kind of listing is not seen at all. Odds are equal within a stratum of
neighbouring scores, and the same listing under the same model is always drawn alike: who does not know the seed cannot
tell which, and sending a file again draws nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipml.errors import UnusableSetting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTHS = (100, 1_000, 5_000)
"""After how many of the most suspicious listings a stratum ends, so that precision there can be estimated."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How listings are drawn; it is kept with each file.

    Attributes
    ----------
    share : float
        Of the reviewers' time, for drawn listings, in 0-1 (1 excluded).
    even : float
        Share of the draws that is spread evenly over all listings, whatever their score: the odds hold even where
        the scores are wrong.
    draws_per_stratum : int
        So many draws are expected in each stratum, where they suffice for one.
    most_strata : int
        More are not made.

    Examples
    --------
    >>> round(Rule(0.05).expected_draws(1_900))
    100
    """

    share: float
    even: float = 0.3
    draws_per_stratum: int = 25
    most_strata: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UnusableSetting("share of exploration", str(self.share), "a number from 0 to below 1")

    def expected_draws(self, sure: int) -> float:
        """Return how many draws have this share of the time beside so many sure cases."""
        return self.share / (1 - self.share) * sure

    def to_record(self) -> dict[str, float]:
        """Return the rule as plain numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Neighbours in the order of suspicion: places `first` to `last` of a file, counted from 1, both included.

    Attributes
    ----------
    odds : float
        With which each of its listings is shown; 1 where all are.
    mean_score : float
        What the model expects of them; a listing that it could not judge counts as the mean of the others.
    highest_score, lowest_score : float or None
        None where the model abstained.
    is_sure : bool
        Whether they are shown for their score.
    """

    first: int
    last: int
    odds: float
    mean_score: float
    highest_score: float | None
    lowest_score: float | None
    is_sure: bool

    @property
    def listings(self) -> int:
        """How many listings it holds."""
        return self.last - self.first + 1


def make_ticket_drawer(seed: str) -> Callable[[str, str], int]:
    """Return the function that gives a listing, by model version and key, its ticket: a number below 2**64.

    Examples
    --------
    >>> draw = make_ticket_drawer("00" * 32)
    >>> draw("m1", "2024-05-01 A7") == draw("m1", "2024-05-01 A7") != draw("m2", "2024-05-01 A7")
    True
    """
    keyed = hashlib.blake2b(digest_size=8, key=bytes.fromhex(seed))

    def draw(model_version: str, listing_key: str) -> int:
        # Under the next model the draw is another one: it may have learnt from what this one has brought to light.
        hashed = keyed.copy()
        hashed.update(f"{model_version}\0{listing_key}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest(), "big")

    return draw


def stratify(scores: NDArray[np.float64], sure: int, rule: Rule) -> list[Stratum]:
    """Return the strata of a file, and with what odds the listings of each are shown.

    Parameters
    ----------
    scores : array of shape (n_listings,)
        The highest first; NaN, where the model abstained, at the end.
    sure : int
        How many of the first are shown in any case.
    rule : Rule

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.linspace(0.99, 0.01, 1_000)
    >>> for stratum in stratify(scores, 400, Rule(0.2)):
    ...     print(stratum.first, stratum.last, round(stratum.odds, 2))
    1 100 1.0
    101 400 1.0
    401 531 0.19
    532 665 0.19
    666 809 0.17
    810 1000 0.13
    """
    import numpy as np

    is_judged = ~np.isnan(scores)
    expected = np.where(is_judged, scores, scores[is_judged].mean() if is_judged.any() else 0.5)
    spread = np.sqrt(expected * (1 - expected))[sure:]
    weight = _mix(spread, rule.even)
    draws = rule.expected_draws(sure)
    ends = {depth for depth in (*DEPTHS, sure, int(is_judged.sum())) if 0 < depth < len(scores)} | {len(scores)}
    count = int(min(max(1, draws // rule.draws_per_stratum), rule.most_strata))
    if len(weight):
        shares = np.cumsum(weight) / weight.sum()
        ends |= {sure + int(np.searchsorted(shares, part / count)) for part in range(1, count)} - {0}
    strata, first = [], 0
    for last in sorted(ends) if len(scores) else ():
        chosen = slice(first, last)
        odds = 1.0 if last <= sure else min(1.0, draws * float(weight[first - sure : last - sure].mean()))
        strata.append(_stratum(scores, expected, chosen, odds, last <= sure))
        first = last
    return strata


def is_drawn(tickets: Sequence[int] | NDArray[np.uint64], odds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say for each listing, by its ticket and its odds, whether it is shown.

    Examples
    --------
    >>> import numpy as np
    >>> is_drawn([0, 2**63, 2**64 - 1], np.array([0.001, 0.4, 1.0]))
    array([ True, False,  True])
    """
    return lots(tickets) < odds


def lots(tickets: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return tickets as numbers in 0-1 (1 excluded).

    Examples
    --------
    >>> lots([0, 2**63]).tolist()
    [0.0, 0.5]
    """
    import numpy as np

    # Eleven bits are dropped, as a float has no room for them and would round the highest tickets up to 1.
    return (np.asarray(tickets, dtype=np.uint64) >> np.uint64(11)) / 2.0**53


def _mix(spread: NDArray[np.float64], even: float) -> NDArray[np.float64]:
    """Return how the draws are spread over listings, sum 1: in part evenly, in part by how uncertain each is."""
    import numpy as np

    if not len(spread):
        return spread
    total = spread.sum()
    by_spread = spread / total if total > 0 else np.full(len(spread), 1 / len(spread))
    return even / len(spread) + (1 - even) * by_spread


def _stratum(
    scores: NDArray[np.float64], expected: NDArray[np.float64], chosen: slice, odds: float, is_sure: bool
) -> Stratum:
    highest, lowest = (float(score) if score == score else None for score in scores[chosen][[0, -1]])
    mean = float(expected[chosen].mean())
    return Stratum(chosen.start + 1, chosen.stop, odds, mean, highest, lowest, is_sure)
