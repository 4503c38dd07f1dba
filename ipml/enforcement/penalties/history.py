"""Strikes as seller history: what a score at some moment may know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection, Engine

from ipml.enforcement.penalties.book import Strike, make_strike, select_strikes
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.offences import Offence, find_offences
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.steps import list_told
from ipml.storage.database import reading
from ipml.storage.pseudonyms import find_seller
from ipml.storage.tables import strikes

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SellerEvent:
    """A row of the seller event table that scoring reads: kind "struck", known when it was decided."""

    seller_id: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    amount: float = 1.0


def list_events(
    engine: Engine, *, known_by: datetime | None = None, rules: PenaltyRules | None = None
) -> Iterator[SellerEvent]:
    """Give an event "struck" for each offence of every seller, seller by seller.

    Events can only be added, so a strike that was taken back by `known_by` gives none, as if it had never been: export
    them anew when decisions were overturned. That strikes expire is not told. Sellers who were erased are left out.

    Parameters
    ----------
    known_by : datetime, default=now
        Only what was known by then, as training for a test at that moment must see it.
    """
    at, rules = known_by or datetime.now(UTC), rules or PenaltyRules()
    with reading(engine) as connection:
        query = select_strikes().order_by(strikes.c.pseudonym, strikes.c.strike_id)
        rows = connection.execute(query.execution_options(yield_per=_AT_ONCE))
        for pseudonym, of_seller in groupby(map(make_strike, rows), key=lambda strike: strike.pseudonym):
            known = [strike for strike in of_seller if _is_known(strike, at)]
            seller = find_seller(connection, pseudonym)
            if known and seller is not None:
                told = _find_told(connection, pseudonym, at, rules)
                for offence in find_offences(known, told, rules):
                    yield _make_event(seller, offence)


def _is_known(strike: Strike, at: datetime) -> bool:
    return strike.struck_at <= at and (strike.taken_back_at is None or strike.taken_back_at > at)


def _find_told(connection: Connection, pseudonym: str, at: datetime, rules: PenaltyRules) -> Sequence[datetime]:
    told = list_told(find_penalties(connection, pseudonym=pseudonym))
    return [one.imposed_at + timedelta(days=rules.fair_notice_days) for one in told if one.imposed_at <= at]


def _make_event(seller_id: str, offence: Offence) -> SellerEvent:
    occurred_at = min(strike.seen_at for strike in offence.strikes)
    known_at = min(strike.struck_at for strike in offence.strikes)
    return SellerEvent(seller_id, "struck", occurred_at, known_at)
