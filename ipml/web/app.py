"""The application: routes, protection and error pages, joined. A new page is a row of `ROUTES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import Depends, FastAPI, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from ipml.settings import Settings
from ipml.web import case_page, dashboard, login, pages
from ipml.web.auth import LoginTries, authorise
from ipml.web.error_pages import add_error_pages
from ipml.web.health import show_health
from ipml.web.kept import Kept
from ipml.web.protection import protect
from ipml.web.users import DEFAULT_COST, PasswordCost, Role

# Every route: how and where it is asked for, the least role it takes (None: everyone), and what answers.
# `authorise` refuses whatever is not in this table.
ROUTES: tuple[tuple[str, str, Role | None, Callable[..., Response]], ...] = (
    ("GET", "/health", None, show_health),
    ("GET", "/login", None, login.show_login),
    ("POST", "/login", None, login.log_in),
    ("POST", "/logout", None, login.log_out),
    ("GET", "/", Role.VIEWER, pages.show_list),
    ("POST", "/next", Role.REVIEWER, pages.open_next),
    ("GET", "/cases/{case_id}", Role.VIEWER, case_page.show_case),
    ("POST", "/cases/{case_id}/decide", Role.REVIEWER, case_page.decide),
    ("POST", "/cases/{case_id}/leave", Role.REVIEWER, case_page.leave),
    ("GET", "/dashboard", Role.VIEWER, dashboard.show_dashboard),
)

_STAND_SECONDS = 10.0
_ESTIMATES_SECONDS = 60.0  # they read every decision there is, and one more changes little


def make_app(
    engine: Engine, settings: Settings, *, cost: PasswordCost = DEFAULT_COST, tries: LoginTries | None = None
) -> FastAPI:
    """Make the reviewer's web application.

    Parameters
    ----------
    engine : Engine
        The review database, migrated.
    settings : Settings
        Of these `lease_minutes` and `session_hours` are used.
    cost : PasswordCost
        What one guess of a password costs.
    tries : LoginTries, optional
        Counter of tries to log in; by default 10 in 15 minutes for a name from an address.
    """
    app = FastAPI(dependencies=[Depends(authorise)], openapi_url=None, redirect_slashes=False)
    app.state.engine = engine
    app.state.settings = settings
    app.state.cost = cost
    app.state.tries = tries or LoginTries()
    app.state.stand = Kept(_STAND_SECONDS)
    app.state.estimates = Kept(_ESTIMATES_SECONDS)
    app.state.least_roles = {(method, path): least for method, path, least, _ in ROUTES}
    app.middleware("http")(protect)
    for method, path, _, answer in ROUTES:
        app.add_api_route(path, answer, methods=[method])
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    add_error_pages(app)
    return app
