"""Networks keep their number: through growth, and, for the largest part, through merges and splits, which are noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a network.

    Attributes
    ----------
    network : int
        Its number.
    what : str
        "merged" (it went into the other), "split" (the other came out of it), or "ended" (no two members are left).
    other : int
        The other network; 0 where it ended.
    at : int
        Of the last event known then (microseconds since 1970).
    """

    network: int
    what: str
    other: int
    at: int


@dataclass(frozen=True, slots=True)
class Numbering:
    """Which network each seller is in (0: none), how many numbers were ever given, and what became of networks."""

    number: Codes
    given: int
    changes: tuple[Change, ...]


def first_numbers(group: Codes) -> Numbering:
    """Number the groups of two and more by their first members.

    >>> first_numbers(np.array([0, 1, 1, 3, 3])).number.tolist()
    [0, 1, 1, 2, 2]
    """
    return keep_numbers(Numbering(np.zeros(0, dtype=np.int64), 0, ()), np.zeros(0, dtype=np.int64), group, 0)


def keep_numbers(before: Numbering, moved: Codes, group: Codes, at: int) -> Numbering:
    """Return the numbers of new groups, given the numbers before.

    A group takes the number of the network with which it has the most members in common, if no other group has more
    of them in common with it; of equals, the older network and the group of the earlier seller come first. Groups that
    are left get new numbers.

    Parameters
    ----------
    before : Numbering
        In the positions of before.
    moved : array
        Where the sellers of before stand now.
    group : array of shape (n_sellers,)
        As from `group_sellers`.
    at : int
        The last moment known (microseconds since 1970).

    Examples
    --------
    >>> before = first_numbers(np.array([0, 0, 0, 3, 3]))
    >>> after = keep_numbers(before, np.arange(5), np.array([0, 0, 2, 0, 0, 5, 5]), at=9)
    >>> after.number.tolist(), [(change.network, change.what, change.other) for change in after.changes]
    ([1, 1, 0, 1, 1, 3, 3], [(2, 'merged', 1)])
    """
    old = np.zeros(len(group), dtype=np.int64)
    old[moved] = before.number
    sizes = np.bincount(group, minlength=len(group))
    is_member = sizes[group] > 1
    pairs, common = np.unique(np.stack([old, group])[:, is_member & (old > 0)], axis=1, return_counts=True)
    taken = _match(pairs[0], pairs[1], common)
    leaders = np.unique(group[is_member])
    fresh = [int(leader) for leader in leaders if leader not in taken.values()]
    number_of = {leader: number for number, leader in taken.items()}
    number_of |= {leader: before.given + place for place, leader in enumerate(fresh, start=1)}
    numbers = np.zeros(len(group), dtype=np.int64)
    numbers[list(number_of)] = list(number_of.values())
    number = np.where(is_member, numbers[group], 0)
    changes = _note_changes(before, pairs, numbers, taken, at)
    return Numbering(number, before.given + len(fresh), before.changes + changes)


def tell_what_became(numbering: Numbering, number: int) -> str:
    """Return what became of a network that is no more, or that there was none of that number, in words."""
    for change in reversed(numbering.changes):
        if change.network == number and change.what != "split":
            at = datetime.fromtimestamp(change.at / 1e6, UTC)
            return f"on {at:%Y-%m-%d} it {change.what}" + f" into {change.other}" * (change.other > 0)
    return f"{numbering.given:,} numbers were given"


def _match(numbers: Codes, groups: Codes, common: Codes) -> dict[int, int]:
    """Give each number to the group that has the most of it, the largest shares first."""
    taken: dict[int, int] = {}
    given: set[int] = set()
    for place in np.lexsort((groups, numbers, -common)):
        number, group = int(numbers[place]), int(groups[place])
        if number not in taken and group not in given:
            taken[number] = group
            given.add(group)
    return taken


def _note_changes(
    before: Numbering, pairs: Codes, numbers: Codes, taken: dict[int, int], at: int
) -> tuple[Change, ...]:
    changes = []
    for number in np.unique(before.number[before.number > 0]).tolist():
        now = [int(numbers[group]) for group in pairs[1][pairs[0] == number]]
        others = sorted(set(now) - {number})
        if number in taken:
            changes += [Change(number, "split", other, at) for other in others if other > before.given]
        elif others:
            changes += [Change(number, "merged", other, at) for other in others]
        else:
            changes.append(Change(number, "ended", 0, at))
    return tuple(changes)
