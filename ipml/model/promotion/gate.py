"""Promotion gate: decides whether a model may become champion, with one row and one reason per rule.

The rules are data: `gate.toml` beside this file, or a user's file over it. The figures of a model are stored with its
run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError, model_validator

from ipml.errors import UnusableSetting, describe_faults
from ipml.kit.policy_file import read_policy
from ipml.kit.toml import parse_toml
from ipml.model.evaluation.differences import MIN_SELLERS, SellerCount
from ipml.model.evaluation.evaluation import MODEL, Evaluation, align
from ipml.model.evaluation.metrics import Estimate
from ipml.model.promotion.comparison import K

_BUNDLED = Path(__file__).with_name("gate.toml")


class GateRule(BaseModel):
    """A limit for one figure.

    >>> GateRule(at_least=0.5).allows(0.4), GateRule(at_most=0.05).allows(0.04)
    (False, True)
    >>> str(GateRule(at_most=0.05))
    'at most 0.05'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    must_be_measured: bool = False

    @model_validator(mode="after")
    def _check_one_limit(self) -> GateRule:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected either at_least or at_most")
        return self

    def allows(self, figure: float) -> bool:
        """Return whether a figure keeps to the limit."""
        if self.at_least is not None:
            return figure >= self.at_least
        return self.at_most is not None and figure <= self.at_most

    def __str__(self) -> str:
        return f"at most {self.at_most:,g}" if self.at_least is None else f"at least {self.at_least:,g}"


class RatioRule(GateRule):
    """A limit for a ratio of false alarms, which optionally must not be clearly worse than the champion's."""

    must_not_worsen: bool = False


class GateRules(BaseModel):
    """Rules that a model must meet to become champion; `gate.toml` gives names and reasons."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    difference_to_champion: GateRule
    value_difference_to_champion: GateRule
    above_best_baseline: GateRule
    average_precision_to_audit: GateRule
    recall_at_precision: GateRule
    calibration_error: GateRule
    recall_kept_mean: GateRule
    recall_kept_worst: GateRule
    false_positive_ratio_small: RatioRule
    false_positive_ratio_new: RatioRule
    listings_per_second: GateRule

    def named(self) -> dict[str, GateRule]:
        """Return the rules by name, in the order of the table."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def load_rules(path: Path | None = None) -> GateRules:
    """Read the rules of the gate.

    Parameters
    ----------
    path : Path, optional
        A TOML file with differences from the bundled rules.

    Raises
    ------
    UnusableSetting
        It does not exist, is not TOML, or holds something that is no rule; every such place is named.
    """
    return read_policy(
        GateRules, path or _BUNDLED, "ipml/model/promotion/gate.toml", kind="gate rules", complete=_complete
    )


def _complete(own: dict[str, Any]) -> dict[str, Any]:
    """Merge a user's rules into the bundled ones, limit by limit; other values are left for the check."""
    bundled = parse_toml(_BUNDLED.read_text(encoding="utf-8"))
    return bundled | {
        name: bundled[name] | rule if name in bundled and isinstance(rule, dict) else rule for name, rule in own.items()
    }


GATE_FILE = "gate/gate.json"


@dataclass(frozen=True, slots=True)
class GateFacts:
    """Figures of one model for the gate; None where something was not measured.

    Attributes
    ----------
    average_precision, recall_at_precision, calibration_error : Estimate or None
        On unseen sellers; recall at precision 0.9.
    above_best_baseline : Estimate or None
        Average precision minus that of the best baseline, on the same resamples.
    is_leaking : bool or None
        Whether training had sellers of the test, which flatters all figures.
    counterfeits, counterfeit_sellers : int or None
        In the test; None for runs older than these counts.
    found_before_attacks : int or None
        Counterfeits found before the attacks; None without attacks.
    recall_kept_mean, recall_kept_worst : Estimate or float or None
        Share of the recall left under attack, in 0-1; a number for runs older than the intervals.
    false_positive_ratio_small, false_positive_ratio_new : Estimate or float or None
        False-positive rate of small over large sellers, and of new over old ones; a number for runs older than the
        intervals.
    value_at_k : Estimate or None
        Sum of the asking prices of the counterfeits among the first `k`, in `value_currency`.
    listings_per_second : float or None
        Speed of scoring on one core, measured after training.
    """

    average_precision: Estimate | None = None
    above_best_baseline: Estimate | None = None
    recall_at_precision: Estimate | None = None
    calibration_error: Estimate | None = None
    is_leaking: bool | None = None
    counterfeits: int | None = None
    counterfeit_sellers: int | None = None
    found_before_attacks: int | None = None
    recall_kept_mean: Estimate | float | None = None
    recall_kept_worst: Estimate | float | None = None
    false_positive_ratio_small: Estimate | float | None = None
    false_positive_ratio_new: Estimate | float | None = None
    value_at_k: Estimate | None = None
    value_currency: str | None = None
    k: int = K
    listings_per_second: float | None = None

    def to_json(self) -> str:
        """Return the facts as JSON."""
        return _JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str, source: str = GATE_FILE) -> GateFacts:
        """Read facts that `to_json` wrote.

        Raises `UnusableSetting` for any other text.
        """
        try:
            return _JSON.validate_json(text)
        except ValidationError as error:
            raise UnusableSetting(source, describe_faults(error), "the figures of a model") from error


_JSON = TypeAdapter(GateFacts)


def make_gate_facts(evaluation: Evaluation) -> GateFacts:
    """Return the facts that an evaluation holds; the caller replaces the others."""
    figures, comparison = evaluation.figures[MODEL], evaluation.comparison
    value = next((name for name in figures if name.startswith("value_")), None)
    _, currency, _, k = value.split("_") if value else ("", None, "", K)
    return GateFacts(
        average_precision=figures["average_precision"],
        above_best_baseline=comparison.difference if comparison else None,
        recall_at_precision=figures["recall_at_precision_0.9"],
        calibration_error=figures["calibration_error"],
        value_at_k=figures[value] if value else None,
        value_currency=currency,
        k=int(k),
    )


@dataclass(frozen=True, slots=True)
class GateRow:
    """Result of one rule of the gate.

    Attributes
    ----------
    rule, required : str
        The rule in words, and its limit.
    measured, champion : str
        Figures of the candidate and of the champion.
    passed : bool or None
        None where it was not measured.
    is_refused : bool
        Whether the rule prevents the promotion.
    is_open : bool
        Whether figure and limit cannot decide, so that a person has to confirm.
    """

    rule: str
    measured: str
    champion: str
    required: str
    passed: bool | None
    is_refused: bool
    reason: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class GateReport:
    """Results of the gate, a row per rule."""

    rows: tuple[GateRow, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may become champion, once a person has confirmed what is open."""
        return not any(row.is_refused for row in self.rows)

    @property
    def open(self) -> tuple[str, ...]:
        """The rules that a person has to confirm."""
        return tuple(row.rule for row in self.rows if row.is_open)

    def table(self) -> str:
        """Return the report as text for a terminal: a row per rule."""
        answers = {True: "yes", False: "NO", None: "not measured"}
        rows = [["", "measured", "champion", "required", "passed", ""]]
        rows += [
            [row.rule, row.measured, row.champion, row.required, answer, row.reason]
            for row in self.rows
            for answer in ["to confirm" if row.is_open else answers[row.passed]]
        ]
        return align(rows)


def apply_gate(
    candidate: GateFacts,
    champion: GateFacts | None,
    rules: GateRules,
    difference: Estimate | SellerCount | None = None,
    value_difference: Estimate | SellerCount | None = None,
) -> GateReport:
    """Decide whether a candidate may become champion.

    Parameters
    ----------
    champion : GateFacts or None
        None if there is no champion yet.
    rules : GateRules
        From `load_rules`.
    difference : Estimate or SellerCount, optional
        Average precision of the candidate minus the champion's on the same listings, or the seller count if too low to
        decide.
    value_difference : Estimate or SellerCount, optional
        The same for the value caught in the first k.

    Examples
    --------
    >>> from ipml.model.promotion.gate import load_rules
    >>> facts = GateFacts(Estimate(0.8, 0.7, 0.9), Estimate(0.3, 0.2, 0.4), Estimate(0.5, 0.3, 0.6),
    ...     Estimate(0.02, 0.02, 0.05), is_leaking=False, recall_kept_mean=0.95, recall_kept_worst=0.8,
    ...     listings_per_second=4_000)
    >>> apply_gate(facts, None, load_rules()).passed
    True
    >>> apply_gate(facts, facts, load_rules(), difference=Estimate(-0.2, -0.3, -0.1)).passed
    False
    """
    rows = [_check_split(candidate)]
    differences = {"average_precision": difference, "value_at_k": value_difference}
    for name, rule in rules.named().items():
        compared = _COMPARED.get(name)
        if compared is None:
            figure = _FIGURES.get(name, name)
            too_few = _explain_too_few(name, candidate, rule)
            rows.append(_check_figure(name, getattr(candidate, figure), getattr(champion, figure, None), rule, too_few))
        elif champion is None:
            text = _RULE_TEXTS[name]
            required = _ENDS[text.part] + str(rule)
            rows.append(GateRow(text.words, "-", "none", required, None, False, "there is no champion yet"))
        else:
            gained, champions = differences[compared], getattr(champion, compared)
            gained, too_few = (None, str(gained)) if isinstance(gained, SellerCount) else (gained, "")
            rows.append(_check_figure(name, gained, champions, rule, too_few))
    return GateReport(tuple(rows))


@dataclass(frozen=True, slots=True)
class _RuleText:
    """A rule in words, the consequence of breaking it, and the part of an estimate that its limit applies to.

    `unmeasured` explains a missing figure. `rests_on` names the facts that count the listings behind the figure.
    """

    words: str
    consequence: str
    part: Literal["value", "low", "high"] = "value"
    unmeasured: str = ""
    rests_on: Literal["", "counterfeits", "found_before_attacks"] = ""


_COMPARED = {"difference_to_champion": "average_precision", "value_difference_to_champion": "value_at_k"}
_FIGURES = {"average_precision_to_audit": "average_precision"}
_COUNTED = {"counterfeits": "counterfeits", "found_before_attacks": "counterfeits found before the attacks"}
_CHANCE = 0.025  # of each end of an interval
_PARITY = 1.0  # of a ratio of false alarms: both kinds of sellers are hit alike
_AUDIT = "audit first, as labels may have leaked: ipml model leakage-audit"
_NO_ATTACKS = "training tried no attacks, or found too little to lose"
_FEW_SELLERS = "too few sellers to compare"
_RULE_TEXTS = {
    "difference_to_champion": _RuleText(
        "average precision above the champion", "clearly worse than the model in use", "high"
    ),
    "value_difference_to_champion": _RuleText(
        "value in the first k above the champion",
        "clearly less is caught than by the model in use",
        "high",
        "no prices of both, or none that could be added",
    ),
    "above_best_baseline": _RuleText(
        "average precision above the best baseline", "not clearly better than what needs no model", "low"
    ),
    "average_precision_to_audit": _RuleText("average precision, as good as no model is", _AUDIT),
    "recall_at_precision": _RuleText(
        "recall at precision 0.9", "too few counterfeits stand out", "high", rests_on="counterfeits"
    ),
    "calibration_error": _RuleText("calibration error", "scores are not the probabilities they claim to be", "low"),
    "recall_kept_mean": _RuleText(
        "recall kept under attack, mean", "disguise hides too much", "high", _NO_ATTACKS, "found_before_attacks"
    ),
    "recall_kept_worst": _RuleText(
        "recall kept under attack, worst", "one disguise hides too much", "high", _NO_ATTACKS, "found_before_attacks"
    ),
    "false_positive_ratio_small": _RuleText(
        "false alarms, small sellers to large", "small sellers are suspected too readily", "low", _FEW_SELLERS
    ),
    "false_positive_ratio_new": _RuleText(
        "false alarms, new sellers to old", "new sellers are suspected too readily", "low", _FEW_SELLERS
    ),
    "listings_per_second": _RuleText("listings scored a second", "too slow to score everything again"),
}
_ENDS = {"value": "", "low": "lower end ", "high": "upper end "}


def _check_split(candidate: GateFacts) -> GateRow:
    """Refuse figures of a leaking split, whatever the rules: they are no estimate for future sellers."""
    words = "tested on sellers it had not seen"
    if candidate.is_leaking is None:
        return GateRow(words, "-", "", "yes", None, True, "nothing says how it was tested")
    if candidate.is_leaking:
        return GateRow(words, "no", "", "yes", False, True, "a split that leaks says nothing about sellers to come")
    return GateRow(words, "yes", "", "yes", True, False, "")


def _check_figure(
    name: str, figure: Estimate | float | None, champions: Estimate | float | None, rule: GateRule, too_few: str = ""
) -> GateRow:
    """Apply one rule; `too_few` explains a figure from too few listings, unless its whole interval is good."""
    text = _RULE_TEXTS[name]
    is_worse = isinstance(rule, RatioRule) and rule.must_not_worsen and _is_less_fair(figure, champions)
    passed = None if figure is None else rule.allows(_part_of(figure, text.part)) and not is_worse
    is_suspect = name in _FIGURES and passed is False
    shown = text.words, _show(figure), _show(champions), _ENDS[text.part] + str(rule)
    if too_few or is_suspect:
        return GateRow(*shown, passed=None, is_refused=False, reason=too_few or _AUDIT, is_open=True)
    is_refused = rule.must_be_measured if passed is None else not passed
    return GateRow(*shown, passed, is_refused, _explain(text, figure, champions, rule, is_worse))


def _count_needed(share: float) -> int:
    """Return of how many listings none can be left out by chance, if each is kept with this probability.

    With so many, the exact interval of all of them begins above the share (Clopper and Pearson, 1934,
    doi:10.1093/biomet/26.4.404), and that of none ends below one less the share.

    >>> _count_needed(0.9), _count_needed(0.8), _count_needed(0.5)
    (36, 17, 6)
    """
    return math.ceil(math.log(_CHANCE) / math.log(share)) if 0 < share < 1 else 0


def _explain_too_few(name: str, candidate: GateFacts, rule: GateRule) -> str:
    """Return a line if a figure comes from too few listings or sellers to decide; else ""."""
    text, figure = _RULE_TEXTS[name], getattr(candidate, _FIGURES.get(name, name))
    if not text.rests_on and name != "above_best_baseline":
        return ""
    sellers = candidate.counterfeit_sellers
    if figure is not None and sellers is not None and sellers < MIN_SELLERS:
        return f"cannot be measured with counterfeits of {sellers} sellers, at least {MIN_SELLERS} needed"
    n, limit = getattr(candidate, text.rests_on) if text.rests_on else None, rule.at_least or 0.0
    is_good, is_poor = (
        figure is not None and rule.allows(_part_of(figure, part)) is allowed
        for part, allowed in (("low", True), ("high", False))
    )
    needed = _count_needed(1 - limit) if is_poor else max(_count_needed(limit), _count_needed(1 - limit))
    if n is None or n >= needed or is_good:
        return ""
    return f"cannot be measured with {n} {_COUNTED[text.rests_on]}, at least {needed} needed"


def _is_less_fair(figure: Estimate | float | None, champions: Estimate | float | None) -> bool:
    """Return whether a ratio of false alarms is clearly above equal treatment and above the champion's.

    Intervals that do not meet are a strict test, as the two were not measured on the same resamples. A ratio not
    clearly above 1 harms no group, whatever the champion's was.
    """
    if not isinstance(figure, Estimate) or not isinstance(champions, Estimate):
        return False
    return figure.low > max(champions.high, _PARITY)


def _explain(
    text: _RuleText, figure: Estimate | float | None, champions: Estimate | float | None, rule: GateRule, is_worse: bool
) -> str:
    """Return a line on why a rule passes or fails a figure; "" where the figure meets all of it."""
    if figure is None:
        need = "must be measured" if rule.must_be_measured else "may be unknown"
        return f"{need}: {text.unmeasured}" if text.unmeasured else need
    if not rule.allows(_part_of(figure, text.part)):
        return text.consequence
    if is_worse:
        return "clearly worse than that of the model in use"
    if not rule.allows(_part_of(figure, "value")):
        return "may be chance: the interval reaches the limit"
    is_half_checked = isinstance(rule, RatioRule) and rule.must_not_worsen and champions is None
    return "by the limit alone: no champion's is known" if is_half_checked else ""


def _part_of(figure: Estimate | float, part: str) -> float:
    return float(getattr(figure, part)) if isinstance(figure, Estimate) else figure


def _show(figure: Estimate | float | None) -> str:
    if figure is None:
        return "-"
    if isinstance(figure, Estimate):
        return str(figure)
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"
