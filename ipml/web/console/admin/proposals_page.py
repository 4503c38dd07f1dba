"""Proposals page: authorised sellers and reference pictures proposed by brands, for leads to accept or decline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, Request, Response

from ipml.cooperation.brands.pictures import list_picture_proposals, settle_picture
from ipml.cooperation.brands.sellers import list_proposals, settle_proposal
from ipml.errors import Conflict, Forbidden, Refused
from ipml.review.sellers.seller_lists import LONGEST_WHY
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render

_Choice = Annotated[str, Form(pattern="^(accept|decline)$")]
_Why = Annotated[str, Form(max_length=LONGEST_WHY)]
_MOST_SHOWN = 200


def show_proposals(request: Request) -> Response:
    """Show the sellers and pictures that brands propose, waiting ones first."""
    return _render(request)


def settle_seller(request: Request, proposal_id: PathNumber, choice: _Choice, why: _Why = "") -> Response:
    """List a proposed seller as authorised, or decline with a reason."""
    is_listed, now = choice == "accept", datetime.now(UTC)
    try:
        with authorised(request, writing) as (connection, user):
            settle_proposal(connection, proposal_id, is_listed=is_listed, by=user.name, now=now, why=why)
    except (Conflict, Forbidden, Refused) as error:
        return _render(request, str(error))
    return redirect("/proposals")


def settle_proposed_picture(request: Request, proposal_id: PathNumber, choice: _Choice, why: _Why = "") -> Response:
    """Accept a proposed reference picture, or decline with a reason."""
    is_accepted, now = choice == "accept", datetime.now(UTC)
    try:
        with authorised(request, writing) as (connection, user):
            settle_picture(connection, proposal_id, is_accepted=is_accepted, by=user.name, now=now, why=why)
    except (Conflict, Refused) as error:
        return _render(request, str(error))
    return redirect("/proposals")


def _render(request: Request, message: str = "") -> Response:
    with authorised(request) as (connection, _):
        sellers = list_proposals(connection, waits=False, limit=_MOST_SHOWN)
        pictures = list_picture_proposals(connection, limit=_MOST_SHOWN)
    sellers.sort(key=lambda one: one.outcome is not None)
    context = {"sellers": sellers, "pictures": pictures, "message": message, "longest": LONGEST_WHY}
    return render(request, "proposals.html", context)
