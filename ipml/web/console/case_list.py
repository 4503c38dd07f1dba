"""Case list: filtered, sorted, searched and paged by its address.

The address also carries the cases already passed, so the server need not remember the way back, and the list whose next
case follows this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from ipml.enforcement.appeals.appeal import select_pending
from ipml.enforcement.takedown.measures import Measure, find_measures
from ipml.errors import Forbidden, Overtaken
from ipml.money import Rates
from ipml.records import Case, Claim, Decision
from ipml.review.arrivals.versions import read_pasts, tell_past
from ipml.review.cases import PENDING, StoredCase, get_case, select_counts
from ipml.review.claims import OutOfReach, claim_ahead, find_out_of_reach, release, resume, show_case
from ipml.review.claims import claim as claim_case
from ipml.review.decisions import Undoable, find_undoable
from ipml.review.group_decisions import MOST_CASES
from ipml.review.near_duplicates.relistings import StoredMatch, find_stored_matches
from ipml.review.ranking.list_marks import ListMark, QueueParts, find_case_marks
from ipml.review.ranking.queue_order import find_ranking_and_parts
from ipml.review.worklists.changes import LastChanges, find_last_changes
from ipml.review.worklists.decided_list import browse_decided, read_last_verdicts
from ipml.review.worklists.own_verdicts import Progress, make_progress, select_given
from ipml.review.worklists.saved_views import LONGEST_VIEW_NAME, SavedView, find_start, list_views
from ipml.review.worklists.search import ORDERS, Filter, browse_cases
from ipml.review.worklists.suggestions import suggest, suggest_reviewers
from ipml.settings import Settings
from ipml.storage.database import read_numbers, writing
from ipml.storage.tables import measures
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.users import User
from ipml.web.console.pictures import ShownPictures, find_pictures
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


NO_NUL = "^[^\x00]*$"  # PostgreSQL cannot store NUL
PathNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]
FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
ShortText = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
_Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
_Days = Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)]
_Hours = Annotated[float, Field(ge=0, le=876_000, allow_inf_nan=False)]
_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
_IfGiven = BeforeValidator(lambda value: None if value == "" else value)  # an empty field of a form


class ListQuery(BaseModel):
    """The query of a list of cases; invalid values are refused.

    `words` are parts of title, brand, id or seller. `least` and `most` bound the score in percent, `waiting` and
    `waited` the time in the queue in days, `due` that to the deadline in hours. `held` ("1") lists cases that somebody
    has open, `snoozed` ("1") snoozed ones, which are in no other list. `verdict`, `reviewer`, `since` and `until`
    select decided cases by the verdict in force, the last two by its day in UTC. `undone` counts decisions just taken
    back; `nothing` reports that no case was left. `after` is the trail of the last case of each earlier page.

    >>> asked = ListQuery.read("brand=Acme&least=50&most=")
    >>> asked.filter().least_score, asked.write()
    (0.5, 'brand=Acme&least=50')
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: Literal["open", "escalated", "decided", "superseded"] = "open"
    words: ShortText = ""
    brand: ShortText = ""
    seller: ShortText = ""
    category: ShortText = ""
    least: Annotated[_Percent | None, _IfGiven] = None
    most: Annotated[_Percent | None, _IfGiven] = None
    waiting: Annotated[_Days | None, _IfGiven] = None
    waited: Annotated[_Days | None, _IfGiven] = None
    due: Annotated[_Hours | None, _IfGiven] = None
    held: Literal["", "1"] = ""
    queue: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    assigned: ShortText = ""
    snoozed: Literal["", "1"] = ""
    verdict: Literal["", "counterfeit", "genuine", "cannot tell"] = ""
    reviewer: ShortText = ""
    since: Annotated[_Day | None, _IfGiven] = None
    until: Annotated[_Day | None, _IfGiven] = None
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
        parameters = self.model_dump(exclude_defaults=True, exclude={"after", "undone", "nothing"}) | changes
        return urlencode({name: _plain(value) for name, value in parameters.items() if value not in (None, "")})

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
            waited_days=self.waited,
            due_hours=self.due,
            held=bool(self.held),
            queue_id=self.queue or None,
            assigned_to=self.assigned or None,
            snoozed=bool(self.snoozed),
            verdict=self.verdict or None,
            reviewer=self.reviewer or None,
            decided_since=None if self.since is None else datetime.combine(self.since, time(), UTC),
            decided_before=None if self.until is None else datetime.combine(self.until, time(), UTC) + timedelta(1),
        )

    def browse_cases(
        self,
        connection: Connection,
        selection: Filter,
        limit: int,
        after: int | None = None,
        parts: QueueParts | None = None,
    ) -> list[Case]:
        """Return one page of cases in this list's order."""
        return browse_cases(connection, selection, self.order, limit=limit, after=after, parts=parts)

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


class ReviewPath(BaseModel):
    """A reviewer's way through cases: the skipped ones (`trail`), and the query of the list, or `QUEUE` (`within`)."""

    model_config = ConfigDict(frozen=True)

    trail: Annotated[str, Field(pattern=TRAIL_PATTERN)] = ""
    within: Annotated[str, Field(max_length=LONGEST_ADDRESS, pattern=NO_NUL)] = ""

    @property
    def list_address(self) -> str:
        """The address of the list that is worked through."""
        return address_of_list(self.within)

    def skip(self, case_id: int) -> ReviewPath:
        """Return the path with one more skipped case."""
        return ReviewPath(trail=write_trail([*read_trail(self.trail), case_id]), within=self.within)

    def lead_to(self, case_id: int | None, **parameters: object) -> RedirectResponse:
        """Redirect to a case, or without one to the list."""
        named = {**parameters, "trail": self.trail, "within": self.within}
        query = urlencode({name: value for name, value in named.items() if value})
        return redirect(self.list_address if case_id is None else f"/cases/{case_id}?{query}")


def may_judge(user: User, state: str) -> bool:
    """Report whether a user may decide cases in a state."""
    action = {"open": Action.REVIEW, "escalated": Action.DECIDE_ESCALATED}.get(state)
    return action is not None and user.role.may(action)


def find_following(
    connection: Connection, user: User, settings: Settings, last: Case | StoredCase, path: ReviewPath
) -> int | None:
    """Return the case to work on after another one, which was decided or skipped; or None.

    A lead who worked on an escalated case stays with these. Cases skipped on the path are not given again at once.
    """
    state, within = last.state if may_judge(user, last.state) else "open", path.within
    if state == "open" and _is_queue(connection, user, within):
        take = claim_case if within == QUEUE else claim_ahead
        claim = take(connection, user.name, settings=settings)
        if claim is not None and claim.case_id not in (*read_trail(path.trail), last.case_id):
            return claim.case_id
        if claim is None and within == QUEUE:
            return None
        if claim is not None:
            give_back(connection, user, get_case(connection, claim.case_id), claim.token)
    return _find_in_list(connection, user, last.case_id, state, "" if within == QUEUE else within)


def expect_following(connection: Connection, user: User, last: Case, path: ReviewPath) -> int | None:
    """Return the case that probably follows; nothing is claimed, and a more urgent one may still come before it."""
    state = last.state if may_judge(user, last.state) else "open"
    return _find_in_list(connection, user, last.case_id, state, "" if path.within == QUEUE else path.within)


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
    selection = replace(asked.filter(), state=state, free_for=user.name)
    for after in (last_id, None):
        for case in asked.browse_cases(connection, selection, 2, after):
            if case.case_id != last_id:
                return case.case_id
    return None


def find_first(connection: Connection, user: User, within: str, most: int) -> list[int]:
    """Return the first cases of a list that nobody else holds."""
    asked = ListQuery.read(within)
    selection = replace(asked.filter(), state="open", free_for=user.name)
    return [case.case_id for case in asked.browse_cases(connection, selection, most)]


def _claim_first(connection: Connection, user: User, within: str, settings: Settings) -> Claim | None:
    """Claim a case that precedes the ranked ones, or else the first free case of a list."""
    if claim := claim_ahead(connection, user.name, settings=settings):
        return claim
    for case_id in find_first(connection, user, within, _MOST_TRIED):
        with suppress(Forbidden, Overtaken):
            if claim := claim_case(connection, user.name, case_id, settings=settings):
                return claim
    return None


def give_back(connection: Connection, user: User, case: Case, token: int) -> None:
    """Release a case that a reviewer leaves undecided, if this token holds it."""
    claim = show_case(connection, user.name, case.case_id).claim
    if claim is None:
        return
    try:
        release(connection, replace(claim, token=token))
    except Overtaken:
        return  # opened again elsewhere, or decided: nothing to release


PAGE_SIZE = 50
MOST_COUNTED = 10_000
ORDER_NAMES = {"rank": "as ranked", "value": "by value", "score": "by score", "first come": "first come"}


_AGES = re.compile(rb">[^<]*</time>")
_NOTICES = {"undone", "nothing"}  # parameters that are not part of a list


@dataclass(frozen=True)
class _ListPage:
    """Content of one page of the list of cases."""

    asked: ListQuery
    views: _ListViews
    counts: Mapping[str, int]
    cases: Sequence[Case]
    pasts: Mapping[int, str]
    marks: Mapping[int, Sequence[ListMark]]
    matches: Mapping[int, StoredMatch]
    verdicts: Mapping[int, Decision]
    measures: Mapping[int, Measure]
    pictures: Mapping[int, ShownPictures]
    rates: Rates
    first_rank: int
    can_decide: bool
    can_export: bool
    progress: Progress | None
    undoable: Undoable | None
    changes: LastChanges
    may_control: bool
    out_of_reach: OutOfReach | None
    previous_link: str | None
    next_link: str | None
    most_counted: int = MOST_COUNTED
    most_together: int = MOST_CASES

    @property
    def within(self) -> str:
        """The query of the list, for the path of a reviewer."""
        return self.asked.write() or self.views.whole

    @property
    def orders(self) -> list[tuple[str, str]]:
        """The names of the orders, in words."""
        return [(name, _name_order(name, self.asked.state)) for name in ORDERS]

    @property
    def whole_link(self) -> str:
        """The address of all cases in the state."""
        return address_of_list(self.views.whole if self.asked.state == "open" else f"state={self.asked.state}")

    def link(self, **changes: object) -> str:
        """Return the address of a changed list, from its first page."""
        return f"/?{self.asked.write(**changes) or self.views.whole}"


@dataclass(frozen=True)
class _ListViews:
    """The saved views of a user, beside the list; `shown` is the one whose list is shown."""

    every: Sequence[SavedView]
    shown: SavedView | None
    start: SavedView | None
    may_share: bool
    longest_name: int = LONGEST_VIEW_NAME

    @property
    def whole(self) -> str:
        """The query of all open cases; without a start view, no query means them too."""
        return WHOLE_LIST if self.start else ""

    @property
    def works_start(self) -> bool:
        """Whether work begins in the start view, not in the queue."""
        return self.start is not None and ListQuery.read(self.start.query).state == "open"


def show_list(request: Request, asked: Annotated[ListQuery, Query()]) -> Response:
    """Show one page of the list; without a query, the person's start view.

    `after` is the trail of the last case of each page before.
    """
    return _render_list(request, asked)


def send_rows(request: Request, asked: Annotated[ListQuery, Query()]) -> Response:
    """Send the content of a page of the list, for the page that shows it; 304 if nothing changed but times."""
    part = _render_list(request, asked, frame="part.html")
    mark = f'"{sha256(_AGES.sub(b"></time>", bytes(part.body))).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": mark})
    part.headers["ETag"] = mark
    return part


def _render_list(request: Request, asked: ListQuery, frame: str = "base.html") -> Response:
    with authorised(request) as (connection, user):
        every = list_views(connection, user.user_id)
        start = next((view for view in every if view.is_start), None)
        if start is not None and set(request.query_params) <= _NOTICES:
            asked = ListQuery.read(start.query).model_copy(update={"undone": asked.undone, "nothing": asked.nothing})
        shown = next((view for view in every if view.query == asked.write()), None)
        views = _ListViews(every, shown, start, user.role.may(Action.SHARE_VIEWS))
        page = _read_page(connection, user, settings_of(request), asked, views)
    # The frame shows the progress, and the number of pending appeals.
    numbers = {"progress": page.progress, "pending_appeals": page.counts.get("appeals")}
    return render(request, "cases.html", {"page": page, "frame": frame, **numbers})


def _read_page(
    connection: Connection, user: User, settings: Settings, asked: ListQuery, views: _ListViews
) -> _ListPage:
    passed = read_trail(asked.after)
    ranking, parts = find_ranking_and_parts(connection, datetime.now(UTC))
    found, verdicts = _find_cases(connection, user, asked, parts, passed[-1] if passed else None)
    cases, is_more = found[:PAGE_SIZE], len(found) > PAGE_SIZE and len(passed) < LONGEST_TRAIL
    numbers, scored = [case.case_id for case in cases], {case.case_id: case.scored for case in cases}
    is_decided, can_decide = asked.state == "decided", user.role.may(Action.REVIEW)
    is_marked = not is_decided and (parts.has_entries or asked.order != "rank" or asked.state not in PENDING)
    pasts = {} if is_decided else read_pasts(connection, numbers)
    counts = _count(connection, user, settings)
    undoable = find_undoable(connection, user.name, undo_minutes=settings.undo_minutes) if can_decide else None
    return _ListPage(
        asked=asked,
        views=views,
        counts=counts,
        cases=cases,
        pasts={number: tell_past(past) for number, past in pasts.items()},
        marks=find_case_marks(connection, scored, datetime.now(UTC)) if is_marked else {},
        matches={}
        if is_decided
        else find_stored_matches(connection, [case.case_id for case in cases if case.match_kind]),
        verdicts=read_last_verdicts(connection, numbers) if is_decided and verdicts is None else verdicts or {},
        measures=_find_last_measures(connection, numbers) if is_decided else {},
        pictures=find_pictures(connection, settings, {number: one.listing for number, one in scored.items()}),
        rates=ranking.policy.exchange_rates,
        first_rank=PAGE_SIZE * len(passed) + 1,
        can_decide=can_decide,
        can_export=user.role.may(Action.EXPORT_TABLES),
        progress=make_progress(counts["given"], settings) if can_decide else None,
        undoable=undoable,
        changes=find_changes_after(connection, user, undoable, settings),
        may_control=user.role.may(Action.KEEP_CONTROL_CASES),
        out_of_reach=find_out_of_reach(connection, user.name) if asked.nothing and can_decide else None,
        previous_link=_link(asked, passed[:-1]) if passed else None,
        next_link=_link(asked, [*passed, numbers[-1]]) if is_more else None,
    )


def find_changes_after(
    connection: Connection, user: User, undoable: Undoable | None, settings: Settings
) -> LastChanges:
    """Return the last changes of a user's that are newer than their last verdict."""
    if not user.role.may(Action.REVIEW):
        return LastChanges(None, None)
    after = undoable.decided_at if undoable else None
    return find_last_changes(connection, user.name, undo_minutes=settings.undo_minutes, after=after)


def _find_cases(
    connection: Connection, user: User, asked: ListQuery, parts: QueueParts, after: int | None
) -> tuple[list[Case], dict[int, Decision] | None]:
    """Return one case more than a page shows, and the verdicts where the order gives them."""
    is_decided = asked.state == "decided"
    selection = replace(asked.filter(), hidden_from=user.name) if is_decided else asked.filter()
    if is_decided and asked.order == "rank":  # latest decisions first
        decided = browse_decided(connection, selection, limit=PAGE_SIZE + 1, after=after)
        return [case for case, _ in decided], {decision.case_id: decision for _, decision in decided}
    is_by_parts = asked.order == "rank" and asked.state in PENDING
    return asked.browse_cases(connection, selection, PAGE_SIZE + 1, after, parts if is_by_parts else None), None


def _count(connection: Connection, user: User, settings: Settings) -> dict[str, int]:
    queries = select_counts(MOST_COUNTED + 1, as_listed=True)
    if user.role.may(Action.REVIEW):
        queries["given"] = select_given(user.name, settings)
    if user.role.may(Action.DECIDE_APPEALS):
        queries["appeals"] = select_pending()
    return read_numbers(connection, queries)


def _name_order(order: str, state: str) -> str:
    return "decided last" if (order, state) == ("rank", "decided") else ORDER_NAMES.get(order, order)


def _find_last_measures(connection: Connection, numbers: Sequence[int]) -> dict[int, Measure]:
    newest: dict[int, Measure] = {}
    for measure in find_measures(connection, measures.c.case_id.in_(numbers)):
        newest.setdefault(measure.case_id, measure)  # the newest comes first
    return newest


def suggest_names(
    request: Request,
    field: Annotated[str, Query(pattern="^(brand|seller|reviewer)$")],
    text: ShortText = "",
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
        claim = resume(connection, user.name, settings=settings)
        if claim is None and within == QUEUE:
            claim = claim_case(connection, user.name, settings=settings)
        elif claim is None:
            claim = _claim_first(connection, user, within, settings)
    return redirect(f"/cases/{claim.case_id}?{urlencode({'within': within})}" if claim else "/?nothing=1")


def _link(asked: ListQuery, passed: list[int]) -> str:
    return f"/?{asked.write(after=write_trail(passed))}"
