"""Queues page: queues by brand, category and script, and their people; leads define them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from ipml.errors import Conflict, UnstorableValue
from ipml.review.worklists.assignment import list_assignees
from ipml.review.worklists.review_queues import (
    LONGEST_QUEUE_NAME,
    SCRIPTS,
    QueueRule,
    count_queued,
    define_queue,
    list_queues,
    remove_queue,
)
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render

_Lines = Annotated[str, Field(max_length=30_000)]
_Choice = Annotated[str, Field(max_length=200)]


class QueueForm(BaseModel):
    """The form of a queue, with brands and categories one a line; `queue` is the number of one to redefine, or 0."""

    name: Annotated[str, Field(max_length=10 * LONGEST_QUEUE_NAME)] = ""
    queue: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    brands: _Lines = ""
    categories: _Lines = ""
    script: list[_Choice] = Field([], max_length=1_000)
    person: list[_Choice] = Field([], max_length=1_000)


def show_queues(request: Request) -> Response:
    """Show the queues with their open cases, and a form for a new one."""
    return _render(request)


def save_queue(request: Request, form: Annotated[QueueForm, Form()]) -> Response:
    """Define a queue, or redefine one."""
    brands, categories, queue = _split(form.brands), _split(form.categories), form.queue
    rule = QueueRule(form.name.strip(), brands, categories, tuple(form.script), tuple(form.person))
    try:
        with authorised(request, writing) as (connection, user):
            number = define_queue(connection, rule, queue_id=queue or None, by=user.name)
    except (Conflict, UnstorableValue) as error:
        return _render(request, rule, queue, str(error))
    return redirect(f"/queues#queue-{number}")


def drop_queue(request: Request, queue_id: PathNumber) -> Response:
    """Remove a queue; its cases go to the next that fits, or to everybody."""
    with authorised(request, writing) as (connection, user):
        remove_queue(connection, queue_id, by=user.name)
    return redirect("/queues")


def _split(lines: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for typed in lines.splitlines() if (line := typed.strip())))


def _render(request: Request, typed: QueueRule | None = None, queue_id: int = 0, message: str = "") -> Response:
    with authorised(request) as (connection, _):
        context: dict[str, Any] = {
            "queues": list_queues(connection),
            "open": count_queued(connection),
            "people": list_assignees(connection),
            "scripts": SCRIPTS,
            "longest_name": LONGEST_QUEUE_NAME,
            "said": typed,
            "said_of": queue_id,
            "message": message,
        }
    return render(request, "queues.html", context)
