"""Amounts of different currencies are neither ordered nor added; at a rate they are, and nothing is lost by it."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import Refused, UnusableSetting
from ipml.money import Money, Rates

amounts = st.floats(0, 1e12)
CODES = ("EUR", "RUB", "USD", "JPY")


@given(one=amounts, other=amounts)
def test_no_two_currencies_meet(one, other):
    """Whatever the amounts, the error names both; functions that order or add refuse them, too."""
    euros, roubles = Money(one, "EUR"), Money(other, "RUB")
    for name in ("lt", "le", "gt", "ge", "add", "sub", "truediv"):
        with pytest.raises(Refused, match=r"EUR and .* RUB"):
            getattr(operator, name)(euros, roubles)
    for call in (min, max, sorted, lambda found: sum(found, Money(0.0, "EUR"))):
        with pytest.raises(Refused):
            call([euros, roubles])


@given(amounts, amounts, st.floats(0.001, 1000))
def test_in_one_currency_they_are_numbers(one, other, factor):
    """Order, sum, difference, scale and ratio."""
    left, right = Money(one, "EUR"), Money(other, "EUR")
    assert (left < right, left <= right, left == right) == (one < other, one <= other, one == other)
    assert (left + right, left - right) == (Money(one + other, "EUR"), Money(one - other, "EUR"))
    assert left * factor == factor * left == Money(one * factor, "EUR")
    assert left / factor == Money(one / factor, "EUR")
    assert not other or left / right == one / other


@given(st.sampled_from(CODES), amounts, st.floats(1e-6, 1e6))
def test_an_amount_is_exchanged_at_the_rate(code, amount, rate):
    """And only what has one."""
    exchanged = Rates("EUR", {code: rate} if code != "EUR" else {}).exchange(Money(amount, code))
    assert exchanged == Money(amount * (1.0 if code == "EUR" else rate), "EUR")
    assert Rates("EUR", {}).exchange(Money(amount, "XAU")) is None


def test_nothing_else_is_a_currency():
    """Money without one cannot be made."""
    for code in ("", "eur", "euro", "€", "EU", "EUR "):
        with pytest.raises(UnusableSetting, match="three capital letters"):
            Money(1.0, code)
