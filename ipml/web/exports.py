"""`/export.csv`: cases or decisions for a spreadsheet, sent as they are read, however many."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from ipml.review.exports import CASE_COLUMNS, DECISION_COLUMNS, Value, Wanted, export_cases, export_decisions
from ipml.spreadsheet import defuse_within
from ipml.web.auth import get_engine, get_user

_BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets take the letters for those of another alphabet
_AT_ONCE = 200
_log = logging.getLogger(__name__)

_Text = Annotated[str, Query(max_length=200, pattern="^[^\x00]*$")]


def export(
    request: Request,
    what: Annotated[str, Query(pattern="^(decisions|cases)$")] = "decisions",
    state: Annotated[str, Query(pattern="^(|open|escalated|decided|superseded)$")] = "",
    brand: _Text = "",
    seller: _Text = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Response:
    """Give decisions, or cases, as CSV; moments without a zone are in UTC."""
    wanted = Wanted(state or None, brand or None, seller or None, _in_utc(since), _in_utc(until))
    engine, is_cases = get_engine(request), what == "cases"
    rows = export_cases(engine, wanted) if is_cases else export_decisions(engine, wanted)
    columns = CASE_COLUMNS if is_cases else DECISION_COLUMNS
    _log.info("export: user:%s takes %s", get_user(request).user_id, what)
    headers = {"Content-Disposition": f'attachment; filename="{what}.csv"'}
    return StreamingResponse(write_csv(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> Iterator[bytes]:
    """Give the parts of a CSV file whose texts are no formulae; all texts are quoted.

    Examples
    --------
    >>> b"".join(write_csv(["title", "score"], [{"title": "=1+1", "score": 0.5}])).decode("utf-8-sig").splitlines()
    ['"title","score"', '"\\'=1+1",0.5']
    """
    page = io.StringIO(_BYTE_ORDER_MARK)
    page.seek(0, io.SEEK_END)
    writer = csv.writer(page, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_write(row[name]) for name in columns])
        if number % _AT_ONCE == 0:
            yield _take(page)
    yield _take(page)


def _write(value: Value) -> str | float | int:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return defuse_within(value) if isinstance(value, str) else value


def _take(page: io.StringIO) -> bytes:
    text = page.getvalue()
    page.seek(0)
    page.truncate()
    return text.encode("utf-8", "replace")


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
