"""Exploration: draws listings outside the model's top with known probability, to find what the model misses.

Each listing is drawn independently, more often where a review is more informative, at uncertain scores (Neyman 1934),
and never so rarely that a kind stays unseen. Listings with a score warning (unreadable titles) have their own stratum.
A listing under one model is always drawn alike, unpredictably without the seed, so sending a file again draws no
others. A file is read twice: for a hash and a score per listing (16 bytes; 160 MB for ten million), then for the
listings that become cases. The other listings are only counted, for the weights of the sample.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, insert, select, update

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.kit.canonical_json import digest
from ipml.records import ScoredListing
from ipml.review.arrivals.snapshot import make_key
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import cases, sample_cases, sample_strata, samples, seeds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


DEPTHS = (100, 1_000, 5_000)
"""Depths at which a stratum ends, so that precision there can be estimated."""


@dataclass(frozen=True, slots=True)
class SamplingRule:
    """Rule by which listings are drawn; stored with each file.

    Attributes
    ----------
    share : float
        Share of review time for drawn listings, in [0, 1).
    even : float
        Share of draws spread evenly over all listings; this bound holds even if scores are wrong.
    draws_per_stratum : int
        Draws expected per stratum, if there are enough for one.
    warned : float
        Least share of draws for listings with a score warning, if there are any.
    """

    share: float
    even: float = 0.3
    draws_per_stratum: int = 25
    most_strata: int = 8
    warned: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise UnusableSetting("share of exploration", str(self.share), "a number from 0 to below 1")

    def expected_draws(self, sure: int) -> float:
        """Return the number of draws that takes this share of time besides the given number of sure cases."""
        return self.share / (1 - self.share) * sure

    def to_record(self, has_warned: bool = True) -> dict[str, float]:
        """Return the rule as numbers, without `warned` if no listing has a warning."""
        return {name: value for name, value in asdict(self).items() if has_warned or name != "warned"}


@dataclass(frozen=True, slots=True)
class Stratum:
    """Places `first` to `last`, inclusive and from 1, in a file's order of suspicion.

    Listings with a warning that are not shown for their score come after all others. `sampling_probability` is 1 if all
    are shown. `mean_score` is the model's expectation; abstentions count as the mean of the others. The highest and
    lowest score are None if the model abstained. `is_sure` means shown for their score.
    """

    first: int
    last: int
    sampling_probability: float
    mean_score: float
    highest_score: float | None
    lowest_score: float | None
    is_sure: bool

    @property
    def listings(self) -> int:
        """Number of listings."""
        return self.last - self.first + 1


def make_sampling_hash(seed: str) -> Callable[[str, str], int]:
    """Return the function that hashes model version and listing key to a number below 2**64."""
    keyed = hashlib.blake2b(digest_size=8, key=bytes.fromhex(seed))

    def draw(model_version: str, listing_key: str) -> int:
        # The next model gets other draws, since it may have learnt from these.
        hashed = keyed.copy()
        hashed.update(f"{model_version}\0{listing_key}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(hashed.digest(), "big")

    return draw


def stratify(scores: NDArray[np.float64], sure: int, rule: SamplingRule, n_warned: int = 0) -> list[Stratum]:
    """Return the strata of a file with their sampling probabilities.

    `scores` are in descending order: first the `sure` listings that are shown in any case, then the others, then the
    `n_warned` with a warning, then NaN for abstentions.

    >>> import numpy as np
    >>> scores = np.linspace(0.99, 0.01, 1_000)
    >>> for stratum in stratify(scores, 400, SamplingRule(0.2)):
    ...     print(stratum.first, stratum.last, round(stratum.sampling_probability, 2))
    1 100 1.0
    101 400 1.0
    401 531 0.19
    532 665 0.19
    666 809 0.17
    810 1000 0.13
    """
    import numpy as np

    is_judged = ~np.isnan(scores)
    expected = np.where(is_judged, scores, scores[is_judged].mean() if is_judged.any() else 0.5)
    spread = np.sqrt(expected * (1 - expected))[sure:]
    n_judged = int(is_judged.sum())
    warned = slice(n_judged - n_warned - sure, n_judged - sure)
    weight = _give(_mix(spread, rule.even), warned, rule.warned) if n_warned else _mix(spread, rule.even)
    draws = rule.expected_draws(sure)
    depths = [depth for depth in DEPTHS if depth < n_judged - n_warned or not n_warned]
    fixed = (*depths, sure, n_judged - n_warned, n_judged)
    ends = {depth for depth in fixed if 0 < depth < len(scores)} | {len(scores)}
    count = int(min(max(1, draws // rule.draws_per_stratum), rule.most_strata))
    if len(weight):
        shares = np.cumsum(weight) / weight.sum()
        ends |= {sure + int(np.searchsorted(shares, part / count)) for part in range(1, count)} - {0}
    ends = {end for end in ends if not n_judged - n_warned < end < n_judged}
    strata, first = [], 0
    for last in sorted(ends) if len(scores) else ():
        chosen = slice(first, last)
        sampling_probability = (
            1.0 if last <= sure else min(1.0, draws * float(weight[first - sure : last - sure].mean()))
        )
        strata.append(_stratum(scores, expected, chosen, sampling_probability, last <= sure))
        first = last
    return strata


def is_drawn(
    hashes: Sequence[int] | NDArray[np.uint64], sampling_probability: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return for each listing, by hash and sampling probability, whether it is shown."""
    return to_uniform(hashes) < sampling_probability


def to_uniform(hashes: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return hashes as numbers in [0, 1)."""
    import numpy as np

    # A float holds 53 bits; with the other eleven the highest hashes would round up to 1.
    return (np.asarray(hashes, dtype=np.uint64) >> np.uint64(11)) / 2.0**53


def _mix(spread: NDArray[np.float64], even: float) -> NDArray[np.float64]:
    """Return each listing's share of draws (sum 1): partly even, partly by uncertainty."""
    import numpy as np

    if not len(spread):
        return spread
    total = spread.sum()
    by_spread = spread / total if total > 0 else np.full(len(spread), 1 / len(spread))
    return even / len(spread) + (1 - even) * by_spread


def _give(weight: NDArray[np.float64], chosen: slice, share: float) -> NDArray[np.float64]:
    """Return the shares of draws (sum 1) such that some listings have at least the given share, evenly."""
    import numpy as np

    given = weight.copy()
    own = max(float(weight[chosen].sum()), share if chosen.stop - chosen.start < len(weight) else 1.0)
    others = np.ones(len(weight), dtype=bool)
    others[chosen] = False
    given[others] *= (1 - own) / max(float(weight[others].sum()), 1e-300)
    given[chosen] = own / (chosen.stop - chosen.start)
    return given


def _stratum(
    scores: NDArray[np.float64],
    expected: NDArray[np.float64],
    chosen: slice,
    sampling_probability: float,
    is_sure: bool,
) -> Stratum:
    highest, lowest = (float(score) if score == score else None for score in scores[chosen][[0, -1]])
    mean = float(expected[chosen].mean())
    return Stratum(chosen.start + 1, chosen.stop, sampling_probability, mean, highest, lowest, is_sure)


@dataclass(frozen=True, slots=True)
class SamplePlace:
    """A listing's stratum and, unless shown for its score, its random order in 0-1.

    The order is uniform: cases taken by it are a fair sample of their stratum at any time.
    """

    stratum: int
    sampling_probability: float
    random_order: float | None

    @property
    def lane(self) -> str:
        """Name of the lane of its case."""
        return "ranked" if self.random_order is None else "explored"


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample of a file.

    `file_digest` covers hashes and scores and does not depend on their order; `digest` also covers the sampling.
    `listings` counts distinct listings. `shown` counts shown listings by stratum, the most suspicious first. `places`
    maps rows of the file, from 0, to those shown.
    """

    file_digest: str
    digest: str
    model_version: str
    listings: int
    sure: int
    strata: tuple[Stratum, ...]
    shown: tuple[int, ...]
    places: dict[int, SamplePlace]


def draw_sample(
    scored: Iterable[ScoredListing],
    seed: str,
    rule: SamplingRule,
    *,
    top: int | None = None,
    min_score: float | None = None,
) -> Sample:
    """Read scored listings once and choose those that are shown.

    `seed`, in hexadecimal, decides the draws. `top` and `min_score` limit the listings shown for their score; neither
    means all.

    >>> from ipml.records import Listing
    >>> bags = [ScoredListing(Listing(f"A{n}", "s1", "Bag"), n / 50, None, (), (), None, "m1") for n in range(50)]
    >>> sample = draw_sample(bags, "00" * 32, SamplingRule(0.5), top=5)
    >>> sample.sure, sample.listings, sum(stratum.listings for stratum in sample.strata)
    (5, 50, 50)
    >>> sorted(row for row, place in sample.places.items() if place.lane == "ranked")
    [45, 46, 47, 48, 49]
    """
    return draw_sample_from_file(_read(scored, seed), rule, top=top, min_score=min_score)


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """A scored file, reduced to a hash, a score (NaN: abstained) and a warning per listing."""

    hashes: NDArray[np.uint64]
    scores: NDArray[np.float64]
    is_warned: NDArray[np.bool_]
    model_version: str


def draw_sample_from_file(
    file: ScoredFile, rule: SamplingRule, *, top: int | None = None, min_score: float | None = None
) -> Sample:
    """Choose the listings shown from a reduced file; otherwise like `draw_sample`."""
    import numpy as np

    hashes, scores = file.hashes, file.scores
    # The lower half of the hash orders equal scores, since the upper half decides the draw.
    order = np.lexsort((hashes << np.uint64(32) | hashes >> np.uint64(32), -scores))
    order = order[np.sort(np.unique(hashes[order], return_index=True)[1])]  # the highest score of each listing
    sure = len(order) if min_score is None else int((scores[order] >= min_score).sum())
    sure = sure if top is None else min(sure, top)
    order, n_warned = _put_warned_last(order, scores, sure, file.is_warned)
    hashes, scores = hashes[order], scores[order]
    strata = stratify(scores, sure, rule, n_warned)
    number = np.repeat(np.arange(len(strata)), [stratum.listings for stratum in strata])
    sampling_probability = np.array([stratum.sampling_probability for stratum in strata])
    at = np.flatnonzero(is_drawn(hashes, sampling_probability[number]) if strata else [])
    uniforms = to_uniform(hashes[at])
    places = {
        int(order[index]): SamplePlace(
            int(stratum),
            strata[stratum].sampling_probability,
            None if strata[stratum].is_sure else float(random_order / sampling_probability[stratum]),
        )
        for index, stratum, random_order in zip(at, number[at], uniforms, strict=True)
    }
    shown = np.bincount(number[at], minlength=len(strata))
    file_digest = _digest(hashes, scores)
    drawn_by = digest(f"{file_digest} {sorted(rule.to_record(n_warned > 0).items())} {sure}")
    counts = tuple(int(count) for count in shown)
    return Sample(file_digest, drawn_by, file.model_version, len(order), sure, tuple(strata), counts, places)


def _put_warned_last(
    order: NDArray[np.intp], scores: NDArray[np.float64], sure: int, is_warned: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], int]:
    """Return the order with warned listings after other scored ones, and their number; the sure ones do not move."""
    import numpy as np

    rest = order[sure:]
    is_last = is_warned[rest] & ~np.isnan(scores[rest])
    kinds = np.where(np.isnan(scores[rest]), 2, is_last)
    return np.concatenate([order[:sure], rest[np.argsort(kinds, kind="stable")]]), int(is_last.sum())


def _read(scored: Iterable[ScoredListing], seed: str) -> ScoredFile:
    import numpy as np

    draw, hashes, scores, model_version = make_sampling_hash(seed), array("Q"), array("d"), ""
    is_warned = bytearray()
    for item in scored:
        model_version = model_version or item.model_version
        hashes.append(draw(item.model_version, make_key(item.listing)))
        scores.append(float("nan") if item.score is None else item.score)
        is_warned.append(item.warning is not None)
    values = np.frombuffer(scores, dtype=np.float64)
    if (wrong := values[(values < 0) | (values > 1)]).size:
        raise UnstorableValue("score", str(wrong[0]), "a probability in 0-1 or none")
    return ScoredFile(
        np.frombuffer(hashes, dtype=np.uint64), values, np.frombuffer(is_warned, dtype=np.bool_), model_version
    )


def choose_shown(
    scored: Iterable[ScoredListing],
    sample: Sample,
    waiting: Collection[str] = (),
    always: Callable[[ScoredListing], bool] = lambda _: False,
) -> Iterator[tuple[ScoredListing, SamplePlace | None]]:
    """Yield the shown listings with their places, reading the file of the sample a second time.

    Listings whose case waits (ids in `waiting`) are included, since people must see an edit at any score, and so are
    those for which `always` is true, such as listings of listed sellers.
    """
    for row, item in enumerate(scored):
        place = sample.places.get(row)
        if place is not None or item.listing.listing_id in waiting or always(item):
            yield item, place


def _digest(hashes: NDArray[np.uint64], scores: NDArray[np.float64]) -> str:
    import numpy as np

    order = np.argsort(hashes)
    content = hashes[order].astype("<u8").tobytes() + scores[order].astype("<f8").tobytes()
    return digest(content)


_SYSTEM = "ipml"  # the actor of automatic events


def make_seed() -> str:
    """Return a new seed that nobody can guess."""
    return secrets.token_hex(32)


def get_seed(connection: Connection, *, now: datetime) -> str:
    """Return the hexadecimal seed of this database's draws, created on first use.

    The audit trail holds its digest, which proves later that it was not chosen for its results.
    """
    serialise(connection, Lock.ENQUEUE)
    seed: str | None = connection.scalar(select(seeds.c.seed).order_by(seeds.c.seed_id.desc()).limit(1))
    if seed is None:
        seed = make_seed()
        added = insert(seeds).values(seed=seed, drawn_at=now).returning(seeds.c.seed_id)
        seed_id = connection.scalars(added).one()
        audit.append(connection, _SYSTEM, "drew", f"seed:{seed_id}", {"digest": digest(seed)}, at=now)
    return seed


def note_sample(connection: Connection, sample: Sample, seed: str, rule: SamplingRule, *, now: datetime) -> int:
    """Store the counts of a sample and return its number; for a known sample only the number."""
    serialise(connection, Lock.ENQUEUE)
    known: int | None = connection.scalar(select(samples.c.sample_id).where(samples.c.digest == sample.digest))
    if known is not None:
        return known
    row = {
        "digest": sample.digest,
        "file_digest": sample.file_digest,
        "drawn_at": now,
        "model_version": sample.model_version,
        "seed_id": connection.scalars(select(seeds.c.seed_id).where(seeds.c.seed == seed)).one(),
        "rule": json.dumps(rule.to_record()),
        "listings": sample.listings,
        "sure": sample.sure,
    }
    sample_id: int = connection.scalars(insert(samples).values(row).returning(samples.c.sample_id)).one()
    strata = _strata_rows(sample_id, sample)
    if strata:
        connection.execute(insert(sample_strata), strata)
    payload: dict[str, audit.Value] = {name: row[name] for name in ("digest", "listings", "sure")}
    payload |= rule.to_record() | {"drawn": sum(place.random_order is not None for place in sample.places.values())}
    audit.append(connection, _SYSTEM, "sampled", f"sample:{sample_id}", payload, at=now)
    return sample_id


_NOT_NOTED = select(cases.c.case_id, cases.c.lane, cases.c.state).where(
    cases.c.case_id.in_(bindparam("case_ids", expanding=True)),
    cases.c.case_id.not_in(select(sample_cases.c.case_id).where(sample_cases.c.sample_id == bindparam("sample"))),
)


def note_places(connection: Connection, sample_id: int, places: dict[int, SamplePlace]) -> None:
    """Store the cases of a sample by number; an open drawn case becomes a ranked one if it is sure now."""
    rows = connection.execute(_NOT_NOTED, {"case_ids": list(places), "sample": sample_id}).all()
    shown = [(row, places[row.case_id]) for row in rows]
    if shown:
        values = [
            {
                "sample_id": sample_id,
                "case_id": row.case_id,
                "stratum": place.stratum,
                "random_order": place.random_order,
            }
            for row, place in shown
        ]
        connection.execute(insert(sample_cases), values)
    raised = [
        row.case_id for row, place in shown if (row.lane, place.lane, row.state) == ("explored", "ranked", "open")
    ]
    if raised:
        connection.execute(
            update(cases).where(cases.c.case_id.in_(raised)).values(lane="ranked", sampling_probability=1.0)
        )


def _strata_rows(sample_id: int, sample: Sample) -> list[dict[str, object]]:
    return [
        {
            "sample_id": sample_id,
            "stratum": number,
            "first": stratum.first,
            "last": stratum.last,
            "listings": stratum.listings,
            "shown": shown,
            "sampling_probability": stratum.sampling_probability,
            "mean_score": stratum.mean_score,
            "highest_score": stratum.highest_score,
            "lowest_score": stratum.lowest_score,
        }
        for number, (stratum, shown) in enumerate(zip(sample.strata, sample.shown, strict=True))
    ]
