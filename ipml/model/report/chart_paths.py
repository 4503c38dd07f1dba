"""Curves as paths of an SVG drawing, which the page colours by day and by night.

The drawings of a report share one frame: 360 wide, 240 high, the plot itself from (44, 10) to (350, 200).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ipml.model.ranking import Floats
from ipml.model.report.curve_points import ScoreHistogram

LEFT, TOP, RIGHT, BOTTOM = 44.0, 10.0, 350.0, 200.0


def place_x(share: float) -> float:
    """Return where 0-1 lies from left to right.

    Examples
    --------
    >>> place_x(0.0), place_x(0.5)
    (44.0, 197.0)
    """
    return round(LEFT + (RIGHT - LEFT) * float(share), 1)


def place_y(share: float) -> float:
    """Return where 0-1 lies from the bottom up.

    Examples
    --------
    >>> place_y(0.0), place_y(1.0)
    (200.0, 10.0)
    """
    return round(BOTTOM - (BOTTOM - TOP) * float(share), 1)


def line(xs: ArrayLike, ys: ArrayLike) -> str:
    """Return the path through points in 0-1.

    Examples
    --------
    >>> line([0, 1], [0, 0.5])
    'M44.0 200.0 L350.0 105.0'
    """
    points = zip(np.asarray(xs, dtype=float), np.asarray(ys, dtype=float), strict=True)
    return "M" + " L".join(f"{place_x(x)} {place_y(y)}" for x, y in points)


def band(xs: ArrayLike, low: ArrayLike, high: ArrayLike) -> str:
    """Return the outline of what lies between two curves.

    Examples
    --------
    >>> band([0, 1], [0, 0], [1, 1])
    'M44.0 10.0 L350.0 10.0 L350.0 200.0 L44.0 200.0Z'
    """
    along = np.asarray(xs, dtype=float)
    both = np.concatenate([np.asarray(high, dtype=float), np.asarray(low, dtype=float)[::-1]])
    return line(np.concatenate([along, along[::-1]]), both) + "Z"


def steps(edges: ArrayLike, heights: ArrayLike) -> str:
    """Return the outline of a histogram whose heights lie in 0-1.

    Examples
    --------
    >>> steps([0, 0.5, 1], [1, 0])
    'M44.0 200.0 L44.0 10.0 L197.0 10.0 L197.0 200.0 L350.0 200.0 L350.0 200.0Z'
    """
    xs = np.repeat(np.asarray(edges, dtype=float), 2)
    ys = np.concatenate([[0.0], np.repeat(np.asarray(heights, dtype=float), 2), [0.0]])
    return line(xs, ys) + "Z"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis: where it is, in 0-1, and what it says."""

    at: float
    text: str


SHARE_TICKS = tuple(Tick(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))


@dataclass(frozen=True)
class LogHistogram:
    """A histogram of counts on a logarithmic scale, its heights in 0-1; `ticks` say which height is which count."""

    edges: Floats
    genuine: Floats
    counterfeit: Floats
    ticks: tuple[Tick, ...]


def log_histogram(histogram: ScoreHistogram) -> LogHistogram:
    """Return counts as heights: nothing at the bottom, one listing a little above it.

    Examples
    --------
    >>> counts = np.array([99, 0])
    >>> drawn = log_histogram(ScoreHistogram(np.array([0, 0.5, 1]), counts, counts))
    >>> drawn.genuine.round(2), [tick.text for tick in drawn.ticks]
    (array([1., 0.]), ['0', '1', '10'])
    """
    most = max(histogram.genuine.max(), histogram.counterfeit.max())

    def height(count: ArrayLike) -> Floats:
        return np.asarray(np.log1p(count) / np.log1p(most))

    marks = [0, *(10**power for power in range(len(str(most))) if 10**power <= most)]
    ticks = tuple(Tick(float(height(mark)), f"{mark:,}") for mark in marks)
    return LogHistogram(histogram.edges, height(histogram.genuine), height(histogram.counterfeit), ticks)
