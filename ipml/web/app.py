"""The application: routes, protection and error pages, joined. A new page is a row of `ROUTES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from starlette.routing import BaseRoute

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.policy import load_enforcement_policy
from ipml.review.pictures.hashes import HashIndex
from ipml.review.translations import make_translator
from ipml.settings import Settings
from ipml.web.accounts import login
from ipml.web.accounts.login import refuse_unlisted
from ipml.web.accounts.oidc import BACK, make_provider
from ipml.web.accounts.permissions import Action
from ipml.web.accounts.sessions import DEFAULT_LIMITS, LoginLimits
from ipml.web.accounts.users import DEFAULT_COST, PasswordCost, parse_group_roles
from ipml.web.cache import CachedAhead, CachedAnswer, CachedByName, NetworkShelf
from ipml.web.console import (
    bulk_page,
    case_list,
    case_page,
    case_work,
    csv_files,
    dashboard,
    desks,
    list_views,
    networks_page,
    pictures,
)
from ipml.web.console.admin import (
    brand_accounts_page,
    lists_page,
    note_templates_page,
    policies_page,
    proposals_page,
    queues_page,
    users_page,
    worker_page,
)
from ipml.web.http_api.monitoring import show_health, show_ready
from ipml.web.portal import pages, reporting, rights, templates
from ipml.web.portal import pictures as portal_pictures
from ipml.web.public import notice_page, seller_page
from ipml.web.public.links import NOTICES_PATH, SELLER_PATH, read_public_pages
from ipml.web.responses import Protection, add_error_pages, make_content_policy
from ipml.web.server import Forwarded, check_proxy_login, parse_networks

# Every route: method, path, action (None: public), function. Other routes are refused; `authorised` refuses users
# without the right.
ROUTES: tuple[tuple[str, str, Action | None, Callable[..., Response]], ...] = (
    ("GET", "/health", None, show_health),
    ("GET", "/health/ready", None, show_ready),
    ("GET", "/login", None, login.show_login),
    ("POST", "/login", None, login.log_in),
    ("POST", "/logout", None, login.log_out),
    ("POST", "/session", Action.SECURE_ACCOUNT, login.go_on),
    ("GET", "/inbox", Action.LOOK, case_work.show_inbox),
    ("POST", "/inbox", Action.LOOK, case_work.read_messages),
    ("GET", "/verdicts", Action.REVIEW, case_work.show_own_verdicts),
    ("GET", "/", Action.LOOK, case_list.show_list),
    ("GET", "/rows", Action.LOOK, case_list.send_rows),
    ("GET", "/suggestions.json", Action.LOOK, case_list.suggest_names),
    ("GET", "/views.json", Action.LOOK, list_views.send_views),
    ("POST", "/views", Action.LOOK, list_views.add_view),
    ("POST", "/views/{view_id}", Action.LOOK, list_views.edit_view),
    ("POST", "/views/{view_id}/remove", Action.LOOK, list_views.drop_view),
    ("POST", "/views/{view_id}/start", Action.LOOK, list_views.choose_start),
    ("POST", "/next", Action.REVIEW, case_list.open_next),
    ("GET", "/cases/{case_id}", Action.LOOK, case_page.show_case),
    ("POST", "/cases/{case_id}/decide", Action.REVIEW, case_page.decide),
    ("POST", "/cases/{case_id}/leave", Action.REVIEW, case_page.leave),
    ("POST", "/cases/{case_id}/comments", Action.REVIEW, case_work.comment),
    ("POST", "/cases/{case_id}/assign", Action.REVIEW, case_work.assign_case),
    ("POST", "/cases/{case_id}/snooze", Action.REVIEW, case_work.snooze_case),
    ("POST", "/cases/{case_id}/control", Action.KEEP_CONTROL_CASES, case_work.control_case),
    ("GET", "/cases/{case_id}/seller", Action.LOOK, desks.show_seller),
    ("GET", "/cases/{case_id}/listings", Action.LOOK, case_page.show_listings),
    ("GET", "/cases/{case_id}/ahead.json", Action.REVIEW, case_page.list_pictures_ahead),
    ("GET", "/cases/{case_id}/reasons", Action.LOOK, case_page.show_shared_reason),
    ("POST", "/cases/{case_id}/translation", Action.LOOK, case_page.translate_title),
    ("POST", "/cases/{case_id}/measure", Action.CHANGE_MEASURES, case_page.lift_or_change_measure),
    ("POST", "/cases/{case_id}/penalty", Action.CHANGE_PENALTIES, desks.change_penalty),
    ("GET", "/cases/{case_id}/evidence.zip", Action.EXPORT_EVIDENCE, case_page.download_evidence),
    ("GET", "/pictures/{digest}", Action.LOOK, pictures.show_picture),
    ("GET", "/pictures/{digest}/thumbnail", Action.LOOK, pictures.show_thumbnail),
    ("GET", "/appeals", Action.DECIDE_APPEALS, desks.show_appeals),
    ("GET", "/appeals.csv", Action.EXPORT_TABLES, desks.send_appeals),
    ("GET", "/appeals/{appeal_id}", Action.DECIDE_APPEALS, desks.show_appeal),
    ("POST", "/appeals/{appeal_id}/take", Action.DECIDE_APPEALS, desks.take_appeal),
    ("POST", "/appeals/{appeal_id}/decide", Action.DECIDE_APPEALS, desks.record_appeal_decision),
    ("GET", "/notices", Action.JUDGE_NOTIFIERS, desks.show_notices),
    ("GET", "/notices/{notice_id}", Action.JUDGE_NOTIFIERS, desks.show_notice),
    ("GET", "/notifiers", Action.JUDGE_NOTIFIERS, desks.show_notifiers),
    ("GET", "/notifiers/{notifier_id}", Action.JUDGE_NOTIFIERS, desks.show_notifier),
    ("POST", "/notifiers/{notifier_id}/step", Action.JUDGE_NOTIFIERS, desks.take_step),
    ("POST", "/notifiers/{notifier_id}/appointment", Action.JUDGE_NOTIFIERS, desks.change_appointment),
    ("POST", "/documents/{document_id}", Action.JUDGE_NOTIFIERS, desks.judge_document),
    ("GET", "/deliveries", Action.SETTLE_MESSAGES, worker_page.show_deliveries),
    ("POST", "/deliveries", Action.SETTLE_MESSAGES, worker_page.settle_delivery),
    ("GET", "/lists", Action.CHANGE_LISTS, lists_page.show_lists),
    ("POST", "/lists", Action.CHANGE_LISTS, lists_page.add_to_list),
    ("POST", "/lists/{entry_id}/remove", Action.CHANGE_LISTS, lists_page.take_off_list),
    ("GET", "/queues", Action.DEFINE_QUEUES, queues_page.show_queues),
    ("POST", "/queues", Action.DEFINE_QUEUES, queues_page.save_queue),
    ("POST", "/queues/{queue_id}/move", Action.DEFINE_QUEUES, queues_page.shift_queue),
    ("POST", "/queues/{queue_id}/remove", Action.DEFINE_QUEUES, queues_page.drop_queue),
    ("GET", "/note-templates", Action.KEEP_TEMPLATES, note_templates_page.show_templates),
    ("POST", "/note-templates", Action.KEEP_TEMPLATES, note_templates_page.store_template),
    ("POST", "/note-templates/{template_id}/remove", Action.KEEP_TEMPLATES, note_templates_page.drop_template),
    ("GET", "/brands", Action.LOOK, dashboard.show_brands),
    ("GET", "/brands/view", Action.LOOK, dashboard.show_brand),
    ("GET", "/networks", Action.HAND_ON_NETWORKS, networks_page.show_networks),
    ("GET", "/networks/{number}", Action.HAND_ON_NETWORKS, networks_page.show_network),
    ("GET", "/networks/{number}/members/{place}", Action.HAND_ON_NETWORKS, networks_page.show_member),
    ("GET", "/networks/{number}/ties/{one}/{other}", Action.HAND_ON_NETWORKS, networks_page.show_tie),
    ("POST", "/networks/{number}/referral", Action.HAND_ON_NETWORKS, networks_page.hand_out),
    ("GET", "/referrals", Action.HAND_ON_NETWORKS, networks_page.show_referrals),
    ("POST", "/referrals/{referral_id}/receipt", Action.HAND_ON_NETWORKS, networks_page.note_receipt),
    ("POST", "/referrals/{referral_id}/outcome", Action.HAND_ON_NETWORKS, networks_page.take_outcome),
    ("GET", "/login/oidc", None, login.go_to_provider),
    ("GET", BACK, None, login.come_back),
    ("GET", "/export.csv", Action.EXPORT_TABLES, csv_files.export_table),
    ("GET", "/bulk", Action.REVIEW, bulk_page.show_bulk),
    ("POST", "/bulk", Action.REVIEW, bulk_page.decide_bulk),
    ("POST", "/bulk/assign", Action.REVIEW, bulk_page.assign_bulk),
    ("POST", "/bulk/snooze", Action.REVIEW, bulk_page.snooze_bulk),
    ("POST", "/bulk/control", Action.KEEP_CONTROL_CASES, bulk_page.control_bulk),
    ("POST", "/changes/{change_id}/undo", Action.REVIEW, case_work.undo_change),
    ("POST", "/undo", Action.REVIEW, case_page.undo),
    ("GET", "/dashboard", Action.LOOK, dashboard.show_dashboard),
    ("GET", "/jobs", Action.WATCH_JOBS, worker_page.show_jobs),
    ("POST", "/jobs", Action.START_JOBS, worker_page.start_job),
    ("GET", "/users", Action.MANAGE_USERS, users_page.show_users),
    ("POST", "/users", Action.MANAGE_USERS, users_page.add),
    ("POST", "/users/{user_id}/role", Action.MANAGE_USERS, users_page.change_role),
    ("POST", "/users/{user_id}/password", Action.MANAGE_USERS, users_page.reset_password),
    ("POST", "/users/{user_id}/sessions", Action.MANAGE_USERS, users_page.end_sessions),
    ("POST", "/users/{user_id}/disable", Action.MANAGE_USERS, users_page.disable),
    ("POST", "/users/{user_id}/enable", Action.MANAGE_USERS, users_page.enable),
    ("GET", "/roles", Action.MANAGE_USERS, users_page.show_roles),
    ("GET", "/policies", Action.READ_POLICIES, policies_page.show_policies),
    ("GET", "/brand-accounts", Action.MANAGE_USERS, brand_accounts_page.show_brand_accounts),
    ("POST", "/brand-accounts", Action.MANAGE_USERS, brand_accounts_page.bind_account),
    ("POST", "/brand-accounts/{binding_id}/end", Action.MANAGE_USERS, brand_accounts_page.end_account_binding),
    ("GET", "/proposals", Action.CHANGE_LISTS, proposals_page.show_proposals),
    ("POST", "/proposals/sellers/{proposal_id}", Action.CHANGE_LISTS, proposals_page.settle_seller),
    ("POST", "/proposals/pictures/{proposal_id}", Action.KEEP_PICTURES, proposals_page.settle_proposed_picture),
    ("GET", "/documents/{document_id}/file", Action.JUDGE_NOTIFIERS, rights.download_document),
    ("GET", "/portal", Action.USE_PORTAL, pages.show_portal),
    ("GET", "/portal/listings", Action.USE_PORTAL, pages.show_listings),
    ("POST", "/portal/listings", Action.USE_PORTAL, portal_pictures.find_by_picture),
    ("GET", "/portal/listings/{case_id}", Action.USE_PORTAL, pages.show_listing),
    ("GET", "/portal/listings/{case_id}/pictures/{digest}", Action.USE_PORTAL, pages.show_picture),
    ("GET", "/portal/listings/{case_id}/pictures/{digest}/thumbnail", Action.USE_PORTAL, pages.show_thumbnail),
    ("GET", "/portal/listings/{case_id}/evidence.zip", Action.USE_PORTAL, pages.download_evidence),
    ("GET", "/portal/report", Action.USE_PORTAL, reporting.show_report),
    ("POST", "/portal/report", Action.USE_PORTAL, reporting.report),
    ("GET", "/portal/templates", Action.USE_PORTAL, templates.show_templates),
    ("POST", "/portal/templates", Action.USE_PORTAL, templates.save),
    ("POST", "/portal/templates/{template_id}/remove", Action.USE_PORTAL, templates.remove),
    ("GET", "/portal/pictures", Action.USE_PORTAL, portal_pictures.show_pictures),
    ("POST", "/portal/pictures", Action.USE_PORTAL, portal_pictures.propose),
    ("GET", "/portal/pictures/{proposal_id}", Action.USE_PORTAL, portal_pictures.show_proposed),
    ("GET", "/portal/pictures/{proposal_id}/thumbnail", Action.USE_PORTAL, portal_pictures.show_small),
    ("GET", "/portal/notices", Action.USE_PORTAL, pages.show_notices),
    ("GET", "/portal/notices/{reference}", Action.USE_PORTAL, pages.show_notice),
    ("POST", "/portal/notices/{reference}/answer", Action.USE_PORTAL, pages.answer),
    ("GET", "/portal/rights", Action.USE_PORTAL, rights.show_rights),
    ("POST", "/portal/rights", Action.USE_PORTAL, rights.file_right),
    ("GET", "/portal/rights/{document_id}/file", Action.USE_PORTAL, rights.download_file),
    ("GET", "/portal/sellers", Action.USE_PORTAL, rights.show_sellers),
    ("POST", "/portal/sellers", Action.USE_PORTAL, rights.propose),
    ("POST", "/portal/sellers/{entry_id}/end", Action.USE_PORTAL, rights.end_seller),
    ("GET", "/portal/figures", Action.USE_PORTAL, pages.show_figures),
    ("GET", "/portal/figures.zip", Action.USE_PORTAL, pages.download_report),
    ("GET", "/appearance", Action.SECURE_ACCOUNT, login.show_appearance),
    ("POST", "/appearance", Action.SECURE_ACCOUNT, login.choose_appearance),
    ("GET", "/password", Action.SECURE_ACCOUNT, login.show_password),
    ("POST", "/password", Action.SECURE_ACCOUNT, login.change_password),
    ("GET", f"{SELLER_PATH}/{{token}}", None, seller_page.show_restriction),
    ("POST", f"{SELLER_PATH}/{{token}}", None, seller_page.appeal),
    ("GET", NOTICES_PATH, None, notice_page.show_form),
    ("POST", NOTICES_PATH, None, notice_page.give),
    ("GET", f"{NOTICES_PATH}/{{reference}}", None, notice_page.show_notice),
)

_STAND_SECONDS = 10.0
_PATIENCE_SECONDS = 0.2  # pages should load within 0.3 seconds
_CANDIDATES_SECONDS = 600.0  # joins each to all decisions on its members
_BRANDS_SECONDS, _MOST_BRANDS = 300.0, 100  # a report reads a year's decisions on the brand
_ESTIMATES_SECONDS = 60.0  # estimates read every decision, and one more changes little


def make_app(
    engine: Engine, settings: Settings, *, cost: PasswordCost = DEFAULT_COST, limits: LoginLimits = DEFAULT_LIMITS
) -> FastAPI:
    """Make the reviewer's web application on a migrated review database; raises UnusableSetting.

    Decisions made on its pages have their consequences.
    """
    check_proxy_login(settings)
    app = FastAPI(
        dependencies=[Depends(refuse_unlisted)], openapi_url=None, redirect_slashes=False, lifespan=_until_end
    )
    app.state.policy = load_enforcement_policy(settings.policy_enforcement)
    app.state.cooperation = load_cooperation_policy(settings.policy_cooperation)
    app.state.actions = Cooperation(app.state.policy, app.state.cooperation)
    app.state.engine = engine
    app.state.settings = settings
    app.state.cost = cost
    app.state.limits = limits
    app.state.content_policy = make_content_policy(pictures.list_image_sources(settings))
    app.state.provider = make_provider(settings)
    app.state.public_pages = read_public_pages(settings)
    app.state.group_roles = parse_group_roles(settings.oidc_roles)
    app.state.stand = CachedAnswer(_STAND_SECONDS)
    app.state.histories = CachedByName(_ESTIMATES_SECONDS, _MOST_BRANDS)
    app.state.estimates = CachedAnswer(_ESTIMATES_SECONDS)
    app.state.candidates = CachedAhead(_CANDIDATES_SECONDS, _PATIENCE_SECONDS)
    app.state.brands = CachedAnswer(_BRANDS_SECONDS)
    app.state.brand_reports = CachedByName(_BRANDS_SECONDS, _MOST_BRANDS)
    app.state.networks = NetworkShelf(settings.networks, settings.erased)
    app.state.picture_index = HashIndex()
    app.state.translator = make_translator(settings)
    app.state.alarms = CachedAnswer(_ESTIMATES_SECONDS)
    app.state.route_actions = {(method, path): action for method, path, action, _ in ROUTES}
    app.add_middleware(Protection)
    app.add_middleware(Forwarded, proxies=parse_networks(settings.trusted_proxies))
    app.router.routes.extend(_make_routes())
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static", packages=[("ipml.kit", "static")]))
    add_error_pages(app)
    app.add_exception_handler(RequestValidationError, login.refuse_misunderstood)
    return app


@asynccontextmanager
async def _until_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    if app.state.translator is not None:
        app.state.translator.close()


@cache  # shared by all applications; making them is the slowest part
def _make_routes() -> tuple[BaseRoute, ...]:
    router = APIRouter()
    for method, path, _, answer in ROUTES:
        router.add_api_route(path, answer, methods=[method])
    return tuple(router.routes)
