"""Languages of sellers: remembers in which one a seller is written to, as the listing of theirs seen last said it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as insert_on_postgres
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite

from ipml.records import Listing
from ipml.storage.tables import seller_languages


def store_languages(connection: Connection, listings: Iterable[Listing], now: datetime) -> None:
    """Remember the languages that listings name for their sellers; an older observation changes nothing.

    Letters on any listing of a seller, and on penalties and appeals, are written in it (`Keyring.find_language`).

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.storage.pseudonyms import read_sellers
    >>> engine, noon = open_database("sqlite://"), datetime(2026, 5, 1, 12, tzinfo=UTC)
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     store_languages(connection, [Listing("L1", "ann", "Bag", seller_language="fr")], noon)
    ...     names, keys = read_sellers(connection, ["ann"])
    >>> keys.find_language(names["ann"])
    'fr'
    """
    latest: dict[str, tuple[datetime, str]] = {}
    for one in listings:
        if one.seller_language:
            said = (one.observed_at or now, one.seller_language)
            latest[one.seller_id] = max(said, latest.get(one.seller_id, said))
    if not latest:
        return
    insert = insert_on_postgres if connection.dialect.name == "postgresql" else insert_on_sqlite
    query = insert(seller_languages)
    changed = {name: query.excluded[name] for name in ("language", "known_at")}
    is_news = query.excluded.known_at >= seller_languages.c.known_at
    rows = [{"seller_id": key, "language": language, "known_at": at} for key, (at, language) in sorted(latest.items())]
    connection.execute(query.on_conflict_do_update(index_elements=["seller_id"], set_=changed, where=is_news), rows)
