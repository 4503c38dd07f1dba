"""Lists page: authorised, denied and watched sellers, with reason, end and author of each entry.

Changes apply at once. Entries of the brand file are shown here, and changed in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response

from ipml.cooperation.notifiers.notifier import end_of_day
from ipml.errors import Conflict, Forbidden, UnstorableValue
from ipml.review.queue import get_case
from ipml.review.sellers.seller_lists import (
    LONGEST_NAME,
    LONGEST_SOURCE,
    LONGEST_WHY,
    ListedSeller,
    ListKind,
    add_entry,
    list_entries,
    remove_entry,
)
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render

MOST_ENTRIES = 100
_FIELDS = ("kind", "seller", "brand", "why", "source", "until")
_KINDS = "|".join(ListKind)
_Number = Annotated[int, Query(ge=0, le=2**63 - 1)]
_Text = Annotated[str, Form(max_length=10 * LONGEST_WHY)]


def show_lists(
    request: Request,
    kind: Annotated[str, Query(pattern=f"^(|{_KINDS})$")] = "",
    after: _Number = 0,
    case: _Number = 0,
    seller: Annotated[str, Query(max_length=LONGEST_NAME)] = "",
    brand: Annotated[str, Query(max_length=LONGEST_NAME)] = "",
    ended: Annotated[str, Query(pattern="^1?$")] = "",
) -> Response:
    """Show the entries in force (or also ended ones), filtered by list, seller or brand.

    With `case`, the form is filled in with its seller.
    """
    said: dict[str, str] = {}
    if case:
        with authorised(request) as (connection, _):
            listing = get_case(connection, case).scored.listing
            said = {"seller": listing.seller_id, "brand": listing.brand or ""}
    return _render(request, kind, after, said, seller=seller.strip(), brand=brand.strip(), ended=ended)


def add_to_list(
    request: Request,
    kind: Annotated[str, Form(pattern=f"^({_KINDS})$")],
    seller: _Text = "",
    why: _Text = "",
    source: _Text = "",
    brand: _Text = "",
    until: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Put a seller on a list, perhaps until the end of a day."""
    said = {"kind": kind, "seller": seller, "why": why, "source": source, "brand": brand, "until": until}
    try:
        end = end_of_day(date.fromisoformat(until)) if until else None
    except (ValueError, OverflowError):
        return _render(request, "", 0, said, f"until {until!r}: expected a day such as 2027-05-01.")
    listed = ListedSeller(ListKind(kind), seller.strip(), why, source, brand.strip() or None, (), end)
    try:
        with authorised(request, writing) as (connection, user):
            entry, _ = add_entry(connection, listed, by=user.name, now=datetime.now(UTC))
    except (Forbidden, UnstorableValue) as error:
        return _render(request, "", 0, said, str(error))
    return redirect(f"/lists?kind={kind}#entry-{entry.entry_id}")


def take_off_list(request: Request, entry_id: PathNumber, why: _Text = "") -> Response:
    """Take an entry off its list, for a reason."""
    try:
        with authorised(request, writing) as (connection, user):
            entry = remove_entry(connection, entry_id, why=why, by=user.name, now=datetime.now(UTC))
    except (Conflict, Forbidden, UnstorableValue) as error:
        return _render(request, "", 0, {}, str(error))
    return redirect(f"/lists?kind={entry.kind}")


def _render(
    request: Request,
    kind: str,
    after: int,
    said: Mapping[str, str],
    message: str = "",
    *,
    seller: str = "",
    brand: str = "",
    ended: str = "",
) -> Response:
    now = datetime.now(UTC)
    with authorised(request) as (connection, _):
        found = list_entries(
            connection,
            now=now,
            with_ended=bool(ended),
            kind=ListKind(kind) if kind else None,
            seller_id=seller or None,
            brand=brand or None,
            after=after,
            limit=MOST_ENTRIES + 1,
        )
    filters = {"kind": kind, "seller": seller, "brand": brand, "ended": ended}
    context: dict[str, Any] = {
        "filters": filters,
        "query": urlencode({name: value for name, value in filters.items() if value}),
        "entries": found[:MOST_ENTRIES],
        "next_after": found[MOST_ENTRIES - 1].entry_id if len(found) > MOST_ENTRIES else None,
        "kinds": list(ListKind),
        "kind": kind,
        "said": dict.fromkeys(_FIELDS, "") | dict(said),
        "longest": {"why": LONGEST_WHY, "source": LONGEST_SOURCE, "name": LONGEST_NAME},
        "at": now,
        "today": now.date(),
        "message": message,
    }
    return render(request, "lists.html", context)
