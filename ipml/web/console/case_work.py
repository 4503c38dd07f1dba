"""Work on a case beside the verdict: comments, assignment, snoozing; and the user's inbox and last verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import Form, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from ipml.errors import Forbidden
from ipml.records import Case, Verdict
from ipml.review.cases import PENDING, get_case
from ipml.review.quality.blind_reviews import LONGEST_SOURCE, ControlCase, find_control_cases
from ipml.review.worklists.assignment import count_assigned, list_assignees
from ipml.review.worklists.changes import ChangeOrder, change_assignment, change_snooze, make_control_cases
from ipml.review.worklists.changes import undo_change as revert_change
from ipml.review.worklists.comments import LONGEST_COMMENT, Comment, add_comment, find_comments
from ipml.review.worklists.inbox import MessageKind, list_messages, mark_read
from ipml.review.worklists.own_verdicts import list_own_verdicts, summarise_shift
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import NO_NUL, Number, PathNumber, ReviewPath, find_following, give_back
from ipml.web.responses import redirect, render

SNOOZES = {1: "1 hour", 4: "4 hours", 24: "1 day", 72: "3 days", 168: "1 week", 720: "30 days"}
"""Hours for which a case can be snoozed, in words."""

_MOST_MESSAGES = 1_000
_PAGES = {"queue": "/queues", "list": "/lists"}
_ACTIONS = {"queue": Action.DEFINE_QUEUES, "list": Action.CHANGE_LISTS, "control": Action.KEEP_CONTROL_CASES}
NOBODY = ":"  # not allowed in user names


class CommentForm(ReviewPath):
    """The form of a comment."""

    text: Annotated[str, Field(max_length=10 * LONGEST_COMMENT)]


class AssignmentForm(ReviewPath):
    """The form that assigns a case to a person, or to nobody (":")."""

    to: Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class SnoozeForm(ReviewPath):
    """The form that snoozes a case; 0 hours end the snoozing."""

    hours: Annotated[int, Field(ge=0, le=max(SNOOZES))]


class ControlForm(ReviewPath):
    """The form that makes a control case of a case."""

    truth: Literal["counterfeit", "genuine"]
    source: Annotated[str, Field(max_length=10 * LONGEST_SOURCE)] = ""


class ChangeUndoForm(ReviewPath):
    """The form that undoes a change; from the page of a `case`, which is left open under `token` for another."""

    case: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    leaving: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    token: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0


@dataclass(frozen=True, slots=True)
class CaseWork:
    """Comments on a case, and the choices of those who work on it; `control` is its known truth, for leads."""

    comments: Sequence[Comment]
    may_work: bool
    is_pending: bool
    assignees: Sequence[str]
    assigned: Mapping[str, int]
    may_control: bool
    control: ControlCase | None
    snoozes: Mapping[int, str] = field(default_factory=lambda: SNOOZES)
    longest_comment: int = LONGEST_COMMENT
    longest_source: int = LONGEST_SOURCE


def read_case_work(connection: Connection, case: Case, user: User, *, hides: bool) -> CaseWork:
    """Return comments and choices for a case page; if it `hides` others' verdicts, only the user's own comments."""
    may_work, is_pending = user.role.may(Action.REVIEW), case.state in PENDING
    may_control = user.role.may(Action.KEEP_CONTROL_CASES) and case.state == "decided" and not hides
    comments = find_comments(connection, [case.case_id]).get(case.case_id, [])
    return CaseWork(
        [one for one in comments if not hides or one.author == user.name],
        may_work,
        is_pending,
        list_assignees(connection) if may_work and is_pending else [],
        count_assigned(connection) if may_work and is_pending else {},
        may_control,
        find_control_cases(connection, [case.case_id]).get(case.case_id) if may_control else None,
    )


def comment(request: Request, case_id: PathNumber, form: Annotated[CommentForm, Form()]) -> Response:
    """Add a comment to a case, and show the case again."""
    with authorised(request, writing) as (connection, user):
        add_comment(connection, case_id, form.text, by=user.name)
    return form.lead_to(case_id)


def assign_case(request: Request, case_id: PathNumber, form: Annotated[AssignmentForm, Form()]) -> Response:
    """Assign a case, and show it again."""
    with authorised(request, writing) as (connection, user):
        to = None if form.to == NOBODY else form.to
        change_assignment(connection, [case_id], to, ChangeOrder(user.name, datetime.now(UTC)))
    return form.lead_to(case_id)


def snooze_case(request: Request, case_id: PathNumber, form: Annotated[SnoozeForm, Form()]) -> Response:
    """Snooze a case, and open the following one."""
    now = datetime.now(UTC)
    with authorised(request, writing) as (connection, user):
        until = now + timedelta(hours=form.hours) if form.hours else None
        change_snooze(connection, [case_id], until, ChangeOrder(user.name, now))
        if until is None:
            return form.lead_to(case_id)
        path = form.skip(case_id)
        following = find_following(connection, user, settings_of(request), get_case(connection, case_id), path)
    return path.lead_to(following)


def control_case(request: Request, case_id: PathNumber, form: Annotated[ControlForm, Form()]) -> Response:
    """Make a control case of a decided case, and show it again."""
    with authorised(request, writing) as (connection, user):
        order = ChangeOrder(user.name, datetime.now(UTC))
        make_control_cases(connection, [case_id], Verdict(form.truth), form.source.strip(), order)
    return form.lead_to(case_id)


def undo_change(request: Request, change_id: PathNumber, form: Annotated[ChangeUndoForm, Form()]) -> Response:
    """Undo a change of the user's, and return to the page of its kind."""
    minutes = settings_of(request).undo_minutes
    with authorised(request, writing) as (connection, user):
        change = revert_change(connection, change_id, user.name, undo_minutes=minutes)
        if form.leaving and form.leaving not in change.case_ids:
            give_back(connection, user, get_case(connection, form.leaving), form.token)
        if not user.role.may(_ACTIONS.get(change.kind, Action.REVIEW)):
            raise Forbidden(f"change {change_id}", f"you are logged in as {user.role.with_article}", "Ask a lead.")
    if change.kind in _PAGES:
        return redirect(_PAGES[change.kind])
    if form.case:
        return form.lead_to(change.case_ids[0] if len(change.case_ids) == 1 else form.case)
    return redirect(form.list_address)


def show_inbox(request: Request) -> Response:
    """Show the user's last messages, with the text of comments that mention the user."""
    with authorised(request) as (connection, user):
        messages = list_messages(connection, user.name)
        mentions = {one.case_id for one in messages if one.kind is MessageKind.MENTION}
        comments = [one for some in find_comments(connection, mentions).values() for one in some]
        context = {
            "messages": messages,
            "comments": {one.comment_id: one for one in comments},
            "sees_appeals": user.role.may(Action.DECIDE_APPEALS),
        }
    return render(request, "inbox.html", context)


def read_messages(request: Request, message: Annotated[list[Number], Form(max_length=_MOST_MESSAGES)]) -> Response:
    """Mark messages of the user as read."""
    with authorised(request, writing) as (connection, user):
        mark_read(connection, user.name, message)
    return redirect("/inbox")


def show_own_verdicts(request: Request) -> Response:
    """Show the user's last verdicts, and the progress of their shift."""
    settings = settings_of(request)
    with authorised(request) as (connection, user):
        shift = summarise_shift(connection, user.name, settings)
        context = {
            "said": list_own_verdicts(connection, user.name),
            "shift": shift,
            "progress": shift.progress,
            "undo_minutes": settings.undo_minutes,
            "undoable_since": datetime.now(UTC) - timedelta(minutes=settings.undo_minutes),
        }
    return render(request, "own_verdicts.html", context)
