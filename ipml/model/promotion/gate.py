"""The promotion gate: may a model become champion? One row per rule, so that everybody can see why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ipml.model.metrics import Estimate
from ipml.model.promotion.gate_facts import GateFacts
from ipml.model.promotion.gate_rules import GateRules, RatioRule, Rule
from ipml.model.text_table import align


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
    candidate: GateFacts,
    champion: GateFacts | None,
    rules: GateRules,
    difference: Estimate | None = None,
    value_difference: Estimate | None = None,
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
    value_difference : Estimate, optional
        The same of the value caught in the first k.

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
    differences = {"average_precision": difference, "value_at_k": value_difference}
    for name, rule in rules.named().items():
        compared = _COMPARED.get(name)
        if compared is None:
            rows.append(_judge_figure(name, getattr(candidate, name), getattr(champion, name, None), rule))
        elif champion is None:
            asked = _ASKED[name]
            required = _ENDS[asked.part] + str(rule)
            rows.append(GateRow(asked.words, "-", "none", required, None, False, "there is no champion yet"))
        else:
            rows.append(_judge_figure(name, differences[compared], getattr(champion, compared), rule))
    return GateReport(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a rule asks for in words, what breaking it means, and which part of an estimate its limit is for.

    Where nothing was measured, `unmeasured` says what that may be due to.
    """

    words: str
    consequence: str
    part: Literal["value", "low", "high"] = "value"
    unmeasured: str = ""


_COMPARED = {"difference_to_champion": "average_precision", "value_difference_to_champion": "value_at_k"}
_PARITY = 1.0  # of a ratio of false alarms: both kinds of sellers are hit alike
_NO_ATTACKS = "training tried no attacks, or found too little to lose"
_FEW_SELLERS = "too few sellers to compare"
_ASKED = {
    "difference_to_champion": _Asked(
        "average precision above the champion", "clearly worse than the model in use", "high"
    ),
    "value_difference_to_champion": _Asked(
        "value in the first k above the champion",
        "clearly less is caught than by the model in use",
        "high",
        "no prices of both, or none that could be added",
    ),
    "above_best_baseline": _Asked(
        "average precision above the best baseline", "not clearly better than what needs no model", "low"
    ),
    "recall_at_precision": _Asked("recall at precision 0.9", "too few counterfeits stand out"),
    "calibration_error": _Asked("calibration error", "scores are not the probabilities they claim to be", "low"),
    "recall_kept_mean": _Asked("recall kept under attack, mean", "disguise hides too much", unmeasured=_NO_ATTACKS),
    "recall_kept_worst": _Asked(
        "recall kept under attack, worst", "one disguise hides too much", unmeasured=_NO_ATTACKS
    ),
    "false_positive_ratio_small": _Asked(
        "false alarms, small sellers to large", "small sellers are suspected too readily", "low", _FEW_SELLERS
    ),
    "false_positive_ratio_new": _Asked(
        "false alarms, new sellers to old", "new sellers are suspected too readily", "low", _FEW_SELLERS
    ),
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
    is_worse = isinstance(rule, RatioRule) and rule.must_not_worsen and _is_less_fair(figure, known)
    passed = None if figure is None else rule.allows(_part_of(figure, asked.part)) and not is_worse
    return GateRow(
        rule=asked.words,
        measured=_show(figure),
        champion=_show(known),
        required=_ENDS[asked.part] + str(rule),
        passed=passed,
        is_refused=rule.must_be_measured if passed is None else not passed,
        reason=_say_why(asked, figure, known, rule, is_worse),
    )


def _is_less_fair(figure: Estimate | float | None, known: Estimate | float | None) -> bool:
    """Say whether a ratio of false alarms is clearly above equal treatment, and clearly above the champion's.

    Their intervals do not meet: a strict test, as the two were not measured on the same resamples. What is not clearly
    above 1 harms nobody of the group, whatever the champion's was.
    """
    if not isinstance(figure, Estimate) or not isinstance(known, Estimate):
        return False
    return figure.low > max(known.high, _PARITY)


def _say_why(
    asked: _Asked, figure: Estimate | float | None, known: Estimate | float | None, rule: Rule, is_worse: bool
) -> str:
    """Say in a line why a rule lets a figure pass or does not; nothing where the figure itself keeps to all it asks."""
    if figure is None:
        need = "must be measured" if rule.must_be_measured else "may be unknown"
        return f"{need}: {asked.unmeasured}" if asked.unmeasured else need
    if not rule.allows(_part_of(figure, asked.part)):
        return asked.consequence
    if is_worse:
        return "clearly worse than that of the model in use"
    if not rule.allows(_part_of(figure, "value")):
        return "may be chance: the interval reaches the limit"
    is_half_checked = isinstance(rule, RatioRule) and rule.must_not_worsen and known is None
    return "by the limit alone: no champion's is known" if is_half_checked else ""


def _part_of(figure: Estimate | float, part: str) -> float:
    return float(getattr(figure, part)) if isinstance(figure, Estimate) else figure


def _show(figure: Estimate | float | None) -> str:
    if figure is None:
        return "-"
    if isinstance(figure, Estimate):
        return str(figure)
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
