"""Who may do what: one table for the page, the API and the commands.

Page and API name the action of each of their routes (`ROUTES` in `ipml.web.app`, `API_ROUTES` in
`ipml.web.http_api.api`), a command that decides asks `ipml.cli.terminal.acting`. Commands that run unattended
(deliver, end, tick, …) decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ipml.errors import Refused


class Action(StrEnum):
    """What a person or a program does, as a phrase that follows "to"."""

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
    """What a person may do; each role includes those before it. "brand" is for people of rights holders."""

    BRAND = "brand"
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    LEAD = "lead"
    ADMIN = "admin"

    def includes(self, least: Role) -> bool:
        """Tell whether this role may do what `least` may.

        Examples
        --------
        >>> Role.LEAD.includes(Role.REVIEWER), Role.VIEWER.includes(Role.REVIEWER)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(least)

    def may(self, action: Action) -> bool:
        """Tell whether this role suffices for an action.

        Examples
        --------
        >>> Role.LEAD.may(Action.DECIDE_APPEALS), Role.REVIEWER.may(Action.DECIDE_APPEALS)
        (True, False)
        """
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
"""What programs do over the API: what a key may be for, by its name in the file of keys."""


def parse_role(word: str) -> Role:
    """Return the role a word names; Refused where it names none.

    Examples
    --------
    >>> parse_role("lead")
    <Role.LEAD: 'lead'>
    """
    if word not in list(Role):
        raise Refused("role", repr(word), f"one of {', '.join(Role)}")
    return Role(word)
