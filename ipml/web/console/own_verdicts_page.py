"""A reviewer's own last verdicts, each of which can be taken back while there is time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import Request, Response

from ipml.review.decisions import GROUNDS
from ipml.review.worklists.own_verdicts import count_progress, list_own_verdicts
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.responses import render


def show_own_verdicts(request: Request) -> Response:
    """Show the last verdicts of whoever asks, and how far they have come in their shift."""
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
