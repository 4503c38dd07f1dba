"""A seller's record, reached by one of their cases, so that no address holds a seller's id."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from ipml.enforcement.by_hand import confirm_penalty, lift_penalty
from ipml.enforcement.seller_file import MOST, read_seller_file
from ipml.errors import CannotChangePenalty, OwnListing, PenaltyNotFound, SellerErased
from ipml.review import queue
from ipml.review.quality.shown import find_hidden
from ipml.web.auth import get_engine, get_policy, get_user
from ipml.web.case_page import CaseNumber
from ipml.web.measure_page import FormNumber
from ipml.web.networks_page import find_network
from ipml.web.permissions import Action
from ipml.web.render import render
from ipml.web.seller_chart import read_seller_card


def show_seller(request: Request, case_id: CaseNumber) -> Response:
    """Show what is known of the seller of a case, what their strikes lead to, and what was done."""
    return _show(request, case_id)


def change_penalty(
    request: Request,
    case_id: CaseNumber,
    penalty: FormNumber,
    to: Annotated[str, Form(pattern="^(confirm|lift)$")],
    why: Annotated[str, Form()] = "",
) -> Response:
    """Confirm a penalty that was proposed, or lift one."""
    engine, name, policy = get_engine(request), get_user(request).name, get_policy(request)
    found = read_seller_file(engine, case_id, policy, name)
    if penalty not in [one.given.penalty.penalty_id for one in found.penalties]:
        raise PenaltyNotFound(penalty)
    act = confirm_penalty if to == "confirm" else lift_penalty
    try:
        act(engine, penalty, name, why, policy)
    except (CannotChangePenalty, OwnListing, SellerErased) as error:
        return _show(request, case_id, str(error))
    return RedirectResponse(f"/cases/{case_id}/seller#penalty-{penalty}", HTTPStatus.SEE_OTHER)


def _show(request: Request, case_id: int, message: str = "") -> Response:
    engine, user, policy = get_engine(request), get_user(request), get_policy(request)
    hidden = find_hidden(engine, user.name)
    file = read_seller_file(engine, case_id, policy, user.name, hidden=hidden)
    sees_networks = user.role.may(Action.HAND_ON_NETWORKS)
    context = {
        "case_id": case_id,
        "file": file,
        "network": find_network(request, file.seller_id, file.pseudonym) if sees_networks else None,
        "seller": read_seller_card(engine, queue.get_case(engine, case_id), hidden),
        "is_lead": user.role.may(Action.CHANGE_PENALTIES),
        "grounds": queue.GROUNDS,
        "most": MOST,
        "message": message,
    }
    return render(request, "seller.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)
