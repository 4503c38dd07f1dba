"""Penalty simulation: replays past decisions under another policy; nothing is changed.

Decisions and reversals are read seller by seller and not kept, so that millions fit in memory. Facts come from the
strike if there is one, else from the case. The same code as in operation replays the strikes. Confirming and lifting
by people is not replayed: penalties that need a person stay proposed under both policies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ipml.enforcement.penalties.ladder import StrikeTotals
from ipml.enforcement.penalties.penalties import (
    TAKEN_BACK,
    AppliedRules,
    Penalty,
    after_steps,
    find_uncarried,
    is_settled,
    take_over,
    take_steps,
)
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.standing import Strike, apply_rules, bound_strike_weight, latest
from ipml.enforcement.penalties.strikes import read_facts, seen_at
from ipml.enforcement.policy import Bands
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.ranking.policy import fold_name
from ipml.storage.tables import cases, decisions, reversals, strikes

_DIGEST = "replayed"


@dataclass(frozen=True, slots=True)
class StrikeEvent:
    """A strike that is counted or taken back."""

    at: datetime
    strike: Strike
    is_taken_back: bool = False


def list_events(strikes: Iterable[Strike]) -> list[StrikeEvent]:
    """Return the events of strikes by time; at equal times counting comes first."""
    events: list[StrikeEvent] = []
    for strike in strikes:
        events.append(StrikeEvent(strike.struck_at, replace(strike, taken_back_at=None)))
        if strike.taken_back_at is not None:
            events.append(StrikeEvent(strike.taken_back_at, strike, is_taken_back=True))
    return sorted(events, key=lambda event: (event.at, event.is_taken_back, event.strike.decision_id))


def replay(strikes: Iterable[Strike], rules: PenaltyRules) -> list[Penalty]:
    """Return the penalties of a seller's strikes under some rules; none is confirmed or lifted."""
    standing: dict[int, Strike] = {}
    made: list[Penalty] = []
    totals = StrikeTotals()
    for event in list_events(apply_rules(strike, rules) for strike in strikes):
        strike = event.strike
        standing[strike.strike_id] = strike
        if event.is_taken_back:
            made = _without_uncarried(list(standing.values()), made, rules, event)
            continue
        totals.add(strike, rules)
        most_weight = bound_strike_weight(totals.weight, rules, len(made))
        if not is_settled(most_weight, totals.last_seen or event.at, made, rules, event.at):
            steps = take_steps(strike, list(standing.values()), made, rules, _DIGEST)
            made = _number(after_steps(made, steps))
    return made


def _without_uncarried(
    strikes: list[Strike], before: list[Penalty], rules: PenaltyRules, event: StrikeEvent
) -> list[Penalty]:
    gone = {
        penalty.penalty_id: penalty
        for penalty in find_uncarried(strikes, before, {_DIGEST: rules}, event.strike.struck_at)
    }
    left = [_take_back(penalty, event.at) if penalty.penalty_id in gone else penalty for penalty in before]
    lost = [penalty for penalty in gone.values() if penalty.is_open or penalty.is_in_force(event.at)]
    return _number(after_steps(left, take_over(strikes, left, lost, AppliedRules(rules, _DIGEST, event.at))))


def _number(made: Iterable[Penalty]) -> list[Penalty]:
    return [replace(penalty, penalty_id=place) for place, penalty in enumerate(made, 1)]


def _take_back(penalty: Penalty, at: datetime) -> Penalty:
    return replace(penalty, ended_as=TAKEN_BACK, ended_at=penalty.ended_at or at)


_AT_ONCE = 500
_DAY = timedelta(days=1)
NOTHING = "nothing"
_SIZE, _AGE = "listings", "days old"


@dataclass(slots=True)
class PolicyOutcome:
    """Result of a policy over all sellers.

    - `imposed`, `proposed`: penalties by kind.
    - `wrong`: imposed penalties whose strikes were taken back, by kind.
    - `wrong_days`: total days for which those were in force.
    - `hardest`: sellers by band (of size or age) and hardest imposed penalty.
    """

    imposed: Counter[str] = field(default_factory=Counter)
    proposed: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    wrong_days: Counter[str] = field(default_factory=Counter)
    hardest: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Simulation:
    """Two policies on the same history.

    `now`, `then`: under the policy in force, and under the other. `harder`, `milder`: sellers whose hardest penalty
    would be harder, or milder. `honest`, `honest_now`, `honest_then`: sellers with all decisions reversed, and how
    many of them were penalised under each policy.
    """

    now: PolicyOutcome = field(default_factory=PolicyOutcome)
    then: PolicyOutcome = field(default_factory=PolicyOutcome)
    decisions: int = 0
    sellers: int = 0
    harder: int = 0
    milder: int = 0
    honest: int = 0
    honest_now: int = 0
    honest_then: int = 0


def simulate_penalties(
    connection: Connection,
    in_force: PenaltyRules,
    other: PenaltyRules,
    *,
    since: datetime | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Simulation:
    """Replay past decisions under two policies.

    With `since`, only later penalties are counted, but earlier strikes still have weight. `progress` receives the
    number of decisions replayed so far.
    """
    simulation = Simulation()
    for struck in read_history(connection):
        _count(simulation, struck, (replay(struck, in_force), replay(struck, other)), in_force, since)
        progress(simulation.decisions)
    return simulation


def name_bands(rules: PenaltyRules) -> list[str]:
    """Return the bands of sellers in order: by size, then by age."""
    sizes = [f"{_SIZE} {name}" for name in Bands(rules.ledger.size_bands).names]
    return sizes + [f"{_AGE} {name}" for name in Bands(rules.ledger.age_bands).names]


def read_history(connection: Connection) -> Iterator[list[Strike]]:
    """Yield the strikes of one seller after another: one for each decision "counterfeit"."""
    groups = {row.group_key: row.first for row in connection.execute(_first_of_groups())}
    firsts: dict[str, int] = {}
    rows = connection.execute(_select_history().execution_options(yield_per=_AT_ONCE))
    for _, of_seller in groupby(rows, key=lambda row: row.seller_id):
        firsts.clear()  # a listing has one seller
        history = list(of_seller)
        facts = _read_missing_facts(connection, [row.case_id for row in history if row.strike_id is None])
        yield [_make_strike(row, facts.get(row.case_id), groups, firsts) for row in history]


def _select_history() -> Any:
    """Return the query of decisions without snapshots, which are long: it is sorted by seller."""
    kept = [strikes.c[name] for name in ("strike_id", "probability", "value", "currency", "listings", "age_days")]
    return (
        select(
            *(decisions.c[name] for name in ("decision_id", "ground", "decided_at", "group_key", "listing_id")),
            *(cases.c[name] for name in ("case_id", "seller_id", "observed_at", "enqueued_at")),
            cases.c.category.label("case_category"),
            reversals.c.reversed_at,
            *kept,
            *(strikes.c[name] for name in ("category", "cluster", "made_with", "same_as", "seen_at")),
        )
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .join(reversals, reversals.c.decision_id == decisions.c.decision_id, isouter=True)
        .join(strikes, strikes.c.decision_id == decisions.c.decision_id, isouter=True)
        .where(decisions.c.verdict == Verdict.COUNTERFEIT)
        .order_by(cases.c.seller_id, decisions.c.decision_id)
    )


def _first_of_groups() -> Any:
    query = select(decisions.c.group_key, func.min(decisions.c.decision_id).label("first"))
    return query.where(decisions.c.group_key.is_not(None)).group_by(decisions.c.group_key)


def _read_missing_facts(connection: Connection, case_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Read the facts of strikes from the cases, for decisions that predate strikes."""
    facts: dict[int, dict[str, Any]] = {}
    columns = [cases.c[name] for name in ("case_id", "snapshot", "expected_value", "category", "score", "exemplar")]
    for start in range(0, len(case_ids), _AT_ONCE):
        query = select(*columns).where(cases.c.case_id.in_(case_ids[start : start + _AT_ONCE]))
        facts |= {row.case_id: read_facts(row, decode_listing(row.snapshot)) for row in connection.execute(query)}
    return facts


def _make_strike(row: Row[Any], facts: dict[str, Any] | None, groups: dict[str, int], firsts: dict[str, int]) -> Strike:
    first = firsts.setdefault(row.listing_id, row.case_id)
    if facts is None:
        names = (
            "probability",
            "value",
            "currency",
            "listings",
            "age_days",
            "cluster",
            "made_with",
            "same_as",
            "seen_at",
        )
        facts = {name: getattr(row, name) for name in names}
        facts["category"] = fold_name(row.case_category) or row.category
    else:
        facts |= {"made_with": groups.get(row.group_key), "same_as": first, "seen_at": seen_at(row, row.decided_at)}
    return Strike(
        strike_id=row.decision_id,
        decision_id=row.decision_id,
        case_id=row.case_id,
        pseudonym="",
        ground=row.ground,
        weight=0.0,  # the rules that it is replayed under say
        struck_at=row.decided_at,
        expires_at=row.decided_at,
        policy_digest="",
        taken_back_at=row.reversed_at,
        **facts,
    )


def _count(
    simulation: Simulation,
    struck: list[Strike],
    made: tuple[list[Penalty], list[Penalty]],
    rules: PenaltyRules,
    since: datetime | None,
) -> None:
    last = latest(struck)
    size = f"{_SIZE} {Bands(rules.ledger.size_bands).find(last.listings)}"
    age = f"{_AGE} {Bands(rules.ledger.age_bands).find(last.age_days)}"
    hits = []
    for outcome, penalties in zip((simulation.now, simulation.then), made, strict=True):
        counted = [penalty for penalty in penalties if since is None or penalty.proposed_at >= since]
        hits.append(_count_outcome(outcome, counted, (size, age)))
    simulation.decisions += len(struck)
    simulation.sellers += 1
    simulation.harder += hits[1] > hits[0]
    simulation.milder += hits[1] < hits[0]
    if all(strike.taken_back_at is not None for strike in struck):
        simulation.honest += 1
        simulation.honest_now += hits[0] >= 0
        simulation.honest_then += hits[1] >= 0


def _count_outcome(outcome: PolicyOutcome, penalties: list[Penalty], bands: tuple[str, str]) -> int:
    """Count a seller's penalties, and return the place of the hardest imposed one, or -1."""
    imposed = [penalty for penalty in penalties if penalty.imposed_at is not None]
    outcome.imposed.update(penalty.kind.value for penalty in imposed)
    outcome.proposed.update(penalty.kind.value for penalty in penalties if penalty.imposed_at is None)
    for penalty in imposed:
        if penalty.ended_as == TAKEN_BACK:
            outcome.wrong[penalty.kind.value] += 1
            outcome.wrong_days[penalty.kind.value] += _days_held(penalty)
    hardest = max(imposed, key=lambda penalty: penalty.rung, default=None)
    kind = NOTHING if hardest is None else hardest.kind.value
    outcome.hardest.update((band, kind) for band in bands)
    return -1 if hardest is None else list(type(hardest.kind)).index(hardest.kind)


def _days_held(penalty: Penalty) -> int:
    ends = [end for end in (penalty.until, penalty.ended_at) if end is not None]
    assert penalty.imposed_at is not None
    return round((min(ends) - penalty.imposed_at) / _DAY)
