"""Policies page: policies in force, for admins, with file, start, and differences from the bundled ones.

Policies are files and are changed as files; page and worker read them at their start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from ipml.cooperation import policy as cooperation
from ipml.enforcement import policy as enforcement
from ipml.errors import UnusableSetting
from ipml.kit.canonical_json import canonical_json, digest
from ipml.kit.policy_file import PolicyDifference, list_differences
from ipml.review.ranking import policy as review
from ipml.review.ranking.queue_order import current_ranking
from ipml.web.accounts.login import authorised, get_cooperation_policy, get_policy, settings_of
from ipml.web.responses import render


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    """A policy in force.

    `file` is None for the bundled one; `setting` names the file. `since` is when it came into force as far as known, by
    the event `since_what`. `fault` reports an error of the file, or a change since the page started.
    """

    name: str
    about: str
    setting: str
    file: Path | None
    digest: str
    since: datetime | None
    since_what: str
    changed_at: datetime | None
    fault: str
    differences: list[PolicyDifference]


def show_policies(request: Request) -> Response:
    """Show the policies of review, enforcement and cooperation, and their differences from the bundled ones."""
    settings = settings_of(request)
    with authorised(request) as (connection, _):
        shown = [
            _show_review(connection, settings.policy_review),
            _show(
                "Enforcement",
                "Actions of decisions: measures, penalties, appeals, statements, automation, retention.",
                "IPML_POLICY_ENFORCEMENT",
                settings.policy_enforcement,
                get_policy(request),
                enforcement.BUNDLED,
                enforcement.load_enforcement_policy,
                enforcement.find_first_use(connection, get_policy(request).digest),
                "first decision under it",
            ),
            _show(
                "Cooperation",
                "Notices, reporters, referrals, reports and traders.",
                "IPML_POLICY_COOPERATION",
                settings.policy_cooperation,
                get_cooperation_policy(request),
                cooperation.BUNDLED,
                cooperation.load_cooperation_policy,
            ),
        ]
    return render(request, "policies.html", {"policies": shown})


def _show_review(connection: Connection, path: Path | None) -> ShownPolicy:
    ranking = current_ranking(connection)
    return _show(
        "Review",
        "In what order cases are worked: prices, minutes, harm, deadlines, lists.",
        "IPML_POLICY_REVIEW",
        path,
        ranking.policy,
        review.BUNDLED,
        review.load_policy,
        ranking.at,
        "queue ranked by it",
    )


def _show(
    name: str,
    about: str,
    setting: str,
    path: Path | None,
    policy: BaseModel,
    bundled: Path,
    load: Callable[[Path], BaseModel],
    since: datetime | None = None,
    since_what: str = "",
) -> ShownPolicy:
    fault, changed_at = "", None
    try:
        if load(path or bundled) != policy:
            fault = f"The file says otherwise than what is in force: {_REMEDIES.get(name, _RESTART)}"
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path else None
    except (UnusableSetting, OSError) as error:
        fault = str(error)
    said = digest(canonical_json(policy.model_dump(mode="json")))
    differences = list_differences(policy, load(bundled))
    return ShownPolicy(name, about, setting, path, said, since, since_what, changed_at, fault, differences)


_RESTART = "restart `ipml serve` and `ipml worker` to put it in force."
_REMEDIES = {"Review": "`ipml queue rerank` puts it in force."}
