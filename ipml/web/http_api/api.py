"""API for programs: scoring, listings, answers of the platform, notices and lists; the model is passed in.

A new address is a row of `API_ROUTES`; `authorise_program` refuses others. Sessions of the console are not valid here,
nor API keys there. Errors have one shape (RFC 9457): a sentence, and every field at fault.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Engine
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipml.cooperation.notices.notice import SubmittedNotice
from ipml.enforcement.takedown.delivery import PlatformAnswer, ReceivedAnswer, note_answer
from ipml.errors import (
    Conflict,
    DatabaseBusy,
    Failed,
    Forbidden,
    InvalidListings,
    InvalidNotice,
    IpmlError,
    KeyReused,
    LoginNeeded,
    NotFound,
    UnstorableValue,
    UnusableDatabase,
)
from ipml.kit.moments import write_moment
from ipml.records import EarlierListings, Listing, Problem, ScoredListing
from ipml.review.ranking.list_marks import find_case_marks
from ipml.review.sellers.portfolios import find_earlier
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import PURPOSES, Action
from ipml.web.http_api.appeal_routes import (
    APPEAL_EXAMPLES,
    FILE_DOCUMENT,
    SHOW_APPEAL_DOCUMENT,
    FiledAppeal,
    show_appeal,
    submit_appeal,
)
from ipml.web.http_api.bodies import ListingBatch, describe_fault, read_as, read_batch
from ipml.web.http_api.intake_document import (
    EVENTS_DOCUMENT,
    EXAMPLES,
    SHOW_DOCUMENT,
    SHOW_EVENT_DOCUMENT,
    SUBMIT_DOCUMENT,
    SubmittedEvents,
    SubmittedListings,
)
from ipml.web.http_api.list_routes import (
    ADD_DOCUMENT,
    REMOVE_DOCUMENT,
    SHOW_LISTS_DOCUMENT,
    ListAddition,
    ListRemoval,
    add_to_list,
    describe_mark,
    remove_from_list,
    show_lists,
)
from ipml.web.http_api.listing_routes import ListingIntake, show_event, show_listing, submit_events, submit_listings
from ipml.web.http_api.monitoring import CONTENT_TYPE, CurrentModel, Metrics, ScoringModel, show_health, show_ready
from ipml.web.http_api.notice_routes import (
    GIVE_DOCUMENT,
    PREVIEW_DOCUMENT,
    STATUS_DOCUMENT,
    give_notice,
    preview_notice,
    show_notice,
)
from ipml.web.http_api.openapi import (
    ANSWER_DOCUMENT,
    HEALTH_DOCUMENT,
    METRICS_DOCUMENT,
    OWN_DOCUMENT,
    PROBLEM_TYPE,
    READY_DOCUMENT,
    SCORE_DOCUMENT,
    MessageAnswer,
    describe_problem,
    describe_scores,
    make_document,
    make_json_answer,
    write_json,
)
from ipml.web.http_api.requests import (
    MOST_SMALL_BYTES,
    Access,
    InvalidRequest,
    RequestLimit,
    ReviewDesk,
    check_site,
    name_found,
    parse_body,
    read_body,
)
from ipml.web.responses import HEADERS, add_headers

MOST_PROBLEMS = 1_000

_STATUS: dict[type[IpmlError], HTTPStatus] = {
    LoginNeeded: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnstorableValue: HTTPStatus.UNPROCESSABLE_ENTITY,
    Failed: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    UnusableDatabase: HTTPStatus.SERVICE_UNAVAILABLE,
}
_STATUS_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is nothing here; see /openapi.json.",
    HTTPStatus.METHOD_NOT_ALLOWED: "That method is not answered here; see /openapi.json.",
}
_FAILURE = "Something failed. The operator finds more in the log."
_log = logging.getLogger(__name__)


def add_error_answers(app: FastAPI) -> None:
    """Answer every error of an application in the one shape."""
    app.add_exception_handler(InvalidListings, _answer_bad_listings)
    app.add_exception_handler(InvalidNotice, _answer_bad_notice)
    app.add_exception_handler(IpmlError, _answer_ipml_error)
    app.add_exception_handler(RequestValidationError, _answer_bad_question)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_failure)


def _answer_bad_listings(request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, InvalidListings) else ()
    rows = len({problem.row for problem in problems})
    source = error.source if isinstance(error, InvalidListings) else "listings"
    undone = "scored" if request.url.path == "/v1/score" else "stored"
    detail = f"{rows:,} of the {source} break{'s' * (rows == 1)} the rules; nothing was {undone}."
    return _answer_problems(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems)


def _answer_bad_notice(_request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, InvalidNotice) else ()
    found = "One thing in the notice breaks" if len(problems) == 1 else f"{len(problems):,} things in the notice break"
    return _answer_problems(HTTPStatus.UNPROCESSABLE_ENTITY, f"{found} the rules; nothing was stored.", problems)


def _answer_ipml_error(_request: Request, error: Exception) -> Response:
    status = _STATUS.get(type(error)) if isinstance(error, IpmlError) else None
    if status is None:
        _log.error("%s", error)
        return _answer_problems(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILURE)
    return _answer_problems(status, str(error), _find_problems(error))


def _find_problems(error: Exception) -> list[Problem]:
    if isinstance(error, UnstorableValue):
        return [Problem(1, str(error.subject), error.found, error.expected)]
    if isinstance(error, KeyReused):
        return [Problem(1, "key", error.found, "a new key for another content")]
    return []


def _answer_bad_question(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    problems = [describe_fault(fault, fault["loc"][-1:]) for fault in faults]
    return _answer_http_error(request, InvalidRequest(problems))


def _answer_http_error(_request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    detail = _SENTENCES.get(status) or str(getattr(error, "detail", ""))
    return _answer_problems(status, detail, problems, getattr(error, "headers", None))


def _answer_failure(request: Request, _error: Exception) -> Response:
    # The framework answers failures outermost, logs the traceback, and closes the connection.
    answer = _answer_problems(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILURE, headers={"Connection": "close"})
    add_headers(request, answer.headers)
    return answer


def _answer_problems(
    status: HTTPStatus,
    detail: str,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    content = {"title": status.phrase, "status": int(status), "detail": detail}
    listed = {"problems": list(map(describe_problem, problems[:MOST_PROBLEMS]))} if problems else {}
    every = {**_STATUS_HEADERS.get(status, {}), **(headers or {})}
    return Response(write_json(content | listed), status, every, media_type=PROBLEM_TYPE)


_MESSAGE_KEY = re.compile(r"[A-Za-z0-9._:-]{1,255}")


async def answer_message(
    request: Request,
    key: Annotated[str, Path(description="the header `webhook-id` of the message that is answered")],
) -> Response:
    """Record the outcome of a message: "accepted", "done" or "refused".

    The same answer again changes nothing. Answers count in the order of the messages, whenever they come; a future
    moment counts as now.
    """
    state, by = request.app.state, request.state.grant.actor
    with state.request_limit.acquire():
        body = read_as(MessageAnswer, parse_body(await read_body(request, MOST_SMALL_BYTES)))
        engine: Engine | None = state.engine
        if engine is None or not _MESSAGE_KEY.fullmatch(key):
            raise NotFound("message", key, "Expected the header `webhook-id` of one that was sent.")

        def note() -> PlatformAnswer:
            with writing(engine) as connection:
                answer = ReceivedAnswer(key, body.status, body.at, body.why or "")
                return note_answer(connection, answer, by, datetime.now(UTC))

        noted = await to_thread.run_sync(note, limiter=state.writers)
    content = {"key": noted.key, "status": noted.status, "said_at": write_moment(noted.said_at), "is_new": noted.is_new}
    return make_json_answer(write_json(content))


MOST_AT_ONCE = 64  # requests being worked on, each of at most 4 MiB
_MOST_WRITERS = 4  # threads for the database, apart from those that score: neither blocks the other
_SMALL_BYTES = 16_384  # scored faster than a switch to another thread and back


async def score(
    request: Request,
    explain: Annotated[bool, Query(description="add reasons, highlights and the usual price range")] = False,
    lists: Annotated[bool, Query(description="add the lists of each seller")] = False,
    portfolios: Annotated[bool, Query(description="also use the stored earlier listings of the seller")] = False,
) -> Response:
    """Score one listing or many, all with the same model.

    All are scored or none: if one breaks the rules, all faults are listed. With `portfolios` each is scored as if it
    were submitted now; nothing is stored.
    """
    state = request.app.state
    with state.request_limit.acquire():
        body = await read_body(request)
        model: ScoringModel | None = state.models.current()  # once, so that no answer mixes two models
        if model is None:
            found, remedy = "none could be loaded yet", "Try again later; the operator finds more in the log."
            raise Failed("model", found, remedy)

        def work() -> bytes:
            # Lists may depend on the brand, which is found together with the reasons.
            records = model.check(read_batch(ListingBatch, parse_body(body)).listings)
            earlier = _find_earlier(state.engine, model, records) if portfolios else None
            scored, unlike = model.score_records(records, explain or lists, earlier)
            state.metrics.count_listings(scored, unlike)
            found = _find_lists(state.engine, scored) if lists else ()
            return write_json(describe_scores(scored, model.version, explain, unlike, found))

        is_small = len(body) <= _SMALL_BYTES and not (lists or portfolios)
        return make_json_answer(work() if is_small else await to_thread.run_sync(work, limiter=state.threads))


def _find_earlier(engine: Engine | None, model: ScoringModel, some: Sequence[Listing]) -> list[EarlierListings] | None:
    if engine is None:
        return None
    with reading(engine) as connection:
        return find_earlier(connection, model.version, some, datetime.now(UTC))


def _find_lists(engine: Engine | None, scored: Sequence[ScoredListing]) -> list[dict[str, Any]]:
    if engine is None:
        return [{"lists": None} for _ in scored]
    with reading(engine) as connection:
        marks = find_case_marks(connection, dict(enumerate(scored)), datetime.now(UTC))
    return [{"lists": list(map(describe_mark, marks[number]))} for number in range(len(scored))]


def show_metrics(request: Request) -> Response:
    """Show the figures of this server in the format of Prometheus."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.write(), headers={"Content-Type": CONTENT_TYPE})


def show_document(request: Request) -> Response:
    """Describe this API, as OpenAPI 3.1."""
    return make_json_answer(request.app.state.document())


# Every route: method, path, action (None: public), function, and description.
API_ROUTES: tuple[tuple[str, str, Action | None, Callable[..., Any], Mapping[str, Any]], ...] = (
    ("GET", "/health", None, show_health, HEALTH_DOCUMENT),
    ("GET", "/health/ready", None, show_ready, READY_DOCUMENT),
    ("GET", "/metrics", Action.READ_METRICS, show_metrics, METRICS_DOCUMENT),
    ("GET", "/openapi.json", None, show_document, OWN_DOCUMENT),
    ("POST", "/v1/score", Action.SCORE, score, SCORE_DOCUMENT),
    ("POST", "/v1/listings", Action.SUBMIT_LISTINGS, submit_listings, SUBMIT_DOCUMENT),
    ("GET", "/v1/listings/{listing_id}", Action.SUBMIT_LISTINGS, show_listing, SHOW_DOCUMENT),
    ("POST", "/v1/events", Action.SUBMIT_LISTINGS, submit_events, EVENTS_DOCUMENT),
    ("GET", "/v1/events/{event_id}", Action.SUBMIT_LISTINGS, show_event, SHOW_EVENT_DOCUMENT),
    ("POST", "/v1/appeals", Action.FILE_APPEALS, submit_appeal, FILE_DOCUMENT),
    ("GET", "/v1/appeals/{appeal}", Action.FILE_APPEALS, show_appeal, SHOW_APPEAL_DOCUMENT),
    ("POST", "/v1/measures/{key}/answer", Action.SETTLE_MESSAGES, answer_message, ANSWER_DOCUMENT),
    ("POST", "/v1/notices", Action.GIVE_NOTICE, give_notice, GIVE_DOCUMENT),
    ("POST", "/v1/notices/preview", Action.GIVE_NOTICE, preview_notice, PREVIEW_DOCUMENT),
    ("GET", "/v1/notices/{reference}", Action.GIVE_NOTICE, show_notice, STATUS_DOCUMENT),
    ("GET", "/v1/lists", Action.CHANGE_LISTS, show_lists, SHOW_LISTS_DOCUMENT),
    ("POST", "/v1/lists", Action.CHANGE_LISTS, add_to_list, ADD_DOCUMENT),
    ("POST", "/v1/lists/{entry_id}/removal", Action.CHANGE_LISTS, remove_from_list, REMOVE_DOCUMENT),
)

_BODIES = (
    ListingBatch,
    SubmittedListings,
    SubmittedEvents,
    FiledAppeal,
    MessageAnswer,
    SubmittedNotice,
    ListAddition,
    ListRemoval,
)


def make_api(
    models: CurrentModel,
    metrics: Metrics,
    access: Access,
    listing_schema: Mapping[str, Any],
    desk: ReviewDesk | None = None,
) -> FastAPI:
    """Make the API as an application.

    `models` is asked once a request. Without `desk` the API only scores.
    """
    app = FastAPI(
        dependencies=[Depends(authorise_program)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.models, app.state.metrics, app.state.access, app.state.desk = models, metrics, access, desk
    app.state.engine = None if desk is None else desk.engine
    app.state.intake = None if desk is None else ListingIntake(desk.engine, models, metrics)
    app.state.route_actions = {(method, path): action for method, path, action, _, _ in API_ROUTES}
    app.state.request_limit = RequestLimit(MOST_AT_ONCE)
    app.state.threads = CapacityLimiter(os.cpu_count() or 1)
    app.state.writers = CapacityLimiter(_MOST_WRITERS)
    for method, path, _, answer, says in API_ROUTES:
        # Ids of the marketplace may contain a slash.
        served = path.replace("{listing_id}", "{listing_id:path}").replace("{event_id}", "{event_id:path}")
        app.add_api_route(served, answer, methods=[method], response_class=Response, **says)
    app.add_middleware(_ProtectingHeaders)
    add_error_answers(app)
    examples, is_keyed = (*EXAMPLES, *APPEAL_EXAMPLES), bool(access.keys)
    # Cached: it is public, and takes as long to make as scoring a hundred listings.
    app.openapi = cache(lambda: make_document(app, listing_schema, _BODIES, examples, needs_key=is_keyed))  # type: ignore[method-assign]
    app.state.document = cache(lambda: write_json(app.openapi()))
    return app


async def authorise_program(request: Request) -> None:
    """Authorise a request whose route is public or covered by its key; raises LoginNeeded or Forbidden."""
    actions: Mapping[tuple[str, str], Action | None] = request.app.state.route_actions
    rule = (request.method, request.scope["route"].path_format)
    if rule in actions and actions[rule] is None:
        return
    check_site(request.headers)
    request.state.grant = request.app.state.access.check(request, actions.get(rule))
    if actions.get(rule) not in PURPOSES.values():
        raise Forbidden("request", "no key opens its address", "Ask for one of /openapi.json.")
    if request.url.path.startswith("/v1/"):
        _check_parameters(request)


def _check_parameters(request: Request) -> None:
    """Refuse unknown and repeated parameters: a typing error would otherwise change the meaning silently."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    names = [name for name, _ in request.query_params.multi_items()]
    expected = f"one of {', '.join(sorted(known))}, once" if known else "no parameters"
    wrong = sorted(name for name in set(names) if name not in known or names.count(name) > 1)
    if wrong:
        found = (Problem(1, f"{name[:60]!a}"[1:-1], name_found(request.query_params[name]), expected) for name in wrong)
        raise InvalidRequest(list(found)[:MOST_PROBLEMS])


def put_beside(page: ASGIApp, api: FastAPI) -> ASGIApp:
    """Return one application of two: the API's addresses go to `api`, all others to `page`."""
    paths = {path for _, path, _, _, _ in API_ROUTES}

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        await (api if path in paths or path.startswith("/v1/") else page)(scope, receive, send)

    return choose


class _ProtectingHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**HEADERS, "Cache-Control": "no-store"})
            await send(message)

        await self._app(scope, receive, send_on)
