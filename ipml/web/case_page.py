"""One case: everything that speaks for and against it, and the verdict.

Opening it claims it. All of it works as plain forms; the keyboard script only presses what is on the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import uuid4

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from ipml.errors import AlreadyDecided, ClaimLost, OwnListing, SamePerson
from ipml.records import Case, Claim, Verdict
from ipml.review import queue
from ipml.web.auth import get_engine, get_user
from ipml.web.price_scale import make_price_scale
from ipml.web.protection import is_from_elsewhere
from ipml.web.render import render
from ipml.web.trail import PATTERN, read_trail, write_trail
from ipml.web.users import Role, User
from ipml.web.wording import seller_history

_MOST_OTHERS = 8
_CHOICE = "^(counterfeit(/[a-z_]{1,40})?|genuine|cannot tell|escalate)$"

CaseNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Visit:
    """What a reviewer brings along to a case.

    Attributes
    ----------
    trail : str
        The cases skipped on the way.
    recorded : int
        The case just decided, or 0.
    note : str
        What they had written when their claim was lost.
    message : str
        What went wrong.
    """

    trail: str = ""
    recorded: int = 0
    note: str = ""
    message: str = ""


def show_case(
    request: Request,
    case_id: CaseNumber,
    trail: Annotated[str, Query(pattern=PATTERN)] = "",
    recorded: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
) -> Response:
    """Show a case, and claim it for the reviewer who opens it."""
    return _show(request, case_id, Visit(trail, recorded))


def decide(
    request: Request,
    case_id: CaseNumber,
    choice: Annotated[str, Form(pattern=_CHOICE)],
    token: Annotated[int, Form(ge=0, le=2**63 - 1)],
    until: Annotated[datetime, Form()],
    key: Annotated[str, Form(min_length=16, max_length=64)],
    note: Annotated[str, Form()] = "",
    trail: Annotated[str, Form(pattern=PATTERN)] = "",
) -> Response:
    """Record a verdict and open the following case; `choice` is "genuine", …, or "counterfeit/GROUND"."""
    engine, user = get_engine(request), get_user(request)
    case = queue.get_case(engine, case_id)
    claim = Claim(case_id, user.name, token, until)
    verdict, _, ground = choice.partition("/")
    try:
        queue.decide(engine, claim, Verdict(verdict), ground=ground, note=note, key=key)
    except (ClaimLost, AlreadyDecided, OwnListing, SamePerson) as error:
        return _show(request, case_id, Visit(trail, note=note, message=str(error)))
    return _go_to(_find_next(request, user, case), f"recorded={case_id}&trail={trail}")


def leave(
    request: Request,
    case_id: CaseNumber,
    to: Annotated[str, Form(pattern="^(list|next|previous)$")],
    token: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    trail: Annotated[str, Form(pattern=PATTERN)] = "",
) -> Response:
    """Give a case back undecided; go to the list, to the following case, or back to the one skipped last."""
    engine, user, skipped = get_engine(request), get_user(request), read_trail(trail)
    case = queue.get_case(engine, case_id)
    _give_back(engine, user, case, token)
    if to == "next":
        return _go_to(_find_following(engine, user, case), f"trail={write_trail([*skipped, case_id])}")
    if to == "previous" and skipped:
        return _go_to(skipped[-1], f"trail={write_trail(skipped[:-1])}")
    return _go_to(None)


def _show(request: Request, case_id: int, visit: Visit) -> Response:
    engine, user = get_engine(request), get_user(request)
    shown = queue.shown_state(engine, user.name, case_id)
    case = replace(queue.get_case(engine, case_id), state=shown.state)
    scored, listing = case.scored, case.scored.listing
    claim, barred = _claim(request, user, case)
    own = queue.find_own_verdict(engine, user.name, visit.recorded) if visit.recorded else None
    others = queue.seller_cases(engine, listing.seller_id, _MOST_OTHERS + 1)
    context = {
        "visit": visit,
        "case": case,
        "claim": claim,
        "barred": barred,
        "key": uuid4().hex,
        "may_judge": _may_judge(user, case),
        "can_decide": user.role.includes(Role.REVIEWER),
        "grounds": queue.GROUNDS,
        "strongest": max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        "scale": make_price_scale(listing.price, listing.currency, scored.price_range),
        "seller_history": seller_history(listing),
        "others": [other for other in others if other.case_id != case_id][:_MOST_OTHERS],
        "decisions": [] if shown.hides_history else queue.list_decisions(engine, case_id),
        "deeds": queue.shown_history(engine, user.name, case_id),
        "last": [own] if own else [],
    }
    return render(request, "case.html", context, HTTPStatus.CONFLICT if visit.message else HTTPStatus.OK)


def _claim(request: Request, user: User, case: Case) -> tuple[Claim | None, str]:
    """Take the case if the user may, and say why not if it is not for them."""
    # A link on another site must not take cases in a reviewer's name.
    if is_from_elsewhere(request) or not _may_judge(user, case):
        return None, ""
    minutes = request.app.state.settings.lease_minutes
    try:
        return queue.claim(get_engine(request), user.name, case.case_id, lease_minutes=minutes), ""
    except AlreadyDecided:
        return None, ""
    except (OwnListing, SamePerson) as error:
        return None, str(error)


def _may_judge(user: User, case: Case) -> bool:
    least = {"open": Role.REVIEWER, "escalated": Role.LEAD}.get(case.state)
    return least is not None and user.role.includes(least)


def _give_back(engine: Engine, user: User, case: Case, token: int) -> None:
    claim = queue.shown_state(engine, user.name, case.case_id).claim
    if claim is None:
        return
    try:
        queue.release(engine, replace(claim, token=token))
    except (ClaimLost, AlreadyDecided):
        return  # opened again elsewhere, or decided: nothing to give back here


def _find_next(request: Request, user: User, last: Case) -> int | None:
    """Return what comes before the ranked cases, such as a case that waits for a second person; else the following."""
    engine = get_engine(request)
    if last.state != "escalated":
        minutes = request.app.state.settings.lease_minutes
        if claim := queue.claim_ahead(engine, user.name, lease_minutes=minutes):
            return claim.case_id
    return _find_following(engine, user, last)


def _find_following(engine: Engine, user: User, last: Case) -> int | None:
    """Return the next case by rank that nobody else holds; after the last one, the first.

    A lead who works the escalated cases stays with them.
    """
    state = last.state if _may_judge(user, last) else "open"
    for after in (last.case_id, None):
        for case in queue.list_cases(engine, state=state, after=after):
            if case.case_id != last.case_id and case.reviewer in (None, user.name):
                return case.case_id
    return None


def _go_to(case_id: int | None, query: str = "") -> Response:
    return RedirectResponse(f"/cases/{case_id}?{query}" if case_id else "/", HTTPStatus.SEE_OTHER)
