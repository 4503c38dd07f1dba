"""What is at stake when a listing is taken down, kept with the measure so that it can be reckoned after any erasure.

Bands and amounts to two digits, and nothing that names anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ipml.enforcement.bands import Bands
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.penalties.standing import to_two_digits
from ipml.enforcement.policy import EnforcementPolicy
from ipml.records import Listing
from ipml.review.ranking.ranking import Ranking, current_ranking
from ipml.review.ranking.worth import Worth, observe_sales_a_day, read_worth, weigh
from ipml.review.snapshot import decode_listing
from ipml.storage.tables import measure_stakes


def keep_stakes(
    connection: Connection, measure_id: int, case: Row[Any], at: datetime, policy: EnforcementPolicy
) -> None:
    """Keep what a measure puts at stake; one that was kept before stays as it is.

    The sales a day are the listing's own since it was listed, else an equal share of its seller's, as they were
    observed; only where neither is known they are what is usual, and `is_assumed` says so. Price, severity and weight
    of the brand are those of the queue's value, in the currency of its policy. The queue draws sales to what is usual
    while little is known; what honest sellers lost is not.
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
    days = ranking.policy.days_until_next_look
    found = _read_worth(case) or weigh(listing, case.score, ranking.policy, ranking.usual)
    observed = observe_sales_a_day(listing)
    sales = found.sales / days if observed is None else observed
    until_next_look = min(sales * days, ranking.policy.most_sales)
    return {
        "size_band": Bands(rules.size_bands).find(listing.seller_listings),
        "age_band": Bands(rules.age_bands).find(listing.seller_age_days),
        "loss_a_day": to_two_digits(found.price * sales),
        "harm": to_two_digits(found.price * until_next_look * found.severity * found.brand_weight),
        "currency": found.currency,
        "is_assumed": "price" in found.assumed or observed is None,
    }


def _read_worth(case: Row[Any]) -> Worth | None:
    return read_worth(case.worth) if case.worth else None
