"""What is answered when something is wrong: a page in the same look, in a sentence, without a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ipml import errors
from ipml.web.protection import add_headers
from ipml.web.render import render_error

_STATUS: dict[type[errors.IpmlError], HTTPStatus] = {
    errors.LoginNeeded: HTTPStatus.UNAUTHORIZED,
    errors.RoleTooLow: HTTPStatus.FORBIDDEN,
    errors.CaseNotFound: HTTPStatus.NOT_FOUND,
    errors.AppealNotFound: HTTPStatus.NOT_FOUND,
    errors.NetworkNotFound: HTTPStatus.NOT_FOUND,
    errors.NoticeNotFound: HTTPStatus.NOT_FOUND,
    errors.NotifierNotFound: HTTPStatus.NOT_FOUND,
    errors.RightsDocumentNotFound: HTTPStatus.NOT_FOUND,
    errors.BrandUnknown: HTTPStatus.NOT_FOUND,
    errors.NoNetworks: HTTPStatus.NOT_FOUND,
    errors.ClueNotFound: HTTPStatus.NOT_FOUND,
    errors.MemberNotFound: HTTPStatus.NOT_FOUND,
    errors.EvidenceNotFound: HTTPStatus.NOT_FOUND,
    errors.MeasureNotFound: HTTPStatus.NOT_FOUND,
    errors.PenaltyNotFound: HTTPStatus.NOT_FOUND,
    errors.LoginRefused: HTTPStatus.FORBIDDEN,
    errors.UnknownToUs: HTTPStatus.FORBIDDEN,
    errors.ProviderUnavailable: HTTPStatus.BAD_GATEWAY,
    errors.KeyReused: HTTPStatus.CONFLICT,
    errors.CannotUndo: HTTPStatus.CONFLICT,
    errors.PreviewOutdated: HTTPStatus.CONFLICT,
    errors.DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnusableDatabase: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WrongRevision: HTTPStatus.SERVICE_UNAVAILABLE,
}
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "That cannot be done with this page.",
}
_log = logging.getLogger(__name__)


def add_error_pages(app: FastAPI) -> None:
    """Answer every error of an application with a page."""
    app.add_exception_handler(errors.IpmlError, _answer_ipml_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_misunderstanding)
    app.add_exception_handler(Exception, _answer_failure)


def _answer_ipml_error(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET":
        return RedirectResponse(f"/login?then={request.url.path}", HTTPStatus.SEE_OTHER)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("%s", error)
        return render_error(
            request, status, "The database cannot be used just now. The operator finds more in the log."
        )
    return render_error(request, status, str(error))


def _answer_http_error(request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    return render_error(request, status, _SENTENCES.get(status, "What was sent cannot be understood."))


def _answer_misunderstanding(request: Request, error: Exception) -> Response:
    places = [place["loc"][0] for place in error.errors()] if isinstance(error, RequestValidationError) else []
    status = HTTPStatus.NOT_FOUND if "path" in places else HTTPStatus.BAD_REQUEST
    return render_error(request, status, _SENTENCES.get(status, "What was sent cannot be understood."))


def _answer_failure(request: Request, _error: Exception) -> Response:
    # The framework answers a failure outside of `protect`, and logs the traceback itself.
    page = render_error(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something failed. The operator finds more in the log."
    )
    return add_headers(request, page)
