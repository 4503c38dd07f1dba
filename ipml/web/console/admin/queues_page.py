"""Queues page: queues by brand, category and script, and their people; leads define them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field

from ipml.errors import Conflict, UnstorableValue
from ipml.review.worklists.assignment import count_assigned, list_assignees
from ipml.review.worklists.changes import ChangeOrder, change_queue, find_last_changes, move_queue
from ipml.review.worklists.changes import drop_queue as remove_queue
from ipml.review.worklists.review_queues import (
    LONGEST_QUEUE_NAME,
    SCRIPTS,
    QueueRule,
    count_queued,
    count_rule_cases,
    list_queues,
)
from ipml.review.worklists.suggestions import CaseFit, count_names
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.console.case_list import NO_NUL, PathNumber
from ipml.web.responses import redirect, render

_Lines = Annotated[str, Field(max_length=30_000, pattern=NO_NUL)]
_Choice = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class QueueForm(BaseModel):
    """The form of a queue, with brands and categories one a line; `queue` is the number of one to redefine, or 0.

    `brand` and `category` are one more each. With `preview` nothing is saved.
    """

    name: Annotated[str, Field(max_length=10 * LONGEST_QUEUE_NAME)] = ""
    queue: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    brands: _Lines = ""
    categories: _Lines = ""
    script: list[_Choice] = Field([], max_length=1_000)
    person: list[_Choice] = Field([], max_length=1_000)
    brand: _Choice = ""
    category: _Choice = ""
    preview: Annotated[int, Field(ge=0, le=1)] = 0


class QueuesQuery(BaseModel):
    """The query of the page: the queue that was just saved, or `moved` "up" or "down"."""

    saved: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    moved: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    to: Literal["", "up", "down"] = ""


_NOTHING = QueuesQuery()


@dataclass(frozen=True, slots=True)
class _Typed:
    """A rule as typed into the form of a queue, or of a new one (0), with the cases that fit it."""

    rule: QueueRule
    queue: int
    fit: CaseFit | None = None


def show_queues(request: Request, query: Annotated[QueuesQuery, Query()]) -> Response:
    """Show the queues with their open cases, and a form for a new one."""
    return _render(request, query=query)


def save_queue(request: Request, form: Annotated[QueueForm, Form()]) -> Response:
    """Define a queue, or redefine one; or show how many cases fit it."""
    brands, categories = _split(f"{form.brands}\n{form.brand}"), _split(f"{form.categories}\n{form.category}")
    rule = QueueRule(form.name.strip(), brands, categories, tuple(form.script), tuple(form.person))
    if form.preview:
        with authorised(request) as (connection, _):
            typed = _Typed(rule, form.queue, count_rule_cases(connection, rule))
        return _render(request, typed)
    try:
        with authorised(request, writing) as (connection, user):
            change = change_queue(connection, rule, form.queue or None, ChangeOrder(user.name, datetime.now(UTC)))
    except (Conflict, UnstorableValue) as error:
        return _render(request, _Typed(rule, form.queue), str(error))
    number = change.content["queue"]
    return redirect(f"/queues?saved={number}#queue-{number}")


def shift_queue(request: Request, queue_id: PathNumber, to: Annotated[str, Form(pattern="^(up|down)$")]) -> Response:
    """Move a queue one place up or down; the page focuses the button again, without a script."""
    with authorised(request, writing) as (connection, user):
        move_queue(connection, queue_id, is_up=to == "up", order=ChangeOrder(user.name, datetime.now(UTC)))
    return redirect(f"/queues?moved={queue_id}&to={to}")


def drop_queue(request: Request, queue_id: PathNumber) -> Response:
    """Remove a queue; its cases go to the next that fits, or to everybody."""
    with authorised(request, writing) as (connection, user):
        remove_queue(connection, queue_id, ChangeOrder(user.name, datetime.now(UTC)))
    return redirect("/queues")


def _split(lines: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for typed in lines.splitlines() if (line := typed.strip())))


def _render(
    request: Request, typed: _Typed | None = None, message: str = "", query: QueuesQuery = _NOTHING
) -> Response:
    minutes = settings_of(request).undo_minutes
    with authorised(request) as (connection, user):
        queues = list_queues(connection)
        saved = next((one for one in queues if one.queue_id == query.saved), None)
        context: dict[str, Any] = {
            "queues": queues,
            "open": count_queued(connection),
            "people": list_assignees(connection),
            "assigned": count_assigned(connection),
            "brands": count_names(connection, "brand"),
            "categories": count_names(connection, "category"),
            "changes": find_last_changes(connection, user.name, ["queue"], undo_minutes=minutes),
            "saved_fit": count_rule_cases(connection, saved.rule) if saved else None,
            "scripts": SCRIPTS,
            "longest_name": LONGEST_QUEUE_NAME,
            "typed": typed,
            "query": query,
            "message": message,
        }
    return render(request, "queues.html", context)
