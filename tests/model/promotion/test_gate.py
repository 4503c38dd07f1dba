"""A model becomes champion only if every rule lets it, and a better one passes wherever a worse one does."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from ipml.model.evaluation.metrics import Estimate
from ipml.model.promotion import load_rules
from ipml.model.promotion.gate import GateFacts, GateRules, judge

RULES = load_rules()
GOOD = GateFacts(
    average_precision=Estimate(0.8, 0.7, 0.9),
    above_best_baseline=Estimate(0.3, 0.2, 0.4),
    recall_at_precision=Estimate(0.6, 0.5, 0.7),
    calibration_error=Estimate(0.02, 0.02, 0.04),
    is_leaking=False,
    recall_kept_mean=0.95,
    recall_kept_worst=0.8,
    false_positive_ratio_small=Estimate(1.1, 0.7, 1.6),
    false_positive_ratio_new=Estimate(1.2, 0.9, 1.7),
    listings_per_second=14_000.0,
)
LEVEL = Estimate(0.0, -0.1, 0.1)
LOWER_IS_BETTER = {"calibration_error", "false_positive_ratio_small", "false_positive_ratio_new"}
COMPARED = ("average_precision", "value_at_k")  # with those of the champion, on the same listings
OTHERS = ("is_leaking", "value_currency", "k", *COMPARED)
FIGURES = [field.name for field in fields(GateFacts) if field.name not in OTHERS]

shares = st.floats(0, 1)
estimates = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))
ratios = st.lists(st.floats(0, 10), min_size=3, max_size=3).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))
MEASURED = ("average_precision", "above_best_baseline", "recall_at_precision", "calibration_error")
SHARES, RATIOS = ("recall_kept_mean", "recall_kept_worst"), ("false_positive_ratio_small", "false_positive_ratio_new")
facts = st.builds(
    GateFacts,
    **dict.fromkeys(MEASURED, st.none() | estimates),
    **dict.fromkeys(SHARES, st.none() | shares),
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
def test_a_better_candidate_passes_where_a_worse_one_does(
    worse: GateFacts, rules: GateRules, difference: Estimate | None, gains: dict[str, float], gain: float
) -> None:
    """Under any rules, improving figures never turns a row that passed, and so never the report."""
    before = judge(worse, GOOD, rules, difference)
    after = judge(improve(worse, gains), GOOD, rules, shift(difference, gain))
    for row, better in zip(before.rows, after.rows, strict=True):
        assert better.passed or not row.passed
    assert after.passed or not before.passed


@given(facts, rule_sets(), st.none() | estimates)
def test_the_gate_is_shut_if_any_row_refuses(candidate: GateFacts, rules: GateRules, difference: Estimate) -> None:
    """What fails refuses; what was not measured refuses where it must be; nothing else does."""
    report = judge(candidate, GOOD, rules, difference)
    assert len(report.rows) == 1 + len(rules.named())
    for row, limit in zip(report.rows[1:], rules.named().values(), strict=True):
        assert row.is_refused == (limit.must_be_measured if row.passed is None else not row.passed)
    assert report.passed == (not any(row.is_refused for row in report.rows))


def test_a_good_model_passes_beside_an_equal_champion() -> None:
    """Every row says yes; not without a comparison; without a champion there is nothing to compare with."""
    report = judge(GOOD, GOOD, RULES, LEVEL, LEVEL)
    assert report.passed
    assert all(row.passed for row in report.rows)
    assert not judge(GOOD, GateFacts(), RULES).passed
    assert judge(GOOD, None, RULES).passed


def test_each_fault_is_refused_with_its_reason(subtests):
    """One bad figure is enough, and exactly its row says why."""
    for changes, reason in [
        ({"is_leaking": True}, "leaks"),
        ({"is_leaking": None}, "how it was tested"),
        ({"above_best_baseline": Estimate(0.3, -0.1, 0.6)}, "needs no model"),
        ({"above_best_baseline": None}, "must be measured"),
        ({"recall_at_precision": Estimate(0.05, 0.0, 0.3)}, "stand out"),
        ({"calibration_error": Estimate(0.1, 0.07, 0.2)}, "probabilities"),
        ({"recall_kept_mean": 0.5}, "disguise"),
        ({"recall_kept_worst": 0.0}, "one disguise"),
        ({"false_positive_ratio_small": Estimate(3.0, 2.1, 4.5)}, "small sellers"),
        ({"false_positive_ratio_new": 3.0}, "new sellers"),
        ({"false_positive_ratio_new": Estimate(1.9, 1.75, 2.1)}, "clearly worse than that of the model in use"),
        ({"listings_per_second": 12.0}, "slow"),
    ]:
        with subtests.test(changes=changes, reason=reason):
            report = judge(replace(GOOD, **changes), GOOD, RULES, LEVEL)
            (refused,) = [row for row in report.rows if row.is_refused]
            assert reason in refused.reason
            assert not report.passed


def test_a_candidate_clearly_below_the_champion_is_refused() -> None:
    """Where the whole interval lies below zero; or clearly less money is caught, of which nothing may be known."""
    assert not judge(GOOD, GOOD, RULES, Estimate(-0.2, -0.3, -0.1)).passed
    assert judge(GOOD, GOOD, RULES, Estimate(-0.05, -0.2, 0.1)).passed
    poor = judge(GOOD, GOOD, RULES, LEVEL, Estimate(-900.0, -1_500.0, -200.0))
    assert [row.reason for row in poor.rows if row.is_refused] == ["clearly less is caught than by the model in use"]
    assert judge(GOOD, GOOD, RULES, LEVEL, Estimate(-900.0, -1_500.0, 200.0)).passed
    (unknown,) = [row for row in judge(GOOD, GOOD, RULES, LEVEL).rows if row.passed is None]
    assert unknown.reason.startswith("may be unknown: no prices")


def test_what_takes_many_sellers_may_be_unknown() -> None:
    """Ratios of false alarms let a model pass where there were too few sellers to measure them, and say so."""
    unknown = dict.fromkeys(["false_positive_ratio_small", "false_positive_ratio_new"])
    report = judge(replace(GOOD, **unknown), None, RULES)
    assert report.passed
    assert report.table().count("may be unknown") == 2


def test_what_every_training_measures_must_be_measured() -> None:
    """A figure that is missing refuses the model; where training tried no attacks, the row says so in one line."""
    for name in (name for name in FIGURES if not name.startswith("false_positive")):
        report = judge(replace(GOOD, **{name: None}), None, RULES)
        (reason,) = [row.reason for row in report.rows if row.is_refused]
        tried = ": training tried no attacks" if name.startswith("recall_kept") else ""
        assert reason.startswith(f"must be measured{tried}")
        assert "\n" not in reason


def test_the_table_shows_measured_champion_required_and_answer() -> None:
    """A row per rule, with the figures of both, the limit, and the answer in words."""
    table = judge(replace(GOOD, recall_kept_worst=0.2), replace(GOOD, recall_kept_worst=0.7), RULES, LEVEL).table()
    (row,) = [line for line in table.splitlines() if "worst" in line]
    cells = [cell.strip() for cell in row.split("  ") if cell]
    assert cells[1:] == ["0.20", "0.70", "at least 0.5", "NO", "one disguise hides too much"]
