"""What a seller's strikes weigh at most: summed up by the database, without looking at them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, exists, func, select

from ipml.enforcement.penalties.book import Strike
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.storage.tables import strikes, strikes_taken_back


@dataclass(slots=True)
class Sum:
    """What a seller's strikes weigh at most, whatever is tied to what, and when a listing was seen last.

    Attributes
    ----------
    apart : float
        Weight of the offences that new strikes cannot be part of.
    by_tie : dict of int to float
        Weight of those that they may be, by what ties them.
    """

    apart: float = 0.0
    by_tie: dict[int, float] = field(default_factory=dict)
    last_seen: datetime | None = None

    def add(self, strike: Strike, rules: PenaltyRules) -> None:
        """Count one more strike."""
        tie = _find_tie(strike, rules)
        self.by_tie[tie] = max(self.by_tie.get(tie, 0.0), strike.weight)
        self.last_seen = strike.seen_at if self.last_seen is None else max(self.last_seen, strike.seen_at)

    @property
    def weight(self) -> float:
        """Of all of them."""
        return self.apart + sum(self.by_tie.values())


def _find_tie(strike: Strike, rules: PenaltyRules) -> int:
    """Return a number that strikes share which surely are one offence."""
    is_tied = rules.offence.decided_together and strike.made_with is not None
    return strike.made_with if is_tied and strike.made_with is not None else -strike.strike_id


def sum_up_before(connection: Connection, new: Sequence[Strike], rules: PenaltyRules, at: datetime) -> dict[str, Sum]:
    """Return for the seller of each new strike the sum of the strikes before that count at a moment."""
    found = {strike.pseudonym: Sum() for strike in new}
    asked = {
        "sellers": list(found),
        "first": min(strike.strike_id for strike in new),
        "at": at,
        "ties": list({_find_tie(strike, rules) for strike in new}),
    }
    for row in connection.execute(_make_query(rules.offence.decided_together), asked):
        seller = found[row.pseudonym]
        seller.last_seen = row.seen_at if seller.last_seen is None else max(seller.last_seen, row.seen_at)
        if row.own is None:
            seller.apart = row.weight
        else:
            seller.by_tie[row.own] = row.weight
    return found


@cache  # as making a query takes longer than asking it
def _make_query(decided_together: bool) -> Select[Any]:
    tie: ColumnElement[Any] = strikes.c.strike_id
    if decided_together:
        tie = func.coalesce(strikes.c.made_with, -strikes.c.strike_id)
    is_counting = (
        strikes.c.pseudonym.in_(bindparam("sellers", expanding=True)),
        strikes.c.strike_id < bindparam("first"),
        strikes.c.expires_at > bindparam("at"),
        ~exists().where(strikes_taken_back.c.strike_id == strikes.c.strike_id),
    )
    heaviest, seen_at = func.max(strikes.c.weight).label("weight"), func.max(strikes.c.seen_at).label("seen_at")
    offences = select(strikes.c.pseudonym, tie.label("tie"), heaviest, seen_at).where(*is_counting)
    offences_of = offences.group_by(strikes.c.pseudonym, tie).subquery()
    own = case((offences_of.c.tie.in_(bindparam("ties", expanding=True)), offences_of.c.tie)).label("own")
    columns = func.sum(offences_of.c.weight).label("weight"), func.max(offences_of.c.seen_at).label("seen_at")
    return select(offences_of.c.pseudonym, own, *columns).group_by("pseudonym", "own")
