"""Case list: filtered, sorted, searched and paged by its address; and the export as CSV.

The address also carries the cases already passed, so the server need not remember the way back, and the list whose next
case follows this one. `/export.csv` streams cases or decisions of any number.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from ipml.enforcement.appeals.appeal import select_pending
from ipml.enforcement.takedown.measures import Measure, find_measures
from ipml.errors import Forbidden, Overtaken
from ipml.kit.moments import read_typed_moment, write_moment
from ipml.kit.spreadsheet import defuse_within
from ipml.records import Case, Claim, Decision
from ipml.review import queue
from ipml.review.arrivals.versions import read_pasts, tell_past
from ipml.review.cases import PENDING, select_counts
from ipml.review.decisions import find_undoable
from ipml.review.exports import CASE_COLUMNS, DECISION_COLUMNS, ExportFilter, Value, export_cases, export_decisions
from ipml.review.group_decisions import MOST_CASES
from ipml.review.near_duplicates.relistings import find_stored_matches
from ipml.review.ranking.list_marks import QueueParts, find_case_marks
from ipml.review.ranking.queue_order import find_ranking_and_parts
from ipml.review.worklists.decided_list import browse_decided, read_last_verdicts
from ipml.review.worklists.own_verdicts import make_progress, select_given
from ipml.review.worklists.saved_views import LONGEST_VIEW_NAME, find_start, list_views
from ipml.review.worklists.search import ORDERS, Filter, browse_cases
from ipml.review.worklists.suggestions import suggest, suggest_reviewers
from ipml.settings import Settings
from ipml.storage.database import read_numbers, writing
from ipml.storage.tables import measures
from ipml.web.accounts.login import authorised, get_engine, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.pictures import find_pictures
from ipml.web.responses import redirect, render

# Written out, as \d would match digits of every script.
TRAIL_PATTERN = r"^([0-9]{1,18}(\.[0-9]{1,18})*)?$"
LONGEST_TRAIL = 100


def read_trail(text: str) -> list[int]:
    """Return the numbers of a trail, oldest first.

    >>> read_trail("12.7"), read_trail("")
    ([12, 7], [])
    """
    return [int(number) for number in text.split(".") if number]


def write_trail(numbers: Iterable[int]) -> str:
    """Write the last 100 numbers as a trail."""
    return ".".join(map(str, list(numbers)[-LONGEST_TRAIL:]))


_LONGEST_TEXT = 200


NO_NUL = "^[^\x00]*$"  # PostgreSQL cannot store NUL
PathNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]
FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]
_Text = Annotated[str, Field(max_length=_LONGEST_TEXT, pattern=NO_NUL)]
_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]
_Hours = Annotated[float, Field(ge=0, le=876_000, allow_inf_nan=False)]
_IfGiven = BeforeValidator(lambda value: None if value == "" else value)  # an empty field of a form


class ListQuery(BaseModel):
    """The query of a list of cases; invalid values are refused.

    `words` are parts of title, brand, id or seller. `least` and `most` bound the score in percent; `waiting` is in
    days, `due` in hours. `snoozed` ("1") lists snoozed cases, which are in no other list. `verdict` and `reviewer`
    select decided cases by the verdict in force. `undone` counts decisions just taken back; `nothing` reports that no
    case was left. `after` is the trail of the last case of each earlier page.

    >>> asked = ListQuery.read("brand=Acme&least=50&most=")
    >>> asked.filter().least_score, asked.write()
    (0.5, 'brand=Acme&least=50')
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["open", "escalated", "decided", "superseded"] = "open"
    words: _Text = ""
    brand: _Text = ""
    seller: _Text = ""
    category: _Text = ""
    least: Annotated[_Percent | None, _IfGiven] = None
    most: Annotated[_Percent | None, _IfGiven] = None
    waiting: Annotated[_Days | None, _IfGiven] = None
    due: Annotated[_Hours | None, _IfGiven] = None
    queue: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    assigned: _Text = ""
    snoozed: Literal["", "1"] = ""
    verdict: Literal["", "counterfeit", "genuine", "cannot tell"] = ""
    reviewer: _Text = ""
    order: Literal["rank", "value", "score", "first come"] = "rank"
    undone: Annotated[int, Field(ge=0, le=10_000)] = 0
    nothing: bool = False
    after: Annotated[str, Field(pattern=TRAIL_PATTERN, max_length=2_000)] = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a query; the whole list if it is invalid."""
        try:
            return cls(**dict(parse_qsl(text)))
        except ValidationError:
            return cls()

    def write(self, **changes: Any) -> str:
        """Return the query of this list, or of a changed one, from its first page."""
        said = self.model_dump(exclude_defaults=True, exclude={"after", "undone", "nothing"}) | changes
        return urlencode({name: _plain(value) for name, value in said.items() if value not in (None, "")})

    def filter(self) -> Filter:
        """Return the filter of cases."""
        return Filter(
            state=self.state,
            brand=self.brand or None,
            seller_id=self.seller or None,
            category=self.category or None,
            search=self.words,
            least_score=None if self.least is None else self.least / 100,
            most_score=None if self.most is None else self.most / 100,
            waiting_days=self.waiting,
            due_hours=self.due,
            queue_id=self.queue or None,
            assigned_to=self.assigned or None,
            snoozed=bool(self.snoozed),
            verdict=self.verdict or None,
            reviewer=self.reviewer or None,
        )

    def browse_cases(
        self,
        connection: Connection,
        wanted: Filter,
        limit: int,
        after: int | None = None,
        parts: QueueParts | None = None,
    ) -> list[Case]:
        """Return one page of cases in this list's order."""
        return browse_cases(connection, wanted, self.order, limit=limit, after=after, parts=parts)

    @property
    def is_narrowed(self) -> bool:
        """Whether the query has anything but state and order."""
        return bool(self.model_dump(exclude_defaults=True, exclude={"state", "order", "after", "undone", "nothing"}))


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


QUEUE = "queue"
"""In place of a list's query: the reviewer takes cases from the queue."""
WHOLE_LIST = "state=open"
"""Query of all open cases by rank; `/` means this unless the user has a start view."""

LONGEST_ADDRESS = 2_000
_MOST_TRIED = 50  # attempts on cases that others may take at the same moment, or that are not for everybody


def find_following(
    connection: Connection,
    user: User,
    last_id: int,
    state: str,
    within: str,
    skipped: Collection[int],
    settings: Settings,
) -> int | None:
    """Return the case to work on after another, or None.

    `last_id` was decided or skipped. `state` is that of the cases worked on: a lead stays with escalated ones. `within`
    is the query of the list, or `QUEUE`. Cases in `skipped` are not given again at once.
    """
    if state == "open" and _is_queue(connection, user, within):
        take = queue.claim if within == QUEUE else queue.claim_ahead
        claim = take(connection, user.name, settings=settings)
        if claim is not None and claim.case_id not in (*skipped, last_id):
            return claim.case_id
        if claim is None and within == QUEUE:
            return None
        if claim is not None:
            give_back(connection, user, queue.get_case(connection, claim.case_id), claim.token)
    return _find_in_list(connection, user, last_id, state, "" if within == QUEUE else within)


def address_of(case_id: int | None, within: str = "", **said: object) -> RedirectResponse:
    """Redirect to a case, or without one to its list."""
    query = urlencode({name: value for name, value in {**said, "within": within}.items() if value})
    return redirect(address_of_list(within) if case_id is None else f"/cases/{case_id}?{query}")


def address_of_list(within: str) -> str:
    """Return the address of the list that a reviewer works through."""
    if within in ("", QUEUE):
        return "/"
    return f"/?{ListQuery.read(within).write() or WHOLE_LIST}"


def _is_queue(connection: Connection, user: User, within: str) -> bool:
    """Return whether work on a list is interrupted by cases that precede the ranked ones."""
    if within in ("", QUEUE, WHOLE_LIST):
        return True
    start = find_start(connection, user.user_id)
    return start is not None and start.query == within


def _find_in_list(connection: Connection, user: User, last_id: int, state: str, within: str) -> int | None:
    """Return the next case of a list that nobody else holds, starting over after the last."""
    asked = ListQuery.read(within)
    wanted = replace(asked.filter(), state=state, free_for=user.name)
    for after in (last_id, None):
        for case in asked.browse_cases(connection, wanted, 2, after):
            if case.case_id != last_id:
                return case.case_id
    return None


def find_first(connection: Connection, user: User, within: str, most: int) -> list[int]:
    """Return the first cases of a list that nobody else holds."""
    asked = ListQuery.read(within)
    wanted = replace(asked.filter(), state="open", free_for=user.name)
    return [case.case_id for case in asked.browse_cases(connection, wanted, most)]


def _claim_first(connection: Connection, user: User, within: str, settings: Settings) -> Claim | None:
    """Claim a case that precedes the ranked ones, or else the first free case of a list."""
    if claim := queue.claim_ahead(connection, user.name, settings=settings):
        return claim
    for case_id in find_first(connection, user, within, _MOST_TRIED):
        with suppress(Forbidden, Overtaken):
            if claim := queue.claim(connection, user.name, case_id, settings=settings):
                return claim
    return None


def give_back(connection: Connection, user: User, case: Case, token: int) -> None:
    """Release a case that a reviewer leaves undecided, if this token holds it."""
    claim = queue.show_case(connection, user.name, case.case_id).claim
    if claim is None:
        return
    try:
        queue.release(connection, replace(claim, token=token))
    except Overtaken:
        return  # opened again elsewhere, or decided: nothing to release


PAGE_SIZE = 50
MOST_COUNTED = 10_000
ORDER_NAMES = {"rank": "as ranked", "value": "by value", "score": "by score", "first come": "first come"}


_SAID_BESIDE = {"undone", "nothing"}  # not part of a list


def show_list(request: Request, asked: Annotated[ListQuery, Query()]) -> Response:
    """Show one page of the list; without a query, the person's start view.

    `after` is the trail of the last case of each page before.
    """
    with authorised(request) as (connection, user):
        views = list_views(connection, user.user_id)
        start = next((one for one in views if one.is_start), None)
        if start is not None and set(request.query_params) <= _SAID_BESIDE:
            asked = ListQuery.read(start.query).model_copy(update={"undone": asked.undone, "nothing": asked.nothing})
        whole = WHOLE_LIST if start else ""
        passed = read_trail(asked.after)
        after = passed[-1] if passed else None
        can_decide = user.role.may(Action.REVIEW)
        is_decided = asked.state == "decided"
        wanted = replace(asked.filter(), hidden_from=user.name) if is_decided else asked.filter()
        is_by_parts = asked.order == "rank" and asked.state in PENDING
        ranking, current = find_ranking_and_parts(connection, datetime.now(UTC))
        parts = current if is_by_parts else None
        verdicts = None
        if is_decided and asked.order == "rank":  # latest decisions first
            decided = browse_decided(connection, wanted, limit=PAGE_SIZE + 1, after=after)
            found, verdicts = [case for case, _ in decided], {made.case_id: made for _, made in decided}
        else:
            found = asked.browse_cases(connection, wanted, PAGE_SIZE + 1, after, parts)
        cases, is_more = found[:PAGE_SIZE], len(found) > PAGE_SIZE and len(passed) < LONGEST_TRAIL
        numbers = _count(connection, user, settings_of(request))
        context = {
            "asked": asked,
            "within": asked.write() or whole,
            "views": views,
            "view": next((one for one in views if one.query == asked.write()), None),
            "start": start,
            "start_state": ListQuery.read(start.query).state if start else "",
            "is_whole": not asked.write(),
            "may_share": user.role.may(Action.SHARE_VIEWS),
            "longest_name": LONGEST_VIEW_NAME,
            "cases": cases,
            "rates": ranking.policy.exchange_rates,
            "counts": numbers,
            "most_counted": MOST_COUNTED,
            "most_together": MOST_CASES,
            "orders": [(name, _name_order(name, asked.state)) for name in ORDERS],
            **(_tell_decisions(connection, cases, verdicts) if is_decided else _tell_pending(connection, cases, parts)),
            "pictures": find_pictures(
                connection, settings_of(request), {case.case_id: case.scored.listing for case in cases}
            ),
            "first_rank": PAGE_SIZE * len(passed) + 1,
            "can_decide": can_decide,
            "progress": make_progress(numbers["given"], settings_of(request)) if can_decide else None,
            "out_of_reach": queue.find_out_of_reach(connection, user.name) if asked.nothing and can_decide else None,
            "can_export": user.role.may(Action.EXPORT_TABLES),
            "undoable": find_undoable(connection, user.name, undo_minutes=settings_of(request).undo_minutes)
            if can_decide
            else None,
            "pending_appeals": numbers.get("appeals"),
            "link": lambda **changes: f"/?{asked.write(**changes) or whole}",
            "whole_link": address_of_list(whole if asked.state == "open" else f"state={asked.state}"),
            "previous_link": _link(asked, passed[:-1]) if passed else None,
            "next_link": _link(asked, [*passed, cases[-1].case_id]) if is_more else None,
        }
    return render(request, "cases.html", context)


def _count(connection: Connection, user: User, settings: Settings) -> dict[str, int]:
    queries = select_counts(MOST_COUNTED + 1, as_listed=True)
    if user.role.may(Action.REVIEW):
        queries["given"] = select_given(user.name, settings)
    if user.role.may(Action.DECIDE_APPEALS):
        queries["appeals"] = select_pending()
    return read_numbers(connection, queries)


def _name_order(order: str, state: str) -> str:
    return "decided last" if (order, state) == ("rank", "decided") else ORDER_NAMES.get(order, order)


def _tell_pending(connection: Connection, cases: Sequence[Case], parts: QueueParts | None) -> dict[str, Any]:
    """Return earlier findings on the listings, matches with counterfeits, and lists of their sellers."""
    pasts = read_pasts(connection, [case.case_id for case in cases])
    scored = {case.case_id: case.scored for case in cases}
    are_marked = parts is None or parts.has_entries
    return {
        "pasts": {number: tell_past(past) for number, past in pasts.items()},
        "marks": find_case_marks(connection, scored, datetime.now(UTC)) if are_marked else {},
        "matches": find_stored_matches(connection, [case.case_id for case in cases if case.match_kind]),
    }


def _tell_decisions(
    connection: Connection, cases: Sequence[Case], verdicts: Mapping[int, Decision] | None
) -> dict[str, Any]:
    """Return the verdicts in force on decided cases, and the platform's state of the last measure on each."""
    numbers = [case.case_id for case in cases]
    taken: dict[int, Measure] = {}
    for measure in find_measures(connection, measures.c.case_id.in_(numbers)):
        taken.setdefault(measure.case_id, measure)  # the newest comes first
    verdicts = read_last_verdicts(connection, numbers) if verdicts is None else verdicts
    return {"verdicts": verdicts, "measures": taken, "grounds": queue.GROUNDS}


def suggest_names(
    request: Request,
    field: Annotated[str, Query(pattern="^(brand|seller|reviewer)$")],
    text: _Text = "",
    state: Annotated[str, Query(pattern="^(open|escalated|decided|superseded)$")] = "open",
) -> Response:
    """Return brands, sellers or reviewers that begin with the typed letters, as JSON."""
    with authorised(request) as (connection, _):
        if field == "reviewer":
            return JSONResponse(suggest_reviewers(connection, text))
        return JSONResponse(suggest(connection, "brand" if field == "brand" else "seller_id", text, state=state))


def open_next(
    request: Request, within: Annotated[str, Form(max_length=LONGEST_ADDRESS, pattern=NO_NUL)] = ""
) -> Response:
    """Open the case that the user holds, or claim the first free one.

    Without a list it comes from the user's start view, or from the queue.
    """
    settings = settings_of(request)
    with authorised(request, writing) as (connection, user):
        start = None if within else find_start(connection, user.user_id)
        works_view = start is not None and ListQuery.read(start.query).state == "open"
        within = start.query if start is not None and works_view else QUEUE
        claim = queue.resume(connection, user.name, settings=settings)
        if claim is None and within == QUEUE:
            claim = queue.claim(connection, user.name, settings=settings)
        elif claim is None:
            claim = _claim_first(connection, user, within, settings)
    return redirect(f"/cases/{claim.case_id}?{urlencode({'within': within})}" if claim else "/?nothing=1")


def _link(asked: ListQuery, passed: list[int]) -> str:
    return f"/?{asked.write(after=write_trail(passed))}"


_BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets assume another encoding
_AT_ONCE = 200
_log = logging.getLogger(__name__)

_QueryText = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
_Moment = Annotated[datetime, BeforeValidator(read_typed_moment)]


def export_table(
    request: Request,
    what: Annotated[str, Query(pattern="^(decisions|cases)$")] = "decisions",
    state: Annotated[str, Query(pattern="^(|open|escalated|decided|superseded)$")] = "",
    brand: _QueryText = "",
    seller: _QueryText = "",
    since: _Moment | None = None,
    until: _Moment | None = None,
) -> Response:
    """Send decisions or cases as CSV; moments without a zone are in UTC."""
    with authorised(request) as (_, user):
        _log.info("export: user:%s takes %s", user.user_id, what)
    export, columns = (export_cases, CASE_COLUMNS) if what == "cases" else (export_decisions, DECISION_COLUMNS)
    wanted = ExportFilter(state or None, brand or None, seller or None, since, until)
    return send_csv(f"{what}.csv", columns, export(get_engine(request), wanted))


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
