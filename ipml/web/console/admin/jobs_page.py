"""The jobs of the worker: what each does, its last run, the next one and failures; a lead has one done now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, Request, Response

from ipml.errors import Conflict, NotFound
from ipml.storage import jobs
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_engine
from ipml.web.responses import redirect, render


def show_jobs(request: Request) -> Response:
    """Show how each job stands, whether a worker leads, and why a job is off."""
    return _render(request)


def start_job(request: Request, name: Annotated[str, Form(max_length=50)]) -> Response:
    """Have a job done now; the worker that leads begins it within seconds."""
    try:
        with authorised(request, writing) as (connection, user):
            jobs.start_job(connection, name, request.app.state.settings, user.name, datetime.now(UTC))
    except (Conflict, NotFound) as error:
        return _render(request, str(error))
    return redirect("/jobs")


def _render(request: Request, message: str = "") -> Response:
    with authorised(request) as (connection, _):
        listed = jobs.list_jobs(connection, request.app.state.settings)
    context = {
        "listed": listed,
        "failing": [one for one in listed if one.is_failing],
        "is_led": jobs.has_leader(get_engine(request)),
        "at": datetime.now(UTC),
        "message": message,
    }
    return render(request, "jobs.html", context)
