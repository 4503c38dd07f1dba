"""Notice page: a form for notices and complaints without a login, and the page of a notice by its reference.

The reference has 128 random bits. An address with an account, an appointment or a record that brings it forward is
refused: without a login anybody could write in its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, get_args

from fastapi import Form, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection, exists, select

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import LONGEST_EXPLANATION, NoticeKind, check_notice
from ipml.cooperation.notices.status import ListingStatus, Receipt, find_receipt
from ipml.cooperation.notifiers.notifier import find_appointment
from ipml.cooperation.notifiers.record import empty_record
from ipml.cooperation.notifiers.tiers import choose_tier, lane_of
from ipml.cooperation.policy import Tier
from ipml.enforcement.statements.letter import load_words
from ipml.errors import Conflict, InvalidNotice, NotFound
from ipml.records import Problem
from ipml.storage.database import reading, writing
from ipml.storage.tables import notifiers, user_brands
from ipml.web.accounts.login import get_cooperation_policy, get_engine
from ipml.web.portal.reporting import read_lines
from ipml.web.public.links import NOTICES_PATH
from ipml.web.public.visit import Visit, visit
from ipml.web.public.words import NoticeFault
from ipml.web.responses import redirect

_REFERENCE = re.compile("[0-9a-f]{32}")
_MOST = 50  # listings of one form


class NoticeForm(BaseModel):
    """The form of a notice, or of a consumer's complaint."""

    kind: str = "complaint"
    listings: str = ""
    why: str = ""
    brand: str = ""
    rights: str = ""
    order: str = ""
    name: str = ""
    email: str = ""
    good_faith: str = ""


def show_form(request: Request, kind: str = "complaint", lang: str = "") -> Response:
    """Show the form of a kind of notice."""
    return _show_form(visit(request, "notices", lang), NoticeForm(kind=kind), [])


def give(request: Request, form: Annotated[NoticeForm, Form()], lang: str = "") -> Response:
    """Receive a notice, and continue to its page; or show all faults. The same notice again has the same page."""
    visitor = visit(request, "notices", lang)
    if refusal := visitor.refuse_flood("notice"):
        return refusal
    try:
        with writing(get_engine(request)) as connection:
            receipt = _receive(connection, visitor, form)
    except InvalidNotice as error:
        return _show_form(visitor, form, _name_faults(error.problems))
    except Conflict:
        return _show_form(visitor, form, ["account"])
    return redirect(f"{NOTICES_PATH}/{receipt.reference}?sent=1{f'&lang={visitor.choose()}' if lang else ''}")


def show_notice(request: Request, reference: str, lang: str = "", sent: str = "") -> Response:
    """Show the state of the notice with a reference."""
    visitor = visit(request, "notices", lang)
    try:
        with reading(get_engine(request)) as connection:
            receipt = find_receipt(connection, reference if _REFERENCE.fullmatch(reference) else "")
    except NotFound:
        return visitor.show_gone()
    words = load_words(visitor.choose())
    context = {
        "receipt": receipt,
        "is_sent": bool(sent),
        "address": f"{visitor.pages.address}{NOTICES_PATH}/{receipt.reference}",
        "day": lambda moment: words.write_day(moment.astimezone(UTC).date()),
        "state_of": _name_state,
    }
    return visitor.show("notice", context)


def _receive(connection: Connection, visitor: Visit, form: NoticeForm) -> Receipt:
    now, policy, kind = datetime.now(UTC), get_cooperation_policy(visitor.request), _read_kind(form.kind)
    pointed, problems = read_lines(form.listings)
    if len(pointed) > _MOST:
        problems = [Problem(1, "listings", f"{len(pointed)}", f"at most {_MOST}")]
    content: dict[str, Any] = {
        "kind": kind,
        "explanation": form.why.replace("\r\n", "\n"),
        "listings": [dict(one) for _, one in pointed],
        "name": form.name,
        "email": form.email.strip(),
        "good_faith": form.good_faith == "yes",
        "language": visitor.choose(),
    }
    if kind == "counterfeit":
        content |= {"brand": form.brand, "rights": form.rights or None}
    elif form.order.strip():
        content["order"] = {"order_id": form.order}
    least = _find_tier(connection, visitor, kind, now).least_explanation_letters
    rules = policy.notices.model_copy(update={"least_explanation": max(policy.notices.least_explanation, least)})
    try:
        notice = check_notice(content, rules, takes_listings=False, now=now)
    except InvalidNotice as error:
        raise InvalidNotice([*problems, *error.problems]) from error
    if problems:
        raise InvalidNotice(problems)
    if _has_standing(connection, visitor, notice.email, kind):
        raise Conflict("notice", "its address belongs to a known reporter", "Use the account or the key.")
    return receive(connection, notice, policy=policy, now=now)


def _has_standing(connection: Connection, visitor: Visit, email: str, kind: NoticeKind) -> bool:
    """Return whether notices of an address have more weight than those of a stranger."""
    now, policy = datetime.now(UTC), get_cooperation_policy(visitor.request)
    known = select(notifiers.c.notifier_id).where(notifiers.c.address == email.lower())
    notifier_id = connection.scalar(known)
    if notifier_id is None:
        return False
    is_bound = select(exists().where(user_brands.c.notifier_id == notifier_id, user_brands.c.ended_at.is_(None)))
    if connection.scalar(is_bound) or find_appointment(connection, notifier_id, now) is not None:
        return True
    guessed = _guess_kind(kind)
    hours = lane_of(connection, notifier_id, policy, now, kind=guessed).hours
    return hours < _find_tier(connection, visitor, kind, now).deadline_hours


def _find_tier(connection: Connection, visitor: Visit, kind: NoticeKind, now: datetime) -> Tier:
    """Return the tier of a stranger."""
    rules = get_cooperation_policy(visitor.request).notifiers
    return choose_tier(_guess_kind(kind), empty_record(connection, rules, now), rules)


def _guess_kind(kind: NoticeKind) -> str:
    return "consumer" if kind == "complaint" else "rights holder"


def _read_kind(kind: str) -> NoticeKind:
    return "counterfeit" if kind == "counterfeit" else "complaint"


def _name_faults(problems: Sequence[Problem]) -> list[NoticeFault]:
    """Return the fields at fault, each once; "other" for what no field explains."""
    columns = (re.split(r"[.\[]", one.column)[0] for one in problems)
    names: dict[NoticeFault, None] = {}
    for column in columns:
        name: NoticeFault = next((known for known in get_args(NoticeFault) if known == column), "other")
        names["listings" if column == "listing" else name] = None
    return list(names)


def _name_state(listing: ListingStatus) -> str:
    """Return the key of a state in words; the order of the tests is that of `ListingStatus.outcome`."""
    if listing.is_short:
        return "too few" if listing.settled_at else "few"
    return "taken back" if listing.overturned_at else listing.state


def _show_form(visitor: Visit, form: NoticeForm, faults: Sequence[NoticeFault]) -> Response:
    kind = _read_kind(form.kind)
    with reading(get_engine(visitor.request)) as connection:
        tier = _find_tier(connection, visitor, kind, datetime.now(UTC))
    least = get_cooperation_policy(visitor.request).notices.least_explanation
    context = {
        "form": form.model_copy(update={"kind": kind}),
        "faults": faults,
        "least": max(least, tier.least_explanation_letters),
        "most": _MOST,
        "longest": LONGEST_EXPLANATION,
        "query": f"kind={kind}&",
    }
    return visitor.show("report", context, HTTPStatus.BAD_REQUEST if faults else HTTPStatus.OK)
