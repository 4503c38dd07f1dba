"""A model becomes champion only if every rule lets it; rules, facts and fairness of the gate."""

import json
from dataclasses import fields, replace
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import evaluate

from ipml.errors import IpmlError, UnusableSetting
from ipml.model.evaluation.differences import SellerCount
from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.metrics import Estimate
from ipml.model.evaluation.ranking import Resampling
from ipml.model.promotion import load_rules
from ipml.model.promotion.gate import GateFacts, GateRules, apply_gate, make_gate_facts

RULES = load_rules()
GOOD = GateFacts(
    average_precision=Estimate(0.8, 0.7, 0.9),
    above_best_baseline=Estimate(0.3, 0.2, 0.4),
    recall_at_precision=Estimate(0.6, 0.5, 0.7),
    calibration_error=Estimate(0.02, 0.02, 0.04),
    is_leaking=False,
    counterfeits=200,
    counterfeit_sellers=40,
    found_before_attacks=120,
    recall_kept_mean=Estimate(0.95, 0.9, 1.0),
    recall_kept_worst=Estimate(0.8, 0.7, 0.9),
    false_positive_ratio_small=Estimate(1.1, 0.7, 1.6),
    false_positive_ratio_new=Estimate(1.2, 0.9, 1.7),
    listings_per_second=14_000.0,
)
LEVEL = Estimate(0.0, -0.1, 0.1)
LOWER_IS_BETTER = {"calibration_error", "false_positive_ratio_small", "false_positive_ratio_new"}
COMPARED = ("average_precision", "value_at_k")  # with those of the champion, on the same listings
COUNTS = ("counterfeits", "counterfeit_sellers", "found_before_attacks")
OTHERS = ("is_leaking", "value_currency", "k", *COUNTS, *COMPARED)
FIGURES = [field.name for field in fields(GateFacts) if field.name not in OTHERS]

shares = st.floats(0, 1)
estimates = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))
ratios = st.lists(st.floats(0, 10), min_size=3, max_size=3).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))
MEASURED = ("average_precision", "above_best_baseline", "recall_at_precision", "calibration_error")
SHARES, RATIOS = ("recall_kept_mean", "recall_kept_worst"), ("false_positive_ratio_small", "false_positive_ratio_new")
facts = st.builds(
    GateFacts,
    **dict.fromkeys(MEASURED, st.none() | estimates),
    **dict.fromkeys(SHARES, st.none() | shares | estimates),
    **dict.fromkeys(COUNTS, st.none() | st.integers(0, 60)),
    **dict.fromkeys(RATIOS, st.none() | st.floats(0, 10) | ratios),
    is_leaking=st.none() | st.booleans(),
    listings_per_second=st.none() | st.floats(1, 1e5),
)


@st.composite
def rule_sets(draw: st.DrawFn) -> GateRules:
    """Draw limits of the sense that the bundled rules have."""
    drawn = {}
    for name, bundled in RULES.named().items():
        side = "at_most" if bundled.at_least is None else "at_least"
        wishes = {wish: draw(st.booleans()) for wish in bundled.model_fields_set if wish.startswith("must")}
        drawn[name] = type(bundled)(**{side: draw(st.floats(-1, 2))}, **wishes)
    return GateRules(**drawn)


def shift(figure: Estimate | float | None, by: float) -> Estimate | float | None:
    """Return a figure that is higher by so much."""
    if isinstance(figure, Estimate):
        return Estimate(figure.value + by, figure.low + by, figure.high + by)
    return None if figure is None else figure + by


def improve(figures: GateFacts, by: dict[str, float]) -> GateFacts:
    """Return figures that are better by so much each."""
    gains = {name: -gain if name in LOWER_IS_BETTER else gain for name, gain in by.items()}
    return replace(figures, **{name: shift(getattr(figures, name), gain) for name, gain in gains.items()})


@given(facts, rule_sets(), st.none() | estimates, st.fixed_dictionaries(dict.fromkeys(FIGURES, shares)), shares)
def test_a_better_candidate_passes_where_a_worse_one_does(worse, rules, difference, gains, gain):
    """Under any rules, improving figures never turns a row that passed, and so never the report."""
    before = apply_gate(worse, GOOD, rules, difference)
    after = apply_gate(improve(worse, gains), GOOD, rules, shift(difference, gain))
    for row, better in zip(before.rows, after.rows, strict=True):
        assert better.passed or not row.passed
    assert after.passed or not before.passed


@given(facts, rule_sets(), st.none() | estimates)
def test_the_gate_is_shut_if_any_row_refuses(candidate, rules, difference):
    """What fails refuses; what was not measured refuses where it must be; nothing else does."""
    report = apply_gate(candidate, GOOD, rules, difference)
    assert len(report.rows) == 1 + len(rules.named())
    for row, limit in zip(report.rows[1:], rules.named().values(), strict=True):
        missing = limit.must_be_measured and not row.is_open
        assert row.is_refused == (missing if row.passed is None else not row.passed)
    assert report.passed == (not any(row.is_refused for row in report.rows))


def test_a_good_model_passes_unless_clearly_below_the_champion():
    """Not without a comparison, but without a champion; not where a whole interval lies below zero, nor for money."""
    report = apply_gate(GOOD, GOOD, RULES, LEVEL, LEVEL)
    assert report.passed
    assert all(row.passed for row in report.rows)
    assert not apply_gate(GOOD, GateFacts(), RULES).passed
    assert apply_gate(GOOD, None, RULES).passed
    assert not apply_gate(GOOD, GOOD, RULES, Estimate(-0.2, -0.3, -0.1)).passed
    assert apply_gate(GOOD, GOOD, RULES, Estimate(-0.05, -0.2, 0.1)).passed
    poor = apply_gate(GOOD, GOOD, RULES, LEVEL, Estimate(-900.0, -1_500.0, -200.0))
    assert [row.reason for row in poor.rows if row.is_refused] == ["clearly less is caught than by the model in use"]
    assert apply_gate(GOOD, GOOD, RULES, LEVEL, Estimate(-900.0, -1_500.0, 200.0)).passed
    (unknown,) = [row for row in apply_gate(GOOD, GOOD, RULES, LEVEL).rows if row.passed is None]
    assert unknown.reason.startswith("may be unknown: no prices")


def test_each_fault_is_refused_with_its_reason(subtests):
    """One bad figure is enough, and exactly its row says why."""
    for changes, reason in [
        ({"is_leaking": True}, "leaks"),
        ({"is_leaking": None}, "how it was tested"),
        ({"above_best_baseline": Estimate(0.3, -0.1, 0.6)}, "needs no model"),
        ({"above_best_baseline": None}, "must be measured"),
        ({"recall_at_precision": Estimate(0.05, 0.0, 0.09)}, "stand out"),
        ({"calibration_error": Estimate(0.1, 0.07, 0.2)}, "probabilities"),
        ({"recall_kept_mean": 0.5}, "disguise"),
        ({"recall_kept_worst": Estimate(0.2, 0.0, 0.4)}, "one disguise"),
        ({"false_positive_ratio_small": Estimate(3.0, 2.1, 4.5)}, "small sellers"),
        ({"false_positive_ratio_new": 3.0}, "new sellers"),
        ({"false_positive_ratio_new": Estimate(1.9, 1.75, 2.1)}, "clearly worse than that of the model in use"),
        ({"listings_per_second": 12.0}, "slow"),
    ]:
        with subtests.test(changes=changes, reason=reason):
            report = apply_gate(replace(GOOD, **changes), GOOD, RULES, LEVEL)
            (refused,) = [row for row in report.rows if row.is_refused]
            assert reason in refused.reason
            assert not report.passed


def test_what_takes_many_sellers_may_be_unknown():
    """Ratios of false alarms may, and say so; any other missing figure refuses the model in one line."""
    unknown = dict.fromkeys(["false_positive_ratio_small", "false_positive_ratio_new"])
    report = apply_gate(replace(GOOD, **unknown), None, RULES)
    assert report.passed
    assert report.table().count("may be unknown") == 2
    for name in (name for name in FIGURES if not name.startswith("false_positive")):
        report = apply_gate(replace(GOOD, **{name: None}), None, RULES)
        (reason,) = [row.reason for row in report.rows if row.is_refused]
        tried = ": training tried no attacks" if name.startswith("recall_kept") else ""
        assert reason.startswith(f"must be measured{tried}")
        assert "\n" not in reason


def test_what_so_few_counterfeits_cannot_measure_is_confirmed_by_a_person():
    """Open is what is not clearly good and would not be clear of all or of none of so few; and what is too good."""
    few = replace(GOOD, counterfeits=30, found_before_attacks=9, recall_at_precision=Estimate(0.033, 0.0, 0.297))
    report = apply_gate(
        replace(few, recall_kept_mean=Estimate(0.7, 0.4, 1.0)), GOOD, RULES, SellerCount("counterfeits", 3, 2.5)
    )
    open_rows = {row.rule: row.reason for row in report.rows if row.is_open}
    assert (report.passed, list(open_rows)) == (True, list(report.open))
    assert open_rows == {
        "average precision above the champion": (
            "too few sellers to compare: counterfeits of 3 sellers, at least 6 needed"
        ),
        "recall at precision 0.9": "cannot be measured with 30 counterfeits, at least 36 needed",
        "recall kept under attack, mean": "cannot be measured with 9 counterfeits found before the attacks, "
        "at least 17 needed",
    }
    assert report.table().count("to confirm") == 3
    for changes, n_open in [
        ({"counterfeits": 30}, 0),
        ({"counterfeits": 30, "recall_at_precision": Estimate(0.3, 0.05, 0.5)}, 1),
        ({"counterfeit_sellers": 5}, 4),
        ({"found_before_attacks": 0, "recall_kept_mean": None, "recall_kept_worst": None}, 2),
        ({"average_precision": Estimate(0.98, 0.9, 1.0)}, 1),
    ]:
        report = apply_gate(replace(GOOD, **changes), GOOD, RULES, LEVEL)
        assert (report.passed, len(report.open)) == (True, n_open), changes
    assert "leakage-audit" in report.table()


def test_the_table_shows_measured_champion_required_and_answer():
    """Figures of both, the limit and the answer in words; the end of an interval that the limit is for."""
    table = apply_gate(replace(GOOD, recall_kept_worst=0.2), replace(GOOD, recall_kept_worst=0.7), RULES, LEVEL).table()
    (row,) = [line for line in table.splitlines() if "worst" in line]
    cells = [cell.strip() for cell in row.split("  ") if cell]
    assert cells[1:] == ["0.20", "0.70", "upper end at least 0.5", "NO", "one disguise hides too much"]
    row = judge_ratio(Estimate(2.6, 0.8, 5.0), Estimate(1.4, 0.9, 2.0))
    assert (row.measured, row.champion) == ("2.600 (0.800 to 5.000)", "1.400 (0.900 to 2.000)")
    assert row.required == "lower end at most 2"
    assert (row.passed, row.reason) == (True, "may be chance: the interval reaches the limit")


def test_rules_have_reasons_and_own_ones_lie_over_them(tmp_path):
    """In the file; what an own one does not name stays; a mistake is one line with its place."""
    text = files("ipml.model.promotion").joinpath("gate.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(("[", "at_"))]
    assert len(lines) == 2 * len(GateRules.model_fields)
    assert all("# " in line for line in lines)
    path = tmp_path / "rules.toml"
    with pytest.raises(IpmlError, match="gate rules"):
        load_rules(path)
    path.write_text("[recall_at_precision]\nat_least = 0.4\n[recall_kept_worst]\nmust_be_measured = true\n")
    own, bundled = load_rules(path), load_rules()
    assert own.recall_at_precision.at_least == 0.4
    assert own.recall_at_precision.must_be_measured
    assert own.recall_kept_worst.must_be_measured
    assert own.recall_kept_worst.at_least == bundled.recall_kept_worst.at_least
    assert own.calibration_error == bundled.calibration_error
    assert load_rules() == bundled
    for text, complaint in (
        ("[beauty]\nat_least = 1\n", "unknown beauty"),
        ("recall_at_precision = 0.4\n", "recall_at_precision"),
        ("[recall_at_precision]\nat_most = 0.4\n", "either at_least or at_most"),
        ("[recall_at_precision]\nat_least = nan\n", "finite"),
        ("[recall_at_precision]\nleast = 0.4\n", "unknown recall_at_precision.least"),
        ("[recall_at_precision]\nmust_not_worsen = true\n", "unknown recall_at_precision.must_not_worsen"),
        ("[recall_at_precision\n", "TOML"),
    ):
        path.write_text(text)
        with pytest.raises(IpmlError, match=complaint) as caught:
            load_rules(path)
        assert len(str(caught.value).splitlines()) == 1


NUMBER = st.floats(-10, 1e5)
ESTIMATE = st.builds(Estimate, NUMBER, NUMBER, NUMBER, st.integers(0, 500))
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {"Estimate | None": st.none() | ESTIMATE}
STRATEGIES |= {"Estimate | float | None": st.none() | NUMBER | ESTIMATE, "bool | None": st.none() | st.booleans()}
STRATEGIES |= {"float | None": st.none() | NUMBER, "str | None": st.none() | st.just("EUR")}
STRATEGIES |= {"int": st.integers(1, 1_000), "int | None": st.none() | st.integers(0, 1_000)}
FACTS = st.builds(GateFacts, **{field.name: STRATEGIES[str(field.type)] for field in fields(GateFacts)})


@given(FACTS)
def test_facts_come_back_the_same(written):
    """What is stored with the run is what the gate reads."""
    assert GateFacts.from_json(written.to_json()) == written


def test_ratios_of_older_runs_are_read_and_other_texts_are_no_facts():
    """Taken as they are; a ratio without its interval is read, and a text that ipml did not write is one line."""
    older = json.dumps({"false_positive_ratio_small": 1.5, "false_positive_ratio_new": None})
    assert GateFacts.from_json(older) == GateFacts(false_positive_ratio_small=1.5)
    for text in ("", "[]", '{"recall_kept_mean": "much"}'):
        with pytest.raises(UnusableSetting, match=r"gate\.json") as caught:
            GateFacts.from_json(text)
        assert "\n" not in str(caught.value)
    listings = pd.DataFrame({"seller_id": list("aabbccdd")})
    y, score = [1, 1, 0, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.12, 0.1]
    evaluation = evaluate(y, score, listings, baselines={"prevalence": [0.4] * 8}, n_resamples=20)
    made = make_gate_facts(evaluation)
    assert made.average_precision == evaluation.figures["model"]["average_precision"]
    assert made.above_best_baseline == evaluation.comparison.difference
    assert (made.is_leaking, made.listings_per_second, made.recall_kept_mean) == (None, None, None)
    without = evaluate(y, score, listings, n_resamples=20)
    assert make_gate_facts(without).above_best_baseline is None


LIMIT = RULES.false_positive_ratio_small.at_most


def judge_ratio(ratio, champion, name=RATIOS[0], rules=RULES):
    """Return the row of a ratio of false alarms."""
    report = apply_gate(GateFacts(**{name: ratio}), GateFacts(**{name: champion}), rules)
    (row,) = [row for row in report.rows if row.rule.startswith("false alarms") and name.split("_")[-1] in row.rule]
    return row


def measure_ratio(n_sellers: int, small_rate: float, large_rate: float, seed: int) -> Estimate:
    """Measure a model that flags genuine listings at these rates, over so many sellers of each kind."""
    small = [f"small{i}" for i in range(n_sellers) for _ in range(4)]
    large = [f"large{i}" for i in range(n_sellers) for _ in range(12)]
    is_small = np.arange(len(small) + len(large)) < len(small)
    is_flagged = np.random.default_rng(seed).random(len(is_small)) < np.where(is_small, small_rate, large_rate)
    y = np.zeros(len(is_small))
    y[0] = 1
    listings = pd.DataFrame({"seller_id": small + large})
    ratio = seller_fairness(y, is_flagged * 0.9, listings, 0.5, resampling=Resampling(200)).false_positive_ratio_small
    assert ratio is not None
    return ratio


@given(ratio=ratios, champion=st.none() | st.floats(0, 10) | ratios)
def test_only_what_is_clear_refuses(ratio, champion):
    """A ratio is refused if and only if its whole interval is above the limit, or above both 1 and the champion's."""
    is_less_fair = isinstance(champion, Estimate) and ratio.low > max(champion.high, 1)
    for name in RATIOS:
        row = judge_ratio(ratio, champion, name)
        assert row.is_refused == (ratio.low > LIMIT or is_less_fair)
        assert row.reason or ratio.value <= LIMIT


def test_what_is_clearly_unfair_is_refused_and_chance_is_not():
    """Above the limit or the champion's, unless own rules leave that out; chance refuses none of forty fair models."""
    row = judge_ratio(Estimate(1.8, 1.5, 2.2), Estimate(0.9, 0.7, 1.2))
    assert (row.is_refused, row.reason) == (True, "clearly worse than that of the model in use")
    rules = RULES.false_positive_ratio_small.model_copy(update={"must_not_worsen": False})
    own = RULES.model_copy(update={"false_positive_ratio_small": rules})
    for low, passes in ((1.5, True), (2.5, False)):
        assert judge_ratio(Estimate(3.0, low, 5.0), Estimate(0.9, 0.7, 1.2), rules=own).passed is passes
    assert judge_ratio(Estimate(1.0, 0.9, 1.1), Estimate(0.4, 0.3, 0.5)).passed
    assert judge_ratio(Estimate(1.8, 1.5, 2.2), 0.9).passed
    ratio = measure_ratio(150, small_rate=0.25, large_rate=0.05, seed=0)
    row = judge_ratio(ratio, None)
    assert row.is_refused
    assert row.reason == "small sellers are suspected too readily"
    fair = [measure_ratio(12, small_rate=0.06, large_rate=0.06, seed=seed) for seed in range(40)]
    looks_unfair = [ratio for ratio in fair if ratio.value > LIMIT]
    assert len(looks_unfair) >= 3
    assert not any(judge_ratio(ratio, None).is_refused for ratio in fair)
    assert {judge_ratio(ratio, None).reason for ratio in looks_unfair} == {
        "may be chance: the interval reaches the limit"
    }
