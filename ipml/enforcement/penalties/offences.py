"""Which strikes are one offence, and what all offences weigh together.

Strikes are one offence where they are tied by what the rules name: decided together, near-duplicates, the same listing.
A strike whose listing was seen after a penalty had been told is never one offence with those before: it is the
repetition. None of this depends on the order of the strikes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from ipml.enforcement.penalties.book import Strike
from ipml.enforcement.penalties.rules import OffenceRules, PenaltyRules


@dataclass(frozen=True, slots=True)
class Offence:
    """Strikes that weigh together what the heaviest of them weighs; repeated where a penalty had been told before."""

    strikes: tuple[Strike, ...]
    is_repeated: bool
    weight: float


def find_offences(counting: Collection[Strike], told: Sequence[datetime], rules: PenaltyRules) -> list[Offence]:
    """Return the offences that some strikes make.

    Parameters
    ----------
    counting : collection of Strike
        Those that count.
    told : sequence of datetime
        From when on each earlier penalty of the seller counts as told.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> def strike(number, cluster):
    ...     facts = (None, 1.5, 0.9, 80.0, 10.0, 400.0, None, cluster, number, noon, noon, noon.replace(year=2027), "")
    ...     return Strike(number, number, number, "ann", "declared_replica", *facts)
    >>> copies = [strike(1, 1), strike(2, 1), strike(3, 3)]
    >>> [(len(found.strikes), found.weight) for found in find_offences(copies, [], load_enforcement_policy().penalties)]
    [(2, 1.5), (1, 1.5)]
    """
    groups: dict[int, list[Strike]] = {}
    for place, strike in zip(_join(counting, told, rules.offence), counting, strict=True):
        groups.setdefault(place, []).append(strike)
    return [_make_offence(group, told, rules) for group in groups.values()]


def sum_weights(found: Collection[Offence]) -> float:
    """Return what offences weigh together, the same in whatever order they come."""
    return fsum(offence.weight for offence in found)


def _make_offence(group: list[Strike], told: Sequence[datetime], rules: PenaltyRules) -> Offence:
    is_repeated = _count_told(group[0], told) > 0
    heaviest = max(strike.weight for strike in group)
    return Offence(tuple(group), is_repeated, heaviest * (rules.repeat_factor if is_repeated else 1.0))


def _count_told(strike: Strike, told: Sequence[datetime]) -> int:
    return sum(moment < strike.seen_at for moment in told)


def _join(counting: Collection[Strike], told: Sequence[datetime], rules: OffenceRules) -> list[int]:
    """Return for each strike the place of the first that it is tied to, if only through others."""
    parents = list(range(len(counting)))
    first_with: dict[tuple[str, int, int], int] = {}
    for place, strike in enumerate(counting):
        n_told = _count_told(strike, told)
        for kind, number in _ties(strike, rules):
            other = first_with.setdefault((kind, number, n_told), place)
            if other != place:
                parents[_root(parents, place)] = _root(parents, other)
    return [_root(parents, place) for place in range(len(counting))]


def _ties(strike: Strike, rules: OffenceRules) -> list[tuple[str, int]]:
    ties = []
    if rules.decided_together and strike.made_with is not None:
        ties.append(("made with", strike.made_with))
    if rules.near_duplicates:
        ties.append(("cluster", strike.cluster))
    if rules.same_listing:
        ties.append(("listing", strike.same_as))
    return ties


def _root(parents: list[int], place: int) -> int:
    while parents[place] != place:
        parents[place] = parents[parents[place]]
        place = parents[place]
    return place
