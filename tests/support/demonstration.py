"""Pages of the demonstration: an address of each, found by following links."""

import re
from html import unescape
from typing import Any

from ipml.web.app import ROUTES

FILES = re.compile(r"\.(csv|json|zip)$|^/health|/pictures/|/file$|^/login/oidc|^/rows$|^/documents/")
STATES = {
    "": ("/login", "/login?next=/cases/1"),
    "ada": ("/?state=decided", "/?state=escalated", "/nowhere", "/bulk?case=1&case=2&case=3"),
    "brand": ("/portal/report?case=1", "/portal/nowhere"),
}
"""Addresses of an admin, of a rights holder and of a visitor, beside those of the routes, whose pages differ."""


def find_pages(context: Any, name: str) -> dict[str, str]:
    """Return an address for each route with a page for a person, "" where no link leads to one, and of more states."""
    routes = {path for method, path, action, _ in ROUTES if method == "GET" and action and not FILES.search(path)}
    routes = {path for path in routes if name and path.startswith("/portal") == (name == "brand")}
    found = {path: path for path in STATES[name]}
    found |= {path: path for path in routes if "{" not in path and context.request.get(path).ok}
    unread = list(found)
    while unread:
        page = unread.pop()
        for link in [page, *map(unescape, re.findall(r'href="(/[^"#]*)"', context.request.get(page).text()))]:
            for route in routes - found.keys():
                if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", route) + r"(\?.*)?", link):
                    found[route] = link
                    unread.append(link)
    return found | dict.fromkeys(routes - found.keys(), "")
