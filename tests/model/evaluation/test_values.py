"""Value at k: money in one currency, caught by reading the first k listings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluation import evaluate

from ipml.model.evaluation.evaluation import MODEL
from ipml.model.evaluation.metrics import add_values, draw_values, say_what_has_no_value
from ipml.model.promotion.comparison import compare_scores

RATES = {"USD": 1.0, "EUR": 1.5}
CURRENCIES = st.sampled_from(["EUR", "USD", "XXX"]) | st.none()
ROW = st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.01, 1e6) | st.none(), CURRENCIES)
LISTINGS = st.lists(ROW, min_size=2, max_size=20)


@given(LISTINGS)
def test_reading_more_catches_no_less_and_reading_all_catches_all(rows):
    """On the listings as they are and on every resample; of all, it is the sum of exchanged prices."""
    y, score, prices, currencies = zip(*rows, strict=True)
    listings = pd.DataFrame({"price": pd.array(prices, dtype="Float64"), "currency": currencies})
    listings = add_values(listings.assign(seller_id=[f"s{row % 3}" for row in range(len(rows))]), RATES, "USD")
    if not any(y):
        return
    draws = draw_values(y, [score], listings, [1, 2, len(rows)], n_resamples=20)
    if draws is None:
        assert "value" not in listings or not (listings["value"].fillna(0) * np.array(y)).any()
        return
    amounts, shares = draws
    known = ~np.isnan(amounts[0])
    assert (np.diff(amounts[:, known], axis=0) >= -1e-6 * amounts[-1, known]).all()
    assert shares[-1, 0] == pytest.approx(1)
    assert amounts[-1, 0] == pytest.approx(listings["value"].fillna(0)[list(y)].sum())


def test_amounts_of_several_currencies_are_never_added_without_rates():
    """There is no figure, and one line says why: in the table of a training and in the comparison of models."""
    listings = pd.DataFrame({"seller_id": list("aabb"), "price": [10.0] * 4, "currency": ["EUR", "CHF"] * 2})
    y, score = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    unexchanged = add_values(listings, {}, "USD")
    table = evaluate(y, score, unexchanged, n_resamples=10).table()
    assert "no value at k: prices are in CHF, EUR, and no rate is known" in table
    assert "value EUR" not in table
    compared = compare_scores(y, [score], [score], unexchanged, n_resamples=10)
    assert any("no value at k" in remark for remark in compared.remarks)
    figures = evaluate(y, score, add_values(listings, {"EUR": 1.5, "CHF": 2.0}, "USD"), n_resamples=10).figures[MODEL]
    assert figures["value_USD_at_100"].value == 30.0


def test_one_currency_needs_no_rate_and_stays_what_it_is():
    """Every amount has its currency in its name; who compares models sees by how much more money one catches."""
    listings = pd.DataFrame({"seller_id": list("abcd") * 50, "price": 10.0, "currency": "THB"})
    y = np.arange(200) % 2
    valued = add_values(listings, RATES, "USD")
    assert evaluate(y, y * 0.9, valued, k=[10], n_resamples=10).figures[MODEL]["value_THB_at_10"].value == 100.0
    compared = compare_scores(y, [np.full(200, 0.5)], [y * 0.9], valued, k=10, n_resamples=10)["value_THB_at_10"]
    assert (compared.difference.value, compared.verdict) == (50.0, "B clearly better")


def test_counterfeits_without_a_value_are_counted():
    """Those in a currency without a rate, and those without a price, count as nothing, which is said."""
    listings = pd.DataFrame({"price": [10.0, 10.0, np.nan, 10.0], "currency": ["EUR", "XXX", "USD", "USD"]})
    said = say_what_has_no_value([1, 1, 1, 0], add_values(listings, RATES, "USD"))
    assert said.startswith("2 of 3 counterfeits have no price that could be added")
    assert say_what_has_no_value([1, 0, 0, 1], add_values(listings, RATES, "USD")) == ""
