"""Case page: the evidence on one case, its verdict, and the consequences.

Opening a case claims it. All actions are plain forms; the keyboard script only presses their buttons. A verdict can be
taken back; a lead lifts or replaces measures here, and downloads the evidence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any, Literal
from uuid import uuid4

from fastapi import Form, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from ipml.cooperation.notices.status import CaseNotice, find_notices
from ipml.enforcement.actions import MeasureOrder, change_measure, lift_measure
from ipml.enforcement.case_file import Followed, Outlook, foresee, read_followed
from ipml.enforcement.evidence.package import export_package
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.measures import get_measure
from ipml.errors import Conflict, Failed, Forbidden, IpmlError, NotFound, Overtaken, SellerErased
from ipml.money import Rates
from ipml.records import Case, Claim, Decision, Reversal, Verdict
from ipml.review import queue
from ipml.review.arrivals.versions import Past, read_pasts, tell_past
from ipml.review.cases import find_case
from ipml.review.claims import ShownCase, find_hidden
from ipml.review.decisions import Undoable, find_undoable, list_reversals, take_back
from ipml.review.group_decisions import MOST_MEMBERS, decide_and_spread, preview_spread
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.near_duplicates.relistings import explain_match
from ipml.review.pictures.same_picture import SamePicture, find_same_pictures
from ipml.review.ranking.list_marks import find_case_marks
from ipml.review.ranking.queue_order import (
    current_ranking,
    explain_place,
    explain_value,
    find_ranking_and_parts,
)
from ipml.review.sellers.seller_listings import ListingPage, list_seller_listings
from ipml.review.sellers.seller_lists import ListEntry, get_entries
from ipml.review.translations import Translation, Translator, find_translation, store_translation
from ipml.review.worklists.own_verdicts import Progress, count_progress
from ipml.review.worklists.search import Precedent, find_precedents
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import AuditRow
from ipml.storage.database import writing
from ipml.web.accounts.login import (
    authorised,
    get_consequences,
    get_cooperation_policy,
    get_engine,
    get_policy,
    settings_of,
)
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import (
    NO_NUL,
    Number,
    PathNumber,
    ReviewPath,
    find_following,
    give_back,
    may_judge,
    read_trail,
    write_trail,
)
from ipml.web.console.case_work import CaseWork, read_case_work
from ipml.web.console.drawing.charts import PriceScale, SellerCard, make_price_scale, read_seller_card
from ipml.web.console.pictures import ShownPictures, find_listing_host, find_pictures
from ipml.web.responses import is_from_elsewhere, is_sent_by_script, redirect, render, render_error

_log = logging.getLogger(__name__)
_MOST_OTHERS = 8
_MOST_PRECEDENTS = 4
_LISTINGS_A_PAGE = 50
_MOST_NOTICES = 10
_MOMENT = timedelta(seconds=10)  # within which a requested page has loaded
_NumberOrNone = Annotated[int, Field(ge=0, le=2**63 - 1)]
_VERDICT = "^(counterfeit(/[a-z_]{1,40})?|genuine|cannot tell|escalate)$"


class CaseQuery(ReviewPath):
    """The query of a case page; `undone` reports that its decision was just taken back."""

    undone: Annotated[int, Field(ge=0, le=1)] = 0


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

    `note` is the text written when the claim was lost, `message` an error, and `lost` a verdict not recorded because
    somebody was faster. `is_undone`: a decision was just taken back.
    """

    path: ReviewPath
    note: str = ""
    message: str = ""
    is_undone: bool = False
    lost: str = ""


@dataclass(frozen=True, slots=True)
class ListingFigures:
    """The price scale of a listing, and the strongest weights of words (`heaviest`) and of reasons."""

    heaviest: float
    strongest: float
    scale: PriceScale | None


@dataclass(frozen=True, slots=True)
class CaseVersions:
    """Earlier and later cases of a listing; `offered_at` is when a counterfeit was seen on offer since."""

    past: Past | None
    sentence: str
    offered_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseNotices:
    """The newest notices of a listing, their number, and the burden of proof of each tier."""

    listed: Sequence[CaseNotice]
    n_all: int
    burdens: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SellerOffers:
    """Other listings of a seller, near-duplicates of the case, precedents of the brand, and pictures by case."""

    others: ListingPage
    alike: Sequence[Case]
    precedents: Mapping[str, Sequence[Precedent]]
    pictures: Mapping[int, ShownPictures]


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """Decisions on a case, the reversals by decision, and the last decision in force; empty while hidden."""

    decisions: Sequence[Decision]
    undone: Mapping[int, Reversal]
    last: Decision | None


@dataclass(frozen=True, slots=True)
class CasePage:
    """Content of a case page; `barred` is why its user may not claim the case."""

    case: Case
    key: str
    progress: Progress | None
    may_judge: bool
    can_decide: bool
    may_undo_others: bool
    may_list: bool
    undoable: Undoable | None
    place: Sequence[str]
    value: Sequence[str]
    rates: Rates
    listed: Sequence[ListEntry]
    relisting: str | None
    match: str | None
    versions: CaseVersions
    figures: ListingFigures
    translation: Translation | None
    can_translate: bool
    seller: SellerCard
    offers: SellerOffers
    same_pictures: Sequence[SamePicture]
    listing_host: str
    history: CaseHistory
    notices: CaseNotices
    work: CaseWork
    followed: Followed | None
    appeal_rules: AppealRules
    claim: Claim | None = None
    barred: str = ""
    outlook: Outlook | None = None
    audit_events: Sequence[AuditRow] = ()

    @property
    def pictures(self) -> ShownPictures | None:
        """The pictures of the listing."""
        return self.offers.pictures.get(self.case.case_id)


def show_case(request: Request, case_id: PathNumber, query: Annotated[CaseQuery, Query()]) -> Response:
    """Show a case, and claim it for the reviewer who opens it."""
    return show_visit(request, case_id, Visit(query, is_undone=bool(query.undone)))


def decide(request: Request, case_id: PathNumber, form: Annotated[VerdictForm, Form()]) -> Response:
    """Record a verdict and open the following case; one on the truth spreads to the selected near-duplicates."""
    name, _, ground = form.choice.partition("/")
    verdict, spread, note = Verdict(name), form.spread, form.note
    said: dict[str, Any] = {"ground": ground, "note": note, "key": form.key, **_rules(request)}
    try:
        with authorised(request, writing) as (connection, user):
            claim = Claim(case_id, user.name, form.token, form.until)
            last = find_case(connection, case_id)
            if spread and verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE):
                decide_and_spread(connection, claim, verdict, spread, **said)
            else:
                queue.decide(connection, claim, verdict, **said)
    except Overtaken:
        return show_visit(request, case_id, Visit(form, note, lost=verdict.value))
    except Forbidden as error:
        return show_visit(request, case_id, Visit(form, note, str(error)))
    with writing(get_engine(request)) as connection:  # the decision is stored, even if this fails
        following = find_following(connection, user, settings_of(request), last, form)
    return _go_on(request, following, form)


def leave(request: Request, case_id: PathNumber, form: Annotated[LeaveForm, Form()]) -> Response:
    """Release a case undecided; go to the list, the following case, or the last one skipped."""
    skipped, path = read_trail(form.trail), form.skip(case_id)
    with authorised(request, writing) as (connection, user):
        case = queue.get_case(connection, case_id)
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
        page = show_visit(request, following, Visit(path))
    except IpmlError as error:  # the request is done; the next page shows the error
        _log.info("%s", error)
        return address
    page.headers["Location"] = address.headers["Location"]
    return page


def show_visit(request: Request, case_id: int, visit: Visit) -> Response:
    """Show a case to a visitor; `message` explains why a request was not carried out."""
    page = None
    with authorised(request) as (connection, user):
        shown = queue.show_case(connection, user.name, case_id)
        # A link on another site must not claim cases in a reviewer's name. A reviewer sent here by their last
        # verdict already holds the claim, so a read transaction is enough.
        is_visible_only = is_from_elsewhere(request) or not may_judge(user, shown.case.state)
        if is_visible_only or _is_just_claimed(shown.claim, settings_of(request)):
            page = _CaseReader(connection, request, user, shown).read(None if is_visible_only else shown.claim)
    if page is None:
        with authorised(request, writing) as (connection, user):
            shown = queue.show_case(connection, user.name, case_id)
            page = _CaseReader(connection, request, user, shown).claim_and_read()
    status = HTTPStatus.CONFLICT if visit.message or visit.lost else HTTPStatus.OK
    return render(request, "case.html", {"page": page, "visit": visit, "progress": page.progress}, status)


class _CaseReader:
    """Reader of one case page, in the transaction of a request."""

    def __init__(self, connection: Connection, request: Request, user: User, shown: ShownCase) -> None:
        self._connection, self._request, self._user, self._shown = connection, request, user, shown
        self._settings, self._policy = settings_of(request), get_policy(request)
        self._case, self._now = shown.case, datetime.now(UTC)
        self._hidden = find_hidden(connection, user.name)
        self._strikes = list_strikes(connection, shown.case.scored.listing.seller_id)

    def read(self, claim: Claim | None) -> CasePage:
        """Return the page with the user's claim."""
        return self._finish(self._read(), claim)

    def claim_and_read(self) -> CasePage:
        """Return the page, and claim the case late, so that others wait only a moment."""
        page = self._read()
        return self._finish(page, *_claim(self._connection, self._user, self._case, self._settings))

    def _finish(self, page: CasePage, claim: Claim | None, barred: str = "") -> CasePage:
        stored, strikes = self._shown.stored, self._strikes
        outlook = foresee(self._connection, stored, strikes, self._policy) if claim else None
        audit_events = queue.shown_history(self._connection, self._user.name, self._shown)
        return replace(page, claim=claim, barred=barred, outlook=outlook, audit_events=audit_events)

    def _read(self) -> CasePage:
        connection, request, user = self._connection, self._request, self._user
        case, stored, settings = self._case, self._shown.stored, self._settings
        case_id, may = case.case_id, user.role.may
        ranking, parts = find_ranking_and_parts(connection, self._now)
        marks = find_case_marks(connection, {case_id: case.scored}, self._now)[case_id]
        undo_minutes, can_decide = settings.undo_minutes, may(Action.REVIEW)
        history = self._read_history()
        translator: Translator | None = request.app.state.translator
        title = case.scored.listing.title
        translation = None if translator is None else find_translation(connection, title, translator.target)
        return CasePage(
            case=case,
            key=uuid4().hex,
            progress=count_progress(connection, user.name, settings) if can_decide else None,
            may_judge=may_judge(user, case.state),
            can_decide=can_decide,
            may_undo_others=may(Action.UNDO_OTHERS),
            may_list=may(Action.CHANGE_LISTS),
            undoable=find_undoable(connection, user.name, undo_minutes=undo_minutes) if can_decide else None,
            place=explain_place(connection, stored, ranking, parts, marks, state=case.state),
            value=explain_value(stored),
            rates=ranking.policy.exchange_rates,
            listed=get_entries(connection, [mark.entry_id for mark in marks]),
            relisting=explain_relisting(connection, case_id) if case.relisting_of else None,
            match=explain_match(connection, stored, ranking.policy.relistings),
            versions=self._read_versions(history.last),
            figures=make_figures(case),
            translation=translation,
            can_translate=translator is not None and translation is None,
            seller=read_seller_card(connection, case, self._strikes, self._hidden, self._now),
            offers=self._read_offers(),
            same_pictures=find_same_pictures(connection, case_id, hidden=self._hidden) if settings.pictures else [],
            listing_host=find_listing_host(case.scored.listing),
            history=history,
            notices=self._read_notices(),
            work=read_case_work(connection, case, user, hides=self._shown.hides_history),
            followed=read_followed(connection, case_id) if history.decisions else None,
            appeal_rules=self._policy.appeals,
        )

    def _read_history(self) -> CaseHistory:
        if self._shown.hides_history:
            return CaseHistory([], {}, None)
        case_id = self._case.case_id
        decisions = queue.list_decisions(self._connection, case_id, with_reversed=True)
        undone = list_reversals(self._connection, case_id) if decisions else {}
        in_force = [decision for decision in decisions if decision.decision_id not in undone]
        return CaseHistory(decisions, undone, in_force[-1] if in_force else None)

    def _read_versions(self, last: Decision | None) -> CaseVersions:
        case = self._case
        past = read_pasts(self._connection, [case.case_id]).get(case.case_id)
        is_counterfeit = case.state == "decided" and last is not None and last.verdict is Verdict.COUNTERFEIT
        is_offered = is_counterfeit and last is not None and case.seen_at and case.seen_at > last.decided_at
        return CaseVersions(past, tell_past(past) if past else "", case.seen_at if is_offered else None)

    def _read_offers(self) -> SellerOffers:
        connection, case, hidden = self._connection, self._case, self._hidden
        seller_id = case.scored.listing.seller_id
        alike = preview_spread(connection, case.case_id, self._user.name).cases if case.n_alike else ()
        beside = {one.scored.listing.listing_id for one in (case, *alike)}
        others = list_seller_listings(connection, seller_id, limit=_MOST_OTHERS, without=beside, hidden=hidden)
        precedents = {
            verdict.value: [one for one in found if one.case.case_id not in hidden]
            for verdict, found in find_precedents(connection, case, _MOST_PRECEDENTS).items()
        }
        cases = [case, *alike, *(one.case for found in precedents.values() for one in found)]
        listings = {one.case_id: one.listing for one in others.listings if one.case_id}
        listings |= {one.case_id: one.scored.listing for one in cases}
        return SellerOffers(others, alike, precedents, find_pictures(connection, self._settings, listings))

    def _read_notices(self) -> CaseNotices:
        found = find_notices(self._connection, self._case.case_id)
        tiers = {tier.name: tier.burden for tier in get_cooperation_policy(self._request).notifiers.tiers}
        return CaseNotices(found[:_MOST_NOTICES], len(found), tiers)


def make_figures(case: Case) -> ListingFigures:
    """Return the price scale of a case, and its strongest weights."""
    scored = case.scored
    return ListingFigures(
        heaviest=max((abs(part.weight) for part in scored.highlights), default=0.0),
        strongest=max((abs(reason.weight) for reason in scored.reasons), default=0.0),
        scale=make_price_scale(scored.listing.price, scored.listing.currency, scored.price_range),
    )


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


def translate_title(request: Request, case_id: PathNumber, form: Annotated[TranslationForm, Form()]) -> Response:
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
        return form.lead_to(case_id)
    said = {"text": made.text, "language": made.language} if made else {"text": "", "language": None}
    return JSONResponse(said | {"message": message})


def _is_just_claimed(claim: Claim | None, settings: Settings) -> bool:
    """Return whether a claim is as fresh as a new one."""
    lease = timedelta(minutes=settings.lease_minutes)
    return claim is not None and claim.expires_at > datetime.now(UTC) + lease - min(_MOMENT, lease / 10)


def _claim(connection: Connection, user: User, case: Case, settings: Settings) -> tuple[Claim | None, str]:
    """Claim the case if the user may; return why not otherwise."""
    if not may_judge(user, case.state):
        return None, ""
    try:
        return queue.claim(connection, user.name, case.case_id, settings=settings), ""
    except Overtaken:
        return None, ""
    except Forbidden as error:
        return None, str(error)


def _rules(request: Request) -> dict[str, Any]:
    return {"settings": settings_of(request), "consequences": get_consequences(request)}


def undo(request: Request, form: Annotated[UndoForm, Form()]) -> Response:
    """Take a verdict back and open its case, or take a group of decisions back and go to the list."""
    said: dict[str, Any] = {
        "undo_minutes": settings_of(request).undo_minutes,
        "consequences": get_consequences(request),
    }
    case, decision = form.case, form.decision
    with authorised(request, writing) as (connection, user):
        is_lead = user.role.may(Action.UNDO_OTHERS)
        if form.leaving:
            give_back(connection, user, queue.get_case(connection, form.leaving), form.token)
        if form.group:
            made = queue.undo_group(connection, form.group, user.name, may_undo_others=is_lead, **said)
            return redirect(f"/?undone={len(made)}")
        if decision:
            case = queue.undo(connection, decision, user.name, may_undo_others=is_lead, **said).case_id
        else:
            take_back(connection, user.name, case, form.claim, **said)
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
                lift_measure(connection, measure, user.name, why, policy)
            else:
                kind = MeasureKind(to)
                codes = re.findall(r"[^\s,;]+", form.countries.upper()) if kind is MeasureKind.REMOVE_IN else ()
                order = MeasureOrder(kind, why, tuple(sorted(set(codes))))
                change_measure(connection, measure, order, user.name, policy)
    except (Conflict, Forbidden, SellerErased) as error:
        return show_visit(request, case_id, Visit(ReviewPath(), message=str(error)))
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
