"""Reporting: portal page for notices, as lines or CSV; faults are shown with their rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from ipml.cooperation.faults import describe_value
from ipml.cooperation.notices.intake import find_contradictions, receive
from ipml.cooperation.notices.notice import LONGEST_EXPLANATION, MOST_LISTINGS, check_notice
from ipml.cooperation.notifiers.registrations import list_registrations
from ipml.cooperation.notifiers.tiers import lane_of
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import Conflict, InvalidNotice
from ipml.records import Problem
from ipml.storage.database import writing
from ipml.web.accounts.brand_accounts import Binding
from ipml.web.accounts.login import get_cooperation_policy
from ipml.web.portal.visitor import Visitor, visiting
from ipml.web.responses import redirect, render

_COLUMNS = ("url", "listing_id")
_NUMBER = re.compile(r"[^\s/]+")
_PLACE = re.compile(r"listings\[(\d+)\]\.?(.*)")
_AGAIN = re.compile(r"the listing of listings\[(\d{1,3})\] again")
_LONGEST_SHOWN = 60_000
_NAMES = {"explanation": "why", "good_faith": "good faith", "rights": "right", "listings": "listings"}
Pointed = list[tuple[int, Mapping[str, str]]]
"""Listings with their rows, from 1."""


def read_lines(text: str) -> tuple[Pointed, list[Problem]]:
    r"""Return the listings of a text, an address or id a line, and the lines that are neither.

    >>> read_lines("https://shop.example/i/7\n\nA-12")
    ([(1, {'url': 'https://shop.example/i/7'}), (3, {'listing_id': 'A-12'})], [])
    >>> print(read_lines("shop.example/i/7")[1][0])
    row 1, listing: found 'shop.example/i/7', expected an address with https://, or the number of a listing
    """
    found: Pointed = []
    problems = []
    for row, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if "://" in line or _NUMBER.fullmatch(line):
            found.append((row, {"url" if "://" in line else "listing_id": line}))
        elif line:
            problems.append(
                Problem(row, "listing", describe_value(line), "an address with https://, or the number of a listing")
            )
    return found, problems


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
    return _render(request, ReportForm(listings=lines, brand=brand[:200]), [])


class ReportForm(BaseModel):
    """The form of a notice, with its listings as lines or in a file."""

    brand: Annotated[str, Field(max_length=200)]
    why: Annotated[str, Field(max_length=4 * LONGEST_EXPLANATION)] = ""
    listings: Annotated[str, Field(max_length=900_000)] = ""
    good_faith: Annotated[str, Field(max_length=8)] = ""
    other_brand: Annotated[str, Field(max_length=8)] = ""
    file: UploadFile | None = None


def report(request: Request, form: Annotated[ReportForm, Form()]) -> Response:
    """Give notice in the name of the visitor's notifier, or show all faults."""
    pointed, problems = read_lines(form.listings)
    if form.file is not None and form.file.filename:
        if form.listings.strip():
            problems = [Problem(0, "file", "listings and a file", "one of them")]
        else:
            pointed, problems = read_csv(form.file.file.read())
    if problems:
        return _render(request, form, problems)
    try:
        with visiting(request, writing) as (connection, visitor):
            receipt = _give(request, connection, visitor, form, pointed)
    except InvalidNotice as error:
        return _render(request, form, _place(error.problems, pointed))
    except Conflict as error:
        return _render(request, form, [Problem(0, "notice", str(error), "")])
    return redirect(f"/portal/notices/{receipt}")


def _give(request: Request, connection: Connection, visitor: Visitor, form: ReportForm, pointed: Pointed) -> str:
    binding = visitor.binding(form.brand)
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
    notice = check_notice(content, rules, takes_listings=False, now=now)
    if form.other_brand != "yes" and (problems := find_contradictions(connection, notice)):
        raise InvalidNotice(problems)
    return receive(connection, notice, policy=policy, now=now).reference


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


def _render(request: Request, form: ReportForm, problems: Sequence[Problem]) -> Response:
    with visiting(request) as (connection, visitor):
        now = datetime.now(UTC)
        policy = get_cooperation_policy(request)
        least = _find_least(connection, visitor.bindings, policy, now)
        lacking = [one.brand for one in visitor.bindings if _find_right(connection, one, now) is None]
    context = {
        "visitor": visitor,
        "said": {name: text[:_LONGEST_SHOWN] for name, text in form.model_dump(exclude={"file"}).items()},
        "problems": problems[:100],
        "names_other_brand": form.other_brand == "yes" or any(one.column == "brand" and one.row for one in problems),
        "more": max(0, len(problems) - 100),
        "lacking": lacking,
        "least": least,
        "longest": LONGEST_EXPLANATION,
        "most": MOST_LISTINGS,
    }
    return render(request, "portal/report.html", context, HTTPStatus.BAD_REQUEST if problems else None)
