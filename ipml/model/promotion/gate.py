"""The promotion gate: may a model become champion? One row per rule, so that everybody can see why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from ipml.errors import UnusableSetting, describe_faults
from ipml.model.evaluation import MODEL, Evaluation
from ipml.model.metrics import Estimate
from ipml.model.promotion.gate_rules import GateRules, Rule
from ipml.model.text_table import align

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
    false_positive_ratio_small, false_positive_ratio_new : float or None
        False-positive rate of small sellers over that of large ones, of new ones over that of old ones.
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
    false_positive_ratio_small: float | None = None
    false_positive_ratio_new: float | None = None
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
    false_positive_ratio_small: float | None = None,
    false_positive_ratio_new: float | None = None,
    listings_per_second: float | None = None,
) -> GateFacts:
    """Gather what the gate asks for from an evaluation and from what else was measured of a model."""
    figures, comparison = evaluation.figures[MODEL], evaluation.comparison
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
        listings_per_second=listings_per_second,
    )


@dataclass(frozen=True, slots=True)
class GateRow:
    """What one rule of the gate found.

    Attributes
    ----------
    rule, required : str
        What was asked, and the limit.
    measured, champion : str
        The figure of the candidate, and that of the champion.
    passed : bool or None
        None where it was not measured.
    is_refused : bool
        Whether the candidate may not be promoted because of it.
    reason : str
        Why, in words.
    """

    rule: str
    measured: str
    champion: str
    required: str
    passed: bool | None
    is_refused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found, a row per rule."""

    rows: tuple[GateRow, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may become champion."""
        return not any(row.is_refused for row in self.rows)

    def table(self) -> str:
        """Return the report as text for a terminal: a row per rule."""
        answers = {True: "yes", False: "NO", None: "not measured"}
        rows = [["", "measured", "champion", "required", "passed", ""]]
        rows += [
            [row.rule, row.measured, row.champion, row.required, answers[row.passed], row.reason] for row in self.rows
        ]
        return align(rows)


def judge(
    candidate: GateFacts, champion: GateFacts | None, rules: GateRules, difference: Estimate | None = None
) -> GateReport:
    """Judge whether a candidate may become champion.

    Parameters
    ----------
    candidate : GateFacts
        The figures of the model that would become champion.
    champion : GateFacts or None
        Those of the model in use, or None where there is none yet.
    rules : GateRules
        The limits; `load_rules` reads them.
    difference : Estimate, optional
        Average precision of the candidate minus that of the champion, measured on the same listings.

    Examples
    --------
    >>> from ipml.model.promotion.gate_rules import load_rules
    >>> facts = GateFacts(Estimate(0.8, 0.7, 0.9), Estimate(0.3, 0.2, 0.4), Estimate(0.5, 0.3, 0.6),
    ...     Estimate(0.02, 0.02, 0.05), is_leaking=False, recall_kept_mean=0.95, recall_kept_worst=0.8,
    ...     listings_per_second=4_000)
    >>> judge(facts, None, load_rules()).passed
    True
    >>> judge(facts, facts, load_rules(), difference=Estimate(-0.2, -0.3, -0.1)).passed
    False
    """
    rows = [_judge_split(candidate)]
    for name, rule in rules.named().items():
        if name != _DIFFERENCE:
            rows.append(_judge_figure(name, getattr(candidate, name), getattr(champion, name, None), rule))
        elif champion is None:
            rows.append(GateRow(_ASKED[name].words, "-", "none", str(rule), True, False, "there is no champion yet"))
        else:
            rows.append(_judge_figure(name, difference, champion.average_precision, rule))
    return GateReport(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a rule asks for in words, what breaking it means, and which part of an estimate its limit is for."""

    words: str
    consequence: str
    part: Literal["value", "low", "high"] = "value"


_DIFFERENCE = "difference_to_champion"
_ASKED = {
    _DIFFERENCE: _Asked("average precision above the champion", "clearly worse than the model in use", "high"),
    "above_best_baseline": _Asked(
        "average precision above the best baseline", "not clearly better than what needs no model", "low"
    ),
    "recall_at_precision": _Asked("recall at precision 0.9", "too few counterfeits stand out"),
    "calibration_error": _Asked("calibration error", "scores are not the probabilities they claim to be", "low"),
    "recall_kept_mean": _Asked("recall kept under attack, mean", "disguise hides too much"),
    "recall_kept_worst": _Asked("recall kept under attack, worst", "one disguise hides too much"),
    "false_positive_ratio_small": _Asked(
        "false alarms, small sellers to large", "small sellers are suspected too readily"
    ),
    "false_positive_ratio_new": _Asked("false alarms, new sellers to old", "new sellers are suspected too readily"),
    "listings_per_second": _Asked("listings scored a second", "too slow to score everything again"),
}
_ENDS = {"value": "", "low": "lower end ", "high": "upper end "}


def _judge_split(candidate: GateFacts) -> GateRow:
    """Refuse figures of a split that leaks, whatever the rules: they say nothing about sellers to come."""
    words = "tested on sellers it had not seen"
    if candidate.is_leaking is None:
        return GateRow(words, "-", "", "yes", None, True, "nothing says how it was tested")
    if candidate.is_leaking:
        return GateRow(words, "no", "", "yes", False, True, "a split that leaks says nothing about sellers to come")
    return GateRow(words, "yes", "", "yes", True, False, "")


def _judge_figure(name: str, figure: Estimate | float | None, known: Estimate | float | None, rule: Rule) -> GateRow:
    asked = _ASKED[name]
    passed = None if figure is None else rule.allows(_part_of(figure, asked.part))
    reason = {
        True: "",
        False: asked.consequence,
        None: "must be measured" if rule.must_be_measured else "may be unknown",
    }
    return GateRow(
        rule=asked.words,
        measured=_show(figure),
        champion=_show(known),
        required=_ENDS[asked.part] + str(rule),
        passed=passed,
        is_refused=rule.must_be_measured if passed is None else not passed,
        reason=reason[passed],
    )


def _part_of(figure: Estimate | float, part: str) -> float:
    return float(getattr(figure, part)) if isinstance(figure, Estimate) else figure


def _show(figure: Estimate | float | None) -> str:
    if figure is None:
        return "-"
    if isinstance(figure, Estimate):
        return str(figure)
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
