"""The desk at which notices are looked after, and those who give them: who was right how often, and misuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from ipml.cooperation.notices.desk import STATES, count_waiting_by_tier, get_notice_file, list_notices
from ipml.cooperation.notifiers.appointments import appoint, end_of_day, revoke
from ipml.cooperation.notifiers.desk import list_rows, read_notifier
from ipml.cooperation.notifiers.documents import check_document
from ipml.cooperation.notifiers.steps import Step, lift, suspend, warn
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import NothingToLift, NothingToRevoke, NotWarned, SuspendedAlready, UnstorableValue
from ipml.storage.database import writing
from ipml.storage.notifiers import KINDS
from ipml.web.auth import get_engine, get_user
from ipml.web.date_range import DateRange, FirstDay, LastDay
from ipml.web.render import render

MOST = 50
LONGEST_WHY = 2_000
_MONTH_DAYS = 365.25 / 12
_STATE = f"^({'|'.join(STATES)})$"
_TAKE: dict[str, Callable[..., Step]] = {"warn": warn, "suspend": suspend, "lift": lift}

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


def show_notices(request: Request, state: Annotated[str, Query(pattern=_STATE)] = STATES[0]) -> Response:
    """Show notices: those that wait by when they are due, else the newest first."""
    engine = get_engine(request)
    context = {
        "listed": list_notices(engine, state, MOST),
        "state": state,
        "states": STATES,
        "most": MOST,
        "waiting": count_waiting_by_tier(engine),
    }
    return render(request, "notices.html", context)


def show_notice(request: Request, notice_id: Number) -> Response:
    """Show what a notice says, how each of its listings stands, and who gives it."""
    engine = get_engine(request)
    file = get_notice_file(engine, notice_id)
    shown = read_notifier(engine, file.notifier_id, _policy(request))
    return render(request, "notice.html", {"file": file, "shown": shown})


def show_notifiers(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show who gives notice: first those about whom a step is proposed, then those of whom most waits."""
    policy = _policy(request)
    span = DateRange.of(first, last, round(policy.notifiers.months * _MONTH_DAYS))
    within = None if span.is_usual else (span.start, span.end)
    context = {"listed": list_rows(get_engine(request), policy, MOST, within=within), "most": MOST, "span": span}
    return render(request, "notifiers.html", context)


def show_notifier(request: Request, notifier_id: Number) -> Response:
    """Show a notifier: record, tier, documents, what was done about misuse, and what may be."""
    return _show(request, notifier_id)


def take_step(
    request: Request,
    notifier_id: Number,
    kind: Annotated[str, Form(pattern="^(warn|suspend|lift)$")],
    why: Annotated[str, Form(max_length=10 * LONGEST_WHY)] = "",
) -> Response:
    """Warn or suspend a notifier, or lift both; the reasons are for the notifier to read."""
    rules, name = _policy(request).notifiers, get_user(request).name
    try:
        _TAKE[kind](get_engine(request), notifier_id, name, why, rules=rules)
    except (NotWarned, NothingToLift, SuspendedAlready, UnstorableValue) as error:
        return _show(request, notifier_id, str(error), why)
    return RedirectResponse(f"/notifiers/{notifier_id}", HTTPStatus.SEE_OTHER)


def change_appointment(
    request: Request,
    notifier_id: Number,
    kind: Annotated[str, Form(pattern=f"^({'|'.join(KINDS)})$")],
    until: Annotated[str, Form(max_length=10)] = "",
    ground: Annotated[str, Form(max_length=10 * LONGEST_WHY)] = "",
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
    except (NothingToRevoke, UnstorableValue) as error:
        return _show(request, notifier_id, str(error), ground=ground)
    except ValueError:
        return _show(request, notifier_id, f"until {until!r}: expected a day such as 2027-05-01.", ground=ground)
    return RedirectResponse(f"/notifiers/{notifier_id}", HTTPStatus.SEE_OTHER)


def judge_document(
    request: Request, document_id: Number, is_accepted: Annotated[bool, Form(alias="accepted")]
) -> Response:
    """Say whether a document shows the rights that it is to show."""
    name = get_user(request).name
    document = check_document(get_engine(request), document_id, name, is_accepted=is_accepted)
    return RedirectResponse(f"/notifiers/{document.notifier_id}", HTTPStatus.SEE_OTHER)


def _show(request: Request, notifier_id: int, message: str = "", why: str = "", ground: str = "") -> Response:
    shown = read_notifier(get_engine(request), notifier_id, _policy(request))
    context = {"shown": shown, "message": message, "why": why, "ground": ground, "longest_why": LONGEST_WHY}
    context |= {"kinds": KINDS, "today": datetime.now(UTC).date()}
    return render(request, "notifier.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


def _policy(request: Request) -> CooperationPolicy:
    policy: CooperationPolicy = request.app.state.cooperation
    return policy
