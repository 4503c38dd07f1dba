"""Lists page: authorised, denied and watched sellers, with reason, end and author of each entry.

Changes apply at once. Entries of the brand file are shown here, and changed in the file.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from ipml.cooperation.notifiers.notifier import end_of_day
from ipml.errors import Conflict, Forbidden, UnstorableValue
from ipml.review.arrivals.snapshot import is_storable
from ipml.review.cases import get_case
from ipml.review.sellers.seller_lists import (
    LONGEST_NAME,
    LONGEST_SOURCE,
    LONGEST_WHY,
    EntryFilter,
    ListedSeller,
    ListKind,
    get_entries,
    list_entries,
)
from ipml.review.worklists.changes import ChangeOrder, find_last_changes, list_seller, unlist_seller
from ipml.review.worklists.suggestions import CaseFit, count_names, count_seller_cases
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render

MOST_ENTRIES = 100
_KINDS = "|".join(ListKind)
_Number = Annotated[int, Field(ge=0, le=2**63 - 1)]
_Text = Annotated[str, Field(max_length=10 * LONGEST_WHY)]
_Reason = Annotated[str, Form(max_length=10 * LONGEST_WHY)]


class ListsQuery(BaseModel):
    """The query of the page: list, seller and brand of the entries in force, or also of ended ones.

    With `case`, the form is filled in with its seller. `saved` is the entry that was just added.
    """

    kind: Annotated[str, Field(pattern=f"^(|{_KINDS})$")] = ""
    after: _Number = 0
    case: _Number = 0
    saved: _Number = 0
    seller: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    brand: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    ended: Annotated[str, Field(pattern="^1?$")] = ""


class EntryForm(BaseModel):
    """The form that puts a seller on a list, perhaps until the end of a day; with `preview` nothing is saved."""

    kind: Annotated[str, Field(pattern=f"^({_KINDS})$")]
    seller: _Text = ""
    why: _Text = ""
    source: _Text = ""
    brand: _Text = ""
    until: Annotated[str, Field(max_length=10)] = ""
    preview: Annotated[int, Field(ge=0, le=1)] = 0


_EMPTY = EntryForm.model_construct(kind="")


def show_lists(request: Request, query: Annotated[ListsQuery, Query()]) -> Response:
    """Show the entries in force (or also ended ones), filtered by list, seller or brand."""
    form = _EMPTY
    if query.case:
        with authorised(request) as (connection, _):
            listing = get_case(connection, query.case).scored.listing
            form = EntryForm.model_construct(kind="", seller=listing.seller_id, brand=listing.brand or "")
    return _render(request, query, form)


def add_to_list(request: Request, form: Annotated[EntryForm, Form()]) -> Response:
    """Put a seller on a list."""
    kind, seller, brand, until = form.kind, form.seller.strip(), form.brand.strip() or None, form.until
    if form.preview:
        return _render(request, ListsQuery(), form)
    try:
        end = end_of_day(date.fromisoformat(until)) if until else None
    except (ValueError, OverflowError):
        return _render(request, ListsQuery(), form, f"until {until!r}: expected a day such as 2027-05-01.")
    try:
        listed = ListedSeller(ListKind(kind), seller, form.why, form.source, brand, (), end)
        with authorised(request, writing) as (connection, user):
            entry, _ = list_seller(connection, listed, ChangeOrder(user.name, datetime.now(UTC)))
    except (Forbidden, UnstorableValue) as error:
        return _render(request, ListsQuery(), form, str(error))
    return redirect(f"/lists?kind={kind}&saved={entry.entry_id}#entry-{entry.entry_id}")


def take_off_list(request: Request, entry_id: PathNumber, why: _Reason = "") -> Response:
    """Take an entry off its list, for a reason."""
    try:
        with authorised(request, writing) as (connection, user):
            entry, _ = unlist_seller(connection, entry_id, why, ChangeOrder(user.name, datetime.now(UTC)))
    except (Conflict, Forbidden, UnstorableValue) as error:
        return _render(request, ListsQuery(), _EMPTY, str(error))
    return redirect(f"/lists?kind={entry.kind}")


def _render(request: Request, query: ListsQuery, form: EntryForm, message: str = "") -> Response:
    now = datetime.now(UTC)
    kind = ListKind(query.kind) if query.kind else None
    listed = EntryFilter(kind, query.seller.strip() or None, query.brand.strip() or None, bool(query.ended))
    minutes = settings_of(request).undo_minutes
    with authorised(request) as (connection, user):
        entries = list_entries(connection, now, listed, after=query.after, limit=MOST_ENTRIES + 1)
        context: dict[str, Any] = {
            "brands": count_names(connection, "brand"),
            "sellers": count_names(connection, "seller_id"),
            "changes": find_last_changes(connection, user.name, ["list"], undo_minutes=minutes),
            "fit": _count_cases(connection, form.seller, form.brand) if form.preview else None,
            "saved_fit": next(
                (
                    _count_cases(connection, entry.seller_id or "", entry.brand or "")
                    for entry in get_entries(connection, [query.saved])
                ),
                None,
            ),
        }
    filters = query.model_dump(exclude={"after", "case", "saved"})
    context |= {
        "filters": filters,
        "query": urlencode({name: value for name, value in filters.items() if value}),
        "entries": entries[:MOST_ENTRIES],
        "next_after": entries[MOST_ENTRIES - 1].entry_id if len(entries) > MOST_ENTRIES else None,
        "kinds": list(ListKind),
        "kind": query.kind,
        "said": form,
        "longest": {"why": LONGEST_WHY, "source": LONGEST_SOURCE, "name": LONGEST_NAME},
        "at": now,
        "today": now.date(),
        "message": message,
    }
    return render(request, "lists.html", context)


def _count_cases(connection: Connection, seller: str, brand: str) -> CaseFit | None:
    seller, brand = seller.strip(), brand.strip()
    return count_seller_cases(connection, seller, brand or None) if seller and is_storable(seller + brand) else None
