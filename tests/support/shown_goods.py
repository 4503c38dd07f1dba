"""Cases whose listings show pictures, as the worker leaves them, without a host to fetch them from."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, delete, func, insert, select

from ipml.records import ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.review.pictures.copies import make_copies
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.stored import store_files
from ipml.storage.database import writing
from ipml.storage.tables import cases, pictures
from support.picture_host import draw_goods, write_picture

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def show_goods(engine: Engine, folder: Path, scored: ScoredListing, *seeds: int, now: datetime = NOON) -> int:
    """Make a case whose listing shows some goods, each by its number, and return the number of the case."""
    enqueue(engine, [scored], joins_alike=False, now=now)
    with writing(engine) as connection:
        case_id: int = connection.scalar(select(func.max(cases.c.case_id))) or 0
        for position, seed in enumerate(seeds):
            connection.execute(delete(pictures).where(pictures.c.case_id == case_id, pictures.c.position == position))
            content = write_picture(draw_goods(seed))
            digest = store_files(folder, content, make_copies(content))
            row = {"case_id": case_id, "position": position, "address": "https://a.example", "state": "stored"}
            connection.execute(insert(pictures).values(**row, digest=digest, tries=0, due_at=now, fetched_at=now))
    group_pictures(engine, folder, HashIndex(), clock=lambda: now)
    return case_id
