"""What the API answers when something is wrong: one shape (RFC 9457), a sentence, and every field at fault."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ipml import errors
from ipml.records import Problem
from ipml.web.api_answers import PROBLEM_TYPE, describe_problem, write_json
from ipml.web.protection import add_headers

MOST_PROBLEMS = 1_000

_STATUS: dict[type[errors.IpmlError], HTTPStatus] = {
    errors.ApiKeyNeeded: HTTPStatus.UNAUTHORIZED,
    errors.ApiRefused: HTTPStatus.FORBIDDEN,
    errors.TooManyListings: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NoModelYet: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.MessageNotFound: HTTPStatus.NOT_FOUND,
    errors.NoticeNotFound: HTTPStatus.NOT_FOUND,
    errors.NoticeKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnstorableValue: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_HEADERS = {
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
    app.add_exception_handler(errors.InvalidListings, _answer_bad_listings)
    app.add_exception_handler(errors.InvalidNotice, _answer_bad_notice)
    app.add_exception_handler(errors.IpmlError, _answer_ipml_error)
    app.add_exception_handler(RequestValidationError, _answer_bad_question)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_failure)


def _answer_bad_listings(_request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, errors.InvalidListings) else ()
    rows = len({problem.row for problem in problems})
    detail = f"{rows:,} of the listings break{'s' * (rows == 1)} the rules; nothing was scored."
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems)


def _answer_bad_notice(_request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, errors.InvalidNotice) else ()
    found = "One thing in the notice breaks" if len(problems) == 1 else f"{len(problems):,} things in the notice break"
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"{found} the rules; nothing was kept.", problems)


def _answer_ipml_error(_request: Request, error: Exception) -> Response:
    status = _STATUS.get(type(error)) if isinstance(error, errors.IpmlError) else None
    if status is None:
        _log.error("%s", error)
        return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILURE)
    return _answer(status, str(error))


def _answer_bad_question(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else ()
    said = "; ".join(f"{fault['loc'][-1]}: found {fault.get('input')!a:.80}, {fault['msg']}" for fault in faults)
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, said)


def _answer_http_error(_request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    return _answer(
        status, _SENTENCES.get(status) or str(getattr(error, "detail", "")), headers=getattr(error, "headers", None)
    )


def _answer_failure(request: Request, _error: Exception) -> Response:
    # The framework answers a failure outside of all else, logs the traceback itself, and has the server hang up.
    answer = _answer(HTTPStatus.INTERNAL_SERVER_ERROR, _FAILURE, headers={"Connection": "close"})
    return add_headers(request, answer)


def _answer(
    status: HTTPStatus,
    detail: str,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    said = {"title": status.phrase, "status": int(status), "detail": detail}
    listed = {"problems": list(map(describe_problem, problems[:MOST_PROBLEMS]))} if problems else {}
    every = {**_HEADERS.get(status, {}), **(headers or {})}
    return Response(write_json(said | listed), status, every, media_type=PROBLEM_TYPE)
