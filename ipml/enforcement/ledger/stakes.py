"""What is at stake when a listing is taken down, kept with the measure so that it can be reckoned after any erasure.

Bands and amounts to two digits, and nothing that names anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ipml.enforcement.bands import Bands
from ipml.enforcement.penalties.book import to_two_digits
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.policy import EnforcementPolicy
from ipml.records import Listing
from ipml.review.ranking.ranking import Ranking, current_ranking
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
    keep_all_stakes(connection, [(measure_id, case, decode_listing(case.snapshot), at)], policy)


def keep_all_stakes(
    connection: Connection, wanted: Sequence[tuple[int, Row[Any], Listing, datetime]], policy: EnforcementPolicy
) -> None:
    """Do what `keep_stakes` does for measures that were imposed together.

    Parameters
    ----------
    wanted : sequence of (int, Row, Listing, datetime)
        The measure, its case, the listing as it was decided on, and when.
    """
    known_by = measure_stakes.c.measure_id.in_([measure_id for measure_id, *_ in wanted])
    known = set(connection.scalars(select(measure_stakes.c.measure_id).where(known_by)))
    ranking, rules = current_ranking(connection), policy.penalties.ledger
    rows = [
        {"measure_id": measure_id, "kept_at": at, **_weigh(case, listing, ranking, rules)}
        for measure_id, case, listing, at in wanted
        if measure_id not in known
    ]
    if rows:
        connection.execute(insert(measure_stakes), rows)


def _weigh(case: Row[Any], listing: Listing, ranking: Ranking, rules: LedgerRules) -> dict[str, Any]:
    found = _read_worth(case) or weigh(listing, case.score, ranking.policy, ranking.usual)
    return {
        "size_band": Bands(rules.size_bands).find(listing.seller_listings),
        "age_band": Bands(rules.age_bands).find(listing.seller_age_days),
        "loss_a_day": to_two_digits(found.price * found.sales / ranking.policy.days_until_next_look),
        "harm": to_two_digits(found.harm),
        "currency": found.currency,
        "is_assumed": any(name in found.assumed for name in _OF_LOSS),
    }


def _read_worth(case: Row[Any]) -> Worth | None:
    return read_worth(case.worth) if case.worth else None
