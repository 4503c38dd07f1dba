"""Bulk decisions: cases selected in a list, previewed on one page, decided and undone together."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Form, Query, Request, Response
from pydantic import Field

from ipml.errors import Overtaken
from ipml.records import Verdict
from ipml.review.group_decisions import MOST_CASES, BulkRequest, preview_bulk
from ipml.review.group_decisions import decide_bulk as decide_together
from ipml.review.ranking.queue_order import current_ranking
from ipml.review.reversals import ReviewContext
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_actions, settings_of
from ipml.web.console.case_list import Number, ReviewPath, find_first
from ipml.web.console.pictures import find_pictures
from ipml.web.responses import redirect, render

VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_BULK_VERDICT = "^(counterfeit/[a-z_]{1,40}|genuine|cannot tell)$"


class BulkQuery(ReviewPath):
    """The query of a preview: selected cases, or `all` for the first 200 of the list."""

    case: list[Number] = Field([], max_length=MOST_CASES)
    all: Annotated[int, Field(ge=0, le=1)] = 0


class BulkForm(ReviewPath):
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
    return _show_bulk(request, case, query, is_cut=is_cut)


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


def _show_bulk(
    request: Request, numbers: list[int], path: BulkQuery | BulkForm, message: str = "", *, is_cut: bool = False
) -> Response:
    settings = settings_of(request)
    with authorised(request) as (connection, user):
        previews = [
            preview_bulk(connection, BulkRequest(numbers, user.name, verdict), settings=settings)
            for verdict in VERDICTS
        ]
        listings = {case.case_id: case.scored.listing for case in previews[0].cases}
        pictures = find_pictures(connection, settings, listings)
        rates = current_ranking(connection).policy.exchange_rates
    context = {
        "preview": previews[0],
        "pictures": pictures,
        "rates": rates,
        "tokens": [preview.digest for preview in previews],
        "sellers": len({case.scored.listing.seller_id for case in previews[0].cases}),
        "numbers": sorted(set(numbers)),
        "is_cut": is_cut,
        "key": uuid4().hex,
        "within": path.within,
        "note": path.note if isinstance(path, BulkForm) else "",
        "message": message,
        "list_address": path.list_address,
    }
    return render(request, "bulk.html", context)
