"""CSV files: exports of cases and decisions of any number, and of other tables."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator

from ipml.kit.moments import read_typed_moment, write_moment
from ipml.kit.spreadsheet import defuse_within
from ipml.review.exports import CASE_COLUMNS, DECISION_COLUMNS, ExportFilter, Value, export_cases, export_decisions
from ipml.web.accounts.login import authorised, get_engine
from ipml.web.console.case_list import ShortText

_BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets assume another encoding
_AT_ONCE = 200
_log = logging.getLogger(__name__)

_Moment = Annotated[datetime, BeforeValidator(read_typed_moment)]


class ExportQuery(BaseModel):
    """The query of an export; moments without a zone are in UTC."""

    what: Literal["decisions", "cases"] = "decisions"
    state: Literal["", "open", "escalated", "decided", "superseded"] = ""
    brand: ShortText = ""
    seller: ShortText = ""
    since: _Moment | None = None
    until: _Moment | None = None


def export_table(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Send decisions or cases as CSV."""
    with authorised(request) as (_, user):
        _log.info("export: user:%s takes %s", user.user_id, query.what)
    export, columns = (export_cases, CASE_COLUMNS) if query.what == "cases" else (export_decisions, DECISION_COLUMNS)
    selection = ExportFilter(query.state or None, query.brand or None, query.seller or None, query.since, query.until)
    return send_csv(f"{query.what}.csv", columns, export(get_engine(request), selection))


def send_csv(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> Response:
    """Stream rows as a CSV file."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(write_csv(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> Iterator[bytes]:
    r"""Yield the parts of a CSV file; texts are quoted, and none is a formula.

    >>> b"".join(write_csv(["title", "score"], [{"title": "=1+1", "score": 0.5}])).decode("utf-8-sig").splitlines()
    ['"title","score"', '"\'=1+1",0.5']
    """
    page = io.StringIO(_BYTE_ORDER_MARK)
    page.seek(0, io.SEEK_END)
    writer = csv.writer(page, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_write_row(row[name]) for name in columns])
        if number % _AT_ONCE == 0:
            yield _take(page)
    yield _take(page)


def _write_row(value: Value) -> str | float | int:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return write_moment(value)
    return defuse_within(value) if isinstance(value, str) else value


def _take(page: io.StringIO) -> bytes:
    text = page.getvalue()
    page.seek(0)
    page.truncate()
    return text.encode("utf-8", "replace")
