"""What is at stake when a listing is taken down, kept with the measure so that it can be reckoned after any erasure.

Bands and amounts to two digits, and nothing that names anybody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ipml.enforcement.bands import Bands
from ipml.enforcement.penalties.book import to_two_digits
from ipml.enforcement.policy import EnforcementPolicy
from ipml.review.ranking.ranking import current_ranking
from ipml.review.ranking.worth import Worth, read_worth, weigh
from ipml.review.snapshot import decode_listing
from ipml.storage.tables import measure_stakes

_OF_LOSS = ("price", "sales")


def keep_stakes(
    connection: Connection, measure_id: int, case: Row[Any], at: datetime, policy: EnforcementPolicy
) -> None:
    """Keep what a measure puts at stake; one that was kept before stays as it is.

    The usual sales a day are those that the queue's value is reckoned with: the listing's own since it was listed, else
    an equal share of its seller's, drawn to what is usual while little is known; so is the price, in the currency of
    the queue's policy. The harm is the queue's, too.
    """
    known = select(measure_stakes.c.measure_id).where(measure_stakes.c.measure_id == measure_id)
    if connection.scalar(known) is not None:
        return
    listing, ranking = decode_listing(case.snapshot), current_ranking(connection)
    found = _read_worth(case) or weigh(listing, case.score, ranking.policy, ranking.usual)
    rules = policy.penalties.ledger
    columns = {
        "measure_id": measure_id,
        "size_band": Bands(rules.size_bands).find(listing.seller_listings),
        "age_band": Bands(rules.age_bands).find(listing.seller_age_days),
        "loss_a_day": to_two_digits(found.price * found.sales / ranking.policy.days_until_next_look),
        "harm": to_two_digits(found.harm),
        "currency": found.currency,
        "is_assumed": any(name in found.assumed for name in _OF_LOSS),
        "kept_at": at,
    }
    connection.execute(insert(measure_stakes).values(columns))


def _read_worth(case: Row[Any]) -> Worth | None:
    return read_worth(case.worth) if case.worth else None
