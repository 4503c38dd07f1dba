"""Filings: accepts and withdraws appeals, which are free and open until the expiry of their deadline is recorded.

A request that is sent again returns the same appeal. The deadline begins with the delivery of the statement of reasons,
whose letter has the restriction's subject in the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from sqlalchemy import Connection, exists, func, insert, select

from ipml.enforcement.appeals.appeal import (
    FAVOURABLE,
    PENDING,
    Appeal,
    AppealEvent,
    AppealOutcome,
    AppealState,
    find_appeal,
    make_appeal,
    move,
    next_state,
    store_outcome,
)
from ipml.enforcement.appeals.letters import AppealLetter, pass_on, write_seller
from ipml.enforcement.appeals.remedies import Restricted, find_restricted
from ipml.enforcement.deadlines.deadlines import (
    Deadline,
    DeadlineStart,
    DeadlineState,
    find_deadlines,
    open_deadline,
    start_deadlines,
    stop,
)
from ipml.enforcement.deadlines.terms import Kind, TermsProfile
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.takedown.handed_over import read_listing
from ipml.errors import Conflict, KeyReused, NotFound, UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import find_case
from ipml.review.worklists.inbox import MessageKind, send_to_decider
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import decrypt, encrypt, find_pseudonym, pseudonym_of, refuse_while_erased
from ipml.storage.tables import appeals, deadlines, outbox

COMPLAINT, COUNTER_NOTICE = "complaint window", "counter-notice window"
"""Stages of a restriction's deadlines; the second one exists only if it differs from the first."""

_SLACK = timedelta(days=3)  # for deadlines that were wrong when messages were delivered


def find_newly_notified(
    connection: Connection, now: datetime, at_most: int, among: Sequence[str] | None = None
) -> list[tuple[str, datetime]]:
    """Return subject and delivery time of restrictions whose sellers were notified but whose deadlines have not begun.

    Deadlines are begun in order of delivery, so older deliveries are skipped. `among` restricts the search to subjects.
    """
    latest = connection.scalar(select(func.max(deadlines.c.since)).where(deadlines.c.stage == COMPLAINT))
    has_deadline = exists().where(deadlines.c.subject == outbox.c.subject)
    query = select(outbox.c.subject, outbox.c.settled_at).where(*_is_delivered(), ~has_deadline)
    if latest is not None:
        query = query.where(outbox.c.settled_at >= min(latest, now) - _SLACK)
    if among is not None:
        query = query.where(outbox.c.subject.in_(among))
    rows = connection.execute(query.order_by(outbox.c.settled_at, outbox.c.message_id).limit(at_most))
    return [(row.subject, row.settled_at) for row in rows]


def _is_delivered() -> tuple[Any, ...]:
    return outbox.c.channel == "seller", outbox.c.kind == "statement", outbox.c.state == "delivered"


LONGEST_TEXT = 20_000
_LONGEST_KEY = 255
_SELLER = "seller"
_EXAMINED = (*FAVOURABLE, AppealState.REJECTED)


@dataclass(frozen=True, slots=True)
class AppealRequest:
    """An appeal as a seller files it.

    - `about`: "measure:12", "penalty:3", "case:7" or the number of a case.
    - `text`: 1 to 20,000 characters.
    - `profile`: by default the one named in the seller's letter, else the one for the listing's country.
    - `key`: a request with a key sent before returns the same appeal.
    - `by`: person who files for the seller, for the audit trail.
    """

    about: str | int
    seller_id: str
    text: str
    kind: Kind = "complaint"
    profile: str | None = None
    key: str | None = None
    by: str | None = None


def file_appeal(
    connection: Connection, request: AppealRequest, rules: AppealRules, *, now: datetime | None = None
) -> Appeal:
    """File an appeal of a seller against a restriction.

    Raises NotFound if no such restriction is in force against this seller; Conflict if its deadline has expired and
    that was recorded, an appeal against it is pending or was decided by a person, or the erasure of the seller has
    begun; UnstorableValue or KeyReused if text or key cannot be accepted.
    """
    _check(request)
    now, kind = now or datetime.now(UTC), request.kind
    if earlier := _find_sent(connection, request):
        return earlier
    restricted = find_restricted(connection, request.about, request.seller_id)
    windows = find_deadlines(connection, restricted.subject, lock=True)
    find_case(connection, restricted.case_id, lock=True)
    listing = read_listing(connection, restricted.case_id, restricted.decision_id)
    if earlier := _find_sent(connection, request):
        return earlier  # it was sent twice at once
    pseudonym = pseudonym_of(connection, request.seller_id, now=now)
    refuse_while_erased(connection, pseudonym)
    _refuse_second(connection, restricted, pseudonym)
    _refuse_late(restricted.subject, kind, windows)
    window = _find_window(windows, kind)
    name = request.profile or (window.profile if window else rules.profile_for(listing.country).name)
    profile = rules.load_profile(name)
    event = AppealEvent.COUNTERED if kind == "counter-notice" and profile.holder else AppealEvent.COMPLAINED
    restriction = (restricted.subject, restricted.case_id, restricted.decision_id)
    filed = Appeal(0, *restriction, pseudonym, kind, profile.name, next_state(0, None, event), now)
    appeal = _keep(connection, filed, request)
    source = appeal.case_id, appeal.appeal_id
    send_to_decider(connection, appeal.decision_id, MessageKind.APPEAL, source, at=now)
    goes_to_holder = appeal.state is AppealState.WITH_HOLDER
    _start(connection, appeal, profile, now)
    write_seller(
        connection, appeal, AppealLetter("receipt_holder" if goes_to_holder else "receipt", listing, now), rules
    )
    if goes_to_holder:
        pass_on(connection, appeal, request.text, listing, profile)
    return appeal


def find_open_kinds(connection: Connection, about: str, seller_id: str, rules: AppealRules) -> list[Kind]:
    """Return the kinds of appeal that a seller may file against a restriction now; a counter-notice needs a holder."""
    try:
        restricted = find_restricted(connection, about, seller_id)
        _refuse_second(connection, restricted, find_pseudonym(connection, seller_id) or "")
    except (Conflict, NotFound):
        return []
    windows = find_deadlines(connection, restricted.subject)
    profile = _find_profile(connection, restricted, _find_window(windows, "complaint"), rules)
    is_of_listing = profile.holder is not None and not restricted.subject.startswith("penalty:")
    kinds: tuple[Kind, ...] = ("complaint", "counter-notice") if is_of_listing else ("complaint",)
    late = DeadlineState.EXPIRED
    return [kind for kind in kinds if (window := _find_window(windows, kind)) is None or window.state is not late]


def _find_profile(
    connection: Connection, restricted: Restricted, window: Deadline | None, rules: AppealRules
) -> TermsProfile:
    if window is not None:
        return rules.load_profile(window.profile)
    return rules.profile_for(read_listing(connection, restricted.case_id, restricted.decision_id).country)


def withdraw_appeal(
    connection: Connection, appeal_id: int, seller_id: str, rules: AppealRules, *, now: datetime | None = None
) -> Appeal:
    """Withdraw an appeal; the seller may file another until the deadline has passed.

    Raises NotFound if there is no such appeal of this seller; IllegalStep if the appeal has ended.
    """
    now = now or datetime.now(UTC)
    running = find_deadlines(connection, f"appeal:{appeal_id}", lock=True)
    appeal = find_appeal(connection, appeal_id, lock=True)
    if appeal.pseudonym != find_pseudonym(connection, seller_id):
        raise NotFound("appeal", appeal_id, "The page Appeals lists them.")
    appeal = move(connection, appeal, AppealEvent.WITHDRAWN)
    stop_all(connection, running, _SELLER, now)
    store_outcome(connection, appeal, AppealOutcome(appeal.state, _SELLER, now, ""))
    listing = read_listing(connection, appeal.case_id, appeal.decision_id)
    write_seller(connection, appeal, AppealLetter("withdrawn", listing, now), rules)
    return appeal


def stop_all(connection: Connection, running: dict[str, Deadline], by: str, at: datetime) -> None:
    """Stop the running deadlines of an appeal."""
    for deadline in running.values():
        if not deadline.has_ended:
            stop(connection, deadline, by, at)


def _check(request: AppealRequest) -> None:
    if request.kind not in get_args(Kind):
        raise UnstorableValue("kind", repr(request.kind[:80]), " or ".join(get_args(Kind)))
    check_text("text", request.text, LONGEST_TEXT)
    check_text("key", request.key or "", _LONGEST_KEY)
    if not request.text.strip():
        raise UnstorableValue("text", "nothing", "what speaks against the restriction")


def _find_sent(connection: Connection, request: AppealRequest) -> Appeal | None:
    """Return the appeal with the same key of the same seller; raise KeyReused if its content differs."""
    pseudonym, key = find_pseudonym(connection, request.seller_id), request.key
    if not key or pseudonym is None:
        return None
    query = select(appeals).where(appeals.c.pseudonym == pseudonym, appeals.c.key == digest(key))
    row = connection.execute(query).first()
    if row is None:
        return None
    subject = f"case:{request.about}" if isinstance(request.about, int) else request.about
    is_same = row.kind == request.kind and subject in (row.subject, f"case:{row.case_id}")
    if not is_same or decrypt(connection, pseudonym, row.text) != request.text:
        raise KeyReused(key, f"decision, on case {row.case_id}")
    return make_appeal(row)


def _refuse_second(connection: Connection, restricted: Restricted, pseudonym: str) -> None:
    """Refuse a second appeal of a seller if the first is pending or a person decided it."""
    same = appeals.c.subject == restricted.subject, appeals.c.decision_id == restricted.decision_id
    query = select(appeals).where(*same, appeals.c.pseudonym == pseudonym, appeals.c.state.in_([*PENDING, *_EXAMINED]))
    for row in connection.execute(query.order_by(appeals.c.appeal_id)):
        remedy = "Wait for its outcome." if row.state in PENDING else "A court is open to you."
        raise Conflict(restricted.subject, f"appeal {row.appeal_id} against it is {row.state}", remedy)


def _refuse_late(subject: str, kind: str, windows: dict[str, Deadline]) -> None:
    """Refuse a filing after the recorded expiry of its deadline; earlier filings are in time."""
    window, other = _find_window(windows, kind), windows.get(COMPLAINT)
    if window is None or window.state is not DeadlineState.EXPIRED:
        return
    is_open = other is not None and other.state is not DeadlineState.EXPIRED
    remedy = "A complaint is still open." if is_open else "A court is open to you."
    raise Conflict(subject, f"the time for a {kind} is over", remedy)


def _find_window(windows: dict[str, Deadline], kind: str) -> Deadline | None:
    complaint = windows.get(COMPLAINT)
    return complaint if kind == "complaint" else windows.get(COUNTER_NOTICE, complaint)


def _keep(connection: Connection, filed: Appeal, request: AppealRequest) -> Appeal:
    """Store an appeal with the seller's text, and return it with its number."""
    encrypted = encrypt(connection, filed.pseudonym, request.text)
    fields = {name: getattr(filed, name) for name in Appeal.__slots__ if name != "appeal_id"}
    fields |= {"text": encrypted, "key": digest(request.key) if request.key else None}
    number: int = connection.scalars(insert(appeals).values(fields).returning(appeals.c.appeal_id)).one()
    appeal = replace(filed, appeal_id=number)
    payload: dict[str, audit.Value] = {"case": filed.case_id, "decision": filed.decision_id, "against": filed.subject}
    payload |= {"kind": filed.kind, "profile": filed.profile, "encrypted": digest(encrypted)}
    payload |= {"by": request.by} if request.by else {}
    audit.append(connection, _SELLER, "appealed", appeal.name, payload, at=filed.filed_at)
    return appeal


def _start(connection: Connection, appeal: Appeal, profile: TermsProfile, now: datetime) -> None:
    """Start the first deadline; one for a rights holder not yet reached waits for the delivery."""
    stage = "holder" if appeal.state is AppealState.WITH_HOLDER else "decision"
    if profile.stage(stage).starts == "filed":
        start_deadlines(connection, [DeadlineStart(appeal.name, stage, profile, now)], _SELLER, now)
    else:
        open_deadline(connection, DeadlineStart(appeal.name, stage, profile), _SELLER, now)
