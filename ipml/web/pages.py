"""The ranked list of cases, fifty a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from ipml.review import queue
from ipml.web.auth import get_engine, get_user
from ipml.web.render import render
from ipml.web.trail import LONGEST, PATTERN, read_trail, write_trail
from ipml.web.users import Role

PAGE_SIZE = 50

_Text = Annotated[str, Query(max_length=200, pattern="^[^\x00]*$")]


def show_list(
    request: Request,
    state: Annotated[str, Query(pattern="^(open|escalated|decided)$")] = "open",
    brand: _Text = "",
    seller: _Text = "",
    after: Annotated[str, Query(pattern=PATTERN)] = "",
) -> Response:
    """Show one page of the list; `after` is the trail of the last case of each page before it."""
    engine, wanted = get_engine(request), {"state": state, "brand": brand, "seller": seller}
    passed = read_trail(after)
    found = queue.list_cases(
        engine,
        state=state,
        brand=brand or None,
        seller_id=seller or None,
        limit=PAGE_SIZE + 1,
        after=passed[-1] if passed else None,
    )
    cases, is_more = found[:PAGE_SIZE], len(found) > PAGE_SIZE and len(passed) < LONGEST
    context = {
        **wanted,
        "cases": cases,
        "counts": queue.count_cases(engine),
        "first_rank": PAGE_SIZE * len(passed) + 1,
        "can_decide": get_user(request).role.includes(Role.REVIEWER),
        "can_export": get_user(request).role.includes(Role.LEAD),
        "link": lambda **changes: _link({**wanted, **changes}),
        "previous_link": _link(wanted, passed[:-1]) if passed else None,
        "next_link": _link(wanted, [*passed, cases[-1].case_id]) if is_more else None,
    }
    return render(request, "cases.html", context)


def open_next(request: Request) -> Response:
    """Take the most suspicious open case that nobody else works on, and open it."""
    claim = queue.claim(
        get_engine(request), get_user(request).name, lease_minutes=request.app.state.settings.lease_minutes
    )
    return RedirectResponse(f"/cases/{claim.case_id}" if claim else "/", HTTPStatus.SEE_OTHER)


def _link(wanted: Mapping[str, str], passed: Sequence[int] = ()) -> str:
    said = {name: value for name, value in {**wanted, "after": write_trail(passed)}.items() if value}
    return f"/?{urlencode(said)}"
