"""The figures of a model that the promotion gate asks for, as they are kept with its run."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from ipml.errors import UnusableSetting, describe_faults
from ipml.model.evaluation import MODEL, Evaluation
from ipml.model.metrics import Estimate
from ipml.model.promotion.comparison import K

GATE_FILE = "gate.json"


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The figures of one model that the gate asks for; None where something was not measured.

    Attributes
    ----------
    average_precision, recall_at_precision, calibration_error : Estimate or None
        On sellers the model has not seen; recall at precision 0.9.
    above_best_baseline : Estimate or None
        Average precision minus that of the best baseline, on the same resamples.
    is_leaking : bool or None
        Whether sellers of the test were also learnt from, which flatters all of this.
    recall_kept_mean, recall_kept_worst : float or None
        Share of the recall left under attack, in 0-1.
    false_positive_ratio_small, false_positive_ratio_new : Estimate or float or None
        False-positive rate of small sellers over that of large ones, of new ones over that of old ones; a number
        without an interval where the run is older than the intervals.
    value_at_k : Estimate or None
        Asking prices of the counterfeits among the first `k`, added up in `value_currency`.
    value_currency : str or None
    k : int, default=100
    listings_per_second : float or None
        Scored on one core when the model was trained.

    Examples
    --------
    >>> facts = GateFacts(average_precision=Estimate(0.8, 0.7, 0.9), is_leaking=False)
    >>> GateFacts.from_json(facts.to_json()) == facts
    True
    """

    average_precision: Estimate | None = None
    above_best_baseline: Estimate | None = None
    recall_at_precision: Estimate | None = None
    calibration_error: Estimate | None = None
    is_leaking: bool | None = None
    recall_kept_mean: float | None = None
    recall_kept_worst: float | None = None
    false_positive_ratio_small: Estimate | float | None = None
    false_positive_ratio_new: Estimate | float | None = None
    value_at_k: Estimate | None = None
    value_currency: str | None = None
    k: int = K
    listings_per_second: float | None = None

    def to_json(self) -> str:
        """Return the facts as JSON, from which `from_json` makes them again."""
        return _JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str, source: str = GATE_FILE) -> GateFacts:
        """Read facts that `to_json` wrote.

        Raises
        ------
        UnusableSetting
            It is something else.
        """
        try:
            return _JSON.validate_json(text)
        except ValidationError as error:
            raise UnusableSetting(source, describe_faults(error), "the figures of a model") from error


_JSON = TypeAdapter(GateFacts)


def make_gate_facts(
    evaluation: Evaluation,
    *,
    is_leaking: bool,
    recall_kept_mean: float | None = None,
    recall_kept_worst: float | None = None,
    false_positive_ratio_small: Estimate | None = None,
    false_positive_ratio_new: Estimate | None = None,
    listings_per_second: float | None = None,
) -> GateFacts:
    """Gather what the gate asks for from an evaluation and from what else was measured of a model."""
    figures, comparison = evaluation.figures[MODEL], evaluation.comparison
    value = next((name for name in figures if name.startswith("value_")), None)
    _, currency, _, k = value.split("_") if value else ("", None, "", K)
    return GateFacts(
        average_precision=figures["average_precision"],
        above_best_baseline=comparison.difference if comparison else None,
        recall_at_precision=figures["recall_at_precision_0.9"],
        calibration_error=figures["calibration_error"],
        is_leaking=is_leaking,
        recall_kept_mean=recall_kept_mean,
        recall_kept_worst=recall_kept_worst,
        false_positive_ratio_small=false_positive_ratio_small,
        false_positive_ratio_new=false_positive_ratio_new,
        value_at_k=figures[value] if value else None,
        value_currency=currency,
        k=int(k),
        listings_per_second=listings_per_second,
    )
