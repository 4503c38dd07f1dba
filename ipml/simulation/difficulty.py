"""How hard the simulated marketplace is: one number in 0-1 that moves many.

At 0 a fake gives itself away in several ways at once; at 1 it is written, priced and sold almost like the real
thing, and honest sellers look more suspicious than they do today.
"""

from __future__ import annotations

from ipml.errors import UnusableSetting


def blend(easy: float, hard: float, difficulty: float) -> float:
    """Return the value of a quantity that goes from `easy` (difficulty 0) to `hard` (difficulty 1) in a straight line.

    Examples
    --------
    >>> blend(0.2, 0.8, difficulty=0.5)
    0.5
    """
    return easy + (hard - easy) * difficulty


def check_difficulty(difficulty: float) -> None:
    """Refuse a difficulty outside 0-1.

    Raises
    ------
    UnusableSetting
        Where it is below 0, above 1, or no number.
    """
    if not 0.0 <= difficulty <= 1.0:
        raise UnusableSetting("difficulty", f"{difficulty}", "a number from 0 (easy) to 1 (hard)")
