"""The price line: marks in order, and no comparison where none can be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.records import PriceRange
from ipml.web.console.drawing.charts import make_price_scale

PRICES = st.floats(0.01, 1e9)


@given(st.floats(0, 1e300), st.tuples(PRICES, PRICES, PRICES).map(sorted))
def test_marks_stay_on_the_line_in_order(price: float, usual: list[float]) -> None:
    """Low, median and high stand in this order, and every mark lies on the line."""
    low, median, high = usual
    scale = make_price_scale(price, "EUR", PriceRange("Acme", "EUR", low, median, high))
    assert scale is not None
    assert 0 <= scale.low <= scale.median <= scale.high <= 100
    assert 0 <= scale.price <= 100
    assert scale.is_off_scale == (price > 1.25 * high)


@pytest.mark.parametrize(("price", "currency"), [(None, "EUR"), (5.0, "USD"), (5.0, None)])
def test_unlike_things_are_not_compared(price: float | None, currency: str | None) -> None:
    """Without a price, or in another currency, there is no line."""
    assert make_price_scale(price, currency, PriceRange("Acme", "EUR", 1.0, 2.0, 3.0)) is None
    assert make_price_scale(price, currency, None) is None
