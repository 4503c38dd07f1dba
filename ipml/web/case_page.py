"""One case: everything that speaks for and against it, and the verdict.

Opening it claims it. All of it works as plain forms; the keyboard script only presses what is on the page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from ipml.cooperation.notices.on_cases import find_notices
from ipml.enforcement.followed import read_followed
from ipml.enforcement.outlook import foresee
from ipml.errors import AlreadyDecided, ClaimLost, OwnListing, SamePerson
from ipml.records import Case, Claim, Verdict
from ipml.review import queue
from ipml.review.cases import find_case
from ipml.review.clusters.relistings import explain_relisting
from ipml.review.clusters.spread import MOST_MEMBERS, decide_and_spread, preview_spread
from ipml.review.precedents import find_precedents
from ipml.review.quality.shown import find_hidden
from ipml.review.ranking.places import explain_place
from ipml.review.undoable import find_undoable, list_reversals
from ipml.review.versions import find_verdicts, read_pasts, tell_past
from ipml.storage.database import reading
from ipml.web.auth import get_engine, get_policy, get_user, settings_of
from ipml.web.enforcement_wording import tell_term
from ipml.web.following import LONGEST, address_of, address_of_list, find_following, give_back
from ipml.web.permissions import Action
from ipml.web.price_scale import make_price_scale
from ipml.web.protection import is_from_elsewhere
from ipml.web.render import render
from ipml.web.seller_chart import read_seller_card
from ipml.web.trail import PATTERN, read_trail, write_trail
from ipml.web.users import User

_MOST_OTHERS = 8
_MOST_NOTICES = 10
_CHOICE = "^(counterfeit(/[a-z_]{1,40})?|genuine|cannot tell|escalate)$"

_FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]
CaseNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]
WithinQuery = Annotated[str, Query(max_length=LONGEST, pattern="^[^\x00]*$")]
WithinForm = Annotated[str, Form(max_length=LONGEST, pattern="^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class Visit:
    """What a reviewer brings along to a case.

    Attributes
    ----------
    trail : str
        The cases skipped on the way.
    within : str
        The list they work through, or the queue.
    note : str
        What they had written when their claim was lost.
    message : str
        What went wrong.
    is_undone : bool
        Whether a decision on the case was taken back just now.
    """

    trail: str = ""
    within: str = ""
    note: str = ""
    message: str = ""
    is_undone: bool = False


def show_case(
    request: Request,
    case_id: CaseNumber,
    trail: Annotated[str, Query(pattern=PATTERN)] = "",
    within: WithinQuery = "",
    undone: Annotated[int, Query(ge=0, le=1)] = 0,
) -> Response:
    """Show a case, and claim it for the reviewer who opens it."""
    return show(request, case_id, Visit(trail, within, is_undone=bool(undone)))


def decide(
    request: Request,
    case_id: CaseNumber,
    choice: Annotated[str, Form(pattern=_CHOICE)],
    token: Annotated[int, Form(ge=0, le=2**63 - 1)],
    until: Annotated[datetime, Form()],
    key: Annotated[str, Form(min_length=16, max_length=64)],
    note: Annotated[str, Form()] = "",
    trail: Annotated[str, Form(pattern=PATTERN)] = "",
    within: WithinForm = "",
    spread: Annotated[list[_FormNumber], Form(max_length=MOST_MEMBERS)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Record a verdict and open the following case; `choice` is "genuine", …, or "counterfeit/GROUND".

    A verdict on the truth spreads to the near-duplicates that were ticked.
    """
    engine, user = get_engine(request), get_user(request)
    case = queue.get_case(engine, case_id)
    claim = Claim(case_id, user.name, token, until)
    name, _, ground = choice.partition("/")
    verdict, settings = Verdict(name), settings_of(request)
    try:
        if spread and verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE):
            decide_and_spread(engine, claim, verdict, spread, ground=ground, note=note, key=key, settings=settings)
        else:
            queue.decide(engine, claim, verdict, ground=ground, note=note, key=key, settings=settings)
    except (ClaimLost, AlreadyDecided, OwnListing, SamePerson) as error:
        return show(request, case_id, Visit(trail, within, note, str(error)))
    return address_of(_follow(request, case, within, trail), within, trail=trail)


def leave(
    request: Request,
    case_id: CaseNumber,
    to: Annotated[str, Form(pattern="^(list|next|previous)$")],
    token: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    trail: Annotated[str, Form(pattern=PATTERN)] = "",
    within: WithinForm = "",
) -> Response:
    """Give a case back undecided; go to the list, to the following case, or back to the one skipped last."""
    engine, user, skipped = get_engine(request), get_user(request), read_trail(trail)
    case = queue.get_case(engine, case_id)
    give_back(engine, user, case, token)
    if to == "next":
        trail = write_trail([*skipped, case_id])
        return address_of(_follow(request, case, within, trail), within, trail=trail)
    if to == "previous" and skipped:
        return address_of(skipped[-1], within, trail=write_trail(skipped[:-1]))
    return RedirectResponse(f"{address_of_list(within)}#case-{case_id}", HTTPStatus.SEE_OTHER)


def show(request: Request, case_id: int, visit: Visit) -> Response:
    """Show a case to a visitor; with a message what they asked for was not done."""
    engine, user = get_engine(request), get_user(request)
    shown = queue.shown_state(engine, user.name, case_id)
    case = replace(queue.get_case(engine, case_id), state=shown.state)
    claim, barred = _claim(request, user, case)
    can_decide = user.role.may(Action.REVIEW)
    context = {
        "visit": visit,
        "case": case,
        "claim": claim,
        "barred": barred,
        "key": uuid4().hex,
        "may_judge": _may_judge(user, case),
        "can_decide": can_decide,
        "may_undo_others": user.role.may(Action.UNDO_OTHERS),
        "grounds": queue.GROUNDS,
        "undoable": find_undoable(engine, user.name, settings=settings_of(request)) if can_decide else None,
        "list_address": address_of_list(visit.within),
        "place": explain_place(engine, case_id, state=shown.state),
        "relisting": explain_relisting(engine, case_id) if case.relisting_of else None,
        **_tell_versions(engine, case, hides=shown.hides_history),
        **_tell_listing(case),
        **_tell_seller(engine, case, user),
        **_tell_history(engine, user, case, shown.hides_history),
        **_tell_notices(request, case),
        **_tell_consequences(request, case, claim, shown.hides_history),
    }
    return render(request, "case.html", context, HTTPStatus.CONFLICT if visit.message else HTTPStatus.OK)


def _tell_versions(engine: Engine, case: Case, *, hides: bool) -> dict[str, Any]:
    """Tell what the listing was before, and what it is now where that is another case."""
    with reading(engine) as connection:
        past = read_pasts(connection, [case.case_id]).get(case.case_id)
        own = None if hides else find_verdicts(connection, [case.case_id]).get(case.case_id)
        seen_at = find_case(connection, case.case_id).seen_at
    is_offered = own is not None and own.verdict is Verdict.COUNTERFEIT and seen_at and seen_at > own.decided_at
    is_offered = is_offered and case.state == "decided"
    return {"past": past, "told_past": tell_past(past) if past else "", "offered_at": seen_at if is_offered else None}


def _tell_listing(case: Case) -> dict[str, Any]:
    scored = case.scored
    return {
        "heaviest": max((abs(part.weight) for part in scored.highlights), default=0.0),
        "strongest": max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        "scale": make_price_scale(scored.listing.price, scored.listing.currency, scored.price_range),
    }


def _tell_seller(engine: Engine, case: Case, user: User) -> dict[str, Any]:
    listing = case.scored.listing
    alike = preview_spread(engine, case.case_id, user.name).cases if case.n_alike else ()
    shown = {case.case_id, *(one.case_id for one in alike)}
    others = queue.seller_cases(engine, listing.seller_id, _MOST_OTHERS + len(shown))
    return {
        "seller": read_seller_card(engine, case, find_hidden(engine, user.name)),
        "others": [other for other in others if other.case_id not in shown][:_MOST_OTHERS],
        "alike": alike,
    }


def _tell_history(engine: Engine, user: User, case: Case, hides: bool) -> dict[str, Any]:
    decisions = [] if hides else queue.list_decisions(engine, case.case_id, with_reversed=True)
    undone = list_reversals(engine, case.case_id)
    standing = [decision for decision in decisions if decision.decision_id not in undone]
    return {
        "decisions": decisions,
        "undone": undone,
        "last_standing": standing[-1] if standing else None,
        "deeds": queue.shown_history(engine, user.name, case.case_id),
        "precedents": find_precedents(engine, case),
    }


def _tell_notices(request: Request, case: Case) -> dict[str, Any]:
    """Tell what others say of the listing, and how much each of them must show."""
    with reading(get_engine(request)) as connection:
        found = find_notices(connection, case.case_id)
    tiers = {tier.name: tier.burden for tier in request.app.state.cooperation.notifiers.tiers}
    return {"noted": found[:_MOST_NOTICES], "n_noted": len(found), "burdens": tiers}


def _tell_consequences(request: Request, case: Case, claim: Claim | None, hides: bool) -> dict[str, Any]:
    """Tell what "counterfeit" would lead to, before the decision, and what followed, after it."""
    engine, policy = get_engine(request), get_policy(request)
    return {
        "outlook": foresee(engine, case.case_id, policy) if claim else None,
        "followed": None if hides else read_followed(engine, case.case_id),
        "terms_of": lambda clocks: [tell_term(clock, policy.appeals) for clock in clocks],
    }


def _claim(request: Request, user: User, case: Case) -> tuple[Claim | None, str]:
    """Take the case if the user may, and say why not if it is not for them."""
    # A link on another site must not take cases in a reviewer's name.
    if is_from_elsewhere(request) or not _may_judge(user, case):
        return None, ""
    try:
        return queue.claim(get_engine(request), user.name, case.case_id, settings=settings_of(request)), ""
    except AlreadyDecided:
        return None, ""
    except (OwnListing, SamePerson) as error:
        return None, str(error)


def _may_judge(user: User, case: Case) -> bool:
    action = {"open": Action.REVIEW, "escalated": Action.DECIDE_ESCALATED}.get(case.state)
    return action is not None and user.role.may(action)


def _follow(request: Request, last: Case, within: str, trail: str) -> int | None:
    engine, user = get_engine(request), get_user(request)
    state = last.state if _may_judge(user, last) else "open"
    return find_following(engine, user, last, state, within, read_trail(trail), settings_of(request))
