"""Bulk decisions: cases selected in a list, previewed on one page, decided and undone together."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import Form, Query, Request, Response

from ipml.errors import Overtaken
from ipml.records import Verdict
from ipml.review import queue
from ipml.review.group_decisions import MOST_CASES
from ipml.review.ranking.queue_order import current_ranking
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_actions, settings_of
from ipml.web.console.case_list import FormNumber, address_of_list, find_first
from ipml.web.console.case_page import WithinForm, WithinQuery
from ipml.web.console.pictures import find_pictures
from ipml.web.responses import redirect, render

VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_BULK_VERDICT = "^(counterfeit/[a-z_]{1,40}|genuine|cannot tell)$"

_QueryNumber = Annotated[int, Query(ge=1, le=2**63 - 1)]


def show_bulk(
    request: Request,
    case: Annotated[list[_QueryNumber], Query(max_length=MOST_CASES)] = [],  # noqa: B006 - FastAPI copies it
    within: WithinQuery = "",
    all: Annotated[int, Query(ge=0, le=1)] = 0,
) -> Response:
    """Preview a decision on the selected cases, or on the first 200 of the list; nothing changes."""
    is_cut = False
    if all:
        with authorised(request) as (connection, user):
            found = find_first(connection, user, within, MOST_CASES + 1)
        case, is_cut = found[:MOST_CASES], len(found) > MOST_CASES
    if not case:
        with authorised(request):
            return redirect(address_of_list(within))
    return _show_bulk(request, case, within, is_cut=is_cut)


def decide_bulk(
    request: Request,
    case: Annotated[list[FormNumber], Form(min_length=1, max_length=MOST_CASES)],
    choice: Annotated[str, Form(pattern=_BULK_VERDICT)],
    token: Annotated[
        list[Annotated[str, Form(max_length=64)]], Form(min_length=len(VERDICTS), max_length=len(VERDICTS))
    ],
    key: Annotated[str, Form(min_length=16, max_length=64)],
    note: Annotated[str, Form()] = "",
    within: WithinForm = "",
) -> Response:
    """Record one verdict on all cases of the preview, or on none if one has changed since."""
    verdict, _, ground = choice.partition("/")
    said: dict[str, Any] = {"ground": ground, "note": note, "key": key, "actions": get_actions(request)}
    said |= {"token": token[VERDICTS.index(Verdict(verdict))], "settings": settings_of(request)}
    try:
        with authorised(request, writing) as (connection, user):
            queue.decide_bulk(connection, case, user.name, Verdict(verdict), **said)
    except Overtaken as error:
        return _show_bulk(request, case, within, note, str(error))
    return redirect(address_of_list(within))


def _show_bulk(
    request: Request, numbers: list[int], within: str, note: str = "", message: str = "", *, is_cut: bool = False
) -> Response:
    settings = settings_of(request)
    with authorised(request) as (connection, user):
        previews = [
            queue.preview_bulk(connection, numbers, user.name, verdict, settings=settings) for verdict in VERDICTS
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
        "grounds": queue.GROUNDS,
        "key": uuid4().hex,
        "within": within,
        "note": note,
        "message": message,
        "list_address": address_of_list(within),
    }
    return render(request, "bulk.html", context)
