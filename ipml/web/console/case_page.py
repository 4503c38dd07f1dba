"""Case page: the evidence on one case, its verdict, and the consequences.

Opening a case claims it. All actions are plain forms; the keyboard script only presses their buttons. A verdict can be
taken back; a lead lifts or replaces measures here, and downloads the evidence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any
from uuid import uuid4

from fastapi import Form, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Connection

from ipml.cooperation.notices.status import find_notices
from ipml.enforcement.actions import change_measure, lift_measure
from ipml.enforcement.evidence.package import export_package
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.measures import get_measure
from ipml.enforcement.views.case_file import preview_actions, read_case_actions
from ipml.errors import Conflict, Failed, Forbidden, IpmlError, NotFound, Overtaken, SellerErased
from ipml.records import Case, Claim, Decision, Verdict
from ipml.review import queue
from ipml.review.arrivals.versions import read_pasts, tell_past
from ipml.review.cases import find_case
from ipml.review.claims import ShownCase, find_hidden
from ipml.review.decisions import find_undoable, list_reversals, take_back
from ipml.review.group_decisions import MOST_MEMBERS, decide_and_spread, preview_spread
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.near_duplicates.relistings import explain_match
from ipml.review.pictures.same_picture import find_same_pictures
from ipml.review.ranking.list_marks import find_case_marks
from ipml.review.ranking.queue_order import (
    current_ranking,
    explain_place,
    explain_value,
    find_ranking_and_parts,
)
from ipml.review.sellers.seller_listings import list_seller_listings
from ipml.review.sellers.seller_lists import get_entries
from ipml.review.translations import Translator, find_translation, store_translation
from ipml.review.worklists.own_verdicts import count_progress
from ipml.review.worklists.search import Precedent, find_precedents
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.accounts.login import (
    authorised,
    get_actions,
    get_cooperation_policy,
    get_engine,
    get_policy,
    settings_of,
)
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import (
    LONGEST_ADDRESS,
    NO_NUL,
    TRAIL_PATTERN,
    FormNumber,
    PathNumber,
    address_of,
    address_of_list,
    find_following,
    give_back,
    read_trail,
    write_trail,
)
from ipml.web.console.case_work import read_case_work
from ipml.web.console.drawing.charts import make_price_scale, read_seller_card
from ipml.web.console.pictures import ShownPictures, find_listing_host, find_pictures
from ipml.web.phrases import tell_deadline
from ipml.web.responses import is_from_elsewhere, is_sent_by_script, redirect, render, render_error

_log = logging.getLogger(__name__)
_MOST_OTHERS = 8
_MOST_PRECEDENTS = 4
_LISTINGS_A_PAGE = 50
_MOST_NOTICES = 10
_MOMENT = timedelta(seconds=10)  # within which a requested page has loaded
_NumberOrNone = Annotated[int, Form(ge=0, le=2**63 - 1)]
_VERDICT = "^(counterfeit(/[a-z_]{1,40})?|genuine|cannot tell|escalate)$"

WithinQuery = Annotated[str, Query(max_length=LONGEST_ADDRESS, pattern=NO_NUL)]
WithinForm = Annotated[str, Form(max_length=LONGEST_ADDRESS, pattern=NO_NUL)]


@dataclass(frozen=True, slots=True)
class Visit:
    """A reviewer's way to a case: skipped cases (`trail`), and the list or queue (`within`).

    `note` is the text written when the claim was lost, `message` an error, and `lost` a verdict not recorded because
    somebody was faster. `is_undone`: a decision was just taken back.
    """

    trail: str = ""
    within: str = ""
    note: str = ""
    message: str = ""
    is_undone: bool = False
    lost: str = ""


def show_case(
    request: Request,
    case_id: PathNumber,
    trail: Annotated[str, Query(pattern=TRAIL_PATTERN)] = "",
    within: WithinQuery = "",
    undone: Annotated[int, Query(ge=0, le=1)] = 0,
) -> Response:
    """Show a case, and claim it for the reviewer who opens it."""
    return show_visit(request, case_id, Visit(trail, within, is_undone=bool(undone)))


def decide(
    request: Request,
    case_id: PathNumber,
    choice: Annotated[str, Form(pattern=_VERDICT)],
    token: _NumberOrNone,
    until: Annotated[datetime, Form()],
    key: Annotated[str, Form(min_length=16, max_length=64)],
    note: Annotated[str, Form()] = "",
    trail: Annotated[str, Form(pattern=TRAIL_PATTERN)] = "",
    within: WithinForm = "",
    spread: Annotated[list[FormNumber], Form(max_length=MOST_MEMBERS)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Record a verdict and open the following case; `choice` is "genuine", …, or "counterfeit/GROUND".

    A verdict on the truth spreads to the selected near-duplicates.
    """
    name, _, ground = choice.partition("/")
    verdict = Verdict(name)
    said: dict[str, Any] = {"ground": ground, "note": note, "key": key, **_rules(request)}
    try:
        with authorised(request, writing) as (connection, user):
            claim = Claim(case_id, user.name, token, until)
            state = find_case(connection, case_id).state
            if spread and verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE):
                decide_and_spread(connection, claim, verdict, spread, **said)
            else:
                queue.decide(connection, claim, verdict, **said)
    except Overtaken:
        return show_visit(request, case_id, Visit(trail, within, note, lost=verdict.value))
    except Forbidden as error:
        return show_visit(request, case_id, Visit(trail, within, note, str(error)))
    with writing(get_engine(request)) as connection:  # the decision is stored, even if this fails
        following = _follow(connection, user, case_id, state, within, trail, settings_of(request))
    return _go_on(request, following, within, trail)


def leave(
    request: Request,
    case_id: PathNumber,
    to: Annotated[str, Form(pattern="^(list|next|previous)$")],
    token: _NumberOrNone = 0,
    trail: Annotated[str, Form(pattern=TRAIL_PATTERN)] = "",
    within: WithinForm = "",
) -> Response:
    """Release a case undecided; go to the list, the following case, or the last one skipped."""
    skipped = read_trail(trail)
    with authorised(request, writing) as (connection, user):
        case = queue.get_case(connection, case_id)
        give_back(connection, user, case, token)
        if to == "next":
            trail = write_trail([*skipped, case_id])
            following = _follow(connection, user, case_id, case.state, within, trail, settings_of(request))
    if to == "next":
        return _go_on(request, following, within, trail)
    if to == "previous" and skipped:
        return address_of(skipped[-1], within, trail=write_trail(skipped[:-1]))
    return redirect(f"{address_of_list(within)}#case-{case_id}")


def _go_on(request: Request, following: int | None, within: str, trail: str) -> Response:
    """Redirect to the following case; our script gets the page at once."""
    address = address_of(following, within, trail=trail)
    if following is None or not is_sent_by_script(request):
        return address
    try:
        page = show_visit(request, following, Visit(trail, within))
    except IpmlError as error:  # the request is done; the next page shows the error
        _log.info("%s", error)
        return address
    page.headers["Location"] = address.headers["Location"]
    return page


def show_visit(request: Request, case_id: int, visit: Visit) -> Response:
    """Show a case to a visitor; `message` explains why a request was not carried out."""
    context = None
    with authorised(request) as (connection, user):
        shown = queue.show_case(connection, user.name, case_id)
        # A link on another site must not claim cases in a reviewer's name. A reviewer sent here by their last
        # verdict already holds the claim, so a read transaction is enough.
        if is_from_elsewhere(request) or not _may_judge(user, shown.case.state):
            context = _read_case(connection, request, user, shown, visit)
        elif _is_just_claimed(shown.claim, settings_of(request)):
            context = _read_case(connection, request, user, shown, visit, claim=shown.claim)
    if context is None:
        with authorised(request, writing) as (connection, user):
            shown = queue.show_case(connection, user.name, case_id)
            context = _read_case(connection, request, user, shown, visit, may_claim=True)
    return render(request, "case.html", context, HTTPStatus.CONFLICT if visit.message or visit.lost else HTTPStatus.OK)


def _read_case(
    connection: Connection,
    request: Request,
    user: User,
    shown: ShownCase,
    visit: Visit,
    *,
    claim: Claim | None = None,
    may_claim: bool = False,
) -> dict[str, Any]:
    """Return the contents of the page, and claim the case late, so that others wait only a moment."""
    settings, hidden = settings_of(request), find_hidden(connection, user.name)
    case, hides, now = shown.case, shown.hides_history, datetime.now(UTC)
    case_id, barred = case.case_id, ""
    ranking, parts = find_ranking_and_parts(connection, now)
    marks = find_case_marks(connection, {case_id: case.scored}, now)[case_id]
    strikes = list_strikes(connection, case.scored.listing.seller_id)
    decisions = [] if hides else queue.list_decisions(connection, case_id, with_reversed=True)
    undone = list_reversals(connection, case_id) if decisions else {}
    standing = [decision for decision in decisions if decision.decision_id not in undone]
    can_decide = user.role.may(Action.REVIEW)
    around = {
        **_tell_seller(connection, case, user, hidden),
        "seller": read_seller_card(connection, case, strikes, hidden, now),
        "precedents": _find_precedents(connection, case, hidden),
    }
    context = {
        "visit": visit,
        "case": case,
        "key": uuid4().hex,
        "progress": count_progress(connection, user.name, settings) if can_decide else None,
        "may_judge": _may_judge(user, case.state),
        "can_decide": can_decide,
        "may_undo_others": user.role.may(Action.UNDO_OTHERS),
        "grounds": queue.GROUNDS,
        "undoable": find_undoable(connection, user.name, undo_minutes=settings.undo_minutes) if can_decide else None,
        "list_address": address_of_list(visit.within),
        "place": explain_place(connection, shown.stored, ranking, parts, marks, state=case.state),
        "value": explain_value(shown.stored),
        "rates": ranking.policy.exchange_rates,
        "listed": get_entries(connection, [mark.entry_id for mark in marks]),
        "may_list": user.role.may(Action.CHANGE_LISTS),
        "relisting": explain_relisting(connection, case_id) if case.relisting_of else None,
        "match": explain_match(connection, shown.stored, ranking.policy.relistings),
        **_tell_versions(connection, case, standing),
        **tell_listing(case),
        **_tell_translation(connection, request, case),
        **around,
        "pictures_of": (pictures := _find_pictures(connection, settings, case, around)),
        "pictures": pictures.get(case_id),
        "same_pictures": find_same_pictures(connection, case_id, hidden=hidden) if settings.pictures else [],
        "listing_host": find_listing_host(case.scored.listing),
        "decisions": decisions,
        "undone": undone,
        "last_standing": standing[-1] if standing else None,
        **_tell_notices(connection, request, case),
        **read_case_work(connection, case, user, hides=hides),
        "case_actions": read_case_actions(connection, case_id) if decisions else None,
        "deadlines_of": lambda some: [tell_deadline(one, get_policy(request).appeals) for one in some],
    }
    if may_claim:
        claim, barred = _claim(connection, user, case, settings)
    preview = preview_actions(connection, shown.stored, strikes, get_policy(request)) if claim else None
    audit_events = queue.shown_history(connection, user.name, shown)
    return context | {"claim": claim, "barred": barred, "preview": preview, "audit_events": audit_events}


def show_listings(request: Request, case_id: PathNumber, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
    """Show all known listings of a case's seller, fifty a page."""
    with authorised(request) as (connection, user):
        seller_id = queue.show_case(connection, user.name, case_id).case.scored.listing.seller_id
        first = _LISTINGS_A_PAGE * (page - 1)
        hidden = find_hidden(connection, user.name)
        found = list_seller_listings(connection, seller_id, first=first, limit=_LISTINGS_A_PAGE, hidden=hidden)
        listings = {one.case_id: one.listing for one in found.listings if one.case_id}
        context = {
            "case_id": case_id,
            "seller_id": seller_id,
            "number": page,
            "page": found,
            "pictures_of": find_pictures(connection, settings_of(request), listings),
            "rates": current_ranking(connection).policy.exchange_rates,
        }
    return render(request, "seller_listings.html", context)


def translate_title(
    request: Request,
    case_id: PathNumber,
    what: Annotated[str, Form(pattern="^title$")],  # noqa: ARG001 - accepts this form only
    trail: Annotated[str, Form(pattern=TRAIL_PATTERN)] = "",
    within: WithinForm = "",
) -> Response:
    """Translate the title of a case, if enabled; without a script it returns to the case."""
    translator: Translator | None = request.app.state.translator
    with authorised(request) as (connection, user):
        title = queue.show_case(connection, user.name, case_id).case.scored.listing.title
        made = None if translator is None else find_translation(connection, title, translator.target)
    message = ""
    if translator is not None and made is None:
        try:
            made = translator.translate(title)
        except Failed as error:
            _log.info("%s", error)
            message = "No translation just now. "
        else:
            with writing(get_engine(request)) as connection:
                store_translation(connection, case_id, title, translator.target, made)
    if "application/json" not in request.headers.get("accept", ""):
        return address_of(case_id, within, trail=trail)
    said = {"text": made.text, "language": made.language} if made else {"text": "", "language": None}
    return JSONResponse(said | {"message": message})


def _tell_translation(connection: Connection, request: Request, case: Case) -> dict[str, Any]:
    translator: Translator | None = request.app.state.translator
    title = case.scored.listing.title
    known = None if translator is None else find_translation(connection, title, translator.target)
    return {"translation": known, "can_translate": translator is not None and known is None}


def _tell_versions(connection: Connection, case: Case, standing: Sequence[Decision]) -> dict[str, Any]:
    past = read_pasts(connection, [case.case_id]).get(case.case_id)
    is_counterfeit = case.state == "decided" and standing and standing[-1].verdict is Verdict.COUNTERFEIT
    is_offered = is_counterfeit and case.seen_at and case.seen_at > standing[-1].decided_at
    return {
        "past": past,
        "told_past": tell_past(past) if past else "",
        "offered_at": case.seen_at if is_offered else None,
    }


def tell_listing(case: Case) -> dict[str, Any]:
    """Return the price scale, and the strongest weights of words and of reasons."""
    scored = case.scored
    return {
        "heaviest": max((abs(part.weight) for part in scored.highlights), default=0.0),
        "strongest": max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        "scale": make_price_scale(scored.listing.price, scored.listing.currency, scored.price_range),
    }


def _find_precedents(connection: Connection, case: Case, hidden: Collection[int]) -> dict[str, Sequence[Precedent]]:
    found = find_precedents(connection, case, _MOST_PRECEDENTS)
    return {verdict.value: [one for one in some if one.case.case_id not in hidden] for verdict, some in found.items()}


def _find_pictures(
    connection: Connection, settings: Settings, case: Case, around: Mapping[str, Any]
) -> dict[int, ShownPictures]:
    listings = {one.case_id: one.listing for one in around["others"].listings if one.case_id}
    beside = [case, *around["alike"], *(one.case for some in around["precedents"].values() for one in some)]
    return find_pictures(connection, settings, listings | {one.case_id: one.scored.listing for one in beside})


def _tell_seller(connection: Connection, case: Case, user: User, hidden: Collection[int]) -> dict[str, Any]:
    listing = case.scored.listing
    alike = preview_spread(connection, case.case_id, user.name).cases if case.n_alike else ()
    shown = {one.scored.listing.listing_id for one in (case, *alike)}
    return {
        "others": list_seller_listings(connection, listing.seller_id, limit=_MOST_OTHERS, without=shown, hidden=hidden),
        "alike": alike,
    }


def _tell_notices(connection: Connection, request: Request, case: Case) -> dict[str, Any]:
    """Return the notices of the listing, and the burden of proof of each tier."""
    found = find_notices(connection, case.case_id)
    tiers = {tier.name: tier.burden for tier in get_cooperation_policy(request).notifiers.tiers}
    return {"noted": found[:_MOST_NOTICES], "n_noted": len(found), "burdens": tiers}


def _is_just_claimed(claim: Claim | None, settings: Settings) -> bool:
    """Return whether a claim is as fresh as a new one."""
    lease = timedelta(minutes=settings.lease_minutes)
    return claim is not None and claim.expires_at > datetime.now(UTC) + lease - min(_MOMENT, lease / 10)


def _claim(connection: Connection, user: User, case: Case, settings: Settings) -> tuple[Claim | None, str]:
    """Claim the case if the user may; return why not otherwise."""
    if not _may_judge(user, case.state):
        return None, ""
    try:
        return queue.claim(connection, user.name, case.case_id, settings=settings), ""
    except Overtaken:
        return None, ""
    except Forbidden as error:
        return None, str(error)


def _may_judge(user: User, state: str) -> bool:
    action = {"open": Action.REVIEW, "escalated": Action.DECIDE_ESCALATED}.get(state)
    return action is not None and user.role.may(action)


def _follow(
    connection: Connection, user: User, last_id: int, last_state: str, within: str, trail: str, settings: Settings
) -> int | None:
    state = last_state if _may_judge(user, last_state) else "open"
    return find_following(connection, user, last_id, state, within, read_trail(trail), settings)


def _rules(request: Request) -> dict[str, Any]:
    return {"settings": settings_of(request), "actions": get_actions(request)}


def undo(
    request: Request,
    case: _NumberOrNone = 0,
    claim: _NumberOrNone = 0,
    decision: _NumberOrNone = 0,
    group: Annotated[str, Form(max_length=255, pattern=NO_NUL)] = "",
    within: WithinForm = "",
    leaving: _NumberOrNone = 0,
    token: _NumberOrNone = 0,
) -> Response:
    """Take a verdict back and open its case, or take a group of decisions back and go to the list.

    The form names the verdict, so an outdated page cannot take back another, and the case left open for it, which is
    released.
    """
    said: dict[str, Any] = {
        "undo_minutes": settings_of(request).undo_minutes,
        "actions": get_actions(request),
    }
    with authorised(request, writing) as (connection, user):
        is_lead = user.role.may(Action.UNDO_OTHERS)
        if leaving:
            give_back(connection, user, queue.get_case(connection, leaving), token)
        if group:
            made = queue.undo_group(connection, group, user.name, may_undo_others=is_lead, **said)
            return redirect(f"/?undone={len(made)}")
        if decision:
            case = queue.undo(connection, decision, user.name, may_undo_others=is_lead, **said).case_id
        else:
            take_back(connection, user.name, case, claim, **said)
    return address_of(case, within, undone=1)


LIFT = "lift"
_MEASURE_CHOICE = f"^({LIFT}|{'|'.join(MeasureKind)})$"
_BLOCK = 65_536


def lift_or_change_measure(
    request: Request,
    case_id: PathNumber,
    measure: FormNumber,
    to: Annotated[str, Form(pattern=_MEASURE_CHOICE)],
    why: Annotated[str, Form()] = "",
    countries: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Lift a measure, or replace it; `countries` are for a measure limited to some."""
    policy = get_policy(request)
    try:
        with authorised(request, writing) as (connection, user):
            if get_measure(connection, measure).case_id != case_id:
                raise NotFound("measure", measure, "`ipml enforce measure list` names them.")
            if to == LIFT:
                lift_measure(connection, measure, user.name, why, policy)
            else:
                kind = MeasureKind(to)
                codes = re.findall(r"[^\s,;]+", countries.upper()) if kind is MeasureKind.REMOVE_IN else ()
                order = MeasureOrder(kind, why, tuple(sorted(set(codes))))
                change_measure(connection, measure, order, user.name, policy)
    except (Conflict, Forbidden, SellerErased) as error:
        return show_visit(request, case_id, Visit(message=str(error)))
    return redirect(f"/cases/{case_id}#followed")


def download_evidence(request: Request, case_id: PathNumber) -> Response:
    """Send the evidence of a case as a package, and record that in the audit trail."""
    with authorised(request) as (_, user):
        if is_from_elsewhere(request):  # a link on another site must not download it in a lead's name
            return render_error(request, HTTPStatus.FORBIDDEN, "Open the page of the case, and take the package there.")
    name, settings = f"evidence-case-{case_id}.zip", settings_of(request)
    with TemporaryDirectory(prefix="ipml-evidence-") as folder:
        place = FilePath(folder) / name
        export_package(
            get_engine(request),
            case_id,
            place,
            by=user.name,
            key_file=settings.anchor_key,
            pictures=settings.pictures,
            is_zipped=True,
        )
        return send_file(place, name)


def send_file(place: FilePath, name: str) -> Response:
    """Send a package that may be deleted at once: it is read on after its deletion."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(place.stat().st_size)}
    return StreamingResponse(_read_blocks(place.open("rb")), media_type="application/zip", headers=headers)


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block
