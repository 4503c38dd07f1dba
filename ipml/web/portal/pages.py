"""Read pages of the portal: overview, listings, notices, figures and downloads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from sqlalchemy import Connection

from ipml.cooperation.brands.evidence import export_for_brand
from ipml.cooperation.brands.listings import STATES, BrandListing, find_listings, get_listing
from ipml.cooperation.brands.notices import (
    BrandCounterNotice,
    find_reports,
    get_brand_notice,
    list_brand_notices,
    list_counter_notices,
)
from ipml.cooperation.brands.sellers import list_proposals
from ipml.cooperation.notices.counter_notices import answer_counter_notice
from ipml.cooperation.notifiers.registrations import list_registrations
from ipml.cooperation.reports.document import write_report
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.evidence.archives import write_zip
from ipml.errors import Conflict, NotFound, Refused
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.pictures.stored import Size, read_pictures
from ipml.storage.database import writing
from ipml.web.accounts.login import get_actions, get_cooperation_policy, get_engine, get_policy, settings_of
from ipml.web.console.case_page import send_file
from ipml.web.console.dashboard import YEAR_DAYS, DateRange, FirstDay, LastDay, report_brand
from ipml.web.console.pictures import Digest, send_copy
from ipml.web.phrases import TAKEN
from ipml.web.portal.visitor import BrandName, Number, Reference, Visitor, find_own_copies, visiting
from ipml.web.responses import is_from_elsewhere, redirect, render, render_error

MOST_ROWS, MOST_EXAMPLES, _FEW = 50, 5, 5


def show_portal(request: Request) -> Response:
    """Show pending tasks of the rights holder and their newest notices."""
    with visiting(request) as (connection, visitor):
        context = {
            "visitor": visitor,
            "counter_notices": _find_waiting(connection, visitor),
            "notices": list_brand_notices(connection, visitor.acting, limit=_FEW),
            "likely": find_listings(connection, visitor.brands, state="waiting", limit=_FEW),
            "proposals": len(list_proposals(connection, visitor.brands)),
            "ending": _find_ended(connection, visitor),
        }
    return render(request, "portal/home.html", context)


def _find_waiting(connection: Connection, visitor: Visitor) -> list[BrandCounterNotice]:
    return [one for one in list_counter_notices(connection, visitor.acting) if one.waits] if visitor.waiting else []


def _find_ended(connection: Connection, visitor: Visitor) -> list[str]:
    """Return the brands without a right on file that is current and accepted or pending."""
    now, ended = datetime.now(UTC), []
    for one in visitor.bindings:
        filed = list_registrations(connection, one.notifier_id, [one.brand])
        if not any(right.is_accepted is not False and not right.has_ended(now) for right in filed):
            ended.append(one.brand)
    return ended


def show_listings(
    request: Request,
    search: Annotated[str, Query(max_length=200)] = "",
    brand: BrandName = "",
    state: Annotated[str, Query(pattern=f"^({'|'.join(STATES)})$")] = "all",
    before: Annotated[int, Query(ge=1, le=LARGEST_NUMBER)] = LARGEST_NUMBER,
) -> Response:
    """Show the listings of the visitor's brands, filtered by words and state."""
    with visiting(request) as (connection, visitor):
        found = find_listings(
            connection, visitor.choose(brand), search=search, state=state, before=before, limit=MOST_ROWS + 1
        )
        context = describe_listings(request, connection, visitor, found[:MOST_ROWS])
    context["asked"] = {"search": search, "brand": brand, "state": state}
    context["next_before"] = found[MOST_ROWS - 1].case_id if len(found) > MOST_ROWS else None
    return render(request, "portal/listings.html", context)


def describe_listings(
    request: Request, connection: Connection, visitor: Visitor, listed: Sequence[BrandListing]
) -> dict[str, Any]:
    """Return the context of the page with some listings of the visitor's brands, to be chosen for a report."""
    return {
        "visitor": visitor,
        "listed": listed,
        "pictures": find_own_copies(request, connection, listed),
        "states": STATES,
        "asked": {"search": "", "brand": "", "state": STATES[0]},
        "next_before": None,
        "are_kept": settings_of(request).pictures is not None,
        "by_picture": False,
        "message": "",
    }


def show_listing(request: Request, case_id: Number) -> Response:
    """Show a listing of the visitor's brands: offer, decision, measures, and their notices about it."""
    with visiting(request) as (connection, visitor):
        listing = get_listing(connection, visitor.brands, case_id)
        pictures = find_own_copies(request, connection, [listing]).get(case_id)
        reports = find_reports(connection, visitor.acting, [listing.listing_id]).get(listing.listing_id, [])
    context = {"visitor": visitor, "listing": listing, "pictures": pictures, "measure_words": TAKEN}
    context["reports"] = reports
    return render(request, "portal/listing.html", context)


def show_picture(request: Request, case_id: Number, digest: Digest) -> Response:
    """Send a picture of a listing of the visitor's brands."""
    return _send_picture(request, case_id, digest, "view")


def show_thumbnail(request: Request, case_id: Number, digest: Digest) -> Response:
    """Send the small copy of such a picture."""
    return _send_picture(request, case_id, digest, "thumbnail")


def _send_picture(request: Request, case_id: int, digest: str, size: Size) -> Response:
    with visiting(request) as (connection, visitor):
        get_listing(connection, visitor.brands, case_id)
        is_its = any(one.digest == digest for one in read_pictures(connection, [case_id]).get(case_id, ()))
    return send_copy(settings_of(request).pictures if is_its else None, digest, size)


def download_evidence(request: Request, case_id: Number) -> Response:
    """Send the evidence on a counterfeit listing, and record that in the audit trail."""
    with visiting(request) as (_, visitor):
        if is_from_elsewhere(request):
            return render_error(request, HTTPStatus.FORBIDDEN, "Open the page of the listing, and take it there.")
    name, settings = f"evidence-listing-{case_id}.zip", settings_of(request)
    with TemporaryDirectory(prefix="ipml-evidence-") as folder:
        place = Path(folder) / name
        export_for_brand(
            get_engine(request),
            visitor.brands,
            case_id,
            place,
            by=visitor.name,
            key_file=settings.anchor_key,
            pictures=settings.pictures,
        )
        return send_file(place, name)


def show_notices(
    request: Request,
    brand: BrandName = "",
    after: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "",
    sent: Annotated[int, Query(ge=0, le=100)] = 0,
) -> Response:
    """Show the visitor's notices, newest first; `sent` is how many of them were just given at once."""
    with visiting(request) as (connection, visitor):
        acting = [(visitor.binding(one).notifier_id, one) for one in visitor.choose(brand)]
        found = list_brand_notices(connection, acting, after=after, limit=MOST_ROWS + 1)
        waiting = _find_waiting(connection, visitor)
    context = {"visitor": visitor, "listed": found[:MOST_ROWS], "brand": brand, "counter_notices": waiting}
    context["sent"] = sent
    context["next_after"] = found[MOST_ROWS - 1].reference if len(found) > MOST_ROWS else ""
    return render(request, "portal/notices.html", context)


def show_notice(request: Request, reference: Reference) -> Response:
    """Show the state of a notice, and counter-notices against it."""
    return _render_notice(request, reference)


def answer(
    request: Request,
    reference: Reference,
    choice: Annotated[str, Form(pattern="^(acted|withdraw)$")],
    acted: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Answer the counter-notices against a notice: the rights holder has acted, or gives up."""
    try:
        with visiting(request, writing) as (connection, visitor):
            get_brand_notice(connection, visitor.acting, reference)
            answer_counter_notice(
                connection,
                reference,
                by=visitor.name,
                acted=acted if choice == "acted" else None,
                has_withdrawn=choice == "withdraw",
                context=AppealContext(get_policy(request), get_actions(request)),
            )
    except (Conflict, Refused) as error:
        return _render_notice(request, reference, str(error).partition(" `ipml")[0], acted)
    return redirect(f"/portal/notices/{reference}")


def _render_notice(request: Request, reference: str, message: str = "", acted: str = "") -> Response:
    with visiting(request) as (connection, visitor):
        file = get_brand_notice(connection, visitor.acting, reference)
    context = {"visitor": visitor, "file": file, "measure_words": TAKEN, "message": message, "acted": acted}
    context["unknown_days"] = get_cooperation_policy(request).notices.unknown_days
    return render(request, "portal/notice.html", context)


def show_figures(request: Request, brand: BrandName = "", first: FirstDay = None, last: LastDay = None) -> Response:
    """Show the figures of one of the visitor's brands in some days, with examples."""
    span = DateRange.of(first, last, YEAR_DAYS)
    with visiting(request) as (connection, visitor):
        name = visitor.binding(brand).brand
        examples = find_listings(connection, [name], state="counterfeit", limit=MOST_EXAMPLES)
        pictures = find_own_copies(request, connection, examples)
    context = {"visitor": visitor, "name": name, "span": span, "examples": examples, "report": None}
    context["pictures"] = pictures
    context["measure_words"] = TAKEN
    with suppress(NotFound):  # nothing was listed under it yet; the error would name similar brands
        context |= report_brand(request, name, span)
    return render(request, "portal/figures.html", context)


def download_report(request: Request, brand: BrandName = "", first: FirstDay = None, last: LastDay = None) -> Response:
    """Send the report on one of the visitor's brands as a page with its tables."""
    span = DateRange.of(first, last, YEAR_DAYS)
    with visiting(request) as (_, visitor):
        name = visitor.binding(brand).brand
    try:
        report = report_brand(request, name, span)["report"]
    except NotFound:
        raise NotFound("figures of brand", name, "Nothing was listed under it yet.") from None
    with TemporaryDirectory(prefix="ipml-report-") as folder:
        write_report(report, Path(folder) / "brand-report")
        return send_file(write_zip(Path(folder) / "brand-report", Path(folder) / "report.zip"), "brand-report.zip")
