"""Appearance: theme, density and text size of the pages, as a user chose them for a browser.

The choice lies in a cookie, so that a page is drawn right at once and without a script.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Form, Request, Response

from ipml.web.accounts.login import authorised
from ipml.web.responses import APPEARANCE, APPEARANCE_CHOICES, redirect, render

_YEAR = 365 * 86_400  # seconds
_PATTERNS: Mapping[str, str] = {name: f"^({'|'.join(choices)})$" for name, choices in APPEARANCE_CHOICES.items()}


def show_appearance(request: Request) -> Response:
    """Show the choices, with those of this browser."""
    with authorised(request):
        return render(request, "appearance.html", {"choices": APPEARANCE_CHOICES})


def choose_appearance(
    request: Request,
    theme: Annotated[str, Form(pattern=_PATTERNS["theme"])],
    density: Annotated[str, Form(pattern=_PATTERNS["density"])],
    text: Annotated[str, Form(pattern=_PATTERNS["text"])],
) -> Response:
    """Set the cookie, and show the page in its new appearance."""
    with authorised(request):
        response = redirect("/appearance")
        value = ".".join((theme, density, text))
        is_https = request.url.scheme == "https"
        response.set_cookie(APPEARANCE, value, max_age=_YEAR, httponly=True, samesite="lax", secure=is_https)
        return response
