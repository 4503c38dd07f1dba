"""Cases selected in a list: previewed on one page, then decided, assigned, snoozed or made control cases together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import Form, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from ipml.errors import Conflict, Forbidden, Overtaken, UnstorableValue
from ipml.records import Case, Verdict
from ipml.review.cases import find_cases, make_case
from ipml.review.group_decisions import MOST_CASES, BulkRequest, preview_bulk
from ipml.review.group_decisions import decide_bulk as decide_together
from ipml.review.quality.blind_reviews import LONGEST_SOURCE
from ipml.review.ranking.queue_order import current_ranking
from ipml.review.reversals import ReviewContext
from ipml.review.worklists.assignment import count_assigned, list_assignees
from ipml.review.worklists.changes import ChangeOrder, change_assignment, change_snooze, make_control_cases
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_actions, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.console.case_list import NO_NUL, TRAIL_PATTERN, Number, ReviewPath, find_first
from ipml.web.console.case_work import NOBODY, SNOOZES
from ipml.web.console.pictures import find_pictures
from ipml.web.responses import redirect, render

VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_BULK_VERDICT = "^(counterfeit/[a-z_]{1,40}|genuine|cannot tell)$"


class Selection(ReviewPath):
    """Cases selected in a list; `after` is the page of the list, as in its query."""

    case: list[Number] = Field([], max_length=MOST_CASES)
    after: Annotated[str, Field(pattern=TRAIL_PATTERN, max_length=2_000)] = ""

    @property
    def page_address(self) -> str:
        """The address of the page of the list."""
        address = self.list_address
        return f"{address}{'&' if '?' in address else '?'}after={self.after}" if self.after else address


class BulkQuery(Selection):
    """The query of a preview: selected cases, or `all` for the first 200 of the list; and what to `do` with them."""

    all: Annotated[int, Field(ge=0, le=1)] = 0
    do: Literal["decide", "assign", "snooze", "control"] = "decide"


class AssignForm(Selection):
    """The form that assigns cases to a person, or to nobody (":")."""

    to: Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class SnoozeForm(Selection):
    """The form that snoozes cases; 0 hours end the snoozing."""

    hours: Annotated[int, Field(ge=0, le=max(SNOOZES))]


class ControlForm(Selection):
    """The form that makes control cases; without a truth it is that of each verdict."""

    truth: Literal["", "counterfeit", "genuine"] = ""
    source: Annotated[str, Field(max_length=10 * LONGEST_SOURCE)] = ""


class BulkForm(Selection):
    """The form of a verdict on several cases; `token` is the digest of each verdict's preview."""

    case: Annotated[list[Number], Field(min_length=1, max_length=MOST_CASES)]
    choice: Annotated[str, Field(pattern=_BULK_VERDICT)]
    token: Annotated[
        list[Annotated[str, Field(max_length=64)]], Field(min_length=len(VERDICTS), max_length=len(VERDICTS))
    ]
    key: Annotated[str, Field(min_length=16, max_length=64)]
    note: str = ""


def show_bulk(request: Request, query: Annotated[BulkQuery, Query()]) -> Response:
    """Preview a decision on the selected cases, or on the first 200 of the list; nothing changes."""
    case, is_cut = query.case, False
    if query.all:
        with authorised(request) as (connection, user):
            found = find_first(connection, user, query.within, MOST_CASES + 1)
        case, is_cut = found[:MOST_CASES], len(found) > MOST_CASES
    if not case:
        with authorised(request):
            return redirect(query.list_address)
    if query.do != "decide":
        return _show_change(request, query.model_copy(update={"case": case}), query.do, is_cut=is_cut)
    return _show_bulk(request, case, query, is_cut=is_cut)


def assign_bulk(request: Request, form: Annotated[AssignForm, Form()]) -> Response:
    """Assign the selected cases, and show the list again."""
    to = None if form.to == NOBODY else form.to
    return _change(
        request, form, "assign", lambda connection, order: change_assignment(connection, form.case, to, order)
    )


def snooze_bulk(request: Request, form: Annotated[SnoozeForm, Form()]) -> Response:
    """Snooze the selected cases, and show the list again."""
    until = datetime.now(UTC) + timedelta(hours=form.hours) if form.hours else None
    return _change(
        request, form, "snooze", lambda connection, order: change_snooze(connection, form.case, until, order)
    )


def control_bulk(request: Request, form: Annotated[ControlForm, Form()]) -> Response:
    """Make control cases of the selected decided cases, and show the list again."""
    truth, source = Verdict(form.truth) if form.truth else None, form.source.strip()
    return _change(
        request,
        form,
        "control",
        lambda connection, order: make_control_cases(connection, form.case, truth, source, order),
    )


def _change(
    request: Request, form: Selection, do: str, change: Callable[[Connection, ChangeOrder], object]
) -> Response:
    try:
        with authorised(request, writing) as (connection, user):
            change(connection, ChangeOrder(user.name, datetime.now(UTC)))
    except (Conflict, Forbidden, UnstorableValue) as error:
        return _show_change(request, form, do, str(error))
    return redirect(form.page_address)


def decide_bulk(request: Request, form: Annotated[BulkForm, Form()]) -> Response:
    """Record one verdict on all cases of the preview, or on none if one has changed since."""
    name, _, ground = form.choice.partition("/")
    verdict = Verdict(name)
    context = ReviewContext(settings_of(request), get_actions(request))
    try:
        with authorised(request, writing) as (connection, user):
            asked = BulkRequest(form.case, user.name, verdict, ground, form.note, form.key)
            decide_together(connection, asked, token=form.token[VERDICTS.index(verdict)], context=context)
    except Overtaken as error:
        return _show_bulk(request, form.case, form, str(error))
    return redirect(form.list_address)


def _show_change(
    request: Request, selection: Selection, do: str, message: str = "", *, is_cut: bool = False
) -> Response:
    """Show the selected cases and the form of one change to all of them."""
    with authorised(request) as (connection, user):
        if do == "control" and not user.role.may(Action.KEEP_CONTROL_CASES):
            raise Forbidden("control cases", f"you are logged in as a {user.role}", "Ask a lead.")
        now, rows = datetime.now(UTC), find_cases(connection, selection.case)
        context = _read_cases(connection, request, [make_case(row, now) for row in rows.values()]) | {
            "assignees": list_assignees(connection),
            "assigned": count_assigned(connection),
        }
    context |= {
        "do": do,
        "refused": (),
        "snoozes": SNOOZES,
        "longest_source": LONGEST_SOURCE,
        "is_cut": is_cut,
        "message": message,
    }
    return render(request, "bulk.html", context | _name_selection(selection, selection.case))


def _name_selection(selection: Selection, case_ids: Sequence[int]) -> dict[str, Any]:
    numbers = sorted(set(case_ids))
    again = [("within", selection.within), ("after", selection.after), *(("case", number) for number in numbers)]
    return {
        "numbers": numbers,
        "within": selection.within,
        "after": selection.after,
        "list_address": selection.page_address,
        "again": urlencode([(name, value) for name, value in again if value]),
    }


def _read_cases(connection: Connection, request: Request, shown: Sequence[Case]) -> dict[str, Any]:
    """Return what the page shows of the selected cases."""
    listings = {case.case_id: case.scored.listing for case in shown}
    return {
        "cases": shown,
        "pictures": find_pictures(connection, settings_of(request), listings),
        "rates": current_ranking(connection).policy.exchange_rates,
        "sellers": len({listing.seller_id for listing in listings.values()}),
    }


def _show_bulk(
    request: Request, numbers: list[int], path: Selection, message: str = "", *, is_cut: bool = False
) -> Response:
    settings = settings_of(request)
    with authorised(request) as (connection, user):
        previews = [
            preview_bulk(connection, BulkRequest(numbers, user.name, verdict), settings=settings)
            for verdict in VERDICTS
        ]
        context = _read_cases(connection, request, previews[0].cases)
    context |= _name_selection(path, numbers) | {
        "do": "decide",
        "refused": previews[0].refused,
        "tokens": [preview.digest for preview in previews],
        "is_cut": is_cut,
        "key": uuid4().hex,
        "note": path.note if isinstance(path, BulkForm) else "",
        "message": message,
    }
    return render(request, "bulk.html", context)
