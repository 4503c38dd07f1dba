"""Seller languages: the language of letters to a seller, as stated by their last seen listing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as insert_on_postgres
from sqlalchemy.dialects.sqlite import insert as insert_on_sqlite

from ipml.records import Listing
from ipml.storage.tables import seller_languages


def store_languages(connection: Connection, listings: Iterable[Listing], now: datetime) -> None:
    """Store the languages that listings state for their sellers; older observations change nothing.

    All letters to the seller use it (`Keyring.find_language`).
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
