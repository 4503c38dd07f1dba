"""Reporting: portal page for notices, as lines or CSV. Listings are checked and shown before anything is sent."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from ipml.cooperation.brands.preview import NamedListing, preview_listings
from ipml.cooperation.brands.templates import list_templates
from ipml.cooperation.faults import describe_value
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import LONGEST_EXPLANATION, MOST_LISTINGS, check_listings, check_notice
from ipml.cooperation.notifiers.registrations import list_registrations
from ipml.cooperation.notifiers.tiers import lane_of
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import Conflict, InvalidNotice
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import Problem
from ipml.review.ranking.policy import fold_name
from ipml.storage.database import reading, writing
from ipml.web.accounts.brand_accounts import Binding
from ipml.web.accounts.login import get_cooperation_policy
from ipml.web.portal.visitor import Visitor, find_own_copies, visiting
from ipml.web.responses import redirect, render

_COLUMNS = ("url", "listing_id")
_NUMBER = re.compile(r"(?!(javascript|data|mailto|https?|ftp|file|tel):)[^\s/]+", re.IGNORECASE)
_PLACE = re.compile(r"listings\[(\d+)\]\.?(.*)")
_AGAIN = re.compile(r"the listing of listings\[(\d{1,3})\] again")
_NAMES = {"explanation": "why", "good_faith": "good faith", "rights": "right", "listings": "listings"}
Pointed = list[tuple[int, Mapping[str, str]]]
"""Listings with their rows, from 1."""


def read_lines(text: str) -> tuple[Pointed, list[Problem]]:
    r"""Return the listings of a text, an address, a number or both a line, and the lines that are neither.

    >>> read_lines("https://shop.example/i/7\n\nA-12\nhttps://shop.example/i/9\tB 9")[0][1:]
    [(3, {'listing_id': 'A-12'}), (4, {'url': 'https://shop.example/i/9', 'listing_id': 'B 9'})]
    >>> print(read_lines("shop.example/i/7")[1][0])
    row 1, listing: found 'shop.example/i/7', expected an address with https://, or the number of a listing
    """
    found: Pointed = []
    problems = []
    for row, line in enumerate(text.splitlines(), start=1):
        word, (url, _, listing_id) = line.strip(), map(str.strip, line.partition("\t"))
        if listing_id:
            found.append((row, {"url": url, "listing_id": listing_id} if url else {"listing_id": listing_id}))
        elif "://" in word or _NUMBER.fullmatch(word):
            found.append((row, {"url" if "://" in word else "listing_id": word}))
        elif word:
            problems.append(
                Problem(row, "listing", describe_value(word), "an address with https://, or the number of a listing")
            )
    return found, problems


def write_lines(pointed: Pointed) -> str:
    r"""Return listings as lines, each in its row.

    >>> write_lines([(2, {"listing_id": "A-12"}), (3, {"url": "https://shop.example/i/9", "listing_id": "B 9"})])
    '\nA-12\nhttps://shop.example/i/9\tB 9'
    """
    lines = [""] * (pointed[-1][0] if pointed else 0)
    for row, one in pointed:
        url, listing_id = one.get("url", ""), one.get("listing_id", "")
        is_plain = not (url and listing_id) and ("://" in url or _NUMBER.fullmatch(listing_id))
        lines[row - 1] = url + listing_id if is_plain else f"{url}\t{listing_id}"
    return "\n".join(lines)


def read_csv(content: bytes) -> tuple[Pointed, list[Problem]]:
    """Return the listings of a CSV file with the columns url, listing_id or both, and its faults."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return [], [Problem(0, "file", "no text in UTF-8", "a CSV file saved as UTF-8")]
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    found: Pointed = []
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if not set(_COLUMNS) & set(names):
            return [], [Problem(0, "file", f"the columns {', '.join(names)[:80]}", "url, listing_id or both")]
        for row, cells in enumerate(reader, start=1):
            listing = {
                name: cell.strip()
                for name, cell in zip(names, cells, strict=False)
                if name in _COLUMNS and cell.strip()
            }
            if any(cell.strip() for cell in cells):
                found.append((row, listing))
    except csv.Error as error:
        return [], [Problem(len(found) + 1, "file", str(error)[:80], "a CSV file")]
    return found, []


def show_report(
    request: Request,
    listing: Annotated[list[str] | None, Query(max_length=MOST_LISTINGS)] = None,
    brand: str = "",
) -> Response:
    """Show the form, filled in with listings chosen on the list."""
    lines = "\n".join(one.replace("\n", " ")[:200] for one in listing or ())
    return _render(request, ReportForm(listings=lines, brand=brand[:200]), [], is_checked=bool(listing))


class ReportForm(BaseModel):
    """The form of a report, with its listings as lines or in a file.

    An empty brand stands for the one that each listing names. `checked` is the digest of the listings as last shown.
    """

    brand: Annotated[str, Field(max_length=200)] = ""
    why: str = ""
    listings: str = ""
    good_faith: Annotated[str, Field(max_length=8)] = ""
    other_brand: Annotated[str, Field(max_length=8)] = ""
    step: Annotated[str, Field(pattern="^(check|send|use)$")] = "check"
    template: Annotated[str, Field(pattern=r"^\d{0,18}$")] = ""
    checked: Annotated[str, Field(max_length=64)] = ""
    file: UploadFile | None = None


@dataclass(frozen=True, slots=True)
class CheckedReport:
    """The listings of a report with their rows, what must be put right, and the listings of each brand's notice."""

    listings: Sequence[tuple[int, NamedListing]]
    problems: Sequence[Problem]
    by_brand: Mapping[str, Pointed]


def report(request: Request, form: Annotated[ReportForm, Form()]) -> Response:
    """Show the listings of a report as they are known here; once they were shown, give notice of them."""
    pointed, problems = read_lines(form.listings)
    if form.file is not None and form.file.filename:
        if form.listings.strip():
            problems = [Problem(0, "file", "listings and a file", "one of them")]
        else:
            pointed, problems = read_csv(form.file.file.read())
            form = form.model_copy(update={"listings": write_lines(pointed)})
    if form.step == "use":
        return _render(request, _use_template(request, form), problems)
    is_sent = form.step == "send" and not problems and form.checked == _digest(form, pointed)
    try:
        with visiting(request, writing if is_sent else reading) as (connection, visitor):
            visitor.choose(form.brand)
            checked = _check(request, connection, visitor, form, pointed)
            if is_sent and not checked.problems:
                given = [_give(request, connection, visitor, form, *one) for one in checked.by_brand.items()]
                return redirect(f"/portal/notices{f'/{given[0]}' if len(given) == 1 else f'?sent={len(given)}'}")
    except InvalidNotice as error:
        return _render(request, form, error.problems)
    except Conflict as error:
        return _render(request, form, [Problem(0, "notice", str(error), "")])
    return _render(request, form, [*problems, *checked.problems])


def _use_template(request: Request, form: ReportForm) -> ReportForm:
    """Return the form with the text of the chosen template, if it is one of the visitor's."""
    with visiting(request) as (connection, visitor):
        templates = list_templates(connection, visitor.acting)
    text = next((one.text for one in templates if str(one.template_id) == form.template), form.why)
    return form.model_copy(update={"why": text})


def _digest(form: ReportForm, pointed: Pointed) -> str:
    return digest(canonical_json([form.brand, [dict(one) for _, one in pointed]]))


def _check(
    request: Request, connection: Connection, visitor: Visitor, form: ReportForm, pointed: Pointed
) -> CheckedReport:
    """Look up the listings of a report, and sort them by the brand of the notice."""
    chosen = visitor.binding(form.brand).brand if form.brand or len(visitor.bindings) == 1 else None
    try:
        noted = check_listings([dict(one) for _, one in pointed], get_cooperation_policy(request).notices)
    except InvalidNotice as error:
        return CheckedReport((), _place(error.problems, pointed), {})
    named = preview_listings(connection, visitor.acting, noted)
    problems, by_brand = [], dict[str, Pointed]()
    for (row, one), listing in zip(pointed, named, strict=True):
        brand = chosen or listing.brand
        if listing.repeats is not None:
            again = f"the listing of row {pointed[listing.repeats][0]} again"
            problems.append(Problem(row, "listing", again, "each listing once"))
        elif brand is None:
            value = "another brand than yours" if listing.names_other else "no brand of yours is known for it"
            problems.append(Problem(row, "brand", value, "a brand that you choose for all"))
        elif names_other(listing, brand) and form.other_brand != "yes":
            expected = f"{brand}, or that you report it all the same"
            problems.append(Problem(row, "brand", "the listing names another brand", expected))
        else:
            by_brand.setdefault(brand, []).append((row, one))
    rows = [row for row, _ in pointed]
    return CheckedReport(list(zip(rows, named, strict=True)), problems, by_brand)


def names_other(listing: NamedListing, brand: str) -> bool:
    """Return whether a listing names another brand than one."""
    return listing.names_other or fold_name(listing.brand) not in ("", fold_name(brand))


def _give(
    request: Request, connection: Connection, visitor: Visitor, form: ReportForm, brand: str, pointed: Pointed
) -> str:
    """Give notice of listings under a brand, in the name of its notifier; return the reference."""
    binding = visitor.binding(brand)
    if binding.address is None:
        raise Conflict("notice", "the reporter of your account was erased", "Ask the marketplace.")
    now, policy = datetime.now(UTC), get_cooperation_policy(request)
    content: dict[str, Any] = {
        "explanation": form.why.replace("\r\n", "\n"),
        "listings": [dict(one) for _, one in pointed],
        "name": visitor.name,
        "email": binding.address,
        "good_faith": form.good_faith == "yes",
        "brand": binding.brand,
        "rights": _find_right(connection, binding, now),
    }
    rules = policy.notices.model_copy(update={"least_explanation": _find_least(connection, [binding], policy, now)})
    try:
        notice = check_notice(content, rules, takes_listings=False, now=now)
        return receive(connection, notice, policy=policy, now=now).reference
    except InvalidNotice as error:
        raise InvalidNotice(_place(error.problems, pointed)) from None


def _find_least(connection: Connection, bindings: Sequence[Binding], policy: CooperationPolicy, now: datetime) -> int:
    lanes = [lane_of(connection, one.notifier_id, policy, now) for one in bindings]
    return max(policy.notices.least_explanation, *(lane.least_explanation_letters for lane in lanes))


def _find_right(connection: Connection, binding: Binding, now: datetime) -> str | None:
    """Return the number of the first current right on file that was not rejected."""
    filed = list_registrations(connection, binding.notifier_id, [binding.brand])
    good = (one.number for one in filed if one.is_accepted is not False and not one.has_ended(now))
    return next(filter(None, good), None)


def _place(problems: Sequence[Problem], pointed: Pointed) -> list[Problem]:
    """Return problems with the rows of the visitor's list or file, and the words of the form."""
    placed = []
    for one in problems:
        found = _PLACE.fullmatch(one.column)
        if found:
            again = _AGAIN.fullmatch(one.value)
            first = int(again[1]) if again else len(pointed)
            value = f"the listing of row {pointed[first][0]} again" if first < len(pointed) else one.value
            placed.append(replace(one, row=pointed[int(found[1])][0], column=found[2] or "listing", value=value))
        else:
            placed.append(replace(one, row=0, column=_NAMES.get(one.column, one.column)))
    return placed


def _render(request: Request, form: ReportForm, problems: Sequence[Problem], *, is_checked: bool = True) -> Response:
    """Show the form, with the listings as they are known here if there are any to check."""
    pointed, _ = read_lines(form.listings)
    with visiting(request) as (connection, visitor):
        now = datetime.now(UTC)
        policy = get_cooperation_policy(request)
        least = _find_least(connection, visitor.bindings, policy, now)
        lacking = [one.brand for one in visitor.bindings if _find_right(connection, one, now) is None]
        checked = _check(request, connection, visitor, form, pointed) if is_checked and pointed else None
        offers = (one.offer for _, one in checked.listings) if checked else ()
        pictures = find_own_copies(request, connection, [one for one in offers if one])
        templates = list_templates(connection, visitor.acting)
    may_send = checked is not None and all(one.column == "brand" for one in problems if one.row)
    context = {
        "visitor": visitor,
        "said": form.model_dump(exclude={"file"}),
        "problems": problems[:100],
        "names_other_brand": form.other_brand == "yes" or any(one.column == "brand" and one.row for one in problems),
        "more": max(0, len(problems) - 100),
        "checked": checked,
        "n_named": len({row for row, _ in pointed} | {one.row for one in problems if one.row}),
        "names_other": names_other,
        "pictures": pictures,
        "templates": templates,
        "digest": _digest(form, pointed) if may_send else "",
        "days": policy.notices.unknown_days,
        "lacking": lacking,
        "least": least,
        "longest": LONGEST_EXPLANATION,
        "most": MOST_LISTINGS,
    }
    return render(request, "portal/report.html", context, HTTPStatus.BAD_REQUEST if problems else None)
