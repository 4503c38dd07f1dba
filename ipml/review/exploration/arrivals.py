"""What came by, remembered as counts: without them nobody knows of how many the reviewed listings are a sample.

Of a listing that was not shown nothing is kept but that it is one of so many in its stratum: a marketplace shows a
thousandth of what comes by.
"""

from __future__ import annotations

import json
import secrets
from datetime import datetime

from sqlalchemy import Connection, Engine, Select, insert, select, update

from ipml.review.exploration.exploration import Rule
from ipml.review.exploration.sifting import Place, Sift
from ipml.review.snapshot import digest
from ipml.storage import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import cases, seeds, sift_cases, sift_strata, sifts

_SYSTEM = "ipml"  # the actor of what no person did


def get_seed(engine: Engine, *, now: datetime) -> str:
    """Return what decides the draws of this database, in hexadecimal; drawn when it is first asked for.

    The audit trail holds its digest, so that it can be shown later that it was not chosen to suit.
    """
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        seed: str | None = connection.scalar(select(seeds.c.seed).order_by(seeds.c.seed_id.desc()).limit(1))
        if seed is None:
            seed = secrets.token_hex(32)
            added = insert(seeds).values(seed=seed, drawn_at=now).returning(seeds.c.seed_id)
            seed_id = connection.scalars(added).one()
            audit.append(connection, _SYSTEM, "drew", f"seed:{seed_id}", {"digest": digest(seed)}, at=now)
    return seed


def note_sift(engine: Engine, sifted: Sift, seed: str, rule: Rule, *, now: datetime) -> int:
    """Keep the counts of a sift and return its number; of one that came before, only the number."""
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)
        known: int | None = connection.scalar(select(sifts.c.sift_id).where(sifts.c.digest == sifted.digest))
        if known is not None:
            return known
        row = {
            "digest": sifted.digest,
            "file_digest": sifted.file_digest,
            "sifted_at": now,
            "model_version": sifted.model_version,
            "seed_id": connection.scalars(select(seeds.c.seed_id).where(seeds.c.seed == seed)).one(),
            "rule": json.dumps(rule.to_record()),
            "listings": sifted.listings,
            "sure": sifted.sure,
        }
        sift_id: int = connection.scalars(insert(sifts).values(row).returning(sifts.c.sift_id)).one()
        strata = _strata_rows(sift_id, sifted)
        if strata:
            connection.execute(insert(sift_strata), strata)
        payload: dict[str, audit.Value] = {name: row[name] for name in ("digest", "listings", "sure")}
        payload |= rule.to_record() | {"drawn": sum(place.lot is not None for place in sifted.places.values())}
        audit.append(connection, _SYSTEM, "sifted", f"sift:{sift_id}", payload, at=now)
    return sift_id


def note_places(connection: Connection, sift_id: int, places: dict[int, Place]) -> None:
    """Keep which cases a sift has brought, by number; one of an earlier sift moves up if it is sure now."""
    rows = connection.execute(
        select(cases.c.case_id, cases.c.lane, cases.c.state).where(
            cases.c.case_id.in_(places), cases.c.case_id.not_in(_cases_of(sift_id))
        )
    ).all()
    shown = [(row, places[row.case_id]) for row in rows]
    if shown:
        values = [
            {"sift_id": sift_id, "case_id": row.case_id, "stratum": place.stratum, "lot": place.lot}
            for row, place in shown
        ]
        connection.execute(insert(sift_cases), values)
    raised = [
        row.case_id for row, place in shown if (row.lane, place.lane, row.state) == ("explored", "ranked", "open")
    ]
    if raised:
        connection.execute(update(cases).where(cases.c.case_id.in_(raised)).values(lane="ranked", odds=1.0))


def _cases_of(sift_id: int) -> Select[tuple[int]]:
    return select(sift_cases.c.case_id).where(sift_cases.c.sift_id == sift_id)


def _strata_rows(sift_id: int, sifted: Sift) -> list[dict[str, object]]:
    return [
        {
            "sift_id": sift_id,
            "stratum": number,
            "first": stratum.first,
            "last": stratum.last,
            "listings": stratum.listings,
            "shown": shown,
            "odds": stratum.odds,
            "mean_score": stratum.mean_score,
            "highest_score": stratum.highest_score,
            "lowest_score": stratum.lowest_score,
        }
        for number, (stratum, shown) in enumerate(zip(sifted.strata, sifted.shown, strict=True))
    ]
