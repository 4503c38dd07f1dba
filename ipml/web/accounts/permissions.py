"""Permissions: one table of roles and actions for pages, API and commands.

Pages and API name the action of each route (`ROUTES` in `ipml.web.app`, `API_ROUTES` in `ipml.web.http_api.api`); a
command that decides calls `ipml.cli.terminal.acting`. Unattended commands (deliver, end, tick, …) decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ipml.errors import Refused


class Action(StrEnum):
    """An action of a person or program, as a phrase that follows "to"."""

    LOOK = "see cases and figures"
    SECURE_ACCOUNT = "change one's own password"
    REVIEW = "decide cases"
    DECIDE_ESCALATED = "decide escalated cases"
    UNDO_OTHERS = "undo the decisions of others"
    SEE_PACES = "see how fast colleagues decide"
    EXPORT_TABLES = "export tables"
    EXPORT_EVIDENCE = "export evidence"
    CHANGE_MEASURES = "impose, change or lift measures"
    CHANGE_PENALTIES = "confirm, lift or dismiss penalties"
    DECIDE_APPEALS = "decide or end appeals"
    JUDGE_NOTIFIERS = "judge, appoint and suspend reporters"
    HAND_ON_NETWORKS = "hand over networks and record outcomes"
    KEEP_CONTROL_CASES = "manage control cases"
    KEEP_PICTURES = "manage pictures of known goods"
    DEFINE_QUEUES = "define queues"
    KEEP_TEMPLATES = "keep templates of notes"
    SHARE_VIEWS = "share views of the list with everybody"
    RANK_QUEUE = "rank the queue by another policy"
    CHANGE_AUTOMATION = "allow or withdraw decisions without review"
    SETTLE_MESSAGES = "settle messages that were not delivered or answered"
    CHANGE_LISTS = "put sellers on lists and take them off"
    WATCH_JOBS = "see the jobs of the worker"
    START_JOBS = "start a job of the worker"
    HOLD_RECORDS = "hold or release a seller's records"
    ERASE_PEOPLE = "erase sellers and reporters"
    MANAGE_USERS = "manage users"
    READ_POLICIES = "see the policies in force"
    SCORE = "have listings scored"
    SUBMIT_LISTINGS = "submit listings and events of sellers, and see their state"
    FILE_APPEALS = "file appeals of sellers, and see their state"
    GIVE_NOTICE = "give notice, and see its outcome"
    READ_METRICS = "read the figures of the server"
    USE_PORTAL = "see what concerns one's own brands"


class Role(StrEnum):
    """A role; each includes those before it. "brand" is for people of rights holders."""

    BRAND = "brand"
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    LEAD = "lead"
    ADMIN = "admin"

    @property
    def with_article(self) -> str:
        """The role with its article: "an admin"."""
        return f"{'an' if self is Role.ADMIN else 'a'} {self}"

    def includes(self, least: Role) -> bool:
        """Report whether this role may do all that `least` may."""
        order = list(Role)
        return order.index(self) >= order.index(least)

    def may(self, action: Action) -> bool:
        """Report whether this role suffices for an action."""
        return action in LEAST_ROLES and self.includes(LEAST_ROLES[action])


LEAST_ROLES: Mapping[Action, Role] = {
    Action.LOOK: Role.VIEWER,
    Action.SECURE_ACCOUNT: Role.BRAND,
    Action.USE_PORTAL: Role.BRAND,
    Action.REVIEW: Role.REVIEWER,
    Action.DECIDE_ESCALATED: Role.LEAD,
    Action.UNDO_OTHERS: Role.LEAD,
    Action.SEE_PACES: Role.LEAD,
    Action.EXPORT_TABLES: Role.LEAD,
    Action.EXPORT_EVIDENCE: Role.LEAD,
    Action.CHANGE_MEASURES: Role.LEAD,
    Action.CHANGE_PENALTIES: Role.LEAD,
    Action.DECIDE_APPEALS: Role.LEAD,
    Action.JUDGE_NOTIFIERS: Role.LEAD,
    Action.HAND_ON_NETWORKS: Role.LEAD,
    Action.KEEP_CONTROL_CASES: Role.LEAD,
    Action.KEEP_PICTURES: Role.LEAD,
    Action.DEFINE_QUEUES: Role.LEAD,
    Action.KEEP_TEMPLATES: Role.LEAD,
    Action.SHARE_VIEWS: Role.LEAD,
    Action.RANK_QUEUE: Role.LEAD,
    Action.CHANGE_AUTOMATION: Role.LEAD,
    Action.SETTLE_MESSAGES: Role.LEAD,
    Action.CHANGE_LISTS: Role.LEAD,
    Action.WATCH_JOBS: Role.LEAD,
    Action.START_JOBS: Role.LEAD,
    Action.HOLD_RECORDS: Role.LEAD,
    Action.ERASE_PEOPLE: Role.ADMIN,
    Action.MANAGE_USERS: Role.ADMIN,
    Action.READ_POLICIES: Role.ADMIN,
}
"""The lowest role of a person that suffices for an action."""

PURPOSES: Mapping[str, Action] = {
    "score": Action.SCORE,
    "listings": Action.SUBMIT_LISTINGS,
    "appeals": Action.FILE_APPEALS,
    "measures": Action.SETTLE_MESSAGES,
    "notices": Action.GIVE_NOTICE,
    "lists": Action.CHANGE_LISTS,
    "metrics": Action.READ_METRICS,
}
"""Purposes of API keys, by their names in the file of keys."""


def parse_role(word: str) -> Role:
    """Return the role of a word; raises Refused."""
    if word not in list(Role):
        raise Refused("role", repr(word), f"one of {', '.join(Role)}")
    return Role(word)
