"""The list of cases, fifty a page: filtered, sorted and searched as its address says."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from ipml.enforcement.appeal_desk import count_appeals
from ipml.review import queue
from ipml.review.browsing import ORDERS, browse
from ipml.review.undoable import find_undoable
from ipml.review.versions import read_pasts, tell_past
from ipml.storage.database import reading
from ipml.web.auth import get_engine, get_user, settings_of
from ipml.web.list_query import ListQuery
from ipml.web.permissions import Action
from ipml.web.render import render
from ipml.web.trail import LONGEST, read_trail, write_trail

PAGE_SIZE = 50
MOST_COUNTED = 10_000
ORDER_NAMES = {"rank": "as ranked", "value": "by value", "score": "by score", "first come": "first come"}


def show_list(request: Request, asked: Annotated[ListQuery, Query()]) -> Response:
    """Show one page of the list; `after` is the trail of the last case of each page before it."""
    engine, user, passed = get_engine(request), get_user(request), read_trail(asked.after)
    found = browse(engine, asked.filter(), asked.order, limit=PAGE_SIZE + 1, after=passed[-1] if passed else None)
    cases, is_more = found[:PAGE_SIZE], len(found) > PAGE_SIZE and len(passed) < LONGEST
    can_decide = user.role.may(Action.REVIEW)
    context = {
        "asked": asked,
        "cases": cases,
        "pasts": _tell_pasts(engine, [case.case_id for case in cases]),
        "counts": queue.count_cases(engine, at_most=MOST_COUNTED + 1),
        "most_counted": MOST_COUNTED,
        "orders": [(name, ORDER_NAMES.get(name, name)) for name in ORDERS],
        "first_rank": PAGE_SIZE * len(passed) + 1,
        "can_decide": can_decide,
        "can_export": user.role.may(Action.EXPORT_TABLES),
        "undoable": find_undoable(engine, user.name, settings=settings_of(request)) if can_decide else None,
        "pending_appeals": count_appeals(engine) if user.role.may(Action.DECIDE_APPEALS) else None,
        "link": lambda **changes: f"/?{asked.write(**changes)}",
        "previous_link": _link(asked, passed[:-1]) if passed else None,
        "next_link": _link(asked, [*passed, cases[-1].case_id]) if is_more else None,
    }
    return render(request, "cases.html", context)


def _tell_pasts(engine: Engine, case_ids: list[int]) -> dict[int, str]:
    """Return what was found of listings before, by case."""
    with reading(engine) as connection:
        return {number: tell_past(past) for number, past in read_pasts(connection, case_ids).items()}


def open_next(request: Request) -> Response:
    """Take the case that comes first and that nobody else works on, and open it."""
    claim = queue.claim(get_engine(request), get_user(request).name, settings=settings_of(request))
    target = f"/cases/{claim.case_id}?within=queue" if claim else "/"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def _link(asked: ListQuery, passed: list[int]) -> str:
    return f"/?{asked.write(after=write_trail(passed))}"
