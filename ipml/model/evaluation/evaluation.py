"""The evaluation of a model: every measure with its interval, beside the baselines, and where it is weak.

An `Evaluation` holds figures only, so that it can be stored, sent, printed and compared; the curves are drawn
by `ipml.model.report.curves`. The scores of a test are kept as a file, so that a later model can be compared with this
one on the same listings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter

from ipml.errors import UnreadableFile
from ipml.kit.parquet.bounded_file import read_whole
from ipml.model.evaluation.label_weights import effective_number, find_label_probability, weigh_by_probability
from ipml.model.evaluation.metrics import (
    VALUE,
    VALUE_CURRENCY,
    Estimate,
    describe_unpriced,
    draw_named_values,
    estimate_of,
    measure_names,
    resample_all,
)
from ipml.model.evaluation.ranking import Floats, Resampling
from ipml.model.evaluation.slices import (
    SLICE_MEASURES,
    Slice,
    SliceCounts,
    count_listings,
    group_columns,
    measure_slices,
)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equally many cells as text, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


MODEL = "model"
COMPARED_BY = "average_precision"


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """Difference between the average precision of the model and of the best baseline, on the same resamples."""

    baseline: str
    difference: Estimate


@dataclass(frozen=True, slots=True)
class ReviewSample:
    """Population that reviewed listings represent.

    Attributes
    ----------
    drawn : int
        Listings drawn with a probability below 1, not shown for their score.
    listings : float
        Size of the population.
    prevalence : float
        Share of counterfeits in it, in 0-1.
    effective : float
        Number of randomly drawn listings that would carry as much information.

    Examples
    --------
    >>> print(ReviewSample.of(np.array([1.0, 0.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.5, 0.5])))
    weighed by the odds of being reviewed: they stand for 6 listings (16.7 % counterfeit), and say as much as 4 drawn at
    random
    """

    drawn: int
    listings: float
    prevalence: float
    effective: float

    @classmethod
    def of(cls, y: Floats, label_probability: Floats) -> ReviewSample:
        """Compute the population from labels and the probabilities with which their listings were shown."""
        weight = weigh_by_probability(label_probability)
        prevalence = float(weight @ y / weight.sum())
        return cls(int((label_probability < 1).sum()), float(weight.sum()), prevalence, effective_number(weight))

    def __str__(self) -> str:
        if not self.drawn:
            return "none of them was drawn, so how many counterfeits lie elsewhere cannot be known from them"
        stand_for = f"{self.listings:,.0f} listings ({100 * self.prevalence:.1f} % counterfeit)"
        return (
            f"weighed by the odds of being reviewed: they stand for {stand_for}, "
            f"and say as much as {self.effective:,.0f} drawn at random"
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results of a test.

    Attributes
    ----------
    figures : dict of str to dict of str to Estimate
        By scorer ("model" first, then the baselines) and by measure.
    comparison : BaselineComparison or None
        None without baselines.
    slices : tuple of Slice
        By brand, category, kind of seller, …: those with at least 50 listings, but not all, and 5 counterfeits.
    n_repeats : int
        Number of scores per listing over which the figures are averaged.
    reviewed : ReviewSample or None
        None where the tested listings represent only themselves.
    no_value : str
        Line on counterfeits without a value that could be added; "" where all have one.
    maturity : str
        Date since when labels are not final, and their weight in training; "" where all are final.
    unlabelled : str
        Effect of unlabelled listings on the model; "" without any.
    """

    counts: SliceCounts
    figures: dict[str, dict[str, Estimate]]
    comparison: BaselineComparison | None
    slices: tuple[Slice, ...]
    n_resamples: int
    seed: int
    n_repeats: int = 1
    reviewed: ReviewSample | None = None
    no_value: str = ""
    maturity: str = ""
    unlabelled: str = ""

    def to_json(self) -> str:
        """Return the evaluation as JSON."""
        return _JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read an evaluation that `to_json` wrote."""
        return _JSON.validate_json(text)

    def table(self) -> str:
        """Return the figures as text for a terminal: a row per measure, a column per scorer."""
        rows = [["", *map(_in_words, self.figures)]]
        for name in self.figures[MODEL]:
            rows.append([_in_words(name), *(str(figures[name]) for figures in self.figures.values())])
        remarks = (self.counts, self.reviewed, self.no_value, self.maturity, self.unlabelled)
        notes = [str(note) for note in remarks if note]
        parts = ["\n".join(notes), align(rows)]
        if self.comparison:
            baseline, difference = _in_words(self.comparison.baseline), self.comparison.difference
            parts.append(f"{_in_words(COMPARED_BY)} above the best baseline, {baseline}: {difference}")
        return "\n\n".join(parts)

    def slice_table(self) -> str:
        """Return the figures of the model on each slice as text: a row per slice, a column per measure."""
        header = ["", "listings", "counterfeit", *map(_in_words, SLICE_MEASURES)]
        return align([header, *map(_slice_row, self.slices)])


_JSON = TypeAdapter(Evaluation)


def evaluate_test(
    tested: TestedListings, *, k: Sequence[int] = (100,), n_resamples: int = 500, seed: int = 0
) -> Evaluation:
    """Measure a model and its baselines by a test, as the mean over its repeats.

    Parameters
    ----------
    tested : TestedListings
        Its listings have `seller_id`. Other columns make slices (`ipml.model.evaluation.slices`) and, with those of
        `add_values`, the value of the counterfeits among the first k. With `label_probability` the figures are those of
        all incoming listings, not of the reviewed ones, and precision and recall at k read k of them.
    k : sequence of int, default=(100,)
        Numbers of listings that reviewers read, for precision, recall and value at k.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    seed : int, default=0
        Seed of the resamples.

    Raises
    ------
    UnmeasurableScores
        No counterfeit listing, fewer than two sellers, scores that are not probabilities.

    Examples
    --------
    >>> listings, y = pd.DataFrame({"seller_id": list("abcd")}), np.array([True, True, False, False])
    >>> scores = [np.array([0.9, 0.8, 0.1, 0.2]), np.array([0.9, 0.1, 0.8, 0.2])]
    >>> evaluation = evaluate_test(TestedListings(listings, y, {"model": scores}))
    >>> round(evaluation.figures["model"]["average_precision"].value, 3)
    0.875
    """
    listings, scores = tested.listings, tested.scores[MODEL]
    sellers, truth = listings["seller_id"], tested.y.astype(float)
    label_probability = find_label_probability(listings)
    resampling = Resampling(n_resamples, seed, tested.weight)
    draws = {name: draw_figures(truth, repeats, listings, k, resampling) for name, repeats in tested.scores.items()}
    return Evaluation(
        counts=count_listings(truth, sellers),
        figures={
            scorer: {name: estimate_of(values) for name, values in measured.items()}
            for scorer, measured in draws.items()
        },
        comparison=_compare_with_best(draws),
        slices=tuple(measure_slices(truth, scores, group_columns(listings), sellers, resampling)),
        n_resamples=n_resamples,
        seed=seed,
        n_repeats=len(scores),
        reviewed=None if label_probability is None else ReviewSample.of(truth, label_probability),
        no_value=describe_unpriced(truth, listings),
    )


def draw_figures(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    resampling: Resampling,
) -> dict[str, Floats]:
    """Return all measures of an evaluation by resample, value at k included where prices are known."""
    return {
        **draw_repeats(y, scores, listings["seller_id"], measure_names(k), resampling),
        **draw_named_values(y, scores, listings, k, resampling),
    }


def draw_repeats(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    sellers: ArrayLike,
    measures: Sequence[str],
    resampling: Resampling,
) -> dict[str, Floats]:
    """Return the mean of `resample_all` over repeats."""
    repeats = [resample_all(y, score, sellers, resampling, measures=measures) for score in scores]
    return {name: np.mean([draws[name] for draws in repeats], axis=0) for name in measures}


def _compare_with_best(draws: Mapping[str, Mapping[str, Floats]]) -> BaselineComparison | None:
    baselines = [name for name in draws if name != MODEL]
    if not baselines:
        return None
    best = max(baselines, key=lambda name: draws[name][COMPARED_BY][0])
    return BaselineComparison(best, estimate_of(draws[MODEL][COMPARED_BY] - draws[best][COMPARED_BY]))


def _slice_row(part: Slice) -> list[str]:
    counts = [f"{part.counts.listings:,}", f"{part.counts.counterfeits:,}"]
    # The value is text of sellers: it must not steer the terminal, nor stretch the table.
    value = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in part.value[:40])
    return [f"{part.column} {value}", *counts, *(str(part.figures[name]) for name in SLICE_MEASURES)]


def _in_words(name: str) -> str:
    return name.replace("_", " ")


TESTED_FILE = "tested.parquet"
KEY = ["listing_id", "observed_at"]  # identifies a listing, which may have been observed several times
_KEPT = [*KEY, "seller_id", "brand"]
_KEPT_IF_THERE = ["label_probability", VALUE, VALUE_CURRENCY]  # not in files of earlier releases
_SCORE = "score_"


@dataclass(frozen=True)
class TestedListings:
    """Scores of the model and the baselines on unseen listings, one array per repeat.

    Attributes
    ----------
    attacked : mapping of str to array of shape (n_listings,)
        The model's scores in the first repeat after each attack on the counterfeits; empty without attacks.
    """

    listings: pd.DataFrame
    y: NDArray[np.bool_]
    scores: Mapping[str, list[Floats]]
    attacked: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def weight(self) -> Floats | None:
        """Number of listings that each label represents; None without label probabilities."""
        label_probability = find_label_probability(self.listings)
        return None if label_probability is None else weigh_by_probability(label_probability)


def write_tested(tested: TestedListings, path: Path) -> None:
    """Write truth and model scores of a test as Parquet, a row per listing and a column `score_1` … per repeat.

    Ids, moment, brand, label probabilities and values of the listings are kept.
    """
    kept = keep_scores(tested)
    scores = {f"{_SCORE}{number}": score for number, score in enumerate(kept.scores[MODEL], start=1)}
    kept.listings.assign(y=kept.y, **scores).to_parquet(path, index=False)


def keep_scores(tested: TestedListings) -> TestedListings:
    """Return the part of a test that `write_tested` stores."""
    there = [name for name in _KEPT_IF_THERE if name in tested.listings]
    return TestedListings(tested.listings[[*_KEPT, *there]], tested.y, {MODEL: tested.scores[MODEL]})


def read_tested(path: Path) -> TestedListings:
    """Read a file of `write_tested`; it holds no baseline scores.

    Raises `UnreadableFile` for any other file.
    """
    expected = f"the scores of a test: columns {', '.join(_KEPT)}, y, {_SCORE}1 …"
    table = read_whole(path, expected).to_pandas()
    kept = [*_KEPT, *(name for name in _KEPT_IF_THERE if name in table)]
    names = [f"{_SCORE}{number}" for number in range(1, table.shape[1] - len(kept))]
    if list(table.columns) != [*kept, "y", *names] or not names:
        raise UnreadableFile(path, f"columns {', '.join(map(str, table.columns))[:200]}", expected)
    if table.duplicated(KEY).any():
        raise UnreadableFile(path, "a listing twice at one moment", "each once")
    scores = [table[name].to_numpy(dtype=np.float64) for name in names]
    return TestedListings(table[kept], table["y"].to_numpy(dtype=bool), {MODEL: scores})
