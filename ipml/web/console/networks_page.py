"""Pages of networks: a list, a picture to explore, members and links; and referrals with their outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import FastAPI, Form, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.datastructures import State

from ipml.cooperation.networks.attributes import IN_WORDS, IN_WORDS_OF_MANY
from ipml.cooperation.networks.roles import Hypothesis, NetworkRole
from ipml.cooperation.networks.store import RECENT_DAYS, NetworkFigures
from ipml.cooperation.networks.view import MemberRecord, NetworkView, read_members
from ipml.cooperation.referrals.handover import OutcomeReport, note_outcome, sign_receipt
from ipml.cooperation.referrals.package import Built, ReferralRequest, build_referral
from ipml.cooperation.referrals.ranking import Candidate, HandedOut, count_confirmed, judge_candidates, list_handed_out
from ipml.enforcement.evidence.package import PackageOutput
from ipml.enforcement.privacy.erased_list import read_erased
from ipml.errors import Conflict, NotFound, UnstorableValue, UnusableSetting
from ipml.kit.moments import from_microseconds
from ipml.review.claims import find_hidden
from ipml.storage.audit_trail.anchors import store_anchor
from ipml.storage.database import reading, writing
from ipml.web.accounts.login import authorised, get_cooperation_policy, get_engine, settings_of
from ipml.web.accounts.users import User
from ipml.web.cache import NetworkShelf
from ipml.web.console.case_list import NO_NUL, PathNumber
from ipml.web.console.case_page import send_file
from ipml.web.console.drawing.network_picture import MANY_LINES, MOST_LINES, draw_network, draw_small, name_role
from ipml.web.console.drawing.tables import AskedTable, Column, TablePage, TableQuery, check_order, page_rows
from ipml.web.responses import redirect, render

MOST_NETWORKS = 24
MOST_MEMBERS = 1000
MOST_TIES = 10
_HYPOTHESES = 3
_LONGEST_NUMBER = 10

Place = Annotated[int, Path(ge=1, le=2**31)]  # a network's number, or a member's in it


@dataclass(frozen=True, slots=True)
class _MemberRow:
    """A member in the table: `place` counts from 1, as in addresses."""

    place: int
    seller_id: str
    role: NetworkRole
    since: datetime
    links: int
    record: MemberRecord | None
    newcomer: str


NETWORK_COLUMNS: tuple[Column[NetworkFigures], ...] = (
    Column("picture", "Picture", is_sortable=False, css="thumb"),
    Column("network", "Network"),
    Column("members", "Sellers", is_number=True),
    Column("links", "Links", is_number=True),
    Column("growth", f"New in {RECENT_DAYS} days", is_number=True),
    Column("first", "First seen"),
    Column("last", "Last joined", is_number=True),
    Column("shared", "Shared things", is_sortable=False),
    Column("confirmed", "Confirmed counterfeit", is_number=True, is_sortable=False),
    Column("open", "Open", is_number=True, is_sortable=False),
    Column("brands", "Brands", is_sortable=False),
)


def show_networks(request: Request, asked: AskedTable) -> Response:
    """Show networks, largest first; or the one of a number or seller id."""
    check_order(asked, NETWORK_COLUMNS)
    shelf, words = _shelf(request), asked.words
    with authorised(request) as (connection, user):
        listed, count, found = _find_networks(shelf, asked)
        views = [shelf.view(one.number) for one in listed]
        records = _read_records(connection, user, [name for view in views for name in view.seller_ids])
    context = {
        "is_there": shelf.is_there,
        "table": TablePage(NETWORK_COLUMNS, listed, count, asked, usual="-members", size=MOST_NETWORKS),
        "listed": [
            (one, draw_small(view.layout), _sum_up([records.get(name) for name in view.seller_ids]))
            for one, view in zip(listed, views, strict=True)
        ],
        "found": found,
        "words": words,
        "in_words": IN_WORDS,
        "plurals": IN_WORDS_OF_MANY,
    }
    return render(request, "networks.html", context)


def _find_networks(shelf: NetworkShelf, asked: TableQuery) -> tuple[Sequence[NetworkFigures], int, int | None]:
    """Return the networks of a page, the number of all, and the number of the requested one."""
    if not shelf.is_there:
        return [], 0, None
    if asked.words:
        number = shelf.find_number(asked.words)
        if number is None and asked.words.isdecimal() and len(asked.words) < _LONGEST_NUMBER:
            number = int(asked.words)
        one = shelf.find(number) if number else []
        return one, len(one), one[0].number if one else None
    order, is_descending = (asked.order, asked.is_descending) if asked.sort else ("members", True)
    skip = (asked.page - 1) * MOST_NETWORKS
    return *shelf.list(order, MOST_NETWORKS, is_descending=is_descending, skip=skip), None


def show_network(request: Request, number: Place) -> Response:
    """Show a network: picture, possible sources, and all members."""
    with authorised(request) as (connection, user):
        view = _shelf(request).view(number)
        records = _read_records(connection, user, view.seller_ids)
    rows = _make_rows(view, records)
    context = {
        "view": view,
        "picture": draw_network(view, records),
        "most_lines": MOST_LINES,
        "many_lines": MANY_LINES,
        "rows": sorted(rows, key=_rank_member)[:MOST_MEMBERS],
        "n_members": len(rows),
        "facts": _sum_up([row.record for row in rows]),
        "unlinked": sum(row.links == 0 for row in rows),
        "newcomers": sum(bool(row.newcomer) for row in rows),
        **_find_sources(view),
    }
    return render(request, "network.html", context)


def show_member(request: Request, number: Place, place: Place) -> Response:
    """Show a member of a network, their record and links."""
    with authorised(request) as (connection, user):
        view = _shelf(request).view(number)
        _check_place(view, place)
        records = _read_records(connection, user, [view.seller_ids[place - 1]])
    neighbours = view.neighbours_of(place - 1)
    context = {
        "view": view,
        "row": _make_rows(view, records)[place - 1],
        "neighbours": [(one + 1, view.tie(place - 1, one)) for one in neighbours[:MOST_TIES]],
        "n_links": len(neighbours),
        "hypothesis": next((one for one in view.roles.hypotheses if one.seller_id == view.seller_ids[place - 1]), None),
        "name_role": name_role,
    }
    return render(request, "network_member.html", context)


def show_tie(request: Request, number: Place, one: Place, other: Place) -> Response:
    """Show the things that two members share, and since when."""
    with authorised(request):
        view = _shelf(request).view(number)
    _check_place(view, one)
    _check_place(view, other)
    context = {
        "view": view,
        "one": one,
        "other": other,
        "tie": view.tie(one - 1, other - 1),
        "is_link": other - 1 in view.neighbours_of(one - 1),
        "needed": view.needed,
        "in_words": IN_WORDS,
    }
    return render(request, "network_tie.html", context)


def find_network(request: Request, *names: str | None) -> int | None:
    """Return the number of a seller's network, by any of their names."""
    found = (_shelf(request).find_number(name) for name in names if name)
    return next((number for number in found if number), None)


def _shelf(request: Request) -> NetworkShelf:
    shelf: NetworkShelf = request.app.state.networks
    return shelf


def _check_place(view: NetworkView, place: int) -> None:
    if place > len(view.roles.members):
        raise NotFound(
            f"member of network {view.number}", place, f"It has {len(view.roles.members):,}. Open the network again."
        )


def _read_records(connection: Connection, user: User, names: list[str]) -> dict[str, MemberRecord]:
    return read_members(connection, names, hidden=find_hidden(connection, user.name)) if names else {}


def _make_rows(view: NetworkView, records: dict[str, MemberRecord]) -> list[_MemberRow]:
    joined = view.networks.holdings.joined[view.roles.members].tolist()
    return [
        _MemberRow(
            place + 1,
            name,
            view.roles.role[place],
            from_microseconds(joined[place]),
            int(view.degree[place]),
            records.get(name),
            str(view.newcomers.get(name, "")),
        )
        for place, name in enumerate(view.seller_ids)
    ]


def _rank_member(row: _MemberRow) -> tuple[int, int, int]:
    confirmed = row.record.confirmed if row.record else 0
    return list(NetworkRole).index(row.role), -confirmed, -row.links


def _sum_up(records: list[MemberRecord | None]) -> dict[str, Any]:
    known = [record for record in records if record]
    brands: dict[str, int] = {}
    for record in known:
        for brand in record.brands:
            brands[brand] = brands.get(brand, 0) + 1
    return {
        "known": len(known),
        "confirmed": sum(record.confirmed for record in known),
        "guilty": sum(record.confirmed > 0 for record in known),
        "open": sum(record.open for record in known),
        "strikes": sum(record.strikes for record in known),
        "brands": sorted(brands, key=lambda brand: (-brands[brand], brand)),
    }


def _find_sources(view: NetworkView) -> dict[str, Any]:
    """Return the likeliest sources with their places, and the probability that it is another seller."""
    places = {name: place for place, name in enumerate(view.seller_ids, start=1)}
    best: list[tuple[Hypothesis, int | None]] = [
        (one, places.get(one.seller_id)) for one in view.roles.hypotheses[:_HYPOTHESES]
    ]
    return {"hypotheses": best, "elsewhere": 1 - sum(one.belief for one, _ in best), "name_role": name_role}


MOST_CANDIDATES = 30
_OUTCOME_KINDS = "^(opened|arrests|seized|dropped)$"


@dataclass(frozen=True, slots=True)
class _NetworkRanking:
    """The networks worth a referral at a moment, and the data of their ranking."""

    candidates: tuple[Candidate, ...]
    n_networks: int
    n_outcomes: int
    at: datetime


CANDIDATE_COLUMNS: tuple[Column[Candidate], ...] = (
    Column("network", "Network", lambda one: one.ranked.number),
    Column("brands", "Brands", lambda one: one.brands or None),
    Column("sellers", "Sellers", lambda one: one.ranked.n_members, is_number=True),
    Column("confirmed", "Confirmed", lambda one: one.ranked.n_confirmed, is_number=True),
    Column("value", "Value sold", lambda one: one.sold_value.least, is_number=True),
    Column("chance", "Solvability", lambda one: one.ranked.solvability, is_number=True),
    Column("hours", "Hours", lambda one: one.ranked.effort, is_number=True),
    Column("expected", "Expected value per hour", lambda one: one.ranked.expected_value, is_number=True),
    Column("state", "State", is_sortable=False),
    Column("act", "Hand over", is_sortable=False),
)
HANDED_COLUMNS: tuple[Column[HandedOut], ...] = (
    Column("referral", "Referral", lambda one: one.referral.referral_id),
    Column("network", "Network", lambda one: one.referral.network, is_number=True),
    Column("recipient", "Recipient", lambda one: one.referral.recipient),
    Column("brand", "Brand", lambda one: one.referral.brand),
    Column("sellers", "Sellers", lambda one: one.referral.n_members, is_number=True),
    Column("confirmed", "Confirmed", lambda one: one.referral.n_confirmed, is_number=True),
    Column("value", "Value sold", is_number=True, is_sortable=False),
    Column("built", "Built", lambda one: one.referral.built_at, is_number=True),
    Column("state", "State", lambda one: one.state),
    Column("act", "Follow up", is_sortable=False),
)
CANDIDATES, HANDED = "candidates", "handed"


def show_referrals(
    request: Request,
    asked: AskedTable,
    show: Annotated[str, Query(pattern=f"^({CANDIDATES}|{HANDED})$")] = CANDIDATES,
) -> Response:
    """Show the ranking of networks for referral, or the referrals made."""
    return _show_referrals(request, asked, show)


def hand_out(
    request: Request,
    number: Place,
    recipient: Annotated[str, Form(max_length=80)],
    brand: Annotated[str, Form(max_length=200, pattern=NO_NUL)] = "",
    again: Annotated[bool, Form()] = False,
) -> Response:
    """Build a referral and send it as a file; disclosures are recorded."""
    with authorised(request) as (_, user):
        view = _shelf(request).view(number)
    asked = ReferralRequest(number, recipient, brand.strip() or None, is_again=again)
    settings = settings_of(request)
    with TemporaryDirectory(prefix="ipml-referral-") as folder:
        place = FilePath(folder) / f"referral-{number}.zip"
        try:
            built: Built = build_referral(
                get_engine(request),
                view.networks,
                asked,
                get_cooperation_policy(request).referrals,
                PackageOutput(place, user.name, settings.anchor_key, is_zipped=True),
                erased=read_erased(settings.erased) if settings.erased and settings.erased.exists() else None,
            )
        except (Conflict, UnusableSetting) as error:
            return _show_referrals(request, message=str(error))
        if settings.anchors:
            store_anchor(settings.anchors, built.anchor)
        return send_file(place, f"referral-{built.referral.reference}.zip")


def note_receipt(
    request: Request,
    referral_id: PathNumber,
    received_by: Annotated[str, Form(min_length=1, max_length=200, pattern=NO_NUL)],
) -> Response:
    """Record who received a referral for the recipient."""
    try:
        with authorised(request, writing) as (connection, user):
            sign_receipt(connection, referral_id, received_by, by=user.name)
    except (Conflict, UnstorableValue) as error:
        return _show_referrals(request, show=HANDED, message=str(error))
    return redirect(f"/referrals?show={HANDED}#referral-{referral_id}")


class OutcomeForm(BaseModel):
    """The form of an outcome of a referral; `amount` counts arrests, or is a value seized in `currency`."""

    kind: Annotated[str, Field(pattern=_OUTCOME_KINDS)]
    amount: Annotated[str, Field(max_length=30)] = ""
    currency: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""
    why: Annotated[str, Field(max_length=80, pattern=NO_NUL)] = ""


def take_outcome(request: Request, referral_id: PathNumber, form: Annotated[OutcomeForm, Form()]) -> Response:
    """Record an outcome of a referral; the ranking learns from it."""
    kind, amount, currency, why = form.kind, form.amount, form.currency, form.why
    dropped, rules = why if kind == "dropped" else None, get_cooperation_policy(request).referrals
    try:
        with authorised(request, writing) as (connection, user):
            number = float(amount) if amount.strip() and kind in ("arrests", "seized") else None
            report = OutcomeReport(kind, number, currency or None, dropped)
            note_outcome(connection, referral_id, report, rules, by=user.name, now=datetime.now(UTC))
    except UnusableSetting as error:
        return _show_referrals(request, show=HANDED, message=str(error))
    except ValueError:
        return _show_referrals(request, show=HANDED, message=f"{amount!r} is no number.")
    return redirect(f"/referrals?show={HANDED}#referral-{referral_id}")


_FIRST_PAGE = TableQuery()


def _show_referrals(
    request: Request, asked: TableQuery = _FIRST_PAGE, show: str = CANDIDATES, message: str = ""
) -> Response:
    rules, state = get_cooperation_policy(request).referrals, request.app.state
    is_there = _shelf(request).is_there
    with authorised(request) as (connection, _):
        handed = list_handed_out(connection)
    ranking: _NetworkRanking | None = state.candidates.get(lambda: _rank_candidates(state)) if is_there else None
    last = {one.referral.network: one for one in reversed(handed)}
    kept = {"show": HANDED} if show == HANDED else {}
    tables: dict[str, Callable[[], TablePage[Any]]] = {
        CANDIDATES: lambda: page_rows(
            ranking.candidates if ranking else (), CANDIDATE_COLUMNS, asked, text_of=_name_candidate, usual="-expected"
        ),
        HANDED: lambda: page_rows(handed, HANDED_COLUMNS, asked, text_of=_name_handed, kept=kept, usual="-referral"),
    }
    context: dict[str, Any] = {
        "show": show,
        "table": tables[show](),
        "is_there": is_there,
        "ranking": ranking,
        "best": ranking.candidates[0].ranked.expected_value if ranking and ranking.candidates else None,
        "n_handed": len(handed),
        "last": last,
        "profiles": rules.profiles,
        "reasons": rules.reasons_to_drop,
        "message": message,
    }
    return render(request, "referrals.html", context)


def _name_candidate(one: Candidate) -> str:
    return " ".join([f"network {one.ranked.number}", *one.brands])


def _name_handed(one: HandedOut) -> str:
    of = one.referral
    said = (f"referral {of.referral_id} network {of.network}", of.reference, of.recipient, of.brand or "", one.state)
    return " ".join([*said, of.built_by, of.received_by or ""])


def rank_ahead(app: FastAPI) -> None:
    """Start ranking the networks before the first request."""
    if app.state.networks.is_there:
        app.state.candidates.prepare(lambda: _rank_candidates(app.state))


def _rank_candidates(state: State) -> _NetworkRanking:
    shelf: NetworkShelf = state.networks
    now = datetime.now(UTC)
    with reading(state.engine) as connection:
        sums = shelf.add_up(count_confirmed(connection))
        numbers = sorted(sums, key=lambda number: (-sums[number], number))[:MOST_CANDIDATES]
        networks = ((shelf.load(number), number) for number in numbers)
        candidates, n_outcomes = judge_candidates(connection, networks, state.cooperation.referrals, now)
    return _NetworkRanking(tuple(candidates), len(sums), n_outcomes, now)
