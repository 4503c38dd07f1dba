"""Seller's page: a restriction with its reasons behind the signed link of its letter, and the appeal against it.

An appeal follows the rules of `ipml.enforcement.appeals`, as over HTTP. The same form sent twice is one appeal.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from ipml.enforcement.appeals.filings import LONGEST_TEXT, AppealRequest, file_appeal
from ipml.enforcement.statements.letter import describe_statement, list_remedies, load_words
from ipml.enforcement.views.stated_restriction import StatedRestriction, read_stated_restriction
from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.kit.canonical_json import digest
from ipml.storage.database import reading, writing
from ipml.web.accounts.login import get_engine, get_policy
from ipml.web.public.links import SELLER_PATH
from ipml.web.public.visit import Visit, visit
from ipml.web.responses import redirect

_BY = "public page"
_STATUS = {"": HTTPStatus.OK, "refused": HTTPStatus.CONFLICT, "nothing": HTTPStatus.BAD_REQUEST}
_MOMENT = timedelta(seconds=1)  # a deadline is the first moment after its last day


class AppealForm(BaseModel):
    """The form of an appeal; `after` is the last appeal that the page showed."""

    text: str = ""
    kind: str = "complaint"
    after: str = "0"


def show_restriction(request: Request, token: str, lang: str = "", sent: str = "") -> Response:
    """Show a restriction to its seller."""
    visitor = visit(request, "seller", lang)
    try:
        with reading(get_engine(request)) as connection:
            found = _read(connection, visitor, token)
    except NotFound:
        return visitor.show_gone()
    return _show(visitor, found, is_sent=bool(sent))


def appeal(request: Request, token: str, form: Annotated[AppealForm, Form()], lang: str = "") -> Response:
    """File an appeal in the seller's name, and return to the page, which shows its state."""
    visitor = visit(request, "seller", lang)
    if refusal := visitor.refuse_flood("appeal"):
        return refusal
    try:
        with writing(get_engine(request)) as connection:
            _file(connection, visitor, token, form)
    except (NotFound, Conflict):
        fault = "refused"
    except UnstorableValue:
        fault = "nothing"
    else:
        return redirect(f"{SELLER_PATH}/{token}?sent=1{f'&lang={visitor.choose()}' if lang else ''}")
    try:
        with reading(get_engine(request)) as connection:
            found = _read(connection, visitor, token)
    except NotFound:
        return visitor.show_gone()
    return _show(visitor, found, form, fault)


def _read(connection: Connection, visitor: Visit, token: str) -> StatedRestriction:
    subject = visitor.pages.open(token, datetime.now(UTC))
    return read_stated_restriction(connection, subject, get_policy(visitor.request).appeals)


def _file(connection: Connection, visitor: Visit, token: str, form: AppealForm) -> None:
    found, text = _read(connection, visitor, token), form.text.replace("\r\n", "\n")
    subject, kind = found.stated.statement.subject, form.kind
    key = digest(f"{_BY} {subject} {form.after} {kind} {text}")
    sent = AppealRequest(subject, found.seller_id, text, kind, key=key, by=_BY)  # type: ignore[arg-type] # checked there
    file_appeal(connection, sent, get_policy(visitor.request).appeals)


def _show(
    visitor: Visit,
    found: StatedRestriction,
    form: AppealForm | None = None,
    fault: str = "",
    *,
    is_sent: bool = False,
) -> Response:
    statement = found.stated.statement
    spoken = replace(statement, language=visitor.choose(statement.language))
    words = load_words(spoken.language)
    remedies = list_remedies(spoken, get_policy(visitor.request).statements)
    context = {
        "found": found,
        "said": describe_statement(spoken),
        "remedies": [text for kind, text in remedies.items() if kind != "complaint"],
        "day": lambda moment: words.write_day(moment.astimezone(UTC).date()),
        "last_day": lambda moment: words.write_day((moment - _MOMENT).astimezone(UTC).date()),
        "form": form or AppealForm(),
        "fault": fault,
        "is_sent": is_sent and bool(found.appeals),
        "longest": LONGEST_TEXT,
    }
    return visitor.show("seller", context, _STATUS[fault], statement.language)
