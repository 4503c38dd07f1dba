"""The strike book: rows that are only ever appended, and what each of them is about.

A strike says what was known when it was made, in numbers that depend on no policy; so the history can be replayed under
another one. Taking a strike back is a row of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import floor, log10
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.money import Money
from ipml.storage.tables import strikes, strikes_taken_back

_STRIKES = select(strikes, strikes_taken_back.c.at.label("taken_back_at")).join(
    strikes_taken_back, strikes_taken_back.c.strike_id == strikes.c.strike_id, isouter=True
)


@dataclass(frozen=True, slots=True)
class Strike:
    """What counts against a seller for one decision.

    Attributes
    ----------
    weight : float
        Of its ground times the severity of its category.
    probability : float or None
        The score of the listing; None where the model abstained.
    value : float or None
        Price times units it would have sold until the next look, in `currency`; None where not known.
    listings, age_days : float or None
        Of the seller, as known then, to two digits.
    made_with : int or None
        The first of the decisions that were made as one.
    cluster : int
        The case that was reviewed for it, or its own.
    same_as : int
        The case of the first decision on the same listing.
    seen_at : datetime
        When the listing was last seen up.
    taken_back_at : datetime or None
        When its decision was overturned.
    """

    strike_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    ground: str
    category: str | None
    weight: float
    probability: float | None
    value: float | None
    listings: float | None
    age_days: float | None
    made_with: int | None
    cluster: int
    same_as: int
    seen_at: datetime
    struck_at: datetime
    expires_at: datetime
    policy_digest: str
    taken_back_at: datetime | None = None
    currency: str | None = None

    @property
    def at_stake(self) -> Money | None:
        """The value with its currency; None where either is not known."""
        return None if self.value is None or self.currency is None else Money(self.value, self.currency)

    def counts_at(self, moment: datetime) -> bool:
        """Say whether it weighs anything at a moment."""
        is_back = self.taken_back_at is not None and self.taken_back_at <= moment
        return self.struck_at <= moment < self.expires_at and not is_back


def find_strikes(connection: Connection, pseudonym: str) -> list[Strike]:
    """Return all strikes of a seller, those taken back among them, in order."""
    query = select_strikes().where(strikes.c.pseudonym == pseudonym).order_by(strikes.c.strike_id)
    return [make_strike(row) for row in connection.execute(query)]


def find_strikes_of(connection: Connection, pseudonyms: Collection[str]) -> dict[str, list[Strike]]:
    """Return what `find_strikes` does, for each of several sellers."""
    found: dict[str, list[Strike]] = {pseudonym: [] for pseudonym in pseudonyms}
    query = select_strikes().where(strikes.c.pseudonym.in_(found)).order_by(strikes.c.strike_id)
    for row in connection.execute(query):
        found[row.pseudonym].append(make_strike(row))
    return found


def bound_weight(weight: float, rules: PenaltyRules, n_told: int) -> float:
    """Return what offences weigh at most, if they may be repeated and split at each of some penalties.

    Examples
    --------
    >>> bound_weight(2.0, PenaltyRules(), 0), bound_weight(2.0, PenaltyRules(), 1)
    (2.0, 6.0)
    """
    return weight if n_told == 0 else weight * (n_told + 1) * rules.repeat_factor


def select_strikes() -> Select[Any]:
    """Return the query for strikes with the moment at which each was taken back."""
    return _STRIKES


def make_strike(row: Row[Any]) -> Strike:
    """Make the record of a row of `select_strikes`."""
    return Strike(**row._mapping)


def reweigh(strike: Strike, rules: PenaltyRules) -> Strike:
    """Return a strike as it would have been under other rules."""
    expires_at = strike.struck_at + timedelta(days=rules.expiry_days)
    return replace(strike, weight=rules.weigh(strike.ground, strike.category), expires_at=expires_at)


def latest(found: Iterable[Strike]) -> Strike:
    """Return the strike whose listing was seen last; of several the one of the larger seller."""
    return max(found, key=lambda strike: (strike.seen_at, strike.listings or 0.0, strike.age_days or 0.0))


def to_two_digits(number: float | None) -> float | None:
    """Return a number rounded to two digits.

    Examples
    --------
    >>> to_two_digits(10_437.0), to_two_digits(3.0), to_two_digits(0.0), to_two_digits(None)
    (10000.0, 3.0, 0.0, None)
    """
    if not number:
        return number
    return float(round(number, 1 - floor(log10(abs(number)))))
