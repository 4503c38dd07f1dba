"""What protects every page, whoever asks: headers, and the refusal of what another site sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response

from ipml.web.render import render_error

_READING = ("GET", "HEAD")
MOST_BYTES = 65_536  # the longest form is a note of 2,000 characters

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Other sites learn as little as from no-referrer, which would take the origin from our own forms, too:
    # `is_from_elsewhere` needs it where browsers send no Sec-Fetch-Site (plain http to another machine).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def protect(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what comes from another site or is too long; put the protecting headers on every answer."""
    refusal = _refusal(request)
    return add_headers(request, render_error(request, *refusal) if refusal else await proceed(request))


def add_headers(request: Request, response: Response) -> Response:
    """Put the protecting headers on an answer. Pages are kept nowhere; files are asked for anew each time."""
    response.headers.update(HEADERS)
    is_file = request.url.path.startswith("/static/")
    response.headers["Cache-Control"] = "no-cache" if is_file else "no-store"
    if request.url.scheme == "https":
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def is_from_elsewhere(request: Request) -> bool:
    """Tell whether another site caused a request; a form that says nothing of its origin counts as such.

    Follows OWASP's cheat sheet on cross-site request forgery: Sec-Fetch-Site, or Origin where it is missing.
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
    if len(length) > 9 or int(length) > MOST_BYTES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"More was sent than {MOST_BYTES} bytes, the most expected."
    return None
