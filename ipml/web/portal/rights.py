"""Rights: portal pages for registered rights and authorised sellers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Request, Response, UploadFile
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from ipml.cooperation.brands.sellers import (
    ProposedSeller,
    end_authorisation,
    list_authorised,
    list_proposals,
    propose_seller,
)
from ipml.cooperation.notifiers.notifier import end_of_day
from ipml.cooperation.notifiers.registrations import (
    MOST_BYTES,
    Registration,
    RegistrationForm,
    file_registration,
    list_registrations,
    read_file,
)
from ipml.errors import Conflict, Forbidden, NotFound, Refused
from ipml.review.sellers.seller_lists import LONGEST_NAME, LONGEST_WHY
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_cooperation_policy
from ipml.web.portal.visitor import Number, Visitor, visiting
from ipml.web.responses import redirect, render

MEDIA = {"pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg"}
_Text = Annotated[str, Form(max_length=2000)]
_FormText = Annotated[str, Field(max_length=2000)]
_Day = Annotated[str, Form(max_length=10)]


def show_rights(request: Request) -> Response:
    """Show the registrations of the visitor's brands."""
    return _render_rights(request, {})


class RightForm(BaseModel):
    """The form of a registration."""

    brand: _FormText
    number: _FormText = ""
    office: _FormText = ""
    classes: _FormText = ""
    until: Annotated[str, Field(max_length=10)] = ""
    file: UploadFile | None = None


def file_right(request: Request, form: Annotated[RightForm, Form()]) -> Response:
    """File a registration, to be checked by the marketplace."""
    try:
        last_day = _read_day(form.until)
        content = _read_certificate(form.file)
        with visiting(request, writing) as (connection, visitor):
            binding = visitor.binding(form.brand)
            registration = RegistrationForm(
                binding.brand, form.number.strip(), form.office.strip(), form.classes.strip(), last_day, content
            )
            file_registration(connection, binding.notifier_id, registration, by=visitor.name, now=datetime.now(UTC))
    except (Refused, Conflict) as error:
        return _render_rights(request, form.model_dump(exclude={"file"}), str(error))
    return redirect("/portal/rights")


def download_file(request: Request, document_id: Number) -> Response:
    """Send the file of a registration of the visitor's brands."""
    with visiting(request) as (connection, visitor):
        if all(one.document_id != document_id for one in _list_filed(connection, visitor)):
            raise NotFound("file of document", document_id)
        file, kind = read_file(connection, document_id)
    return _send(file, kind, document_id)


def download_document(request: Request, document_id: Number) -> Response:
    """Send the file of a registration to a lead."""
    with authorised(request) as (connection, _):
        file, kind = read_file(connection, document_id)
    return _send(file, kind, document_id)


def show_sellers(request: Request) -> Response:
    """Show the authorised and proposed sellers of the visitor's brands."""
    return _render_sellers(request, {})


def propose(request: Request, brand: _Text, seller: _Text = "", why: _Text = "", until: _Day = "") -> Response:
    """Propose an authorised seller; an operator must agree, unless the policy lists them at once."""
    typed = {"brand": brand, "seller": seller, "why": why, "until": until}
    try:
        last_day = _read_day(until)
        with visiting(request, writing) as (connection, visitor):
            binding = visitor.binding(brand)
            end = None if last_day is None else end_of_day(last_day)
            proposed = ProposedSeller(binding.brand, binding.notifier_id, seller.strip(), why.strip(), end)
            needs_review = get_cooperation_policy(request).portal.review_authorised_sellers
            propose_seller(connection, proposed, by=visitor.name, now=datetime.now(UTC), needs_review=needs_review)
    except (Refused, Conflict, Forbidden) as error:
        return _render_sellers(request, typed, str(error))
    return redirect("/portal/sellers")


def end_seller(request: Request, entry_id: Number, why: _Text = "") -> Response:
    """End the authorisation of a seller, at once."""
    try:
        with visiting(request, writing) as (connection, visitor):
            end_authorisation(
                connection, visitor.brands, entry_id, why=why.strip(), by=visitor.name, now=datetime.now(UTC)
            )
    except (Refused, Conflict, Forbidden) as error:
        return _render_sellers(request, {}, str(error).partition(" `ipml")[0])
    return redirect("/portal/sellers")


def _read_certificate(file: UploadFile | None) -> bytes:
    content = b"" if file is None else file.file.read(MOST_BYTES + 1)
    if file is not None and file.filename and not content:
        raise Refused("file", "an empty file", "a certificate, or no file")
    return content


def _read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused("last day", repr(text), "a day such as 2027-05-01") from None
    if day is not None and day.year > 2199:
        raise Refused("last day", repr(text), "a day before 2200, or none")
    return day


def _send(file: bytes, kind: str, document_id: int) -> Response:
    name = f"registration-{document_id}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(file, media_type=MEDIA[kind], headers=headers)


def _list_filed(connection: Connection, visitor: Visitor) -> list[Registration]:
    return [
        one
        for binding in visitor.bindings
        for one in list_registrations(connection, binding.notifier_id, [binding.brand])
    ]


def _render_rights(request: Request, typed: Mapping[str, str], message: str = "") -> Response:
    now = datetime.now(UTC)
    with visiting(request) as (connection, visitor):
        filed = _list_filed(connection, visitor)
    context: dict[str, Any] = {"visitor": visitor, "filed": filed, "now": now, "message": message}
    context |= {"said": dict.fromkeys(("brand", "number", "office", "classes", "until"), "") | dict(typed)}
    context |= {"most_megabytes": MOST_BYTES // 1_000_000, "today": now.date()}
    return render(request, "portal/rights.html", context, HTTPStatus.BAD_REQUEST if message else None)


def _render_sellers(request: Request, typed: Mapping[str, str], message: str = "") -> Response:
    now = datetime.now(UTC)
    with visiting(request) as (connection, visitor):
        entries = {one.entry_id: one for brand in visitor.brands for one in list_authorised(connection, brand, now)}
        proposals = list_proposals(connection, visitor.brands, waits=False, limit=100)
    context: dict[str, Any] = {"visitor": visitor, "entries": list(entries.values()), "message": message}
    context |= {"proposals": [one for one in proposals if one.outcome != "listed"], "today": now.date()}
    context |= {"said": dict.fromkeys(("brand", "seller", "why", "until"), "") | dict(typed)}
    context |= {"longest": {"name": LONGEST_NAME, "why": LONGEST_WHY}}
    context |= {"needs_review": get_cooperation_policy(request).portal.review_authorised_sellers}
    return render(request, "portal/sellers.html", context, HTTPStatus.BAD_REQUEST if message else None)
