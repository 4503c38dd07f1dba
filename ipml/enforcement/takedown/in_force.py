"""What holds for a listing on which several measures stand: of two, the stronger says all that the weaker says.

Each message to the platform names all that holds from then on, rather than a step from what held before. So a message
that never arrived does no harm once a later one has, and lifting one measure cannot put back what another keeps down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ipml.enforcement.restrictions import MeasureKind

# What nobody sees needs neither a label nor a lower place; its price may still be held for what was sold.
_SAYS_MORE: dict[MeasureKind, tuple[MeasureKind, ...]] = {
    MeasureKind.REMOVE: tuple(MeasureKind),
    MeasureKind.PAUSE: (MeasureKind.PAUSE, MeasureKind.LABEL, MeasureKind.DEMOTE),
}


@dataclass(frozen=True, slots=True)
class Hold:
    """What a measure says of its listing: a kind, where, and until when; no territories are everywhere."""

    kind: MeasureKind
    territories: tuple[str, ...] = ()
    until: datetime | None = None


def covers(one: Hold, other: Hold) -> bool:
    """Say whether nothing is left to do for a hold where another stands.

    Examples
    --------
    >>> covers(Hold(MeasureKind.REMOVE), Hold(MeasureKind.REMOVE_IN, ("DE",)))
    True
    >>> covers(Hold(MeasureKind.REMOVE_IN, ("DE", "FR")), Hold(MeasureKind.REMOVE_IN, ("DE",)))
    True
    >>> covers(Hold(MeasureKind.REMOVE_IN, ("DE",)), Hold(MeasureKind.LABEL))
    False
    """
    if other.kind not in _SAYS_MORE.get(one.kind, (one.kind,)):
        return False
    is_where = not one.territories or (bool(other.territories) and set(other.territories) <= set(one.territories))
    is_as_long = one.until is None or (other.until is not None and other.until <= one.until)
    return is_where and is_as_long


def find_in_force(holds: Sequence[Hold]) -> list[int]:
    """Return the places of the holds that say something no other says; of equal ones the first.

    Examples
    --------
    >>> find_in_force([Hold(MeasureKind.LABEL), Hold(MeasureKind.REMOVE), Hold(MeasureKind.REMOVE)])
    [1]
    """
    if len(holds) < 2:
        return list(range(len(holds)))
    return [
        at
        for at, hold in enumerate(holds)
        if not any(
            covers(other, hold) and (place < at or not covers(hold, other))
            for place, other in enumerate(holds)
            if place != at
        )
    ]
