"""The figures the gate asks for are those that were measured, and are kept with the run as they are."""

import json
from dataclasses import fields
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import evaluate

from ipml.errors import UnusableSetting
from ipml.model.evaluation.metrics import Estimate
from ipml.model.promotion.gate import GateFacts, make_gate_facts

NUMBER = st.floats(-10, 1e5)
ESTIMATE = st.builds(Estimate, NUMBER, NUMBER, NUMBER, st.integers(0, 500))
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "Estimate | None": st.none() | ESTIMATE,
    "Estimate | float | None": st.none() | NUMBER | ESTIMATE,
    "bool | None": st.none() | st.booleans(),
    "float | None": st.none() | NUMBER,
    "str | None": st.none() | st.just("EUR"),
    "int": st.integers(1, 1_000),
}
FACTS = st.builds(GateFacts, **{field.name: STRATEGIES[str(field.type)] for field in fields(GateFacts)})


@given(FACTS)
def test_facts_come_back_the_same(written: GateFacts) -> None:
    """What is stored with the run is what the gate reads."""
    assert GateFacts.from_json(written.to_json()) == written


def test_ratios_of_older_runs_are_read_and_other_texts_are_no_facts() -> None:
    """A run that kept a ratio without its interval can still be judged; a file that ipml did not write is one line."""
    older = json.dumps({"false_positive_ratio_small": 1.5, "false_positive_ratio_new": None})
    assert GateFacts.from_json(older) == GateFacts(false_positive_ratio_small=1.5)
    for text in ("", "[]", '{"recall_kept_mean": "much"}'):
        with pytest.raises(UnusableSetting, match=r"gate\.json") as caught:
            GateFacts.from_json(text)
        assert "\n" not in str(caught.value)


def test_facts_are_those_of_the_evaluation() -> None:
    """Figures of the model and its lead over the best baseline are taken as they are."""
    listings = pd.DataFrame({"seller_id": list("aabbccdd")})
    y, score = [1, 1, 0, 0, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.12, 0.1]
    evaluation = evaluate(y, score, listings, baselines={"prevalence": [0.4] * 8}, n_resamples=20)
    made = make_gate_facts(evaluation, is_leaking=False, listings_per_second=500.0)
    assert made.average_precision == evaluation.figures["model"]["average_precision"]
    assert made.above_best_baseline == evaluation.comparison.difference
    assert (made.is_leaking, made.listings_per_second, made.recall_kept_mean) == (False, 500.0, None)
    without = evaluate(y, score, listings, n_resamples=20)
    assert make_gate_facts(without, is_leaking=True).above_best_baseline is None
