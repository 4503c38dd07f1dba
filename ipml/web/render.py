"""Templates to pages. Whatever a template prints is escaped, and its invisible letters are made visible."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ipml.money import say_amount
from ipml.web.enforcement_wording import MEASURES, PENALTIES, name_restriction, tell_platform
from ipml.web.listing_text import cut_pieces, cut_quotes, show_invisible
from ipml.web.wording import age, due_in, duration, money, percent, percent_range


def _finalize(value: object) -> object:
    # What is markup already went through here piece by piece, or was escaped by the template itself.
    if isinstance(value, str) and not isinstance(value, Markup):
        return show_invisible(value)
    return value


_templates = Environment(
    loader=PackageLoader("ipml.web"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals |= {
    "age": age,
    "cut_pieces": cut_pieces,
    "cut_quotes": cut_quotes,
    "due_in": due_in,
    "duration": duration,
    "measure_names": MEASURES,
    "money": money,
    "name_restriction": name_restriction,
    "penalty_names": PENALTIES,
    "percent": percent,
    "percent_range": percent_range,
    "say_amount": say_amount,
    "tell_platform": tell_platform,
}


def compile_templates() -> None:
    """Compile the template of every page: that of a case takes longer than all else about it."""
    for name in _templates.list_templates():
        _templates.get_template(name)


def render(request: Request, template: str, context: Mapping[str, Any], status: int = HTTPStatus.OK) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    template : str
        Name of a file in the folder of templates.
    context : mapping
        What the template names; `user` is added.
    status : int, default=200
    """
    user = getattr(request.state, "user", None)
    return HTMLResponse(_templates.get_template(template).render(user=user, **context), status)


def render_error(request: Request, status: int, message: str) -> HTMLResponse:
    """Return a page that says in a sentence what went wrong."""
    heading = HTTPStatus(status).phrase.capitalize()
    return render(request, "error.html", {"heading": heading, "message": message, "status": status}, status)
