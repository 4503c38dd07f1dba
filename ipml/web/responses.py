"""Responses: templates, security headers and error pages.

Templates escape all they print, and make invisible letters visible. All pages have the same headers, and requests from
other sites are refused for every user. Errors are pages in the same look, with a sentence and no traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipml import errors
from ipml.cooperation.brands.listings import name_band
from ipml.kit.charts import CHART_STYLE_FILE
from ipml.kit.hostile_text import make_templates
from ipml.money import say_amount
from ipml.review.decisions import GROUNDS
from ipml.web.console.listing_text import cut_pieces, cut_quotes, describe_disguises, find_read_words
from ipml.web.navigation import make_bar
from ipml.web.phrases import (
    MEASURES,
    PENALTIES,
    age,
    describe_deadlines,
    describe_platform_state,
    due_in,
    duration,
    exchanged,
    find_close,
    is_recent,
    money,
    name_grounds,
    name_restriction,
    percent,
    percent_range,
    split_reasons,
)

_VERSIONS = {
    file.name: sha256(file.read_bytes()).hexdigest()[:16]
    for folder in (Path(__file__).parent / "static", CHART_STYLE_FILE.parent)
    for file in folder.iterdir()
}


def _address_of_file(name: str) -> str:
    """Return the address of a static file, which changes with its content so that browsers can cache it."""
    return f"/static/{name}?v={_VERSIONS[name]}"


_templates = make_templates("ipml.web")
_templates.globals |= {
    "age": age,
    "cut_pieces": cut_pieces,
    "cut_quotes": cut_quotes,
    "due_in": due_in,
    "exchanged": exchanged,
    "grounds": GROUNDS,
    "duration": duration,
    "find_close": find_close,
    "is_recent": is_recent,
    "measure_names": MEASURES,
    "money": money,
    "name_band": name_band,
    "name_grounds": name_grounds,
    "name_restriction": name_restriction,
    "penalty_names": PENALTIES,
    "percent": percent,
    "percent_range": percent_range,
    "printed_at": lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    "say_amount": say_amount,
    "split_reasons": split_reasons,
    "static": _address_of_file,
    "find_read_words": find_read_words,
    "describe_deadlines": describe_deadlines,
    "describe_disguises": describe_disguises,
    "describe_platform_state": describe_platform_state,
}


APPEARANCE = "ipml-appearance"
"""Cookie of a browser's theme, density and text size."""
APPEARANCE_CHOICES: Mapping[str, Mapping[str, str]] = {
    "theme": {"system": "As the system", "light": "Light", "dark": "Dark"},
    "density": {"normal": "Normal", "compact": "Compact"},
    "text": {"normal": "Normal", "small": "Small", "large": "Large"},
}
"""Values of each choice with their labels; the first is the default."""


def read_appearance(request: Request) -> dict[str, str]:
    """Return theme, density and text size of a browser; the default for what it does not name."""
    given = request.cookies.get(APPEARANCE, "").split(".")
    given += [""] * (len(APPEARANCE_CHOICES) - len(given))
    choices = zip(APPEARANCE_CHOICES.items(), given, strict=False)
    return {name: value if value in values else next(iter(values)) for (name, values), value in choices}


def compile_templates() -> None:
    """Compile all templates at the start: compiling that of a case takes longer than the rest of the page."""
    for name in _templates.list_templates():
        _templates.get_template(name)


def redirect(address: str) -> RedirectResponse:
    """Send the browser on to a page, as after a form."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page; the frame adds its own context.

    `message` in the context explains why a request was not carried out; the status is then 409 by default.
    """
    user, settings = getattr(request.state, "user", None), request.app.state.settings
    has_session = user is not None and settings.trusted_header is None
    frame = {
        "user": user,
        "navigation": make_bar(user.role, request.url.path) if user else None,
        "appearance": read_appearance(request),
        "idle_seconds": round(60 * settings.idle_minutes, 1) if has_session else None,
    }
    status = status or (HTTPStatus.CONFLICT if context.get("message") else HTTPStatus.OK)
    return HTMLResponse(_templates.get_template(template).render(**frame, **context), status, headers)


def render_error(request: Request, status: int, message: str) -> HTMLResponse:
    """Return a page that reports an error in a sentence."""
    heading = HTTPStatus(status).phrase.capitalize()
    return render(request, "error.html", {"heading": heading, "message": message, "status": status}, status)


_READING = ("GET", "HEAD")
_MOST_FAULTS, _LONGEST_FAULT = 3, 200  # fields named in a refusal, and letters on each
MOST_BYTES = 65_536  # the longest form has a note of 2,000 characters
_MOST_BYTES_OF_FILES = {"/portal/report": 1_000_000, "/portal/rights": 2_100_000} | dict.fromkeys(
    ("/portal/listings", "/portal/pictures"), 12_000_000
)
_MOST_BYTES_OF_TEXT = 262_144  # of public forms: an appeal has 20,000 letters, each in up to nine bytes


def make_content_policy(image_sources: Sequence[str] = ()) -> str:
    """Return the content security policy: own files, and pictures of hosts named by the operator."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(("img-src 'self'", *image_sources)),
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


HEADERS = {
    "Content-Security-Policy": make_content_policy(),
    "X-Content-Type-Options": "nosniff",
    # As safe towards other sites as no-referrer, which would also remove the origin from our own forms:
    # `is_from_elsewhere` needs it where browsers send no Sec-Fetch-Site (plain http to another machine).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Protection:
    """Refuse requests from other sites and oversized ones; set security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.SEE_OTHER and is_sent_by_script(request):
                    # A script cannot see a redirection; it follows the header itself.
                    message["status"] = int(HTTPStatus.OK)
                add_headers(request, MutableHeaders(scope=message))
            await send(message)

        refusal = _refusal(request)
        await (render_error(request, *refusal) if refusal else self._app)(scope, receive, send_on)


def add_headers(request: Request, headers: MutableHeaders) -> None:
    """Set the security headers of an answer.

    Pages are not cached; static files are cached for good under the address of their content, pictures for an hour.
    """
    headers.update(HEADERS)
    headers["Content-Security-Policy"] = getattr(
        request.app.state, "content_policy", HEADERS["Content-Security-Policy"]
    )
    headers["Cache-Control"] = _say_how_long(request, headers.get("content-type"))
    if request.url.scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"


def _say_how_long(request: Request, content_type: str | None) -> str:
    folder, _, name = request.url.path.rpartition("/")
    if folder == "/static":
        is_named = name in _VERSIONS and request.query_params.get("v") == _VERSIONS[name]
        return "public, max-age=31536000, immutable" if is_named else "no-cache"
    return "private, max-age=3600" if content_type == "image/webp" else "no-store"


def is_sent_by_script(request: Request) -> bool:
    """Report whether our script sent a form; the script follows redirections without the browser."""
    return request.headers.get("x-sent-by") == "script"


def is_from_elsewhere(request: Request) -> bool:
    """Report whether another site caused a request; a form without an origin counts as such.

    Follows OWASP's cheat sheet on cross-site request forgery: Sec-Fetch-Site, or Origin if it is missing.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    if request.method in _READING:
        return False
    origin = request.headers.get("origin", "")
    return not origin or origin.partition("://")[2] != request.headers.get("host")


def _refusal(request: Request) -> tuple[int, str] | None:
    if request.method in _READING:
        return None
    if is_from_elsewhere(request):
        return HTTPStatus.FORBIDDEN, "This was sent from another site. Open the page itself and try again."
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return HTTPStatus.LENGTH_REQUIRED, "The length of what was sent is missing."
    usual = _MOST_BYTES_OF_TEXT if request.url.path.startswith("/public/") else MOST_BYTES
    most = _MOST_BYTES_OF_FILES.get(request.url.path, usual)
    if len(length) > 9 or int(length) > most:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More was sent than {most:,} bytes, the most expected."
    return None


_STATUS: dict[type[errors.IpmlError], HTTPStatus] = {  # the first match counts
    errors.LoginNeeded: HTTPStatus.UNAUTHORIZED,
    errors.DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnusableDatabase: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Failed: HTTPStatus.BAD_GATEWAY,
}
_SENTENCES = {
    HTTPStatus.NOT_FOUND: "There is no such page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "That cannot be done with this page.",
}
_log = logging.getLogger(__name__)


def add_error_pages(app: FastAPI) -> None:
    """Answer every error of an application with a page; `refuse_misunderstood` answers malformed requests."""
    app.add_exception_handler(errors.IpmlError, _answer_ipml_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_failure)


def _answer_ipml_error(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    if status == HTTPStatus.UNAUTHORIZED:
        return _ask_to_log_in(request, str(error))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("%s", error)
        return render_error(
            request, status, "The database cannot be used just now. The operator finds more in the log."
        )
    return render_error(request, status, str(error))


def _ask_to_log_in(request: Request, message: str) -> Response:
    """Redirect to the login, or link to it; from there one returns to the page, or to that of the form."""
    if request.method in _READING:
        return redirect(f"/login?then={quote(_path_of(str(request.url)))}")
    then = _path_of(request.headers.get("referer", "/"))
    context = {"heading": "Unauthorized", "message": message, "status": 401, "then": then}
    return render(request, "error.html", context, HTTPStatus.UNAUTHORIZED)


def _path_of(address: str) -> str:
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _answer_http_error(request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.BAD_REQUEST))
    return render_error(request, status, _SENTENCES.get(status, "The request cannot be understood."))


def answer_misunderstanding(request: Request, error: Exception) -> Response:
    """Answer a request whose address or form breaks the rules of its route."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    status = HTTPStatus.NOT_FOUND if any(fault["loc"][0] == "path" for fault in faults) else HTTPStatus.BAD_REQUEST
    fields = [f"“{fault['loc'][-1]}”: {fault['msg'][:_LONGEST_FAULT]}" for fault in faults[:_MOST_FAULTS]]
    sentence = "The request cannot be understood." + "".join(f" {field}." for field in fields)
    return render_error(request, status, _SENTENCES.get(status, sentence))


def _answer_failure(request: Request, _error: Exception) -> Response:
    # The framework answers failures outside of `Protection`, and logs the traceback.
    page = render_error(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something failed. The operator finds more in the log."
    )
    add_headers(request, page.headers)
    return page
