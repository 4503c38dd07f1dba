"""Work on a case beside the verdict: comments, assignment, snoozing; and the user's last verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Form, Request, Response
from sqlalchemy import Connection

from ipml.records import Case
from ipml.review.cases import PENDING
from ipml.review.decisions import GROUNDS
from ipml.review.queue import get_case
from ipml.review.worklists.assignment import assign, list_assignees, snooze
from ipml.review.worklists.comments import LONGEST_COMMENT, add_comment, find_comments
from ipml.review.worklists.own_verdicts import count_progress, list_own_verdicts
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import (
    LONGEST_ADDRESS,
    NO_NUL,
    TRAIL_PATTERN,
    PathNumber,
    address_of,
    find_following,
    read_trail,
    write_trail,
)
from ipml.web.responses import render

SNOOZES = {1: "1 hour", 4: "4 hours", 24: "1 day", 72: "3 days", 168: "1 week", 720: "30 days"}
"""Hours for which a case can be snoozed, in words."""

_NOBODY = ":"  # not allowed in user names
_Within = Annotated[str, Form(max_length=LONGEST_ADDRESS, pattern=NO_NUL)]
_Trail = Annotated[str, Form(pattern=TRAIL_PATTERN)]
_Name = Annotated[str, Form(max_length=200, pattern=NO_NUL)]


def read_case_work(connection: Connection, case: Case, user: User, *, hides: bool) -> dict[str, Any]:
    """Return comments and choices for a case page; if it `hides` others' verdicts, only the user's own comments."""
    may_work = user.role.may(Action.REVIEW)
    written = find_comments(connection, [case.case_id]).get(case.case_id, [])
    return {
        "comments": [one for one in written if not hides or one.author == user.name],
        "may_work": may_work,
        "is_pending": case.state in PENDING,
        "assignees": list_assignees(connection) if may_work and case.state in PENDING else [],
        "snoozes": SNOOZES,
        "longest_comment": LONGEST_COMMENT,
    }


def comment(
    request: Request,
    case_id: PathNumber,
    text: Annotated[str, Form(max_length=10 * LONGEST_COMMENT)],
    trail: _Trail = "",
    within: _Within = "",
) -> Response:
    """Add a comment to a case, and show the case again."""
    with authorised(request, writing) as (connection, user):
        add_comment(connection, case_id, text, by=user.name)
    return address_of(case_id, within, trail=trail)


def assign_case(request: Request, case_id: PathNumber, to: _Name, trail: _Trail = "", within: _Within = "") -> Response:
    """Assign a case to a person, or to nobody (":"), and show the case again."""
    with authorised(request, writing) as (connection, user):
        assign(connection, case_id, None if to == _NOBODY else to, by=user.name)
    return address_of(case_id, within, trail=trail)


def snooze_case(
    request: Request,
    case_id: PathNumber,
    hours: Annotated[int, Form(ge=0, le=max(SNOOZES))],
    trail: _Trail = "",
    within: _Within = "",
) -> Response:
    """Snooze a case for some hours, and open the following one; 0 hours end the snoozing."""
    now = datetime.now(UTC)
    with authorised(request, writing) as (connection, user):
        until = now + timedelta(hours=hours) if hours else None
        snooze(connection, case_id, until, by=user.name, now=now)
        if until is None:
            return address_of(case_id, within, trail=trail)
        state = get_case(connection, case_id).state
        trail = write_trail([*read_trail(trail), case_id])
        settings = settings_of(request)
        following = find_following(connection, user, case_id, state, within, read_trail(trail), settings)
    return address_of(following, within, trail=trail)


def show_own_verdicts(request: Request) -> Response:
    """Show the user's last verdicts, and the progress of their shift."""
    settings = settings_of(request)
    with authorised(request) as (connection, user):
        context = {
            "said": list_own_verdicts(connection, user.name),
            "progress": count_progress(connection, user.name, settings),
            "grounds": GROUNDS,
            "undo_minutes": settings.undo_minutes,
            "undoable_since": datetime.now(UTC) - timedelta(minutes=settings.undo_minutes),
        }
    return render(request, "own_verdicts.html", context)
