"""Visit: language and open pages of a request without a login, and the pages that all public pages share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from ipml.enforcement.statements.facts import languages
from ipml.enforcement.statements.letter import load_words
from ipml.web.accounts.login import find_address, get_engine, get_policy, settings_of
from ipml.web.public.limits import count_form
from ipml.web.public.links import Page, PublicPages
from ipml.web.public.words import choose_language, fill, load_page_words
from ipml.web.responses import render


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a public page."""

    request: Request
    pages: PublicPages
    wanted: str

    def choose(self, usual: str | None = None) -> str:
        """Return the visitor's language, by default the usual one of the page."""
        accepted = self.request.headers.get("accept-language", "")
        return choose_language(self.wanted, accepted, usual or get_policy(self.request).statements.language)

    def show(
        self, template: str, context: Mapping[str, Any], status: int = HTTPStatus.OK, usual: str | None = None
    ) -> Response:
        """Return a page in the visitor's language; `query` in the context is kept by links to other languages."""
        language = self.choose(usual)
        frame: dict[str, Any] = {
            "language": language,
            "words": load_page_words(language),
            "languages": {name: load_words(name).language for name in languages()},
            "platform": get_policy(self.request).statements.platform,
            "fill": fill,
            "query": "",
            "path": f"{self.request.url.path}?lang={language}",
            "headers": {"Content-Language": language},
        } | dict(context)
        headers = frame.pop("headers")
        return render(self.request, f"public/{template}.html", frame, status, headers)

    def show_gone(self) -> Response:
        """Return the one page for links that are not valid, never were, or have expired."""
        return self.show("gone", {}, HTTPStatus.NOT_FOUND)

    def refuse_flood(self, form: str) -> Response | None:
        """Count a form that was sent; return the page that refuses it if there were too many."""
        settings = settings_of(self.request)
        seconds = count_form(get_engine(self.request), form, find_address(self.request), settings)
        if not seconds:
            return None
        context = {"minutes": -(-seconds // 60), "headers": {"Retry-After": str(seconds)}}
        return self.show("busy", context, HTTPStatus.TOO_MANY_REQUESTS)


def visit(request: Request, page: Page, wanted: str) -> Visit:
    """Return the visit of a page; raises HTTPException (404) if the operator has not opened it."""
    pages: PublicPages | None = request.app.state.public_pages
    if pages is None or page not in pages.pages:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Visit(request, pages, wanted)
