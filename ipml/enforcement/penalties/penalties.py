"""Penalty: the stored penalty (proposed, imposed, ended), and the steps by which a seller's standing changes penalties.

Messages to the platform name a penalty by number, and an erased seller by nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from ipml.enforcement.penalties.rules import PenaltyRules, Rung
from ipml.enforcement.penalties.standing import (
    NO_RUNG,
    ImposedPenalty,
    SellerStanding,
    Size,
    Strike,
    find_cap,
    find_standing,
    list_remembered,
    without_person,
)
from ipml.enforcement.restrictions import PenaltyKind
from ipml.errors import NotFound, SellerErased
from ipml.kit.canonical_json import digest
from ipml.kit.moments import write_moment
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import Keyring, encrypt, read_keys
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import penalties

LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Penalty:
    """A penalty on a seller, imposed or proposed to a lead.

    - `strike_id`: last of the strikes behind it.
    - `rung`: place on the ladder of its policy, from 0 for the lowest.
    - `weight`: weight of the strikes when it was proposed.
    - `size`: size of the seller at that time.
    - `imposed_by`, `imposed_at`: "ipml" if automatic; None while a person must confirm it.
    - `until`: end date, if any.
    - `ended_as`: "taken back" (its strikes were), "lifted" (by a person), "dismissed" (never imposed) or "over".
    """

    penalty_id: int
    pseudonym: str
    strike_id: int
    kind: PenaltyKind
    rung: int
    weight: float
    size: Size
    policy_digest: str
    proposed_at: datetime
    imposed_by: str | None = None
    imposed_at: datetime | None = None
    until: datetime | None = None
    ended_as: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Return whether it is in force at a time."""
        begun = self.imposed_at is not None and self.imposed_at <= at
        return begun and all(end is None or end > at for end in (self.until, self.ended_at))

    @property
    def is_open(self) -> bool:
        """Whether it waits to be confirmed or dismissed."""
        return self.imposed_at is None and self.ended_at is None

    @property
    def subject(self) -> str:
        """Name in the audit trail and in the outbox."""
        return f"penalty:{self.penalty_id}"

    def state(self, at: datetime) -> str:
        """Return "proposed", "in force", or the kind of its end."""
        if self.is_open:
            return "proposed"
        return "in force" if self.is_in_force(at) else self.ended_as or "over"


def select_penalties(connection: Connection, *conditions: ColumnElement[bool]) -> list[Penalty]:
    """Return the penalties that meet all conditions, in order."""
    query = select(penalties).where(*conditions).order_by(penalties.c.penalty_id)
    return [_make_penalty(row) for row in connection.execute(query)]


def get_penalty(connection: Connection, penalty_id: int) -> Penalty:
    """Return one penalty; raise NotFound if there is none."""
    selected = (
        select_penalties(connection, penalties.c.penalty_id == penalty_id) if 0 < penalty_id <= LARGEST_NUMBER else []
    )
    if not selected:
        raise NotFound("penalty", penalty_id, "`ipml enforce penalty list` shows them.")
    return selected[0]


def store_penalties(
    connection: Connection, wanted: Sequence[tuple[Penalty, Sequence[str]]], keys: Keyring
) -> list[int]:
    """Append penalties, each with sentences that explain it, and return their numbers."""
    return append_rows(connection, penalties, [_columns(penalty, sentences, keys) for penalty, sentences in wanted])


def _columns(penalty: Penalty, sentences: Sequence[str], keys: Keyring) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: getattr(penalty, name) for name in Penalty.__slots__ if name not in ("penalty_id", "size")
    }
    fields |= {"kind": penalty.kind.value, "listings": penalty.size.listings, "age_days": penalty.size.age_days}
    words = json.dumps(list(sentences))
    return fields | {"why": keys.encrypt(penalty.pseudonym, words) if penalty.pseudonym in keys else ""}


def describe_change(
    penalty: Penalty, action: str, by: str, at: datetime, encrypted: str | None = None
) -> audit.AuditEvent:
    """Return the audit event of a change, with the digest of its reason."""
    payload: dict[str, audit.Value] = {
        "seller": penalty.pseudonym,
        "strike": penalty.strike_id,
        "kind": penalty.kind.value,
        "weight": round(penalty.weight, 6),
        "policy": penalty.policy_digest,
        **({} if penalty.ended_as is None else {"ended": penalty.ended_as}),
        **({"encrypted": digest(encrypted)} if encrypted else {}),
    }
    return audit.AuditEvent(at, by, action, penalty.subject, payload)


def change_penalty(connection: Connection, penalty: Penalty, why: str = "", **columns: Any) -> Penalty:
    """Update columns of a penalty and return it; `why` is stored as the reason of its end."""
    if why:
        columns["why_ended"] = encrypt_words(connection, penalty.pseudonym, why)
    connection.execute(update(penalties).where(penalties.c.penalty_id == penalty.penalty_id).values(columns))
    return get_penalty(connection, penalty.penalty_id)


@dataclass(frozen=True, slots=True)
class Explained:
    """Sentences that explain a penalty, and the reasons of its confirmation and end; "" if none was given."""

    sentences: tuple[str, ...]
    why_confirmed: str
    why_ended: str


def explain_penalties(connection: Connection, penalty_ids: Collection[int]) -> dict[int, Explained | None]:
    """Return the reasons of penalties by number; None if the seller was erased."""
    if not penalty_ids:
        return {}
    rows = connection.execute(select(penalties).where(penalties.c.penalty_id.in_(penalty_ids))).all()
    keys = read_keys(connection, [row.pseudonym for row in rows])
    return {row.penalty_id: _explain(row, keys) if row.pseudonym in keys else None for row in rows}


def _explain(row: Row[Any], keys: Keyring) -> Explained:
    reasons = [keys.decrypt(row.pseudonym, why) if why else "" for why in (row.why_confirmed, row.why_ended)]
    return Explained(tuple(json.loads(keys.decrypt(row.pseudonym, row.why))), *reasons)


def encrypt_words(connection: Connection, pseudonym: str, words: str) -> str:
    """Return a text encrypted with a seller's key, or "" if the seller was erased."""
    with suppress(SellerErased):
        return encrypt(connection, pseudonym, words)
    return ""


def _make_penalty(row: Row[Any]) -> Penalty:
    columns = dict(row._mapping)
    fields = {name: columns[name] for name in Penalty.__slots__ if name != "size"}
    return Penalty(**fields | {"kind": PenaltyKind(row.kind)}, size=Size(row.listings, row.age_days))


def draft_imposed(penalty: Penalty, rung: Rung, at: datetime, keys: Keyring) -> outbox.Draft:
    """Return the message that asks the platform to apply a penalty."""
    until = write_moment(penalty.until) if penalty.until else None
    return _draft(penalty, "imposed", {"do": rung.platform, "until": until}, at, keys)


def tell_ended(connection: Connection, penalty: Penalty, at: datetime) -> None:
    """Ask the platform to undo a penalty."""
    keys = read_keys(connection, [penalty.pseudonym])
    draft = _draft(penalty, "lifted", {"because": penalty.ended_as}, at, keys)
    outbox.put_all(connection, [draft], keys)


def _draft(penalty: Penalty, change: str, content: dict[str, Any], at: datetime, keys: Keyring) -> outbox.Draft:
    seller = keys.find_seller(penalty.pseudonym)
    body = {
        "penalty": penalty.penalty_id,
        "kind": penalty.kind.value,
        "seller_id": seller,
        "at": write_moment(at),
        **content,
    }
    key = outbox.make_key(f"penalty-{penalty.penalty_id}-{change}")
    kind = "penalty" if change == "imposed" else "penalty_lifted"
    encrypted_for = None if seller is None else penalty.pseudonym
    return outbox.Draft(key, "platform", kind, penalty.subject, body, encrypted_for, at)


TAKEN_BACK = "taken back"
BY_ITSELF = "ipml"


@dataclass(frozen=True, slots=True)
class Steps:
    """Rungs to be imposed and proposed now, or None."""

    imposed: int | None
    proposed: int | None


def find_steps(standing: SellerStanding, before: Collection[Penalty], at: datetime) -> Steps:
    """Return the rungs of a standing that are harder than every penalty in force or proposed."""
    in_force = _hardest_rung(before, at)
    imposed = standing.due if standing.due > in_force else None
    is_asked = any(penalty.is_open and penalty.rung > standing.due for penalty in before)
    is_new = standing.proposed > max(standing.due, in_force) and not is_asked
    return Steps(imposed, standing.proposed if is_new else None)


@dataclass(frozen=True, slots=True)
class AppliedRules:
    """Penalty rules of a policy, applied at a time."""

    rules: PenaltyRules
    policy_digest: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PenaltyStep:
    """A change of a penalty: "imposed" or "proposed", with explaining sentences, or a proposal that is "over"."""

    what: str
    penalty: Penalty
    sentences: tuple[str, ...] = ()


def take_steps(
    strike: Strike, strikes: Sequence[Strike], before: Sequence[Penalty], rules: PenaltyRules, digest: str
) -> list[PenaltyStep]:
    """Return the changes caused by the last of a seller's strikes; new penalties have no number yet."""
    applied = AppliedRules(rules, digest, strike.struck_at)
    return _make_steps(strike, find_standing(strikes, list_told(before), rules, applied.at), before, applied)


def take_over(
    strikes: Collection[Strike], before: Sequence[Penalty], lost: Collection[Penalty], applied: AppliedRules
) -> list[PenaltyStep]:
    """Return the penalties justified by the remaining strikes in place of penalties just taken back.

    They are no harder and last no longer than the ones they replace, so a lost strike makes nothing worse. Penalties
    that a person lifted or dismissed, or that were over, do not return. `before` are the seller's penalties now;
    `lost` are those in force or proposed until now, in their former state.
    """
    left = [strike for strike in strikes if strike.counts_at(applied.at)]
    if not left or not lost:
        return []
    held = [penalty for penalty in lost if not penalty.is_open]
    most_due = max((penalty.rung for penalty in held), default=NO_RUNG)
    most = max(penalty.rung for penalty in lost)
    present = find_standing(left, list_told(before), applied.rules, applied.at)
    standing = replace(present, due=min(present.due, most_due), proposed=min(present.proposed, most))
    last = max(left, key=lambda strike: strike.strike_id)
    return [_end_with(step, held) for step in _make_steps(last, standing, before, applied)]


def _end_with(step: PenaltyStep, held: Collection[Penalty]) -> PenaltyStep:
    """Limit the end of a replacing penalty to the last end of those at least as hard."""
    ends = [penalty.until for penalty in held if penalty.rung >= step.penalty.rung]
    fixed = [end for end in (*ends, step.penalty.until) if end is not None]
    if step.what != "imposed" or None in ends or not fixed:
        return step
    last = max(end for end in ends if end is not None)
    return replace(step, penalty=replace(step.penalty, until=min(last, step.penalty.until or last)))


def _make_steps(
    strike: Strike, standing: SellerStanding, before: Sequence[Penalty], applied: AppliedRules
) -> list[PenaltyStep]:
    at = applied.at
    steps = find_steps(standing, before, at)
    taken: list[PenaltyStep] = []
    if steps.imposed is not None:
        taken += [  # open proposals that it supersedes
            PenaltyStep("over", replace(penalty, ended_as="over", ended_at=at, ended_by=BY_ITSELF))
            for penalty in before
            if penalty.is_open and penalty.rung <= steps.imposed
        ]
        imposed = impose(_make_proposal(strike, standing, steps.imposed, applied), BY_ITSELF, at, applied.rules)
        taken.append(PenaltyStep("imposed", imposed, standing.sentences))
    if steps.proposed is not None:
        proposed = _make_proposal(strike, standing, steps.proposed, applied)
        taken.append(PenaltyStep("proposed", proposed, standing.sentences))
    return taken


def after_steps(before: Sequence[Penalty], taken: Sequence[PenaltyStep]) -> list[Penalty]:
    """Return a seller's penalties after some changes, in order."""
    over = {name_penalty(step.penalty): step.penalty for step in taken if step.what == "over"}
    kept = [over.get(name_penalty(penalty), penalty) for penalty in before]
    return kept + [step.penalty for step in taken if step.what != "over"]


def name_penalty(penalty: Penalty) -> tuple[int, int]:
    """Return the identity of a penalty that may have no number yet: last strike and rung."""
    return penalty.strike_id, penalty.rung


def is_settled(
    most_weight: float, last_seen: datetime, before: Collection[Penalty], rules: PenaltyRules, at: datetime
) -> bool:
    """Return whether strikes surely change nothing, judged by their total weight; if False, read them one by one.

    This makes a sweep over thousands of listings of one seller quick once the seller is warned and a lead is asked.
    `most_weight` is an upper bound of the offences' weight; `last_seen` is the last sighting of a listing online.
    """
    if not rules.ladder:
        return True
    in_force, top = _hardest_rung(before, at), len(rules.ladder) - 1
    cap = find_cap(last_seen, list_remembered(list_told(before), rules, at), rules)
    by_weight = rules.rung_at(most_weight)
    if in_force < without_person(min(cap, by_weight + 1, top), rules):
        return False
    highest = top if most_weight >= rules.flagrant_weight else min(by_weight + 1, cap, top)
    return highest <= in_force or any(penalty.is_open and penalty.rung > in_force for penalty in before)


def _hardest_rung(before: Collection[Penalty], at: datetime) -> int:
    return max((penalty.rung for penalty in before if penalty.is_in_force(at)), default=NO_RUNG)


def _make_proposal(strike: Strike, standing: SellerStanding, rung: int, applied: AppliedRules) -> Penalty:
    """Return the proposed penalty of a rung, without a number yet."""
    return Penalty(
        penalty_id=0,
        pseudonym=strike.pseudonym,
        strike_id=strike.strike_id,
        kind=applied.rules.ladder[rung].kind,
        rung=rung,
        weight=standing.weight,
        size=standing.size,
        policy_digest=applied.policy_digest,
        proposed_at=applied.at,
    )


def impose(penalty: Penalty, by: str, at: datetime, rules: PenaltyRules) -> Penalty:
    """Return a proposal as imposed by a person or the policy."""
    days = rules.ladder[penalty.rung].days
    return replace(penalty, imposed_by=by, imposed_at=at, until=None if days is None else at + timedelta(days=days))


def list_told(before: Collection[Penalty]) -> list[ImposedPenalty]:
    """Return the penalties notified to a seller, except those whose strikes were taken back."""
    return [
        ImposedPenalty(penalty.rung, penalty.imposed_at)
        for penalty in before
        if penalty.imposed_at and penalty.ended_as != TAKEN_BACK
    ]


def find_uncarried(
    strikes: Sequence[Strike], before: Sequence[Penalty], rules_of: Mapping[str, PenaltyRules], since: datetime
) -> Iterator[Penalty]:
    """Yield the penalties that the remaining strikes would not have caused, in order.

    Each is evaluated as of its proposal, under the policy and the seller's size of that time; a penalty that is
    taken back is no notice for later ones. `since` is the time of the last strike taken back, which carries no earlier
    penalty.
    """
    left = [strike for strike in strikes if strike.taken_back_at is None]
    reported: list[ImposedPenalty] = []
    for penalty in before:
        if penalty.ended_as == TAKEN_BACK:
            continue
        if penalty.proposed_at >= since and not _is_carried(penalty, left, reported, rules_of[penalty.policy_digest]):
            yield penalty
        elif penalty.imposed_at is not None:
            reported.append(ImposedPenalty(penalty.rung, penalty.imposed_at))


def _is_carried(
    penalty: Penalty, left: Sequence[Strike], reported: Sequence[ImposedPenalty], rules: PenaltyRules
) -> bool:
    earlier = [imposed for imposed in reported if imposed.imposed_at <= penalty.proposed_at]
    standing = find_standing(left, earlier, rules, penalty.proposed_at, penalty.size)
    return penalty.rung <= (standing.due if penalty.imposed_by == BY_ITSELF else standing.proposed)
