"""Pictures: portal pages to propose reference pictures, and to find listings by a picture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import File, Form, Request, Response, UploadFile

from ipml.cooperation.brands.listings import find_showing
from ipml.cooperation.brands.pictures import (
    LONGEST_SHOWS,
    ProposedPicture,
    get_picture_proposal,
    list_picture_proposals,
    propose_picture,
)
from ipml.errors import Conflict, NotFound, Refused
from ipml.records import Verdict
from ipml.review.pictures.copies import PictureRefused, make_copies
from ipml.review.pictures.hashes import find_alike, hash_file
from ipml.review.pictures.stored import Size
from ipml.storage.database import writing
from ipml.web.accounts.login import settings_of
from ipml.web.console.pictures import send_copy
from ipml.web.portal.pages import MOST_ROWS, describe_listings
from ipml.web.portal.visitor import Number, visiting
from ipml.web.responses import redirect, render

MOST_FILES = 10
"""Pictures proposed at once, at most."""
_MOST_SHOWN = 200
_NONE_KEPT = "This marketplace keeps no pictures."


def show_pictures(request: Request) -> Response:
    """Show the reference pictures that the visitor's brands have proposed."""
    return _render(request, {})


def propose(
    request: Request,
    files: Annotated[list[UploadFile], File(max_length=MOST_FILES)],
    kind: Annotated[str, Form(pattern="^(genuine|counterfeit)$")],
    brand: Annotated[str, Form(max_length=200)] = "",
    shows: Annotated[str, Form(max_length=LONGEST_SHOWS)] = "",
) -> Response:
    """Propose pictures of known goods, to be checked by a lead; all of them or none."""
    typed, now = {"brand": brand, "shows": shows, "kind": kind}, datetime.now(UTC)
    folder = settings_of(request).pictures
    if folder is None:
        return _render(request, typed, _NONE_KEPT)
    try:
        with visiting(request) as (_, visitor):
            binding = visitor.binding(brand)
        read = [(content, make_copies(content)) for content in (file.file.read() for file in files)]
        with visiting(request, writing) as (connection, _):
            for content, copies in read:
                proposed = ProposedPicture(binding.brand, binding.notifier_id, Verdict(kind), shows, content, copies)
                propose_picture(connection, folder, proposed, by=visitor.name, now=now)
    except PictureRefused as error:
        return _render(request, typed, f"A file {error.why}. Nothing was added.")
    except (Refused, Conflict) as error:
        return _render(request, typed, str(error))
    return redirect("/portal/pictures")


def show_proposed(request: Request, proposal_id: Number) -> Response:
    """Send a picture that the visitor's brands proposed."""
    return _send(request, proposal_id, "view")


def show_small(request: Request, proposal_id: Number) -> Response:
    """Send the small copy of such a picture."""
    return _send(request, proposal_id, "thumbnail")


def _send(request: Request, proposal_id: int, size: Size) -> Response:
    with visiting(request) as (connection, visitor):
        one = get_picture_proposal(connection, proposal_id, visitor.brands)
    if one.outcome == "rejected":
        raise NotFound("picture", proposal_id)
    return send_copy(settings_of(request).pictures, one.digest, size)


def find_by_picture(request: Request, file: UploadFile) -> Response:
    """Show the listings of the visitor's brands that show the same picture as a file, or nearly the same."""
    with visiting(request) as (connection, visitor):  # before anything is decoded
        context = describe_listings(request, connection, visitor, [])
    if settings_of(request).pictures is None:
        return render(request, "portal/listings.html", context | {"message": _NONE_KEPT})
    try:
        picture = hash_file(file.file.read())
    except PictureRefused as error:
        context["message"] = f"The file {error.why}."
        return render(request, "portal/listings.html", context, HTTPStatus.BAD_REQUEST)
    with visiting(request) as (connection, visitor):
        groups = find_alike(connection, request.app.state.picture_index, picture)
        listed = find_showing(connection, visitor.brands, groups, MOST_ROWS)
        context = describe_listings(request, connection, visitor, listed)
    return render(request, "portal/listings.html", context | {"by_picture": True})


def _render(request: Request, typed: Mapping[str, str], message: str = "") -> Response:
    with visiting(request) as (connection, visitor):
        proposals = list_picture_proposals(connection, visitor.brands, limit=_MOST_SHOWN)
    context: dict[str, Any] = {"visitor": visitor, "proposals": proposals, "message": message}
    context |= {"said": {"brand": "", "shows": "", "kind": "genuine"} | dict(typed), "longest": LONGEST_SHOWS}
    context |= {"most": MOST_FILES, "are_kept": settings_of(request).pictures is not None}
    return render(request, "portal/pictures.html", context, HTTPStatus.BAD_REQUEST if message else None)
