"""Money: amounts with their currency, which are never mixed across currencies, and exchange rates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import overload

from ipml.errors import Refused, UnusableSetting

_CODE = re.compile("[A-Z]{3}")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency of three capital letters (ISO 4217).

    Raises UnusableSetting for another code, and Refused if amounts of different currencies are ordered or added.

    >>> price = Money(1922.4, "USD")
    >>> print(price, price * 2, f"{price:,.2f}", price + Money(8.0, "USD"), sep="; ")
    1,922 USD; 3,845 USD; 1,922.40 USD; 1,930 USD
    >>> price < Money(3042.0, "RUB")
    Traceback (most recent call last):
    ...
    ipml.errors.Refused: amounts: found 1,922 USD and 3,042 RUB; expected amounts of one currency. Exchange them first.
    """

    amount: float
    currency: str

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise UnusableSetting("currency", repr(self.currency)[:40], "three capital letters such as EUR")

    def __lt__(self, other: Money) -> bool:
        return NotImplemented if not isinstance(other, Money) else self.amount < self._amount_of(other)

    def __add__(self, other: Money) -> Money:
        return NotImplemented if not isinstance(other, Money) else self._same(self.amount + self._amount_of(other))

    def __sub__(self, other: Money) -> Money:
        return NotImplemented if not isinstance(other, Money) else self._same(self.amount - self._amount_of(other))

    def __mul__(self, factor: float) -> Money:
        return self._same(self.amount * factor)

    __rmul__ = __mul__

    @overload
    def __truediv__(self, other: Money) -> float: ...
    @overload
    def __truediv__(self, other: float) -> Money: ...
    def __truediv__(self, other: Money | float) -> Money | float:
        if isinstance(other, Money):
            return self.amount / self._amount_of(other)
        return self._same(self.amount / other)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __format__(self, spec: str) -> str:
        return f"{self.amount:{spec or ',.0f'}} {self.currency}"

    def __str__(self) -> str:
        return format(self)

    def _same(self, amount: float) -> Money:
        return Money(amount, self.currency)

    def _amount_of(self, other: Money) -> float:
        if other.currency != self.currency:
            raise Refused("amounts", f"{self} and {other}", "amounts of one currency", "Exchange them first.")
        return other.amount


def say_amount(amount: float, currency: str | None) -> str:
    """Return an amount with its currency, which rows of earlier versions may lack.

    >>> say_amount(1922.0, "USD"), say_amount(3.0, None)
    ('1,922 USD', '3, currency unknown')
    """
    return f"{Money(amount, currency)}" if currency and is_currency(currency) else f"{amount:,.0f}, currency unknown"


def is_currency(code: str | None) -> bool:
    """Return whether a text has the form of a currency code."""
    return code is not None and _CODE.fullmatch(code) is not None


@dataclass(frozen=True, slots=True)
class Rates:
    """Value of one unit of each currency in the `currency` in which amounts are compared.

    >>> rates = Rates("EUR", {"RUB": 0.01})
    >>> print(rates.exchange(Money(3042.0, "RUB")), rates.exchange(Money(5.0, "XAU")))
    30 EUR None
    """

    currency: str
    rates: Mapping[str, float]

    def rate_of(self, currency: str | None) -> float | None:
        """Return the value of one unit; None if unknown."""
        return 1.0 if currency == self.currency else self.rates.get(currency or "")

    def exchange(self, money: Money) -> Money | None:
        """Return an amount in the one currency; None without a rate."""
        rate = self.rate_of(money.currency)
        return None if rate is None else Money(money.amount * rate, self.currency)
