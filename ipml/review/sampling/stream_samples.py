"""Stream samples: counts of a stream's listings, the population of its draws.

The listings that one model judged on one UTC day by one rule are a sample, as those of a file are
(`ipml.review.sampling.exploration`); strata are score bands, and listings with a warning. A listing counts when a model
first judges its present form, and is drawn then or never. Rescoring does not count again: findings on a drawn listing
may cause it, and its weight must not depend on them. A listing changed by its seller counts again on another day.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from ipml.kit.canonical_json import digest
from ipml.records import ScoredListing
from ipml.review.arrivals.snapshot import digest_content
from ipml.review.ranking.policy import IntakeRule
from ipml.review.sampling.exploration import SamplePlace, make_sampling_hash, to_uniform
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import samples, seeds, stream_strata

_BANDS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
_SYSTEM = "ipml"  # the actor of automatic events
# Built once, since building a query takes longer than running it.
_SAMPLE = select(samples.c.sample_id).where(samples.c.digest == bindparam("named"))
_COUNT = (
    update(stream_strata)
    .where(stream_strata.c.sample_id == bindparam("sample"), stream_strata.c.stratum == bindparam("number"))
    .values({name: stream_strata.c[name] + bindparam(f"more_{name}") for name in ("listings", "shown", "expected")})
)


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """A listing's place in the sample of its day.

    `content` is the digest of the offer. Odd strata are always shown; each score band has two strata.
    `sampling_probability` is that of becoming a case. `expected` is the model's expectation, 0-1. `random_order`, 0-1,
    is None if it was not drawn.
    """

    content: str
    stratum: int
    sampling_probability: float
    expected: float
    random_order: float | None

    @property
    def is_sure(self) -> bool:
        """Whether it becomes a case in any event."""
        return self.stratum % 2 == 1

    @property
    def shown(self) -> SamplePlace | None:
        """Its place if it becomes a case, else None."""
        if not self.is_sure and self.random_order is None:
            return None
        return SamplePlace(self.stratum, self.sampling_probability, self.random_order)


def place_in_stream(
    scored: ScoredListing, expected: float, rule: IntakeRule, seed: str, *, is_sure: bool
) -> StreamPlace:
    """Return a listing's place in the sample of its day, drawn or not."""
    content = digest_content(scored.listing)
    band = len(_BANDS) if scored.score is None else min(bisect_right(_BANDS, scored.score), len(_BANDS) - 1) - 1
    if is_sure:
        return StreamPlace(content, 2 * band + 1, 1.0, expected, None)
    middle = None if scored.score is None else (_BANDS[band] + _BANDS[band + 1]) / 2
    probability = rule.probability_of(middle)
    if scored.warning is not None:
        band, probability = len(_BANDS) + 1, max(rule.warned_probability, rule.sampling_probability)
    hashed = make_sampling_hash(seed)(scored.model_version, f"{content} {scored.listing.listing_id}")
    (uniform,) = to_uniform([hashed])
    order = float(uniform) / probability if uniform < probability else None
    return StreamPlace(content, 2 * band, probability, expected, order)


def open_sample(connection: Connection, model_version: str, rule: IntakeRule, seed: str, now: datetime) -> int:
    """Return the number of a day's sample, creating it on first use."""
    said = json.dumps(rule.model_dump(exclude_none=True), sort_keys=True)
    named = digest(f"stream {now:%Y-%m-%d} {model_version} {said} {seed}")
    known: int | None = connection.scalar(_SAMPLE, {"named": named})
    if known is not None:
        return known
    serialise(connection, Lock.ENQUEUE)
    row = {
        "digest": named,
        "file_digest": named,
        "drawn_at": now,
        "model_version": model_version,
        "seed_id": connection.scalars(select(seeds.c.seed_id).where(seeds.c.seed == seed)).one(),
        "rule": said,
        "listings": 0,
        "sure": 0,
    }
    sample_id: int = connection.scalars(insert(samples).values(row).returning(samples.c.sample_id)).one()
    payload: dict[str, audit.Value] = {"digest": named, "listings": 0, "sure": 0, **rule.model_dump(exclude_none=True)}
    audit.append(connection, _SYSTEM, "sampled", f"sample:{sample_id}", payload, at=now)
    return sample_id


def count_listings(connection: Connection, sample_id: int, places: Iterable[StreamPlace]) -> None:
    """Count listings in their strata; the caller holds `Lock.ENQUEUE`."""
    counted: dict[int, list[StreamPlace]] = {}
    for place in places:
        counted.setdefault(place.stratum, []).append(place)
    for number, some in sorted(counted.items()):
        found: dict[str, float] = {
            "listings": len(some),
            "shown": sum(one.shown is not None for one in some),
            "expected": sum(one.expected for one in some),
        }
        more = {f"more_{name}": value for name, value in found.items()}
        if not connection.execute(_COUNT, {"sample": sample_id, "number": number, **more}).rowcount:
            fixed = {"is_sure": some[0].is_sure, "sampling_probability": some[0].sampling_probability}
            row = {"sample_id": sample_id, "stratum": number} | fixed | found
            connection.execute(insert(stream_strata).values(row))
