"""Deciding the selected cases of a list together: looked at on one page first, then recorded, undone as one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import uuid4

from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from ipml.errors import PreviewOutdated
from ipml.records import Verdict
from ipml.review import queue
from ipml.review.bulk import MOST_CASES, BulkPreview
from ipml.web.auth import get_engine, get_user, settings_of
from ipml.web.case_page import WithinForm, WithinQuery
from ipml.web.following import address_of_list
from ipml.web.render import render

VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_CHOICE = "^(counterfeit/[a-z_]{1,40}|genuine|cannot tell)$"

_Number = Annotated[int, Query(ge=1, le=2**63 - 1)]
_FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]


def show_bulk(
    request: Request,
    case: Annotated[list[_Number], Query(max_length=MOST_CASES)] = [],  # noqa: B006 - FastAPI copies it
    within: WithinQuery = "",
) -> Response:
    """Show what deciding the selected cases together would do; nothing changes."""
    if not case:
        return RedirectResponse(address_of_list(within), HTTPStatus.SEE_OTHER)
    return _show(request, case, within)


def decide_bulk(
    request: Request,
    case: Annotated[list[_FormNumber], Form(min_length=1, max_length=MOST_CASES)],
    choice: Annotated[str, Form(pattern=_CHOICE)],
    token: Annotated[
        list[Annotated[str, Form(max_length=64)]], Form(min_length=len(VERDICTS), max_length=len(VERDICTS))
    ],
    key: Annotated[str, Form(min_length=16, max_length=64)],
    note: Annotated[str, Form()] = "",
    within: WithinForm = "",
) -> Response:
    """Record one verdict on all cases of the preview, or on none where one of them has changed since."""
    verdict, _, ground = choice.partition("/")
    seen = token[VERDICTS.index(Verdict(verdict))]
    engine, user = get_engine(request), get_user(request)
    try:
        queue.decide_bulk(
            engine,
            case,
            user.name,
            Verdict(verdict),
            ground=ground,
            note=note,
            key=key,
            token=seen,
            settings=settings_of(request),
        )
    except PreviewOutdated as error:
        return _show(request, case, within, note, str(error))
    return RedirectResponse(address_of_list(within), HTTPStatus.SEE_OTHER)


def _show(request: Request, numbers: list[int], within: str, note: str = "", message: str = "") -> Response:
    engine, user, settings = get_engine(request), get_user(request), settings_of(request)
    previews = [queue.preview_bulk(engine, numbers, user.name, verdict, settings=settings) for verdict in VERDICTS]
    context = {
        "preview": previews[0],
        "tokens": [preview.digest for preview in previews],
        "sellers": _count_sellers(previews[0]),
        "numbers": sorted(set(numbers)),
        "grounds": queue.GROUNDS,
        "key": uuid4().hex,
        "within": within,
        "note": note,
        "message": message,
        "list_address": address_of_list(within),
    }
    return render(request, "bulk.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


def _count_sellers(preview: BulkPreview) -> int:
    return len({case.scored.listing.seller_id for case in preview.cases})
