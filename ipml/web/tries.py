"""Tries to log in, counted in the database: all servers count together, and a restart forgets nothing.

A try counts where it came from: for the name from that address, and for the address over all names. Nothing is counted
over all addresses of the world, or anybody could lock a reviewer out by guessing for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from sqlalchemy import Engine, delete, insert, select

from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import tries


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tries that led to no login are too many.

    Attributes
    ----------
    for_name : int, default=10
        For one name from one address.
    for_address : int, default=100
        From one address, whatever the names: an office shares one.
    minutes : float, default=15
        How long a try counts.
    """

    for_name: int = 10
    for_address: int = 100
    minutes: float = 15.0


DEFAULT_LIMITS = Limits()


def count_try(
    engine: Engine, name: str, address: str, limits: Limits = DEFAULT_LIMITS, now: datetime | None = None
) -> int:
    """Count one more try to log in.

    Returns
    -------
    int
        0 where it may go on; otherwise after how many seconds the next one may. One too many is not counted.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> now = datetime(2026, 5, 1, tzinfo=UTC)
    >>> [count_try(engine, "ana", "192.0.2.7", Limits(for_name=2), now) for _ in range(3)]
    [0, 0, 900]
    """
    now, span = now or datetime.now(UTC), timedelta(minutes=limits.minutes)
    row = {"name_hash": _hash(name), "address": network_of(address), "at": now}
    query = select(tries.c.at, tries.c.name_hash).where(tries.c.address == row["address"], tries.c.at > now - span)
    with writing(engine) as connection:
        serialise(connection, Lock.COUNT_TRIES)
        recent = connection.execute(query.order_by(tries.c.at)).all()
        same_name = [found.at for found in recent if found.name_hash == row["name_hash"]]
        free_at = max(
            _free_at(same_name, limits.for_name, span, now),
            _free_at([found.at for found in recent], limits.for_address, span, now),
        )
        if free_at > now:
            return ceil((free_at - now).total_seconds())
        connection.execute(delete(tries).where(tries.c.at <= now - span))
        connection.execute(insert(tries).values(row))
    return 0


def forget_tries(engine: Engine, name: str, address: str) -> None:
    """Start anew after a login: the tries for this name from this address count no more."""
    of_name = (tries.c.name_hash == _hash(name), tries.c.address == network_of(address))
    with writing(engine) as connection:
        connection.execute(delete(tries).where(*of_name))


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits that one subscriber is given.

    Examples
    --------
    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2"), network_of("::ffff:192.0.2.7"), network_of("unknown")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7', 'unknown')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


def _free_at(moments: Sequence[datetime], most: int, span: timedelta, now: datetime) -> datetime:
    return now if len(moments) < most else moments[-most] + span


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
