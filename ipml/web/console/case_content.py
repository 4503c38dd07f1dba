"""Content of a case page: evidence, history and consequences, read in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from fastapi import Request
from sqlalchemy import Connection

from ipml.cooperation.notices.status import CaseNotice, find_notices
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import AppealRules
from ipml.enforcement.views.case_file import ActionPreview, CaseActions, preview_actions, read_case_actions
from ipml.errors import Forbidden, Overtaken
from ipml.money import Rates
from ipml.records import Case, Claim, Decision, Reversal, Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.arrivals.versions import Past, read_pasts, tell_past
from ipml.review.cases import find_cases
from ipml.review.claims import ShownCase, claim, find_hidden, shown_history
from ipml.review.decisions import Undoable, find_undoable, list_decisions, list_reversals
from ipml.review.group_decisions import preview_spread
from ipml.review.near_duplicates.matches import explain_relisting
from ipml.review.near_duplicates.relistings import explain_match
from ipml.review.pictures.same_picture import SamePicture, find_same_pictures
from ipml.review.ranking.list_marks import find_case_marks
from ipml.review.ranking.queue_order import explain_place, explain_value, find_ranking_and_parts
from ipml.review.sellers.seller_listings import ListingPage, list_seller_listings
from ipml.review.sellers.seller_lists import ListEntry, get_entries
from ipml.review.translations import Translation, Translator, find_translation
from ipml.review.worklists.changes import LastChanges
from ipml.review.worklists.note_templates import NoteTemplate, list_templates
from ipml.review.worklists.own_verdicts import Progress, count_progress
from ipml.review.worklists.precedents import Precedent, find_precedents
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import AuditRow
from ipml.web.accounts.login import get_cooperation_policy, get_policy, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.case_list import find_changes_after, may_judge
from ipml.web.console.case_work import CaseWork, read_case_work
from ipml.web.console.drawing.charts import PriceScale, SellerCard, make_price_scale, read_seller_card
from ipml.web.console.pictures import (
    ShownPicture,
    ShownPictures,
    find_listing_host,
    find_pictures,
    find_references,
)

_MOST_OTHERS = 8
_MOST_PRECEDENTS = 4
_MOST_NOTICES = 10


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
class ElsewhereCase:
    """Another case with one of the pictures, and its verdict, or its state without one."""

    case_id: int
    state: str
    picture: ShownPicture | None


@dataclass(frozen=True, slots=True)
class PictureEvidence:
    """Evidence on the pictures of a case: others with the same one, those cases, and genuine goods of the brand."""

    same: Sequence[SamePicture]
    cases: Mapping[int, ElsewhereCase]
    references: Sequence[ShownPicture]


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
    changes: LastChanges
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
    picture_evidence: PictureEvidence
    listing_host: str
    history: CaseHistory
    notices: CaseNotices
    work: CaseWork
    case_actions: CaseActions | None
    appeal_rules: AppealRules
    templates: Sequence[NoteTemplate] = ()
    claim: Claim | None = None
    barred: str = ""
    preview: ActionPreview | None = None
    audit_events: Sequence[AuditRow] = ()

    @property
    def pictures(self) -> ShownPictures | None:
        """The pictures of the listing."""
        return self.offers.pictures.get(self.case.case_id)


class CaseReader:
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
        preview = preview_actions(self._connection, stored, strikes, self._policy) if claim else None
        templates = list_templates(self._connection) if claim else ()
        audit_events = shown_history(self._connection, self._user.name, self._shown)
        return replace(
            page, claim=claim, barred=barred, preview=preview, audit_events=audit_events, templates=templates
        )

    def _read(self) -> CasePage:
        connection, request, user = self._connection, self._request, self._user
        case, stored, settings = self._case, self._shown.stored, self._settings
        case_id, may = case.case_id, user.role.may
        ranking, parts = find_ranking_and_parts(connection, self._now)
        marks = find_case_marks(connection, {case_id: case.scored}, self._now)[case_id]
        undo_minutes, can_decide = settings.undo_minutes, may(Action.REVIEW)
        undoable = find_undoable(connection, user.name, undo_minutes=undo_minutes) if can_decide else None
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
            undoable=undoable,
            changes=find_changes_after(connection, user, undoable, settings),
            place=explain_place(connection, replace(stored, state=case.state), ranking, parts, marks),
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
            picture_evidence=self._read_picture_evidence(),
            listing_host=find_listing_host(case.scored.listing),
            history=history,
            notices=self._read_notices(),
            work=read_case_work(connection, case, user, hides=self._shown.hides_history),
            case_actions=read_case_actions(connection, case_id) if history.decisions else None,
            appeal_rules=self._policy.appeals,
        )

    def _read_history(self) -> CaseHistory:
        if self._shown.hides_history:
            return CaseHistory([], {}, None)
        case_id = self._case.case_id
        decisions = list_decisions(self._connection, case_id, with_reversed=True)
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

    def _read_picture_evidence(self) -> PictureEvidence:
        connection, settings, scored = self._connection, self._settings, self._case.scored
        if not settings.pictures:
            return PictureEvidence([], {}, ())
        same = find_same_pictures(connection, self._case.case_id, hidden=self._hidden)
        states = {number: "open" for picture in same for number in picture.open_cases}
        for picture in same:
            for decided in filter(None, (picture.first_genuine, picture.first_counterfeit)):
                states[decided.case_id] = str(Verdict.COUNTERFEIT if decided.is_counterfeit else Verdict.GENUINE)
        listings = {number: decode_listing(case.snapshot) for number, case in find_cases(connection, states).items()}
        shown = find_pictures(connection, settings, listings)
        first = {number: found.shown[0] for number, found in shown.items() if found.shown}
        cases = {number: ElsewhereCase(number, state, first.get(number)) for number, state in states.items()}
        return PictureEvidence(
            same, cases, find_references(connection, settings, scored.listing.brand or scored.brand_read)
        )

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


def _claim(connection: Connection, user: User, case: Case, settings: Settings) -> tuple[Claim | None, str]:
    """Claim the case if the user may; return why not otherwise."""
    if not may_judge(user, case.state):
        return None, ""
    try:
        return claim(connection, user.name, case.case_id, settings=settings), ""
    except Overtaken:
        return None, ""
    except Forbidden as error:
        return None, str(error)
