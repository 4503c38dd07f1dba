"""Penalties as they are stored (proposed, imposed, ended), and the steps by which a seller's standing changes them.

A step says what is imposed, what is proposed, and which penalties no strikes carry any more. What the platform is told
names each penalty by its number, and a seller who was erased by nothing else.
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
    """What is done to a seller, or proposed to a lead.

    Attributes
    ----------
    strike_id : int
        The last of the strikes that led to it.
    rung : int
        Its place on the ladder of its policy, the lowest being 0.
    weight : float
        Of the strikes when it was proposed.
    size : Size
        Of the seller then.
    imposed_by, imposed_at
        "ipml" where it followed by itself; None while a person must confirm it.
    until : datetime or None
        When it ends by itself.
    ended_as : str or None
        "taken back" (its strikes were), "lifted" (by a person), "dismissed" (never imposed) or "over".
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
        """Say whether it holds at a moment."""
        begun = self.imposed_at is not None and self.imposed_at <= at
        return begun and all(end is None or end > at for end in (self.until, self.ended_at))

    @property
    def is_open(self) -> bool:
        """Whether a person has yet to confirm or dismiss it."""
        return self.imposed_at is None and self.ended_at is None

    @property
    def subject(self) -> str:
        """Its name in the audit trail and in the outbox."""
        return f"penalty:{self.penalty_id}"

    def state(self, at: datetime) -> str:
        """Return "proposed", "in force", or how it ended."""
        if self.is_open:
            return "proposed"
        return "in force" if self.is_in_force(at) else self.ended_as or "over"


def select_penalties(connection: Connection, *conditions: ColumnElement[bool]) -> list[Penalty]:
    """Return the penalties that meet all conditions, in order."""
    query = select(penalties).where(*conditions).order_by(penalties.c.penalty_id)
    return [_make_penalty(row) for row in connection.execute(query)]


def get_penalty(connection: Connection, penalty_id: int) -> Penalty:
    """Return one penalty; NotFound if there is none of that number."""
    found = (
        select_penalties(connection, penalties.c.penalty_id == penalty_id) if 0 < penalty_id <= LARGEST_NUMBER else []
    )
    if not found:
        raise NotFound("penalty", penalty_id, "`ipml enforce penalty list` shows them.")
    return found[0]


def store_penalties(
    connection: Connection, wanted: Sequence[tuple[Penalty, Sequence[str]]], keys: Keyring
) -> list[int]:
    """Append penalties, each with the sentences that say how it came about, and return their numbers."""
    return append_rows(connection, penalties, [_columns(penalty, said, keys) for penalty, said in wanted])


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
    """Return what the audit trail says of what was done with a penalty, and why by its digest."""
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
    """Give columns of a penalty new values, and return it as it is then; with `why`, say why it ended."""
    if why:
        columns["why_ended"] = encrypt_words(connection, penalty.pseudonym, why)
    connection.execute(update(penalties).where(penalties.c.penalty_id == penalty.penalty_id).values(columns))
    return get_penalty(connection, penalty.penalty_id)


@dataclass(frozen=True, slots=True)
class Explained:
    """How a penalty came about in sentences, why a person confirmed it, and why it ended; "" where nobody said."""

    sentences: tuple[str, ...]
    why_confirmed: str
    why_ended: str


def explain_penalty(connection: Connection, penalty_id: int) -> Explained | None:
    """Return why there is a penalty, and why it ended; None where its seller was erased."""
    found = explain_penalties(connection, [penalty_id])
    if not found:
        raise NotFound("penalty", penalty_id, "`ipml enforce penalty list` shows them.")
    return found[penalty_id]


def explain_penalties(connection: Connection, penalty_ids: Collection[int]) -> dict[int, Explained | None]:
    """Return what `explain_penalty` does for each of some penalties, by their numbers."""
    if not penalty_ids:
        return {}
    rows = connection.execute(select(penalties).where(penalties.c.penalty_id.in_(penalty_ids))).all()
    keys = read_keys(connection, [row.pseudonym for row in rows])
    return {row.penalty_id: _explain(row, keys) if row.pseudonym in keys else None for row in rows}


def _explain(row: Row[Any], keys: Keyring) -> Explained:
    said = [keys.decrypt(row.pseudonym, why) if why else "" for why in (row.why_confirmed, row.why_ended)]
    return Explained(tuple(json.loads(keys.decrypt(row.pseudonym, row.why))), *said)


def encrypt_words(connection: Connection, pseudonym: str, words: str) -> str:
    """Return words encrypted with a seller's key, or nothing where the seller was erased."""
    with suppress(SellerErased):
        return encrypt(connection, pseudonym, words)
    return ""


def _make_penalty(row: Row[Any]) -> Penalty:
    columns = dict(row._mapping)
    fields = {name: columns[name] for name in Penalty.__slots__ if name != "size"}
    return Penalty(**fields | {"kind": PenaltyKind(row.kind)}, size=Size(row.listings, row.age_days))


def draft_imposed(penalty: Penalty, rung: Rung, at: datetime, keys: Keyring) -> outbox.Draft:
    """Return the message that asks the platform to do what a penalty says."""
    until = write_moment(penalty.until) if penalty.until else None
    return _draft(penalty, "penalty", "imposed", {"do": rung.platform, "until": until}, at, keys)


def tell_ended(connection: Connection, penalty: Penalty, at: datetime) -> None:
    """Ask the platform to undo what a penalty did."""
    keys = read_keys(connection, [penalty.pseudonym])
    draft = _draft(penalty, "penalty_lifted", "lifted", {"because": penalty.ended_as}, at, keys)
    outbox.put_all(connection, [draft], keys)


def _draft(
    penalty: Penalty, kind: str, what: str, content: dict[str, Any], at: datetime, keys: Keyring
) -> outbox.Draft:
    seller = keys.find_seller(penalty.pseudonym)
    body = {
        "penalty": penalty.penalty_id,
        "kind": penalty.kind.value,
        "seller_id": seller,
        "at": write_moment(at),
        **content,
    }
    key = outbox.make_key(f"penalty-{penalty.penalty_id}-{what}")
    encrypted_for = None if seller is None else penalty.pseudonym
    return outbox.Draft(key, "platform", kind, penalty.subject, body, encrypted_for, at)


TAKEN_BACK = "taken back"
BY_ITSELF = "ipml"


@dataclass(frozen=True, slots=True)
class Steps:
    """Places of the rungs that are imposed and proposed now; None: none."""

    imposed: int | None
    proposed: int | None


def find_steps(standing: SellerStanding, before: Collection[Penalty], at: datetime) -> Steps:
    """Return what is new in a standing: what is harder than all that holds already."""
    in_force = _hardest_rung(before, at)
    imposed = standing.due if standing.due > in_force else None
    is_asked = any(one.is_open and one.rung > standing.due for one in before)
    is_new = standing.proposed > max(standing.due, in_force) and not is_asked
    return Steps(imposed, standing.proposed if is_new else None)


@dataclass(frozen=True, slots=True)
class PenaltyStep:
    """What becomes of a penalty: it is "imposed" or "proposed", as `sentences` say, or a proposal that is "over"."""

    what: str
    penalty: Penalty
    sentences: tuple[str, ...] = ()


def take_steps(
    strike: Strike, strikes: Sequence[Strike], before: Sequence[Penalty], rules: PenaltyRules, digest: str
) -> list[PenaltyStep]:
    """Return what a strike leads to where it is the last of a seller's strikes; new penalties have no number yet."""
    at = strike.struck_at
    return _make_steps(strike, find_standing(strikes, list_told(before), rules, at), before, rules, digest, at)


def take_over(
    strikes: Collection[Strike],
    before: Sequence[Penalty],
    lost: Collection[Penalty],
    rules: PenaltyRules,
    digest: str,
    at: datetime,
) -> list[PenaltyStep]:
    """Return what the strikes that still stand carry in the place of penalties that a moment ago were taken back.

    It is no harder than what it takes the place of, and lasts no longer: to lose a strike makes nothing worse. What a
    person lifted or dismissed, or what was over, does not come back.

    Parameters
    ----------
    before : sequence of Penalty
        Of the seller, as they are now.
    lost : collection of Penalty
        Those that were in force or proposed until now, as they were.
    """
    left = [strike for strike in strikes if strike.counts_at(at)]
    if not left or not lost:
        return []
    held = [one for one in lost if not one.is_open]
    most_due = max((one.rung for one in held), default=NO_RUNG)
    most = max(one.rung for one in lost)
    found = find_standing(left, list_told(before), rules, at)
    standing = replace(found, due=min(found.due, most_due), proposed=min(found.proposed, most))
    last = max(left, key=lambda strike: strike.strike_id)
    return [_end_with(step, held) for step in _make_steps(last, standing, before, rules, digest, at)]


def _end_with(step: PenaltyStep, held: Collection[Penalty]) -> PenaltyStep:
    """Let what takes the place of penalties end with the last of those that were as hard."""
    ends = [one.until for one in held if one.rung >= step.penalty.rung]
    known = [end for end in (*ends, step.penalty.until) if end is not None]
    if step.what != "imposed" or None in ends or not known:
        return step
    last = max(end for end in ends if end is not None)
    return replace(step, penalty=replace(step.penalty, until=min(last, step.penalty.until or last)))


def _make_steps(
    strike: Strike, standing: SellerStanding, before: Sequence[Penalty], rules: PenaltyRules, digest: str, at: datetime
) -> list[PenaltyStep]:
    found = find_steps(standing, before, at)
    taken: list[PenaltyStep] = []
    if found.imposed is not None:
        taken += [  # the open proposals that it makes needless
            PenaltyStep("over", replace(one, ended_as="over", ended_at=at, ended_by=BY_ITSELF))
            for one in before
            if one.is_open and one.rung <= found.imposed
        ]
        imposed = impose(make_penalty(strike, standing, found.imposed, rules, digest, at), BY_ITSELF, at, rules)
        taken.append(PenaltyStep("imposed", imposed, standing.sentences))
    if found.proposed is not None:
        proposed = make_penalty(strike, standing, found.proposed, rules, digest, at)
        taken.append(PenaltyStep("proposed", proposed, standing.sentences))
    return taken


def after_steps(before: Sequence[Penalty], taken: Sequence[PenaltyStep]) -> list[Penalty]:
    """Return a seller's penalties as they are once some steps were taken, in order."""
    over = {name_penalty(step.penalty): step.penalty for step in taken if step.what == "over"}
    kept = [over.get(name_penalty(one), one) for one in before]
    return kept + [step.penalty for step in taken if step.what != "over"]


def name_penalty(penalty: Penalty) -> tuple[int, int]:
    """Return what tells a penalty from every other, even while it has no number: its last strike, and its rung."""
    return penalty.strike_id, penalty.rung


def is_settled(
    most_weight: float, last_seen: datetime, before: Collection[Penalty], rules: PenaltyRules, at: datetime
) -> bool:
    """Say, without looking at strikes one by one, whether they surely change nothing; else they must be looked at.

    A sweep may find thousands of listings of one seller: once they are warned and a lead is asked, the rest is quick.

    Parameters
    ----------
    most_weight : float
        The offences weigh together no more than this.
    last_seen : datetime
        When the last of the listings was seen up.
    """
    if not rules.ladder:
        return True
    in_force, top = _hardest_rung(before, at), len(rules.ladder) - 1
    cap = find_cap(last_seen, list_remembered(list_told(before), rules, at), rules)
    by_weight = rules.rung_at(most_weight)
    if in_force < without_person(min(cap, by_weight + 1, top), rules):
        return False
    highest = top if most_weight >= rules.flagrant_weight else min(by_weight + 1, cap, top)
    return highest <= in_force or any(one.is_open and one.rung > in_force for one in before)


def _hardest_rung(before: Collection[Penalty], at: datetime) -> int:
    return max((one.rung for one in before if one.is_in_force(at)), default=NO_RUNG)


def make_penalty(
    strike: Strike, standing: SellerStanding, rung: int, rules: PenaltyRules, digest: str, at: datetime
) -> Penalty:
    """Return the penalty of a rung as a proposal, with no number yet."""
    content = (strike.pseudonym, strike.strike_id, rules.ladder[rung].kind, rung, standing.weight, standing.size)
    return Penalty(0, *content, digest, at)


def impose(penalty: Penalty, by: str, at: datetime, rules: PenaltyRules) -> Penalty:
    """Return a proposal as it is once somebody, or the policy, has imposed it."""
    days = rules.ladder[penalty.rung].days
    return replace(penalty, imposed_by=by, imposed_at=at, until=None if days is None else at + timedelta(days=days))


def list_told(before: Collection[Penalty]) -> list[ImposedPenalty]:
    """Return the penalties that a seller was told of, but for those whose strikes were taken back."""
    return [ImposedPenalty(one.rung, one.imposed_at) for one in before if one.imposed_at and one.ended_as != TAKEN_BACK]


def find_uncarried(
    strikes: Sequence[Strike], before: Sequence[Penalty], rules_of: Mapping[str, PenaltyRules], since: datetime
) -> Iterator[Penalty]:
    """Give the penalties that would not have come about by the strikes that still stand, in order.

    Each is looked at as of the moment it was proposed, under the policy of then and with what was known of the seller
    then; a penalty that goes is no notice for those after it.

    Parameters
    ----------
    since : datetime
        When the strike was made that was taken back last: it carries no penalty from before.
    """
    left = [strike for strike in strikes if strike.taken_back_at is None]
    told: list[ImposedPenalty] = []
    for penalty in before:
        if penalty.ended_as == TAKEN_BACK:
            continue
        if penalty.proposed_at >= since and not _is_carried(penalty, left, told, rules_of[penalty.policy_digest]):
            yield penalty
        elif penalty.imposed_at is not None:
            told.append(ImposedPenalty(penalty.rung, penalty.imposed_at))


def _is_carried(penalty: Penalty, left: Sequence[Strike], told: Sequence[ImposedPenalty], rules: PenaltyRules) -> bool:
    earlier = [one for one in told if one.imposed_at <= penalty.proposed_at]
    standing = find_standing(left, earlier, rules, penalty.proposed_at, penalty.size)
    return penalty.rung <= (standing.due if penalty.imposed_by == BY_ITSELF else standing.proposed)
