"""The desk at which leads decide appeals: the list by what is due, one with all that hangs on it, the decision."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy import Engine

from ipml.enforcement.appeal_desk import count_appeals, list_desk, read_desk
from ipml.enforcement.appeals.deciding import LONGEST_WHY, claim_appeal, decide_appeal
from ipml.enforcement.appeals.exports import COLUMNS, export_appeals
from ipml.enforcement.appeals.states import AppealState
from ipml.enforcement.restrictions import MeasureKind
from ipml.errors import AppealInHand, IllegalStep, NotTheirsToDecide, UnusableOutcome
from ipml.review import queue
from ipml.web.auth import get_engine, get_policy, get_user
from ipml.web.enforcement_wording import MEASURES, list_choices, tell_term
from ipml.web.exports import write_csv
from ipml.web.price_scale import make_price_scale
from ipml.web.render import render

MOST = 50
PENDING, ALL = "pending", "all"
STATES = (PENDING, *AppealState, ALL)
_STATE = f"^({'|'.join(STATES)})$"
_KIND = f"^(|{'|'.join(MeasureKind)})$"

AppealNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


def show_appeals(request: Request, state: Annotated[str, Query(pattern=_STATE)] = PENDING) -> Response:
    """Show appeals, those first that are due first; of a state, or those that wait for somebody."""
    engine, user = get_engine(request), get_user(request)
    listed = list_desk(engine, user.name, None if state == PENDING else state, MOST)
    context = {"listed": listed, "state": state, "states": STATES, "most": MOST, "pending": count_appeals(engine)}
    return render(request, "appeals.html", context)


def export(request: Request) -> Response:
    """Give all appeals as CSV, without anything that sellers wrote."""
    rows = export_appeals(get_engine(request))
    headers = {"Content-Disposition": 'attachment; filename="appeals.csv"'}
    return StreamingResponse(write_csv(COLUMNS, rows), media_type="text/csv; charset=utf-8", headers=headers)


def show_appeal(request: Request, appeal_id: AppealNumber) -> Response:
    """Show what the seller says beside the decision and the listing, the terms, and what each outcome would do."""
    return _show(request, appeal_id)


def take(request: Request, appeal_id: AppealNumber) -> Response:
    """Take an appeal in hand, so that nobody else decides it meanwhile."""
    try:
        claim_appeal(get_engine(request), appeal_id, get_user(request).name, rules=get_policy(request).appeals)
    except (AppealInHand, NotTheirsToDecide) as error:
        return _show(request, appeal_id, str(error))
    return RedirectResponse(f"/appeals/{appeal_id}", HTTPStatus.SEE_OTHER)


def decide(
    request: Request,
    appeal_id: AppealNumber,
    outcome: Annotated[str, Form(max_length=40)],
    why: Annotated[str, Form()] = "",
    measure: Annotated[str, Form(pattern=_KIND)] = "",
) -> Response:
    """Decide an appeal; `measure` is the milder one, where it is granted in part."""
    engine, name = get_engine(request), get_user(request).name
    kind = MeasureKind(measure) if measure and outcome == AppealState.PARTLY_GRANTED else None
    rules = get_policy(request).appeals
    try:
        decide_appeal(engine, appeal_id, name, outcome, why, measure=kind, rules=rules)
    except (AppealInHand, IllegalStep, NotTheirsToDecide, UnusableOutcome) as error:
        if not _was_sent_before(engine, appeal_id, name, outcome, why):
            return _show(request, appeal_id, str(error), why)
    return RedirectResponse(f"/appeals/{appeal_id}", HTTPStatus.SEE_OTHER)


def _was_sent_before(engine: Engine, appeal_id: int, by: str, outcome: str, why: str) -> bool:
    made = read_desk(engine, appeal_id, by).file.outcome
    return made is not None and (made.decided_by, made.outcome, made.why) == (by, outcome, why)


def _show(request: Request, appeal_id: int, message: str = "", why: str = "") -> Response:
    engine, user, rules = get_engine(request), get_user(request), get_policy(request).appeals
    shown = read_desk(engine, appeal_id, user.name)
    scored = shown.file.case.scored
    listing = scored.listing
    context = {
        "shown": shown,
        "scale": make_price_scale(listing.price, listing.currency, scored.price_range),
        "strongest": max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        "heaviest": max((abs(part.weight) for part in scored.highlights), default=0.0),
        "terms": [tell_term(clock, rules) for clock in (*shown.file.clocks, *shown.file.windows)],
        "choices": list_choices(shown, rules),
        "kinds": MEASURES,
        "grounds": queue.GROUNDS,
        "longest_why": LONGEST_WHY,
        "message": message,
        "why": why,
    }
    return render(request, "appeal.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)
