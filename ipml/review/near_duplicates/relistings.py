"""Relistings: arriving listings that resemble a confirmed counterfeit, with the measured precision of such matches.

Every arriving listing is compared: a counterfeit that the model missed returns with the same low score. A match makes a
case, ranked by the precision of its kind, and never changes the score; overturned verdicts match nothing. A title alone
proves little, since honest sellers copy catalogues, so the policy (`[relistings]`) distinguishes kinds of match, with
their prior precision and the least precision that makes a case. The URL of a first picture counts only if that picture
was examined and is neither flat nor common (`ipml.review.pictures.same_picture`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from ipml.records import Listing, Verdict
from ipml.review.arrivals.snapshot import decode_listing, is_storable
from ipml.review.cases import PENDING, StoredCase
from ipml.review.near_duplicates.confirmed import find_like_confirmed, find_standing, first_address, read_confirmed
from ipml.review.near_duplicates.title_bands import compare_runs, find_part, read_runs
from ipml.review.pictures.same_picture import find_informative
from ipml.review.ranking.policy import MatchKind, Policy, RelistingRules
from ipml.review.ranking.queue_order import current_ranking, rank_again
from ipml.review.reversals import by_people, is_last_verdict
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, decisions

_MOST_MEASURED = 300  # newest decided matches; old tactics say little about new ones
_FEWEST_RUNS = 12  # in titles of two sellers; fewer are one or two common words
_FEWEST_OF_PART = 16  # in the shorter title if the other contains it
_Counts = tuple[int, int]  # counterfeit, decided


@dataclass(frozen=True, slots=True)
class Relisting:
    """Resemblance of a listing to a confirmed counterfeit, whose case is `case_id`.

    `likeness` is the share of letter runs common to both titles, 0-1 (for kind "part" of the shorter title's).
    `precision` is the share of such matches found counterfeit; `makes_case` if it reaches the policy's limit.
    """

    case_id: int
    kind: MatchKind
    likeness: float
    precision: float
    makes_case: bool


@dataclass(frozen=True, slots=True)
class MatchPrecision:
    """Counts of decided and counterfeit matches by kind, by matched listing and by seller.

    In the first two, each seller counts once, by the newest match, so nobody can disprove or prove a kind with many
    listings.
    """

    rules: RelistingRules
    by_kind: Mapping[MatchKind, _Counts]
    by_precedent: Mapping[tuple[MatchKind, int], _Counts]
    by_seller: Mapping[tuple[MatchKind, str], _Counts]

    def of_kind(self, kind: MatchKind) -> float:
        """Return the precision of a kind of match, shrunk towards the policy's."""
        return self._draw(self.rules.prior_of(kind), self.by_kind.get(kind, (0, 0)))

    def of(self, kind: MatchKind, case_id: int, seller_id: str) -> float:
        """Return the precision of a seller's matches with a listing, shrunk to all sellers', then to the kind's.

        A catalogue title thus loses its weight without affecting other titles, and an honest seller of many such goods
        is not reviewed for ever.
        """
        of_all = self._draw(self.of_kind(kind), self.by_precedent.get((kind, case_id), (0, 0)))
        return self._draw(of_all, self.by_seller.get((kind, seller_id), (0, 0)))

    def _draw(self, prior: float, counts: _Counts) -> float:
        hits, n = counts
        return (hits + prior * self.rules.prior_matches) / (n + self.rules.prior_matches)


def find_relistings(connection: Connection, listings: Sequence[Listing], policy: Policy) -> dict[str, Relisting]:
    """Return, by listing id, the strongest resemblance to a confirmed counterfeit. All entry points call it."""
    candidates = find_like_confirmed(connection, listings)
    if not any(candidates):
        return {}
    confirmed = read_confirmed(connection, {case_id for some in candidates for case_id in some})
    addressed = {address for one in listings if (address := first_address(one))}
    shown = find_informative(connection, [key for key, one in confirmed.items() if first_address(one) in addressed])
    matches = [
        [
            (case_id, *match)
            for case_id in some
            if case_id in confirmed
            for match in _compare(one, confirmed[case_id], policy, shows_it=case_id in shown)
        ]
        for one, some in zip(listings, candidates, strict=True)
    ]
    if not any(matches):
        return {}
    measured = measure_matches(
        connection,
        policy.relistings,
        {case_id for some in matches for case_id, *_ in some},
        {one.seller_id for one, some in zip(listings, matches, strict=True) if some},
    )
    return {
        one.listing_id: max((_make_relisting(measured, one.seller_id, *match) for match in some), key=_order_match)
        for one, some in zip(listings, matches, strict=True)
        if some
    }


def _make_relisting(
    measured: MatchPrecision, seller_id: str, case_id: int, kind: MatchKind, likeness: float
) -> Relisting:
    precision = measured.of(kind, case_id, seller_id)
    return Relisting(case_id, kind, likeness, precision, precision >= measured.rules.min_precision)


def _order_match(match: Relisting) -> tuple[bool, int, float, int]:
    return match.makes_case, -list(MatchKind).index(match.kind), match.likeness, -match.case_id


def _compare(one: Listing, confirmed: Listing, policy: Policy, *, shows_it: bool) -> list[tuple[MatchKind, float]]:
    """Return the kinds in which a listing resembles a counterfeit; title alone counts only without any other."""
    rules, runs, others = policy.relistings, read_runs(one.title), read_runs(confirmed.title)
    likeness, part, n_runs = compare_runs(runs, others), find_part(runs, others), min(len(runs), len(others))
    is_alike, holds = likeness >= rules.least_likeness, part >= rules.least_part
    kinds = list[tuple[MatchKind, float]]()
    has_same_address = shows_it and first_address(one) == first_address(confirmed)
    if has_same_address or (one.image_hash is not None and one.image_hash == confirmed.image_hash):
        kinds.append((MatchKind.PICTURE, likeness))
    if one.seller_id == confirmed.seller_id:
        if is_alike or (holds and n_runs >= _FEWEST_RUNS):
            kinds.append((MatchKind.SELLER, likeness))
    elif is_alike and n_runs >= _FEWEST_RUNS:
        kinds.append((MatchKind.PRICE if _is_no_dearer(one, confirmed, policy) else MatchKind.TITLE, likeness))
    elif holds and n_runs >= _FEWEST_OF_PART and _is_no_dearer(one, confirmed, policy):
        kinds.append((MatchKind.PART, part))
    return kinds


def _is_no_dearer(one: Listing, confirmed: Listing, policy: Policy) -> bool:
    """Return whether a price is at most about a counterfeit's; False if one is unknown or cannot be converted."""
    price, other = one.price, confirmed.price
    if price is not None and other is not None and one.currency != confirmed.currency:
        price, other = policy.exchange(price, one.currency), policy.exchange(other, confirmed.currency)
    return price is not None and other is not None and price <= other * (1 + policy.relistings.dearer)


# Built once, since building a query takes longer than running it.
_DECIDED = (
    select(cases.c.match_kind, cases.c.relisting_of, cases.c.seller_id, decisions.c.verdict)
    .join_from(cases, decisions, and_(decisions.c.case_id == cases.c.case_id, by_people(), is_last_verdict()))
    .where(cases.c.match_kind.is_not(None), cases.c.match_precision.is_not(None), cases.c.state == "decided")
    .where(decisions.c.verdict.in_((Verdict.COUNTERFEIT, Verdict.GENUINE)))
    .order_by(cases.c.case_id.desc())
    .limit(_MOST_MEASURED)
)
_WANTED: BindParameter[Any] = bindparam("wanted", expanding=True)
_SOLD_BY: BindParameter[Any] = bindparam("sellers", expanding=True)
_MEASURED = union_all(
    *(
        select(literal_column(f"'{of}'").label("of"), query.subquery())
        for of, query in {
            "all": _DECIDED,
            "precedent": _DECIDED.where(cases.c.relisting_of.in_(_WANTED)),
            "seller": _DECIDED.where(cases.c.seller_id.in_(_SOLD_BY)),
        }.items()
    )
)


def measure_matches(
    connection: Connection, rules: RelistingRules, case_ids: Collection[int] = (), sellers: Collection[str] = ()
) -> MatchPrecision:
    """Return the precision of matches by the newest human decisions: of all, of some counterfeits and of some sellers.

    `case_ids` are cases of counterfeits; `sellers` are the sellers of listings that match them.
    """
    read: dict[str, list[Any]] = {"all": [], "precedent": [], "seller": []}
    batches = zip_longest(in_batches(sorted(case_ids)), in_batches(sorted(filter(is_storable, sellers))), fillvalue=())
    for number, (wanted, sold_by) in enumerate([*batches] or [((), ())]):
        for row in connection.execute(_MEASURED, {"wanted": wanted, "sellers": sold_by}):
            if number == 0 or row.of != "all":
                read[row.of].append(row)
    newest = _keep_newest(read["all"], "match_kind", "seller_id")
    of_precedents = _keep_newest(read["precedent"], "match_kind", "relisting_of", "seller_id")
    return MatchPrecision(
        rules,
        _count(newest, attrgetter("match_kind")),
        _count(of_precedents, attrgetter("match_kind", "relisting_of")),
        _count(read["seller"], attrgetter("match_kind", "seller_id")),
    )


def _count(rows: Iterable[Any], key_of: Callable[[Any], Any]) -> dict[Any, _Counts]:
    counted: dict[Any, _Counts] = {}
    for row in rows:
        hits, n = counted.get(key_of(row), (0, 0))
        counted[key_of(row)] = hits + (row.verdict == Verdict.COUNTERFEIT), n + 1
    return counted


def _keep_newest(rows: Iterable[Any], *names: str) -> list[Any]:
    """Return the first row, which is the newest, for each combination of some columns."""
    newest: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        newest.setdefault(tuple(getattr(row, name) for name in names), row)
    return list(newest.values())


_precedents = cases.alias("precedents")
_HOLDS = (
    exists()
    .where(_precedents.c.case_id == cases.c.relisting_of, _precedents.c.erased_at.is_(None))
    .where(decisions.c.case_id == _precedents.c.case_id, decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict())
)
_waiting = cases.alias("waiting")
_N_WAITING = select(func.count()).where(_waiting.c.exemplar == cases.c.case_id, _waiting.c.state == "open")
_IS_MATCHED = cases.c.match_kind.is_not(None)
# With one condition for both, or on the bare state, SQLite would scan all pending cases.
_MATCHED_WITH = select(cases, _HOLDS, _N_WAITING.scalar_subquery()).where(
    cases.c.case_id.in_(
        union_all(
            select(cases.c.case_id).where(cases.c.relisting_of.in_(_WANTED), _IS_MATCHED),
            select(cases.c.case_id).where(cases.c.case_id.in_(_WANTED), cases.c.relisting_of.is_not(None), _IS_MATCHED),
        )
    ),
    func.coalesce(cases.c.state, "").in_(PENDING),
)


def refresh_matches(connection: Connection, case_ids: Collection[int]) -> None:
    """Match waiting cases again that resemble some listings, after verdicts on these were given or taken back.

    A match whose verdict is overturned is replaced by another or loses its precision: the case waits on, ranked by its
    score, and regains the match with the verdict.
    """
    like_them = [
        (StoredCase(*columns), holds, n_waiting)
        for some in in_batches(sorted(case_ids))
        for *columns, holds, n_waiting in connection.execute(_MATCHED_WITH.with_for_update(of=cases), {"wanted": some})
    ]
    changed = [row for row, holds, _ in like_them if holds != (row.match_precision is not None)]
    standing = {row.relisting_of for row, holds, _ in like_them if holds and row.relisting_of is not None}
    if not changed:
        return
    ranking = current_ranking(connection)
    policy = ranking.policy
    fallen = [decode_listing(row.snapshot) for row in changed if row.relisting_of not in standing]
    found = find_relistings(connection, fallen, policy)
    measured = measure_matches(connection, policy.relistings, standing, {row.seller_id for row in changed})
    matched: list[StoredCase] = []
    for row in changed:
        source, match = row.relisting_of, found.get(row.listing_id)
        columns: dict[str, Any] = {"match_precision": None}
        if source is not None and source in standing:
            columns["match_precision"] = measured.of(MatchKind(row.match_kind or ""), source, row.seller_id)
        elif match is not None and match.case_id != row.case_id:
            columns["match_precision"] = match.precision
            columns |= {"relisting_of": match.case_id, "match_kind": match.kind.value}
        matched.append(replace(row, **columns))
    waiting = {row.case_id: n_waiting for row, _, n_waiting in like_them}
    rank_again(connection, matched, ranking, waiting=waiting, also=("relisting_of", "match_kind", "match_precision"))


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """The confirmed counterfeit, `case_id`, that a case resembled on arrival and whose verdict is in force.

    `precision` is the share of such matches that were counterfeit, as measured on arrival.
    """

    case_id: int
    kind: MatchKind
    precision: float


def find_stored_matches(connection: Connection, case_ids: Collection[int]) -> dict[int, StoredMatch]:
    """Return the stored matches of cases, by number."""
    query = select(*(cases.c[name] for name in ("case_id", "relisting_of", "match_kind", "match_precision")))
    query = query.where(cases.c.match_precision.is_not(None), cases.c.relisting_of.is_not(None))
    rows = [
        row
        for some in in_batches(sorted(case_ids))
        for row in connection.execute(query.where(cases.c.case_id.in_(some)))
    ]
    standing = find_standing(connection, {row.relisting_of for row in rows})
    return {
        row.case_id: StoredMatch(row.relisting_of, MatchKind(row.match_kind), row.match_precision)
        for row in rows
        if row.relisting_of in standing
    }


def explain_match(connection: Connection, row: StoredCase, rules: RelistingRules) -> str | None:
    """Return sentences on the counterfeit that a case resembles, with today's precision; None if it was overturned."""
    if row.match_kind is None or row.match_precision is None or row.relisting_of is None:
        return None
    confirmed = read_confirmed(connection, [row.relisting_of]).get(row.relisting_of)
    if confirmed is None:
        return None
    kind = MatchKind(row.match_kind)
    hits, n = measure_matches(connection, rules).by_kind.get(kind, (0, 0))
    titles = read_runs(decode_listing(row.snapshot).title), read_runs(confirmed.title)
    likeness = find_part(*titles) if kind is MatchKind.PART else compare_runs(*titles)
    measured = f"people found {hits} of {n} counterfeit" if n else "none is decided yet"
    return f"{_SAID[kind].format(likeness=100 * likeness)}. Of such matches {measured}, each seller counted once."


_SAID = {
    MatchKind.SELLER: "The same seller, and a title that is {likeness:.0f} % the same",
    MatchKind.PICTURE: "The same picture",
    MatchKind.PRICE: "Another seller, a title that is {likeness:.0f} % the same, and a price that is no higher",
    MatchKind.PART: "Another seller, {likeness:.0f} % of the shorter title in the other, and a price that is no higher",
    MatchKind.TITLE: "Another seller, and a title that is {likeness:.0f} % the same; the price is higher, or not known",
}
