"""Case page: the evidence on one case, its verdict, and the consequences.

Opening a case claims it. All actions are plain forms; the keyboard script only presses their buttons. A verdict can be
taken back; a lead lifts or replaces measures here, and downloads the evidence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Literal

from fastapi import Form, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from ipml.enforcement.actions import ActingLead, change_measure, lift_measure
from ipml.enforcement.evidence.package import PackageOutput, PackageParts, export_package
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.measures import get_measure
from ipml.errors import Conflict, Failed, Forbidden, IpmlError, NotFound, Overtaken, SellerErased
from ipml.records import Claim, Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import find_case, find_cases, get_case
from ipml.review.claims import find_hidden
from ipml.review.claims import show_case as find_shown_case
from ipml.review.decisions import DecisionRequest, take_back
from ipml.review.decisions import decide as decide_case
from ipml.review.group_decisions import MOST_MEMBERS, decide_and_spread
from ipml.review.ranking.queue_order import current_ranking
from ipml.review.reversals import ReviewContext
from ipml.review.sellers.seller_listings import list_seller_listings
from ipml.review.translations import Translator, find_translation, store_translation
from ipml.review.undo import UndoRequest, undo_group
from ipml.review.undo import undo as undo_decision
from ipml.review.worklists.precedents import find_sharing
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, get_actions, get_engine, get_policy, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.console.case_content import CaseReader
from ipml.web.console.case_list import (
    NO_NUL,
    Number,
    PathNumber,
    ReviewPath,
    ShortText,
    expect_following,
    find_following,
    give_back,
    may_judge,
    read_trail,
    write_trail,
)
from ipml.web.console.pictures import find_pictures
from ipml.web.responses import is_from_elsewhere, is_sent_by_script, redirect, render, render_error

_log = logging.getLogger(__name__)
_LISTINGS_A_PAGE = 50
_MOMENT = timedelta(seconds=10)  # within which a requested page has loaded
_NumberOrNone = Annotated[int, Field(ge=0, le=2**63 - 1)]
_VERDICT = "^(counterfeit(/[a-z_]{1,40})?|genuine|cannot tell|escalate)$"


class CaseQuery(ReviewPath):
    """The query of a case page.

    `undone` reports that its decision was just taken back. Without a script the button of a template sends its number,
    and the `note` so far.
    """

    undone: Annotated[int, Field(ge=0, le=1)] = 0
    template: _NumberOrNone = 0
    note: Annotated[str, Field(max_length=2_000)] = ""


class VerdictForm(ReviewPath):
    """The form of a verdict; `choice` is "genuine", …, or "counterfeit/GROUND".

    `token` and `until` are those of the claim. `spread` are the selected near-duplicates.
    """

    choice: Annotated[str, Field(pattern=_VERDICT)]
    token: _NumberOrNone
    until: datetime
    key: Annotated[str, Field(min_length=16, max_length=64)]
    note: str = ""
    spread: list[Number] = Field([], max_length=MOST_MEMBERS)


class LeaveForm(ReviewPath):
    """The form that leaves a case undecided."""

    to: Annotated[str, Field(pattern="^(list|next|previous)$")]
    token: _NumberOrNone = 0


class TranslationForm(ReviewPath):
    """The form that asks for a translation."""

    what: Literal["title"]


class UndoForm(ReviewPath):
    """The form that takes back a decision, or a group of them.

    It names the decision, or case and claim, so that an outdated page cannot take back another. `leaving` is the case
    left open for it, which `token` holds.
    """

    case: _NumberOrNone = 0
    claim: _NumberOrNone = 0
    decision: _NumberOrNone = 0
    group: Annotated[str, Field(max_length=255, pattern=NO_NUL)] = ""
    leaving: _NumberOrNone = 0
    token: _NumberOrNone = 0


@dataclass(frozen=True, slots=True)
class Visit:
    """A reviewer's visit to a case.

    `note` is the text written before, and `template` the one to add to it. `message` is an error, and `lost` a verdict
    not recorded because somebody was faster. `is_undone`: a decision was just taken back.
    """

    path: ReviewPath
    note: str = ""
    message: str = ""
    is_undone: bool = False
    lost: str = ""
    template: int = 0


def show_case(request: Request, case_id: PathNumber, query: Annotated[CaseQuery, Query()]) -> Response:
    """Show a case, and claim it for the reviewer who opens it."""
    visit = Visit(query, query.note, is_undone=bool(query.undone), template=query.template)
    return _show_visit(request, case_id, visit)


def list_pictures_ahead(request: Request, case_id: PathNumber, path: Annotated[ReviewPath, Query()]) -> Response:
    """Return as JSON the pictures of the case that probably follows, to be loaded ahead; nothing is claimed."""
    with authorised(request) as (connection, user):
        following = expect_following(connection, user, find_shown_case(connection, user.name, case_id).case, path)
        row = find_cases(connection, [following]).get(following) if following else None
        listings = {row.case_id: decode_listing(row.snapshot)} if row else {}
        found = find_pictures(connection, settings_of(request), listings).values()
    return JSONResponse([{"thumbnail": one.thumbnail, "view": one.view} for some in found for one in some.shown])


def decide(request: Request, case_id: PathNumber, form: Annotated[VerdictForm, Form()]) -> Response:
    """Record a verdict and open the following case; one on the truth spreads to the selected near-duplicates."""
    name, _, ground = form.choice.partition("/")
    verdict, spread, note = Verdict(name), form.spread, form.note
    try:
        with authorised(request, writing) as (connection, user):
            claim = Claim(case_id, user.name, form.token, form.until)
            decision = DecisionRequest(claim, verdict, ground, note, form.key)
            last = find_case(connection, case_id)
            if spread and verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE):
                decide_and_spread(connection, decision, spread, context=_make_context(request))
            else:
                decide_case(connection, decision, context=_make_context(request))
    except Overtaken:
        return _show_visit(request, case_id, Visit(form, note, lost=verdict.value))
    except Forbidden as error:
        return _show_visit(request, case_id, Visit(form, note, str(error)))
    with writing(get_engine(request)) as connection:  # the decision is stored, even if this fails
        following = find_following(connection, user, settings_of(request), last, form)
    return _go_on(request, following, form)


def leave(request: Request, case_id: PathNumber, form: Annotated[LeaveForm, Form()]) -> Response:
    """Release a case undecided; go to the list, the following case, or the last one skipped."""
    skipped, path = read_trail(form.trail), form.skip(case_id)
    with authorised(request, writing) as (connection, user):
        case = get_case(connection, case_id)
        give_back(connection, user, case, form.token)
        if form.to == "next":
            following = find_following(connection, user, settings_of(request), case, path)
    if form.to == "next":
        return _go_on(request, following, path)
    if form.to == "previous" and skipped:
        return ReviewPath(trail=write_trail(skipped[:-1]), within=form.within).lead_to(skipped[-1])
    return redirect(f"{form.list_address}#case-{case_id}")


def _go_on(request: Request, following: int | None, path: ReviewPath) -> Response:
    """Redirect to the following case; our script gets the page at once."""
    address = path.lead_to(following)
    if following is None or not is_sent_by_script(request):
        return address
    try:
        page = _show_visit(request, following, Visit(path))
    except IpmlError as error:  # the request is done; the next page shows the error
        _log.info("%s", error)
        return address
    page.headers["Location"] = address.headers["Location"]
    return page


def _show_visit(request: Request, case_id: int, visit: Visit) -> Response:
    """Show a case to a visitor; `message` explains why a request was not carried out."""
    page = None
    with authorised(request) as (connection, user):
        shown = find_shown_case(connection, user.name, case_id)
        # A link on another site must not claim cases in a reviewer's name. A reviewer sent here by their last
        # verdict already holds the claim, so a read transaction is enough.
        is_visible_only = is_from_elsewhere(request) or not may_judge(user, shown.case.state)
        if is_visible_only or _is_just_claimed(shown.claim, settings_of(request)):
            page = CaseReader(connection, request, user, shown).read(None if is_visible_only else shown.claim)
    if page is None:
        with authorised(request, writing) as (connection, user):
            shown = find_shown_case(connection, user.name, case_id)
            page = CaseReader(connection, request, user, shown).claim_and_read()
    status = HTTPStatus.CONFLICT if visit.message or visit.lost else HTTPStatus.OK
    return render(request, "case.html", {"page": page, "visit": visit, "progress": page.progress}, status)


def show_listings(request: Request, case_id: PathNumber, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
    """Show all known listings of a case's seller, fifty a page."""
    with authorised(request) as (connection, user):
        seller_id = find_shown_case(connection, user.name, case_id).case.scored.listing.seller_id
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


def show_shared_reason(request: Request, case_id: PathNumber, feature: Annotated[ShortText, Query()]) -> Response:
    """Show confirmed cases that share a reason of a case."""
    with authorised(request) as (connection, user):
        case = find_shown_case(connection, user.name, case_id).case
        reason = next((one for one in case.scored.reasons if one.feature == feature), None)
        if reason is None:
            raise NotFound("reason", feature, f"Case {case_id} has the reasons that its page shows.")
        shared = find_sharing(connection, case, reason, find_hidden(connection, user.name))
        listings = {one.case.case_id: one.case.scored.listing for one in shared.nearest}
        context = {
            "case_id": case_id,
            "shared": shared,
            "pictures_of": find_pictures(connection, settings_of(request), listings),
            "rates": current_ranking(connection).policy.exchange_rates,
        }
    return render(request, "shared_reason.html", context)


def translate_title(request: Request, case_id: PathNumber, form: Annotated[TranslationForm, Form()]) -> Response:
    """Translate the title of a case, if enabled; without a script it returns to the case."""
    translator: Translator | None = request.app.state.translator
    with authorised(request) as (connection, user):
        title = find_shown_case(connection, user.name, case_id).case.scored.listing.title
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
        return form.lead_to(case_id)
    said = {"text": made.text, "language": made.language} if made else {"text": "", "language": None}
    return JSONResponse(said | {"message": message})


def _is_just_claimed(claim: Claim | None, settings: Settings) -> bool:
    """Return whether a claim is as fresh as a new one."""
    lease = timedelta(minutes=settings.lease_minutes)
    return claim is not None and claim.expires_at > datetime.now(UTC) + lease - min(_MOMENT, lease / 10)


def _make_context(request: Request) -> ReviewContext:
    return ReviewContext(settings_of(request), get_actions(request))


def undo(request: Request, form: Annotated[UndoForm, Form()]) -> Response:
    """Take a verdict back and open its case, or take a group of decisions back and go to the list."""
    case, decision, context = form.case, form.decision, _make_context(request)
    with authorised(request, writing) as (connection, user):
        asked = UndoRequest(user.name, may_undo_others=user.role.may(Action.UNDO_OTHERS))
        if form.leaving:
            give_back(connection, user, get_case(connection, form.leaving), form.token)
        if form.group:
            made = undo_group(connection, form.group, asked, context=context)
            return redirect(f"/?undone={len(made)}")
        if decision:
            case = undo_decision(connection, decision, asked, context=context).case_id
        else:
            take_back(connection, user.name, case, form.claim, context=context)
    return form.lead_to(case, undone=1)


LIFT = "lift"
_MEASURE_CHOICE = f"^({LIFT}|{'|'.join(MeasureKind)})$"
_BLOCK = 65_536


class MeasureForm(BaseModel):
    """The form that lifts or replaces a measure; `countries` are for a measure limited to some."""

    measure: Number
    to: Annotated[str, Field(pattern=_MEASURE_CHOICE)]
    why: str = ""
    countries: Annotated[str, Field(max_length=200)] = ""


def lift_or_change_measure(request: Request, case_id: PathNumber, form: Annotated[MeasureForm, Form()]) -> Response:
    """Lift a measure, or replace it."""
    measure, to, why = form.measure, form.to, form.why
    policy = get_policy(request)
    try:
        with authorised(request, writing) as (connection, user):
            if get_measure(connection, measure).case_id != case_id:
                raise NotFound("measure", measure, "`ipml enforce measure list` names them.")
            if to == LIFT:
                lift_measure(connection, measure, why, ActingLead(user.name, policy))
            else:
                kind = MeasureKind(to)
                codes = re.findall(r"[^\s,;]+", form.countries.upper()) if kind is MeasureKind.REMOVE_IN else ()
                order = MeasureOrder(kind, why, tuple(sorted(set(codes))))
                change_measure(connection, measure, order, ActingLead(user.name, policy))
    except (Conflict, Forbidden, SellerErased) as error:
        return _show_visit(request, case_id, Visit(ReviewPath(), message=str(error)))
    return redirect(f"/cases/{case_id}#followed")


def download_evidence(request: Request, case_id: PathNumber) -> Response:
    """Send the evidence of a case as a package, and record that in the audit trail."""
    with authorised(request) as (_, user):
        if is_from_elsewhere(request):  # a link on another site must not download it in a lead's name
            return render_error(request, HTTPStatus.FORBIDDEN, "Open the page of the case, and take the package there.")
    name, settings = f"evidence-case-{case_id}.zip", settings_of(request)
    with TemporaryDirectory(prefix="ipml-evidence-") as folder:
        place = FilePath(folder) / name
        output = PackageOutput(place, user.name, settings.anchor_key, is_zipped=True)
        export_package(get_engine(request), case_id, output, PackageParts(pictures=settings.pictures))
        return send_file(place, name)


def send_file(place: FilePath, name: str) -> Response:
    """Send a package that may be deleted at once: it is read on after its deletion."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(place.stat().st_size)}
    return StreamingResponse(_read_blocks(place.open("rb")), media_type="application/zip", headers=headers)


def _read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block
