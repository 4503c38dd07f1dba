"""Ladder: imposes, proposes, confirms and ends penalties by a seller's strikes.

New strikes are evaluated seller by seller, strike by strike, and stored together. The database sums the upper bound of
a seller's earlier strikes, so most of them need not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import dropwhile, groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, case, exists, func, select

from ipml.enforcement.context import BY_POLICY, DecidedCase, EnforcementContext, open_context
from ipml.enforcement.penalties.penalties import (
    BY_ITSELF,
    TAKEN_BACK,
    AppliedRules,
    Penalty,
    PenaltyStep,
    after_steps,
    change_penalty,
    describe_change,
    draft_imposed,
    encrypt_words,
    find_uncarried,
    get_penalty,
    impose,
    is_settled,
    list_told,
    name_penalty,
    select_penalties,
    store_penalties,
    take_over,
    take_steps,
    tell_ended,
)
from ipml.enforcement.penalties.rules import PenaltyRules
from ipml.enforcement.penalties.standing import Strike, bound_strike_weight, find_standing, find_strikes, select_strikes
from ipml.enforcement.policy import find_policy
from ipml.enforcement.restrictions import OWN, ReportSource, Restriction
from ipml.enforcement.takedown.measures import find_sources
from ipml.errors import Conflict
from ipml.records import Decision, Listing
from ipml.review.arrivals.snapshot import check_text, decode_listing
from ipml.review.decisions import make_decision
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, serialise
from ipml.storage.pseudonyms import read_keys
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import cases, decisions, penalties, strikes, strikes_taken_back


@dataclass(slots=True)
class StrikeTotals:
    """Upper bound of a seller's strike weight, whatever belongs to one offence, and the last sighting of a listing.

    `unrelated`: weight of the offences that new strikes cannot belong to. `by_offence`: weight of the offences that
    they may belong to, by tie.
    """

    unrelated: float = 0.0
    by_offence: dict[int, float] = field(default_factory=dict)
    last_seen: datetime | None = None

    def add(self, strike: Strike, rules: PenaltyRules) -> None:
        """Count one more strike."""
        tie = _find_tie(strike, rules)
        self.by_offence[tie] = max(self.by_offence.get(tie, 0.0), strike.weight)
        self.last_seen = strike.seen_at if self.last_seen is None else max(self.last_seen, strike.seen_at)

    @property
    def weight(self) -> float:
        """Weight of all offences."""
        return self.unrelated + sum(self.by_offence.values())


def _find_tie(strike: Strike, rules: PenaltyRules) -> int:
    """Return a number shared by strikes that surely belong to one offence."""
    is_tied = rules.offence.decided_together and strike.made_with is not None
    return strike.made_with if is_tied and strike.made_with is not None else -strike.strike_id


def _sum_up_before(
    connection: Connection, new: Sequence[Strike], rules: PenaltyRules, at: datetime
) -> dict[str, StrikeTotals]:
    """Return for each seller of new strikes the sum of the earlier strikes that count at a time."""
    totals = {strike.pseudonym: StrikeTotals() for strike in new}
    asked = {
        "sellers": list(totals),
        "first": min(strike.strike_id for strike in new),
        "at": at,
        "ties": list({_find_tie(strike, rules) for strike in new}),
    }
    for row in connection.execute(_make_query(rules.offence.decided_together), asked):
        seller = totals[row.pseudonym]
        seller.last_seen = row.seen_at if seller.last_seen is None else max(seller.last_seen, row.seen_at)
        if row.own is None:
            seller.unrelated = row.weight
        else:
            seller.by_offence[row.own] = row.weight
    return totals


@cache  # building the query takes longer than running it
def _make_query(decided_together: bool) -> Select[Any]:
    tie: ColumnElement[Any] = strikes.c.strike_id
    if decided_together:
        tie = func.coalesce(strikes.c.made_with, -strikes.c.strike_id)
    is_counting = (
        strikes.c.pseudonym.in_(bindparam("sellers", expanding=True)),
        strikes.c.strike_id < bindparam("first"),
        strikes.c.expires_at > bindparam("at"),
        ~exists().where(
            strikes_taken_back.c.strike_id == strikes.c.strike_id, strikes_taken_back.c.at <= bindparam("at")
        ),
    )
    heaviest, seen_at = func.max(strikes.c.weight).label("weight"), func.max(strikes.c.seen_at).label("seen_at")
    offences = select(strikes.c.pseudonym, tie.label("tie"), heaviest, seen_at).where(*is_counting)
    offences_of = offences.group_by(strikes.c.pseudonym, tie).subquery()
    own = case((offences_of.c.tie.in_(bindparam("ties", expanding=True)), offences_of.c.tie)).label("own")
    columns = func.sum(offences_of.c.weight).label("weight"), func.max(offences_of.c.seen_at).label("seen_at")
    return select(offences_of.c.pseudonym, own, *columns).group_by("pseudonym", "own")


def escalate(context: EnforcementContext, strikes: Sequence[Strike]) -> list[Penalty]:
    """Impose and propose the penalties of new strikes, as if they were counted one by one; return those imposed.

    `strikes` are the latest of their sellers, in order. Proposals are not returned: they restrict nothing yet. A
    second decision on a seller must see the effect of the first: contexts wait for each other.
    """
    imposed: list[Penalty] = []
    for at, together in groupby(strikes, key=lambda strike: strike.struck_at):
        imposed += _store_steps(context, _compute_steps(context, list(together), at), at)
    return imposed


@dataclass(slots=True)
class _Seller:
    sum: StrikeTotals
    penalties: list[Penalty]
    rules: PenaltyRules
    at: datetime

    def is_settled_by(self, strike: Strike) -> bool:
        """Count a strike, and return whether it surely changes nothing."""
        self.sum.add(strike, self.rules)
        weight = bound_strike_weight(self.sum.weight, self.rules, len(self.penalties))
        return is_settled(weight, self.sum.last_seen or self.at, self.penalties, self.rules, self.at)


def _compute_steps(context: EnforcementContext, new: Sequence[Strike], at: datetime) -> list[PenaltyStep]:
    """Return the steps caused by strikes of one time, in the order of the strikes."""
    rules, by_seller = context.policy.penalties, dict[str, list[Strike]]()
    for strike in new:
        by_seller.setdefault(strike.pseudonym, []).append(strike)
    sums = _sum_up_before(context.connection, new, rules, at)
    struck_before = {pseudonym for pseudonym, total in sums.items() if total.last_seen is not None}
    sellers = {pseudonym: _Seller(total, [], rules, at) for pseudonym, total in sums.items()}
    for penalty in select_penalties(context.connection, penalties.c.pseudonym.in_(sellers)):
        sellers[penalty.pseudonym].penalties.append(penalty)
    # A sweep may find thousands of listings of one seller; strikes are read only if they may change the result.
    telling = {name: list(dropwhile(sellers[name].is_settled_by, of_it)) for name, of_it in by_seller.items()}
    asked = struck_before.intersection(name for name, left in telling.items() if left)
    earlier = _find_earlier(context.connection, asked, min(strike.strike_id for strike in new))
    steps: dict[int, list[PenaltyStep]] = {strike.strike_id: [] for strike in new}
    for name, left in telling.items():
        seller, struck = sellers[name], earlier.get(name, []) + by_seller[name]
        for place, strike in enumerate(left):
            if place > 0 and seller.is_settled_by(strike):
                continue
            counted = [strike_so_far for strike_so_far in struck if strike_so_far.strike_id <= strike.strike_id]
            taken = take_steps(strike, counted, seller.penalties, rules, context.policy.digest)
            seller.penalties = after_steps(seller.penalties, taken)
            steps[strike.strike_id] = taken
    return [step for taken in steps.values() for step in taken]


def _find_earlier(connection: Connection, pseudonyms: Collection[str], first: int) -> dict[str, list[Strike]]:
    if not pseudonyms:
        return {}
    earlier = select_strikes(connection, strikes.c.pseudonym.in_(pseudonyms), strikes.c.strike_id < first)
    return {
        pseudonym: list(of_seller) for pseudonym, of_seller in groupby(earlier, key=lambda strike: strike.pseudonym)
    }


def _store_steps(context: EnforcementContext, steps: Sequence[PenaltyStep], at: datetime) -> list[Penalty]:
    """Store changes of penalties with audit rows, notify the platform, and return the imposed penalties."""
    if not steps:
        return []
    numbers = _store_new(context, steps)
    done = [replace(step, penalty=_number(step.penalty, numbers)) for step in steps]
    for step in done:
        if step.what == "over" and name_penalty(step.penalty) not in numbers:
            change_penalty(context.connection, step.penalty, ended_as="over", ended_at=at, ended_by=BY_ITSELF)
    imposed = [step.penalty for step in done if step.what == "imposed"]
    rungs = context.policy.penalties.ladder
    context.drafts.extend(draft_imposed(penalty, rungs[penalty.rung], at, context.keys) for penalty in imposed)
    audit_events = [describe_change(step.penalty, f"penalty {step.what}", BY_ITSELF, at) for step in done]
    audit.append_events(context.batch, audit_events)
    return imposed


def _store_new(context: EnforcementContext, steps: Sequence[PenaltyStep]) -> dict[tuple[int, int], int]:
    sentences = {name_penalty(step.penalty): step.sentences for step in steps if step.what != "over"}
    latest = {name_penalty(step.penalty): step.penalty for step in steps}
    new = [(latest[name], sentence) for name, sentence in sentences.items()]
    return dict(zip(sentences, store_penalties(context.connection, new, context.keys), strict=True))


def _number(penalty: Penalty, numbers: dict[tuple[int, int], int]) -> Penalty:
    return replace(penalty, penalty_id=numbers.get(name_penalty(penalty), penalty.penalty_id))


Tell = Callable[[Connection, Penalty], object]
"""Further action on a penalty in the same transaction, such as a letter to the seller."""

_LONGEST_WHY = 2000


def find_penalties(
    connection: Connection, *, pseudonym: str | None = None, state: str | None = None, at: datetime | None = None
) -> list[Penalty]:
    """Return penalties in order: of all sellers or one, in any state or one at a time.

    States are "proposed", "in force", "over", "lifted", "dismissed" and "taken back".
    """
    conditions = [] if pseudonym is None else [penalties.c.pseudonym == pseudonym]
    if state in ("proposed", "in force"):
        conditions.append(penalties.c.ended_at.is_(None))
    selected = select_penalties(connection, *conditions)
    moment = at or datetime.now(UTC)
    return [penalty for penalty in selected if state is None or penalty.state(moment) == state]


def restriction_of(connection: Connection, penalty: Penalty) -> Restriction:
    """Return a penalty as a restriction; its listing is that of the last strike."""
    return restrictions_of(connection, [penalty])[0]


def restrictions_of(
    connection: Connection,
    found: Sequence[Penalty],
    struck: Mapping[int, DecidedCase] = MappingProxyType({}),
) -> list[Restriction]:
    """Return penalties as restrictions; `struck` holds known decisions by number of the strike."""
    entries = {
        number: _Struck(entry.case.case_id, entry.decision, entry.origin, entry.listing, entry.source)
        for number, entry in struck.items()
    }
    if asked := {penalty.strike_id for penalty in found} - entries.keys():
        entries |= _read_struck(connection, asked)
    return [_restrict(penalty, entries[penalty.strike_id]) for penalty in found]


class _Struck(NamedTuple):
    case_id: int
    decision: Decision
    origin: str
    listing: Listing
    source: ReportSource


def _read_struck(connection: Connection, strike_ids: Collection[int]) -> dict[int, _Struck]:
    query: Select[Any] = (
        select(strikes.c.strike_id, decisions, cases.c.snapshot)
        .join(decisions, decisions.c.decision_id == strikes.c.decision_id)
        .join(cases, cases.c.case_id == strikes.c.case_id)
        .where(strikes.c.strike_id.in_(strike_ids))
    )
    rows = connection.execute(query).all()
    sources = find_sources(connection, [row.decision_id for row in rows])
    return {
        row.strike_id: _Struck(
            row.case_id,
            make_decision(row),
            row.origin,
            decode_listing(row.snapshot),
            sources.get(row.decision_id, OWN),
        )
        for row in rows
    }


def _restrict(penalty: Penalty, struck: _Struck) -> Restriction:
    return Restriction(
        subject=penalty.subject,
        kind=penalty.kind,
        pseudonym=penalty.pseudonym,
        case_id=struck.case_id,
        decision_id=struck.decision.decision_id,
        listing=struck.listing,
        ground=struck.decision.ground,
        since=penalty.imposed_at or penalty.proposed_at,
        until=penalty.until,
        is_automatic=struck.origin == BY_POLICY and penalty.imposed_by == BY_ITSELF,
        source=struck.source.source,
        is_detected=struck.source.is_detected,
    )


def confirm(
    connection: Connection,
    penalty_id: int,
    by: str,
    *,
    why: str = "",
    now: datetime | None = None,
) -> Penalty:
    """Impose a proposed penalty if the strikes still justify it.

    The person must differ from the one who decided the case. `why` is encrypted with the seller's key; the audit trail
    holds a digest of the encrypted text. Raises NotFound or Conflict.
    """
    check_text("why", why, _LONGEST_WHY)
    at = now or datetime.now(UTC)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    penalty = get_penalty(connection, penalty_id)
    if obstacle := find_obstacle(connection, penalty, by, at):
        raise Conflict(f"penalty {penalty_id}", f"it cannot be confirmed: {obstacle}")
    rules = find_policy(connection, penalty.policy_digest).penalties
    imposed = impose(penalty, by, at, rules)
    fields = {name: getattr(imposed, name) for name in ("imposed_by", "imposed_at", "until")}
    encrypted = encrypt_words(connection, penalty.pseudonym, why) if why else None
    kept = change_penalty(connection, penalty, **fields, why_confirmed=encrypted)
    keys = read_keys(connection, [kept.pseudonym])
    outbox.put_all(connection, [draft_imposed(kept, rules.ladder[kept.rung], at, keys)], keys)
    audit.append_events(connection, [describe_change(kept, "penalty confirmed", by, at, encrypted)])
    return kept


def find_obstacle(connection: Connection, penalty: Penalty, by: str, at: datetime) -> str | None:
    """Return why a person cannot confirm a penalty now, as a phrase, or None."""
    if not penalty.is_open:
        return "it is not proposed any more" if penalty.imposed_at is None else "it was imposed before"
    query = select(decisions.c.reviewer).join(strikes, strikes.c.decision_id == decisions.c.decision_id)
    if connection.scalar(query.where(strikes.c.strike_id == penalty.strike_id)) == by:
        return f"{by} decided the case it follows from; another must confirm it"
    return _find_lapse(connection, penalty, at)


def _find_lapse(connection: Connection, penalty: Penalty, at: datetime) -> str | None:
    """Return why a proposal can no longer be confirmed, its strikes weighed anew, as a phrase; None if it can."""
    rules = find_policy(connection, penalty.policy_digest).penalties
    reported = list_told(find_penalties(connection, pseudonym=penalty.pseudonym))
    standing = find_standing(find_strikes(connection, penalty.pseudonym), reported, rules, at, penalty.size)
    if standing.proposed < penalty.rung:
        return f"its strikes weigh {standing.weight:.2f} now and do not carry it any more"
    if _is_erased(connection, penalty):
        return "the listing it follows from was erased, so that its reasons cannot be stated"
    return None


def _is_erased(connection: Connection, penalty: Penalty) -> bool:
    """Return whether the last strike's listing was erased; without it no statement of reasons can be written."""
    query = select(cases.c.erased_at).join(strikes, strikes.c.case_id == cases.c.case_id)
    return connection.scalar(query.where(strikes.c.strike_id == penalty.strike_id)) is not None


def lift(connection: Connection, penalty_id: int, by: str, why: str, *, now: datetime | None = None) -> Penalty:
    """End a penalty early, or dismiss a proposed one; otherwise like `confirm`."""
    check_text("why", why, _LONGEST_WHY)
    at = now or datetime.now(UTC)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    penalty = get_penalty(connection, penalty_id)
    if not why.strip():
        raise Conflict(f"penalty {penalty_id}", "it cannot be lifted: found no reason; say why")
    if not (penalty.is_open or penalty.is_in_force(at)):
        raise Conflict(f"penalty {penalty_id}", f"it cannot be lifted: it is {penalty.state(at)}")
    return _end(connection, penalty, "dismissed" if penalty.is_open else "lifted", by, why, at)


def end_due(
    engine: Engine,
    now: datetime | None = None,
    *,
    tell: Tell | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """End the penalties past their end date and the lapsed proposals; return how many."""
    at = now or datetime.now(UTC)

    def end_over(connection: Connection, penalty: Penalty) -> bool:
        over = _end(connection, penalty, "over", BY_ITSELF, "", at)
        if tell is not None:
            tell(connection, over)
        return True

    def end_lapsed(connection: Connection, penalty: Penalty) -> bool:
        if why := _find_lapse(connection, penalty, at):
            _end(connection, penalty, "over", BY_ITSELF, why, at)
        return bool(why)

    over = penalties.c.ended_at.is_(None), penalties.c.imposed_at.is_not(None), penalties.c.until <= at
    ended = _end_some(engine, over, end_over, is_stopped)
    return ended + _end_some(engine, _may_have_lapsed(at), end_lapsed, is_stopped)


def _may_have_lapsed(at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a proposal with a strike of its seller that has expired since."""
    has_expired = exists().where(
        strikes.c.pseudonym == penalties.c.pseudonym,
        strikes.c.expires_at > penalties.c.proposed_at,
        strikes.c.expires_at <= at,
    )
    return penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None), has_expired


def _end_some(
    engine: Engine,
    conditions: Sequence[ColumnElement[bool]],
    end: Callable[[Connection, Penalty], bool],
    is_stopped: Callable[[], bool],
) -> int:
    def end_these(connection: Connection, numbers: Sequence[int]) -> int:
        ended = select_penalties(connection, penalties.c.penalty_id.in_(numbers), *conditions)
        return sum(end(connection, penalty) for penalty in ended)

    with reading(engine) as connection:
        query = select(penalties.c.penalty_id).where(*conditions).order_by(penalties.c.penalty_id)
        due = connection.scalars(query).all()
    return sum(change_in_turns(engine, due, end_these, lock=Lock.APPEND_TO_AUDIT, is_stopped=is_stopped))


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Penalties ended with a strike taken back, whose end is yet to be notified, and their replacements."""

    ended: tuple[Penalty, ...] = ()
    imposed: tuple[Penalty, ...] = ()


def lift_uncarried(connection: Connection, strike: Strike, by: str, why: str, at: datetime) -> TakenBack:
    """End the penalties not justified without a strike taken back; impose those that the other strikes justify."""
    pseudonym = strike.pseudonym
    before = find_penalties(connection, pseudonym=pseudonym)
    policies = {digest: find_policy(connection, digest) for digest in {penalty.policy_digest for penalty in before}}
    rules_of = {digest: policy.penalties for digest, policy in policies.items()}
    standing = find_strikes(connection, pseudonym)
    uncarried = list(find_uncarried(standing, before, rules_of, strike.struck_at))
    lost = [penalty for penalty in uncarried if penalty.is_open or penalty.is_in_force(at)]
    ended = [_end(connection, penalty, TAKEN_BACK, by, why, at) for penalty in uncarried]
    lifted = tuple(penalty for penalty, was in zip(ended, uncarried, strict=True) if _is_told(was))
    keys = read_keys(connection, [pseudonym])
    if not lost or pseudonym not in keys:
        return TakenBack(lifted)
    policy = policies[max(lost, key=lambda penalty: penalty.rung).policy_digest]
    now = find_penalties(connection, pseudonym=pseudonym)
    steps = take_over(standing, now, lost, AppliedRules(policy.penalties, policy.digest, at))
    if any(step.what != "over" and _is_erased(connection, step.penalty) for step in steps):
        return TakenBack(lifted)
    with audit.collect(connection) as batch, open_context(batch, policy, keys, at) as context:
        return TakenBack(lifted, tuple(_store_steps(context, steps, at)))


def _is_told(penalty: Penalty) -> bool:
    """Return whether seller and platform know of a penalty but not of its end."""
    return penalty.imposed_at is not None and penalty.ended_at is None


def _end(connection: Connection, penalty: Penalty, as_what: str, by: str, why: str, at: datetime) -> Penalty:
    """End a penalty or proposal; if it has ended before, only the kind of its end changes."""
    was_told = _is_told(penalty)
    first = {} if penalty.ended_at is not None else {"ended_at": at, "ended_by": by}
    ended = change_penalty(connection, penalty, why, ended_as=as_what, **first)
    if was_told:
        tell_ended(connection, ended, at)
    action = "penalty lifted" if was_told and as_what != "over" else f"penalty {as_what}"
    audit.append_events(connection, [describe_change(ended, action, by, at)])
    return ended


def hardest(found: Sequence[Penalty], at: datetime) -> Penalty | None:
    """Return the hardest penalty in force, or None."""
    return max(
        (penalty for penalty in found if penalty.is_in_force(at)), key=lambda penalty: penalty.rung, default=None
    )
