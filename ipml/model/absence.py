"""Absence: learns what to add to the log-odds of listings without fields that nearly all training listings have.

No coefficient of "age unknown" can be learnt where every age is known. A missing field would count 0, like a new
listing or a seller without complaints, and probabilities would be several times too high or too low. So training
listings are copied without fields drawn at random, and a logistic regression finds the offset of each missing field,
and of each pair, under which the copies are as often counterfeit as the whole listings. Where more listings lack a
field, the learner knows its absence, and an offset is only added beside a field that hardly any lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from ipml.features.columns import ListingColumns
from ipml.features.figures import COUNTED, FIELD_GROUPS, MissingFields, find_missing
from ipml.model.calibration import SigmoidCalibration
from ipml.model.learner.problem import Floats, Labels
from ipml.model.stages import FirstStage

MOST_LACKING = 0.05
"""Where a larger share of the training listings lacks a field, its absence was learnt with the rest."""
MOST_COPIES = 30_000
"""Some thousands of them lack each two fields: their mean probability is then known within a tenth of it."""
_COPIES_OF_EACH = 10
_RIDGE = 0.5  # of a logistic regression with C = 1


class LeftOut(NamedTuple):
    """Training listings of sellers left out, and their log-odds (`unseen`) in models that did not know the seller."""

    listings: ListingColumns
    unseen: Floats
    y: Labels
    weight: Floats


def learn_absence(stage: FirstStage, left_out: LeftOut, seed: int) -> MissingFields | None:
    """Return the offsets of missing fields; None where no field is nearly always there. `seed` draws the copies."""
    missing = find_missing(left_out.listings, list(FIELD_GROUPS))
    names = [name for place, name in enumerate(FIELD_GROUPS) if not missing[:, place].all()]
    missing = find_missing(left_out.listings, names)
    is_rare = missing.mean(axis=0) <= MOST_LACKING
    whole = np.flatnonzero(~missing[:, is_rare].any(axis=1))
    if not is_rare.any() or not len(whole):
        return None
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.choice(whole, min(MOST_COPIES, _COPIES_OF_EACH * len(whole))))
    dropped = generator.random((len(rows), len(names))) < generator.random((len(rows), 1))  # any number is as likely
    copies = left_out.listings.cut(rows)
    without = copies.without(
        {column: dropped[:, place] for place, name in enumerate(names) for column in FIELD_GROUPS[name]}
    )
    line = SigmoidCalibration().fit(left_out.unseen, left_out.y, left_out.weight)
    has_offset = np.array([name not in COUNTED for name in names])
    terms = np.argwhere(np.triu((is_rare[:, np.newaxis] | is_rare) & has_offset & has_offset[:, np.newaxis]))
    offsets = _fit_offsets(
        stage.log_odds(without),
        line.probability(stage.log_odds(copies)),
        left_out.weight[rows] / left_out.weight[rows].mean(),
        (dropped | missing[rows])[:, terms].all(axis=2).astype(np.float64),
        line,
    )
    found = MissingFields().fit({})
    found.names_, found.offsets_ = names, np.zeros((len(names), len(names)))
    found.offsets_[tuple(terms.T)] = offsets
    return found


def _fit_offsets(log_odds: Floats, target: Floats, weight: Floats, terms: Floats, line: SigmoidCalibration) -> Floats:
    """Return the offset of each term (column of 0 and 1) under which listings reach their target probability."""

    def loss(offsets: Floats) -> tuple[float, Floats]:
        z = line.slope_ * (log_odds + terms @ offsets) + line.intercept_
        value = weight @ (np.logaddexp(0.0, z) - target * z) + _RIDGE * offsets @ offsets
        error = line.slope_ * weight * (scipy.special.expit(z) - target)
        return float(value), error @ terms + 2 * _RIDGE * offsets

    offsets: Floats = scipy.optimize.minimize(loss, np.zeros(terms.shape[1]), jac=True, method="L-BFGS-B").x
    return offsets
