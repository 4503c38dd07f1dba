"""What the report on a model says first: which experiment it came of, and how it was tested."""

from __future__ import annotations

from ipml.model.report import ReportHead
from ipml.model.training.experiment import Experiment

_SPLITS = {
    "seller folds": "folds over sellers: each listing was scored by a model that had not learnt from its seller",
    "later unseen sellers": "later listings of sellers the model had not seen",
    "leaking random": "random: sellers stand on both sides, so the figures leak",
}


def head_of(experiment: Experiment, model: str) -> ReportHead:
    """Return the head of the report on a model that came of an experiment.

    Examples
    --------
    >>> head = head_of(Experiment(name="shoes", data={"listings": "shoes.csv"}), "ipml-shoes/0123456789ab")
    >>> head.data, head.split, head.is_leaking
    ('shoes.csv', 'later listings of sellers the model had not seen', False)
    """
    split = experiment.split
    number = f"{split.n_folds} " if split.kind == "seller folds" else ""
    data = ", ".join(experiment.data.listings)
    return ReportHead(model, data, number + _SPLITS[split.kind], is_leaking=split.kind == "leaking random")
