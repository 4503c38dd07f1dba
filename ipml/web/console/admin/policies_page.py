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
class _ShownPolicy:
    """A policy in force.

    `file` is None for the bundled one. `since` is when it came into force as far as known. `fault` reports an error of
    the file, or a change since the page started.
    """

    kind: _PolicyKind
    file: Path | None
    digest: str
    since: datetime | None
    changed_at: datetime | None
    fault: str
    differences: list[PolicyDifference]


@dataclass(frozen=True, slots=True)
class _PolicyKind:
    """A kind of policy: the setting that names its file, its bundled file, and how to put a change in force."""

    name: str
    about: str
    setting: str
    bundled: Path
    load: Callable[[Path], BaseModel]
    since_what: str = ""
    remedy: str = "restart `ipml serve` and `ipml worker` to put it in force."


_REVIEW = _PolicyKind(
    "Review",
    "Order of cases: prices, minutes, harm, deadlines, lists.",
    "IPML_POLICY_REVIEW",
    review.BUNDLED,
    review.load_policy,
    "queue ranked by it",
    "`ipml queue rerank` puts it in force.",
)
_ENFORCEMENT = _PolicyKind(
    "Enforcement",
    "Actions of decisions: measures, penalties, appeals, statements, automation, retention.",
    "IPML_POLICY_ENFORCEMENT",
    enforcement.BUNDLED,
    enforcement.load_enforcement_policy,
    "first decision under it",
)
_COOPERATION = _PolicyKind(
    "Cooperation",
    "Notices, reporters, referrals, reports and traders.",
    "IPML_POLICY_COOPERATION",
    cooperation.BUNDLED,
    cooperation.load_cooperation_policy,
)


def show_policies(request: Request) -> Response:
    """Show the policies of review, enforcement and cooperation, and their differences from the bundled ones."""
    settings, policy = settings_of(request), get_policy(request)
    with authorised(request) as (connection, _):
        ranking = current_ranking(connection)
        first_use = enforcement.find_first_use(connection, policy.digest)
    shown = [
        _compare(_REVIEW, settings.policy_review, ranking.policy, ranking.at),
        _compare(_ENFORCEMENT, settings.policy_enforcement, policy, first_use),
        _compare(_COOPERATION, settings.policy_cooperation, get_cooperation_policy(request)),
    ]
    return render(request, "policies.html", {"policies": shown})


def _compare(kind: _PolicyKind, path: Path | None, policy: BaseModel, since: datetime | None = None) -> _ShownPolicy:
    fault, changed_at = "", None
    try:
        if kind.load(path or kind.bundled) != policy:
            fault = f"The file differs from the policy in force: {kind.remedy}"
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path else None
    except (UnusableSetting, OSError) as error:
        fault = str(error)
    content = digest(canonical_json(policy.model_dump(mode="json")))
    differences = list_differences(policy, kind.load(kind.bundled))
    return _ShownPolicy(kind, path, content, since, changed_at, fault, differences)
