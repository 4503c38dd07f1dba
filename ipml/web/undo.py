"""Taking back what was just decided: one case opens again, or all that were decided together."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from ipml.review import queue
from ipml.review.undoable import take_back
from ipml.web.auth import get_engine, get_user, settings_of
from ipml.web.case_page import WithinForm
from ipml.web.following import address_of, give_back
from ipml.web.permissions import Action


def undo(
    request: Request,
    case: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    claim: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    decision: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    group: Annotated[str, Form(max_length=255, pattern="^[^\x00]*$")] = "",
    within: WithinForm = "",
    leaving: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    token: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
) -> Response:
    """Take a verdict back and open its case, or a group of decisions and go to the list.

    The form names what it takes back, so that a page that is no longer fresh takes back nothing else; and the case
    that is left open for it, which is given back.
    """
    engine, user, settings = get_engine(request), get_user(request), settings_of(request)
    may_undo_others = user.role.may(Action.UNDO_OTHERS)
    if leaving:
        give_back(engine, user, queue.get_case(engine, leaving), token)
    if group:
        made = queue.undo_group(engine, group, user.name, may_undo_others=may_undo_others, settings=settings)
        return RedirectResponse(f"/?undone={len(made)}", HTTPStatus.SEE_OTHER)
    if decision:
        case = queue.undo(engine, decision, user.name, may_undo_others=may_undo_others, settings=settings).case_id
    else:
        take_back(engine, user.name, case, claim, settings=settings)
    return address_of(case, within, undone=1)
