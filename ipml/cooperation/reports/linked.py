"""The networks behind the sellers of what was found counterfeit: how many, and how much of it is theirs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func

from ipml.cooperation.network.folder import load_networks
from ipml.cooperation.reports.decided import select_found
from ipml.cooperation.reports.period import Period
from ipml.storage.tables import cases, seller_keys


@dataclass(frozen=True, slots=True)
class Linked:
    """Networks and what they sold.

    Attributes
    ----------
    networks, members : int
        All that the folder holds.
    active : tuple of (int, int)
        Of each network with listings found counterfeit: its sellers among them, and those listings; the largest first.
    """

    networks: int
    members: int
    active: tuple[tuple[int, int], ...]

    @property
    def sellers(self) -> int:
        """Sellers in networks who had listings found counterfeit."""
        return sum(sellers for sellers, _ in self.active)

    @property
    def listings(self) -> int:
        """Listings found counterfeit of sellers in networks."""
        return sum(listings for _, listings in self.active)


def count_linked(
    connection: Connection, period: Period, as_of: datetime, folder: Path | None, brand: str | None = None
) -> Linked | None:
    """Return how sellers of listings found counterfeit are linked; None without a folder of networks.

    Sellers may stand in the folder by their ids or by their pseudonyms.
    """
    if folder is None:
        return None
    networks = load_networks(folder)
    numbers = dict(zip(networks.holdings.seller_ids.tolist(), networks.numbering.number.tolist(), strict=True))
    found = (
        select_found(period, as_of, cases.c.seller_id, seller_keys.c.pseudonym, func.count())
        .join(seller_keys, seller_keys.c.seller_id == cases.c.seller_id, isouter=True)
        .group_by(cases.c.seller_id, seller_keys.c.pseudonym)
    )
    if brand is not None:
        found = found.where(cases.c.brand == brand)
    sellers: Counter[int] = Counter()
    listings: Counter[int] = Counter()
    for seller_id, pseudonym, n in connection.execute(found.execution_options(yield_per=1000)):
        number = numbers.get(seller_id) or numbers.get(pseudonym) or 0
        if number:
            sellers[number] += 1
            listings[number] += n
    members = [number for number in numbers.values() if number]
    active = sorted(((sellers[number], listings[number]) for number in sellers), reverse=True)
    return Linked(len(set(members)), len(members), tuple(active))
