"""The desks of leads: a seller's record and penalties, appeals, notices and those who give them.

A seller's record is reached by one of their cases, so that no address holds a seller's id. Appeals are listed by what
is due; one is shown with all that hangs on it, and decided. Of those who give notice it is said who was right how
often, and what is done about misuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy import Connection, Engine

from ipml.cooperation.notices.status import STATES, count_waiting_by_tier, get_notice_file, list_notices
from ipml.cooperation.notifiers.misuse import MisuseStep, lift, suspend, warn
from ipml.cooperation.notifiers.notifier import appoint, check_document, end_of_day, revoke
from ipml.cooperation.notifiers.tiers import list_rows, read_notifier
from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.actions import confirm_penalty, lift_penalty
from ipml.enforcement.appeal_file import EXPORT_COLUMNS, count_appeals, export_appeals, list_desk, read_desk
from ipml.enforcement.appeals.appeal import AppealState
from ipml.enforcement.appeals.resolution import LONGEST_WHY, claim_appeal, decide_appeal
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.seller_file import MOST, read_seller_file
from ipml.errors import Conflict, Forbidden, IllegalStep, NotFound, SellerErased, UnstorableValue
from ipml.review import queue
from ipml.review.claims import find_hidden
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import NOTIFIER_KINDS
from ipml.web.accounts.login import get_consequences, get_engine, get_policy, get_user
from ipml.web.accounts.permissions import Action
from ipml.web.console.case_list import write_csv
from ipml.web.console.case_page import CaseNumber, FormNumber
from ipml.web.console.charts import make_price_scale, read_seller_card
from ipml.web.console.dashboard import DateRange, FirstDay, LastDay
from ipml.web.console.networks_page import find_network
from ipml.web.phrases import MEASURES, list_choices, tell_term
from ipml.web.responses import render


def show_seller(request: Request, case_id: CaseNumber) -> Response:
    """Show what is known of the seller of a case, what their strikes lead to, and what was done."""
    return _render_seller(request, case_id)


def change_penalty(
    request: Request,
    case_id: CaseNumber,
    penalty: FormNumber,
    to: Annotated[str, Form(pattern="^(confirm|lift)$")],
    why: Annotated[str, Form()] = "",
) -> Response:
    """Confirm a penalty that was proposed, or lift one."""
    name, policy = get_user(request).name, get_policy(request)
    act = confirm_penalty if to == "confirm" else lift_penalty
    try:
        with writing(get_engine(request)) as connection:
            found = read_seller_file(connection, case_id, policy, name)
            if penalty not in [one.given.penalty.penalty_id for one in found.penalties]:
                raise NotFound("penalty", penalty, "`ipml enforce penalty list` shows them.")
            act(connection, penalty, name, why, policy)
    except (Conflict, Forbidden, SellerErased) as error:
        return _render_seller(request, case_id, str(error))
    return RedirectResponse(f"/cases/{case_id}/seller#penalty-{penalty}", HTTPStatus.SEE_OTHER)


def _render_seller(request: Request, case_id: int, message: str = "") -> Response:
    engine, user, policy = get_engine(request), get_user(request), get_policy(request)
    with reading(engine) as connection:
        hidden = find_hidden(connection, user.name)
        file = read_seller_file(connection, case_id, policy, user.name, hidden=hidden)
        sees_networks = user.role.may(Action.HAND_ON_NETWORKS)
        context = {
            "case_id": case_id,
            "file": file,
            "network": find_network(request, file.seller_id, file.pseudonym) if sees_networks else None,
            "seller": read_seller_card(connection, queue.get_case(connection, case_id), hidden),
            "is_lead": user.role.may(Action.CHANGE_PENALTIES),
            "grounds": queue.GROUNDS,
            "most": MOST,
            "message": message,
        }
    return render(request, "seller.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


MOST_APPEALS = 50
PENDING, ALL = "pending", "all"
APPEAL_STATES = (PENDING, *AppealState, ALL)
_APPEAL_STATE = f"^({'|'.join(APPEAL_STATES)})$"
_MEASURE_KIND = f"^(|{'|'.join(MeasureKind)})$"

AppealNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


def show_appeals(request: Request, state: Annotated[str, Query(pattern=_APPEAL_STATE)] = PENDING) -> Response:
    """Show appeals, those first that are due first; of a state, or those that wait for somebody."""
    engine, user = get_engine(request), get_user(request)
    with reading(engine) as connection:
        listed = list_desk(connection, user.name, None if state == PENDING else state, MOST_APPEALS)
        context = {
            "listed": listed,
            "state": state,
            "states": APPEAL_STATES,
            "most": MOST_APPEALS,
            "pending": count_appeals(connection),
        }
    return render(request, "appeals.html", context)


def send_appeals(request: Request) -> Response:
    """Give all appeals as CSV, without anything that sellers wrote."""
    rows = _stream_appeals(get_engine(request))
    headers = {"Content-Disposition": 'attachment; filename="appeals.csv"'}
    return StreamingResponse(write_csv(EXPORT_COLUMNS, rows), media_type="text/csv; charset=utf-8", headers=headers)


def _stream_appeals(engine: Engine) -> Iterator[Mapping[str, Any]]:
    with reading(engine) as connection:
        yield from export_appeals(connection)


def show_appeal(request: Request, appeal_id: AppealNumber) -> Response:
    """Show what the seller says beside the decision and the listing, the terms, and what each outcome would do."""
    return _render_appeal(request, appeal_id)


def take_appeal(request: Request, appeal_id: AppealNumber) -> Response:
    """Take an appeal in hand, so that nobody else decides it meanwhile."""
    try:
        with writing(get_engine(request)) as connection:
            claim_appeal(connection, appeal_id, get_user(request).name, rules=get_policy(request).appeals)
    except (Conflict, Forbidden) as error:
        return _render_appeal(request, appeal_id, str(error))
    return RedirectResponse(f"/appeals/{appeal_id}", HTTPStatus.SEE_OTHER)


def record_appeal_decision(
    request: Request,
    appeal_id: AppealNumber,
    outcome: Annotated[str, Form(max_length=40)],
    why: Annotated[str, Form()] = "",
    measure: Annotated[str, Form(pattern=_MEASURE_KIND)] = "",
) -> Response:
    """Decide an appeal; `measure` is the milder one, where it is granted in part."""
    engine, name = get_engine(request), get_user(request).name
    kind = MeasureKind(measure) if measure and outcome == AppealState.PARTLY_GRANTED else None
    rules = get_policy(request).appeals
    try:
        with writing(engine) as connection:
            decide_appeal(
                connection,
                appeal_id,
                name,
                outcome,
                why,
                measure=kind,
                rules=rules,
                consequences=get_consequences(request),
            )
    except (Conflict, IllegalStep, Forbidden) as error:
        with reading(engine) as connection:
            was_sent_before = _was_sent_before(connection, appeal_id, name, outcome, why)
        if not was_sent_before:
            return _render_appeal(request, appeal_id, str(error), why)
    return RedirectResponse(f"/appeals/{appeal_id}", HTTPStatus.SEE_OTHER)


def _was_sent_before(connection: Connection, appeal_id: int, by: str, outcome: str, why: str) -> bool:
    made = read_desk(connection, appeal_id, by).file.outcome
    return made is not None and (made.decided_by, made.outcome, made.why) == (by, outcome, why)


def _render_appeal(request: Request, appeal_id: int, message: str = "", why: str = "") -> Response:
    engine, user, rules = get_engine(request), get_user(request), get_policy(request).appeals
    with reading(engine) as connection:
        shown = read_desk(connection, appeal_id, user.name)
    scored = shown.file.case.scored
    listing = scored.listing
    context = {
        "shown": shown,
        "scale": make_price_scale(listing.price, listing.currency, scored.price_range),
        "strongest": max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        "heaviest": max((abs(part.weight) for part in scored.highlights), default=0.0),
        "terms": [tell_term(deadline, rules) for deadline in (*shown.file.deadlines, *shown.file.windows)],
        "choices": list_choices(shown, rules),
        "kinds": MEASURES,
        "grounds": queue.GROUNDS,
        "longest_why": LONGEST_WHY,
        "message": message,
        "why": why,
    }
    return render(request, "appeal.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


MOST_NOTICES = 50
LONGEST_REASON = 2_000
_MONTH_DAYS = 365.25 / 12
_NOTICE_STATE = f"^({'|'.join(STATES)})$"
_TAKE: dict[str, Callable[..., MisuseStep]] = {"warn": warn, "suspend": suspend, "lift": lift}

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


def show_notices(request: Request, state: Annotated[str, Query(pattern=_NOTICE_STATE)] = STATES[0]) -> Response:
    """Show notices: those that wait by when they are due, else the newest first."""
    engine = get_engine(request)
    with reading(engine) as connection:
        context = {
            "listed": list_notices(connection, state, MOST_NOTICES),
            "state": state,
            "states": STATES,
            "most": MOST_NOTICES,
            "waiting": count_waiting_by_tier(connection),
        }
    return render(request, "notices.html", context)


def show_notice(request: Request, notice_id: Number) -> Response:
    """Show what a notice says, how each of its listings stands, and who gives it."""
    engine = get_engine(request)
    with reading(engine) as connection:
        file = get_notice_file(connection, notice_id)
        shown = read_notifier(connection, file.notifier_id, _cooperation_policy(request))
    return render(request, "notice.html", {"file": file, "shown": shown})


def show_notifiers(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show who gives notice: first those about whom a step is proposed, then those of whom most waits."""
    policy = _cooperation_policy(request)
    span = DateRange.of(first, last, round(policy.notifiers.months * _MONTH_DAYS))
    within = None if span.is_usual else (span.start, span.end)
    with reading(get_engine(request)) as connection:
        context = {
            "listed": list_rows(connection, policy, MOST_NOTICES, within=within),
            "most": MOST_NOTICES,
            "span": span,
        }
    return render(request, "notifiers.html", context)


def show_notifier(request: Request, notifier_id: Number) -> Response:
    """Show a notifier: record, tier, documents, what was done about misuse, and what may be."""
    return _render_notifier(request, notifier_id)


def take_step(
    request: Request,
    notifier_id: Number,
    kind: Annotated[str, Form(pattern="^(warn|suspend|lift)$")],
    why: Annotated[str, Form(max_length=10 * LONGEST_REASON)] = "",
) -> Response:
    """Warn or suspend a notifier, or lift both; the reasons are for the notifier to read."""
    rules, name = _cooperation_policy(request).notifiers, get_user(request).name
    try:
        with writing(get_engine(request)) as connection:
            _TAKE[kind](connection, notifier_id, name, why, rules=rules)
    except (Conflict, UnstorableValue) as error:
        return _render_notifier(request, notifier_id, str(error), why)
    return RedirectResponse(f"/notifiers/{notifier_id}", HTTPStatus.SEE_OTHER)


def change_appointment(
    request: Request,
    notifier_id: Number,
    kind: Annotated[str, Form(pattern=f"^({'|'.join(NOTIFIER_KINDS)})$")],
    until: Annotated[str, Form(max_length=10)] = "",
    ground: Annotated[str, Form(max_length=10 * LONGEST_REASON)] = "",
    *,
    revokes: Annotated[bool, Form(alias="revoke")] = False,
) -> Response:
    """Appoint a notifier to be of a kind, until the end of a day where one is given; or revoke that."""
    name, now = get_user(request).name, datetime.now(UTC)
    try:
        last_day = date.fromisoformat(until) if until else None
        with writing(get_engine(request)) as connection:
            if revokes:
                revoke(connection, notifier_id, name, ground, now)
            else:
                end = end_of_day(last_day) if last_day else None
                appoint(connection, notifier_id, kind, name, ground, now, until=end)
    except (Conflict, UnstorableValue) as error:
        return _render_notifier(request, notifier_id, str(error), ground=ground)
    except ValueError:
        return _render_notifier(
            request, notifier_id, f"until {until!r}: expected a day such as 2027-05-01.", ground=ground
        )
    return RedirectResponse(f"/notifiers/{notifier_id}", HTTPStatus.SEE_OTHER)


def judge_document(
    request: Request, document_id: Number, is_accepted: Annotated[bool, Form(alias="accepted")]
) -> Response:
    """Say whether a document shows the rights that it is to show."""
    name = get_user(request).name
    with writing(get_engine(request)) as connection:
        document = check_document(connection, document_id, name, is_accepted=is_accepted)
    return RedirectResponse(f"/notifiers/{document.notifier_id}", HTTPStatus.SEE_OTHER)


def _render_notifier(
    request: Request, notifier_id: int, message: str = "", why: str = "", ground: str = ""
) -> Response:
    with reading(get_engine(request)) as connection:
        shown = read_notifier(connection, notifier_id, _cooperation_policy(request))
    context = {"shown": shown, "message": message, "why": why, "ground": ground, "longest_why": LONGEST_REASON}
    context |= {"kinds": NOTIFIER_KINDS, "today": datetime.now(UTC).date()}
    return render(request, "notifier.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


def _cooperation_policy(request: Request) -> CooperationPolicy:
    policy: CooperationPolicy = request.app.state.cooperation
    return policy
