"""Navigation: the pages of the console in its one bar; a new page is a row of `PAGES`."""

from __future__ import annotations

from dataclasses import dataclass

from ipml.web.accounts.permissions import Action, Role

_IN_THE_BAR = 7  # fit beside name and actions at 1,280 pixels; the rest is under "More"


@dataclass(frozen=True, slots=True)
class Page:
    """A page in the bar, for users who may do `action`; `g` and `letter` open it."""

    name: str
    address: str
    letter: str
    action: Action


PAGES = (
    Page("Cases", "/", "c", Action.LOOK),
    Page("Inbox", "/inbox", "i", Action.LOOK),
    Page("Appeals", "/appeals", "a", Action.DECIDE_APPEALS),
    Page("Notices", "/notices", "n", Action.JUDGE_NOTIFIERS),
    Page("Networks", "/networks", "w", Action.HAND_ON_NETWORKS),
    Page("Brands", "/brands", "b", Action.LOOK),
    Page("Dashboard", "/dashboard", "d", Action.LOOK),
    Page("Your verdicts", "/verdicts", "v", Action.REVIEW),
    Page("Reporters", "/notifiers", "m", Action.JUDGE_NOTIFIERS),
    Page("Referrals", "/referrals", "r", Action.HAND_ON_NETWORKS),
    Page("Lists", "/lists", "l", Action.CHANGE_LISTS),
    Page("Proposals", "/proposals", "s", Action.CHANGE_LISTS),
    Page("Queues", "/queues", "q", Action.DEFINE_QUEUES),
    Page("Note templates", "/note-templates", "x", Action.KEEP_TEMPLATES),
    Page("Deliveries", "/deliveries", "o", Action.SETTLE_MESSAGES),
    Page("Jobs", "/jobs", "j", Action.WATCH_JOBS),
    Page("Users", "/users", "u", Action.MANAGE_USERS),
    Page("Brand accounts", "/brand-accounts", "t", Action.MANAGE_USERS),
    Page("Roles", "/roles", "e", Action.MANAGE_USERS),
    Page("Policies", "/policies", "p", Action.READ_POLICIES),
)
"""Every page of the console with an address of its own, the most used first."""

PORTAL_PAGES = (
    Page("Overview", "/portal", "o", Action.USE_PORTAL),
    Page("Report listings", "/portal/report", "r", Action.USE_PORTAL),
    Page("Notices", "/portal/notices", "n", Action.USE_PORTAL),
    Page("Listings", "/portal/listings", "l", Action.USE_PORTAL),
    Page("Figures", "/portal/figures", "f", Action.USE_PORTAL),
    Page("Rights", "/portal/rights", "i", Action.USE_PORTAL),
    Page("Authorised sellers", "/portal/sellers", "s", Action.USE_PORTAL),
    Page("Pictures", "/portal/pictures", "p", Action.USE_PORTAL),
)
"""Pages of the portal; all fit into the bar."""

_OF_CASES = ("/cases/", "/bulk")


@dataclass(frozen=True, slots=True)
class Bar:
    """The navigation of a page: visible pages, those under "More", and the current one."""

    shown: list[Page]
    more: list[Page]
    here: Page | None


def make_bar(role: Role, path: str) -> Bar:
    """Return the navigation for a role on the page of a path.

    >>> bar = make_bar(Role.REVIEWER, "/cases/12")
    >>> [page.name for page in bar.shown], bar.here.name
    (['Cases', 'Inbox', 'Brands', 'Dashboard', 'Your verdicts'], 'Cases')
    >>> make_bar(Role.LEAD, "/networks/3").here.name
    'Networks'
    """
    pages = [page for page in PAGES if role.may(page.action)]
    shown, more = (pages[:_IN_THE_BAR], pages[_IN_THE_BAR:]) if role is not Role.BRAND else (list(PORTAL_PAGES), [])
    address = "/" if path.startswith(_OF_CASES) else path
    here = [page for page in shown + more if address == page.address or address.startswith(f"{page.address}/")]
    return Bar(shown, more, max(here, key=lambda page: len(page.address), default=None))
