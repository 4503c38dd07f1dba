"""Desks of leads: a seller's record and penalties, appeals, notices and notifiers.

A seller's page is addressed by one of their cases, so no address contains a seller id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Engine

from ipml.cooperation.notices.status import (
    STATES,
    NoticeRow,
    NoticeSearch,
    count_notices,
    count_waiting_by_tier,
    get_notice_file,
    list_notices,
)
from ipml.cooperation.notifiers.misuse import MisuseStep, StepOrder, lift, suspend, warn
from ipml.cooperation.notifiers.notifier import AppointmentOrder, appoint, check_document, end_of_day, revoke
from ipml.cooperation.notifiers.registrations import read_registration
from ipml.cooperation.notifiers.tiers import NotifierRow, list_rows, read_notifier
from ipml.enforcement.actions import ActingLead, confirm_penalty, lift_penalty
from ipml.enforcement.appeals.appeal import AppealState, count_pending
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import LONGEST_WHY, AppealDecision, claim_appeal, decide_appeal
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.views.appeal_file import EXPORT_COLUMNS, export_appeals, list_desk, read_desk
from ipml.enforcement.views.seller_file import MOST, read_seller_file
from ipml.errors import Conflict, Forbidden, IllegalStep, NotFound, SellerErased, UnstorableValue
from ipml.review.cases import get_case
from ipml.review.claims import find_hidden
from ipml.review.corrections import NearDuplicates
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import NOTIFIER_KINDS
from ipml.web.accounts.login import authorised, get_actions, get_cooperation_policy, get_engine, get_policy
from ipml.web.accounts.permissions import Action
from ipml.web.console.case_content import make_figures
from ipml.web.console.case_list import FormNumber, PathNumber
from ipml.web.console.csv_files import send_csv
from ipml.web.console.dashboard import DateRange, FirstDay, LastDay
from ipml.web.console.drawing.charts import read_seller_card
from ipml.web.console.drawing.tables import PAGE_SIZE, AskedTable, Column, TablePage, check_order, page_rows
from ipml.web.console.networks_page import find_network
from ipml.web.phrases import MEASURES, NEAR_DUPLICATES, describe_deadline, list_choices
from ipml.web.responses import redirect, render


def show_seller(request: Request, case_id: PathNumber) -> Response:
    """Show the record of a case's seller: facts, strikes and penalties."""
    return _render_seller(request, case_id)


def change_penalty(
    request: Request,
    case_id: PathNumber,
    penalty: FormNumber,
    to: Annotated[str, Form(pattern="^(confirm|lift)$")],
    why: Annotated[str, Form()] = "",
) -> Response:
    """Confirm a proposed penalty, or lift one."""
    policy = get_policy(request)
    act = confirm_penalty if to == "confirm" else lift_penalty
    try:
        with authorised(request, writing) as (connection, user):
            found = read_seller_file(connection, case_id, policy, user.name)
            if penalty not in [one.given.penalty.penalty_id for one in found.penalties]:
                raise NotFound("penalty", penalty, "`ipml enforce penalty list` shows them.")
            act(connection, penalty, why, ActingLead(user.name, policy))
    except (Conflict, Forbidden, SellerErased) as error:
        return _render_seller(request, case_id, str(error))
    return redirect(f"/cases/{case_id}/seller#penalty-{penalty}")


def _render_seller(request: Request, case_id: int, message: str = "") -> Response:
    with authorised(request) as (connection, user):
        hidden = find_hidden(connection, user.name)
        file = read_seller_file(connection, case_id, get_policy(request), user.name, hidden=hidden)
        case = get_case(connection, case_id)
        strikes = list_strikes(connection, case.scored.listing.seller_id)
        sees_networks = user.role.may(Action.HAND_ON_NETWORKS)
        context = {
            "case_id": case_id,
            "file": file,
            "network": find_network(request, file.seller_id, file.pseudonym) if sees_networks else None,
            "seller": read_seller_card(connection, case, strikes, hidden),
            "is_lead": user.role.may(Action.CHANGE_PENALTIES),
            "most": MOST,
            "message": message,
        }
    return render(request, "seller.html", context)


MOST_APPEALS = 50
PENDING, ALL = "pending", "all"
APPEAL_STATES = (PENDING, *AppealState, ALL)
_APPEAL_STATE = f"^({'|'.join(APPEAL_STATES)})$"
_MEASURE_KIND = f"^(|{'|'.join(MeasureKind)})$"


def show_appeals(request: Request, state: Annotated[str, Query(pattern=_APPEAL_STATE)] = PENDING) -> Response:
    """Show appeals by deadline, of a state or all pending."""
    with authorised(request) as (connection, user):
        context = {
            "listed": list_desk(connection, user.name, None if state == PENDING else state, MOST_APPEALS),
            "state": state,
            "states": APPEAL_STATES,
            "most": MOST_APPEALS,
            "pending": count_pending(connection),
        }
    return render(request, "appeals.html", context)


def send_appeals(request: Request) -> Response:
    """Send all appeals as CSV, without texts of sellers."""
    with authorised(request):
        return send_csv("appeals.csv", EXPORT_COLUMNS, _stream_appeals(get_engine(request)))


def _stream_appeals(engine: Engine) -> Iterator[Mapping[str, Any]]:
    with reading(engine) as connection:
        yield from export_appeals(connection)


def show_appeal(request: Request, appeal_id: PathNumber) -> Response:
    """Show an appeal with decision, listing and deadlines, and the effects of each outcome."""
    return _render_appeal(request, appeal_id)


def take_appeal(request: Request, appeal_id: PathNumber) -> Response:
    """Assign an appeal to the user, so that nobody else decides it."""
    try:
        with authorised(request, writing) as (connection, user):
            claim_appeal(connection, appeal_id, user.name, get_policy(request).appeals)
    except (Conflict, Forbidden) as error:
        return _render_appeal(request, appeal_id, str(error))
    return redirect(f"/appeals/{appeal_id}")


class AppealForm(BaseModel):
    """The form of a decision on an appeal; `measure` is the milder one if it is granted in part."""

    outcome: Annotated[str, Field(max_length=40)]
    why: str = ""
    measure: Annotated[str, Field(pattern=_MEASURE_KIND)] = ""
    near_duplicates: NearDuplicates = NearDuplicates.QUEUE


def record_appeal_decision(request: Request, appeal_id: PathNumber, form: Annotated[AppealForm, Form()]) -> Response:
    """Decide an appeal."""
    outcome, why, context = form.outcome, form.why, AppealContext(get_policy(request), get_actions(request))
    kind = MeasureKind(form.measure) if form.measure and outcome == AppealState.PARTLY_GRANTED else None
    try:
        with authorised(request, writing) as (connection, user):
            decision = AppealDecision(outcome, user.name, why, kind, form.near_duplicates)
            decide_appeal(connection, appeal_id, decision, context)
    except (Conflict, IllegalStep, Forbidden) as error:
        with authorised(request) as (connection, user):
            made = read_desk(connection, appeal_id, user.name).file.outcome
        if made is None or (made.decided_by, made.outcome, made.why) != (user.name, outcome, why):
            return _render_appeal(request, appeal_id, str(error), why)
    return redirect(f"/appeals/{appeal_id}")  # sent twice, it is decided once


def _render_appeal(request: Request, appeal_id: int, message: str = "", why: str = "") -> Response:
    rules = get_policy(request).appeals
    with authorised(request) as (connection, user):
        shown = read_desk(connection, appeal_id, user.name)
    context = {
        "shown": shown,
        "figures": make_figures(shown.file.case),
        "deadlines": [describe_deadline(deadline, rules) for deadline in (*shown.file.deadlines, *shown.file.windows)],
        "choices": list_choices(shown, rules),
        "kinds": MEASURES,
        "near_duplicates": NEAR_DUPLICATES,
        "longest_why": LONGEST_WHY,
        "message": message,
        "why": why,
    }
    return render(request, "appeal.html", context)


LONGEST_REASON = 2_000
_MONTH_DAYS = 365.25 / 12
_NOTICE_STATE = f"^({'|'.join(STATES)})$"
_TAKE: dict[str, Callable[[Connection, int, StepOrder], MisuseStep]] = {"warn": warn, "suspend": suspend, "lift": lift}


_NOTICE_COLUMNS: tuple[Column[NoticeRow], ...] = (
    Column("due", "Due"),
    Column("notice", "Notice"),
    Column("brand", "Brand"),
    Column("tier", "Tier"),
    Column("listings", "Listings", is_number=True),
    Column("waiting", "Waiting", is_number=True),
    Column("received", "Received", is_number=True),
)


def show_notices(
    request: Request, asked: AskedTable, state: Annotated[str, Query(pattern=_NOTICE_STATE)] = STATES[0]
) -> Response:
    """Show notices, waiting ones by deadline, else newest first."""
    check_order(asked, _NOTICE_COLUMNS)
    search = NoticeSearch(state, asked.words, asked.order, asked.is_descending)
    with authorised(request) as (connection, _):
        listed = list_notices(connection, search, PAGE_SIZE, (asked.page - 1) * PAGE_SIZE)
        n, waiting = count_notices(connection, search), count_waiting_by_tier(connection)
    usual = "due" if state == "waiting" else "-notice"
    table = TablePage(_NOTICE_COLUMNS, listed, n, asked, {"state": state} if state != STATES[0] else {}, usual)
    return render(request, "notices.html", {"table": table, "state": state, "states": STATES, "waiting": waiting})


def show_notice(request: Request, notice_id: PathNumber) -> Response:
    """Show a notice, the state of its listings, and its notifier."""
    with authorised(request) as (connection, _):
        file = get_notice_file(connection, notice_id)
        shown = read_notifier(connection, file.notifier_id, get_cooperation_policy(request))
    return render(request, "notice.html", {"file": file, "shown": shown})


_NOTIFIER_COLUMNS: tuple[Column[NotifierRow], ...] = (
    Column("notifier", "Reporter", lambda one: one.notifier.address),
    Column("kind", "Kind", lambda one: one.notifier.kind),
    Column("tier", "Tier", lambda one: one.tier),
    Column("misuse", "Misuse", lambda one: -_rank_misuse(one)),
    Column("upheld", "Upheld", lambda one: one.record.success.mean if one.record.success.trials else None, True),
    Column("notices", "Notices", lambda one: one.notices, is_number=True),
    Column("waiting", "Waiting", lambda one: one.waiting, is_number=True),
)


def _rank_misuse(one: NotifierRow) -> int:
    """Return the urgency of a notifier: a step proposed, suspended, warned, nothing."""
    return 3 * bool(one.proposed) or 2 * (one.suspension is not None) or int(one.warning is not None)


def _name_notifier(one: NotifierRow) -> str:
    return f"{one.notifier.address or one.notifier.pseudonym} {one.notifier.kind} {one.tier}"


def show_notifiers(request: Request, asked: AskedTable, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show notifiers, those with a proposed step first, then by waiting notices."""
    policy = get_cooperation_policy(request)
    span = DateRange.of(first, last, round(policy.notifiers.months * _MONTH_DAYS))
    within = None if span.is_usual else (span.start, span.end)
    with authorised(request) as (connection, _):
        listed = list_rows(connection, policy, within=within)
    table = page_rows(listed, _NOTIFIER_COLUMNS, asked, text_of=_name_notifier, kept=span.query)
    return render(request, "notifiers.html", {"table": table, "span": span})


def show_notifier(request: Request, notifier_id: PathNumber) -> Response:
    """Show a notifier: record, tier, documents, steps taken and proposed."""
    return _render_notifier(request, notifier_id)


def take_step(
    request: Request,
    notifier_id: PathNumber,
    kind: Annotated[str, Form(pattern="^(warn|suspend|lift)$")],
    why: Annotated[str, Form(max_length=10 * LONGEST_REASON)] = "",
) -> Response:
    """Warn or suspend a notifier, or lift both; the notifier reads the reasons."""
    try:
        with authorised(request, writing) as (connection, user):
            order = StepOrder(user.name, why, get_cooperation_policy(request).notifiers, datetime.now(UTC))
            _TAKE[kind](connection, notifier_id, order)
    except (Conflict, UnstorableValue) as error:
        return _render_notifier(request, notifier_id, str(error), why)
    return redirect(f"/notifiers/{notifier_id}")


class AppointmentForm(BaseModel):
    """The form that appoints a notifier to a kind, perhaps until the end of a day, or revokes that."""

    kind: Annotated[str, Field(pattern=f"^({'|'.join(NOTIFIER_KINDS)})$")]
    until: Annotated[str, Field(max_length=10)] = ""
    ground: Annotated[str, Field(max_length=10 * LONGEST_REASON)] = ""
    revoke: bool = False


def change_appointment(request: Request, notifier_id: PathNumber, form: Annotated[AppointmentForm, Form()]) -> Response:
    """Appoint a notifier, or revoke the appointment."""
    now, until, ground = datetime.now(UTC), form.until, form.ground
    try:
        with authorised(request, writing) as (connection, user):
            end = end_of_day(date.fromisoformat(until)) if until else None
            if form.revoke:
                revoke(connection, notifier_id, user.name, ground, now)
            else:
                appoint(connection, notifier_id, AppointmentOrder(form.kind, user.name, ground, now, end))
    except (Conflict, UnstorableValue) as error:
        return _render_notifier(request, notifier_id, str(error), ground=ground)
    except ValueError:
        message = f"until {until!r}: expected a day such as 2027-05-01."
        return _render_notifier(request, notifier_id, message, ground=ground)
    return redirect(f"/notifiers/{notifier_id}")


def judge_document(
    request: Request, document_id: PathNumber, is_accepted: Annotated[bool, Form(alias="accepted")]
) -> Response:
    """Record whether a document shows the rights."""
    with authorised(request, writing) as (connection, user):
        document = check_document(connection, document_id, user.name, is_accepted=is_accepted)
    return redirect(f"/notifiers/{document.notifier_id}")


def _render_notifier(
    request: Request, notifier_id: int, message: str = "", why: str = "", ground: str = ""
) -> Response:
    with authorised(request) as (connection, _):
        shown = read_notifier(connection, notifier_id, get_cooperation_policy(request))
    context = {"shown": shown, "message": message, "why": why, "ground": ground, "longest_why": LONGEST_REASON}
    context |= {"rights": {one.document_id: read_registration(one) for one in shown.documents}}
    context |= {"kinds": NOTIFIER_KINDS, "today": datetime.now(UTC).date()}
    return render(request, "notifier.html", context)
