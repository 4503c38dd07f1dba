"""Removed commands: former names of commands, with the place that does their work now."""

from __future__ import annotations

from collections.abc import Sequence

_API = "or by the HTTP API"
_CASE, _SELLER = "on the page of its case in the console", "on the page of the seller in the console"
_APPEALS, _NOTICES = "on the console's page Appeals (/appeals)", "on the console's page Notices (/notices)"
_NOTIFIERS, _REFERRALS = "on the console's page Reporters (/notifiers)", "on the console's page Referrals (/referrals)"
_USERS, _BRANDS = "on the console's page Users (/users)", "on the console's page Brand accounts (/brand-accounts)"
_LISTS, _WORKER = "on the console's page Lists (/lists)", "`ipml worker` does it; now: `ipml worker --once --start"

REMOVED = {
    "admin user bind": f"bind an account to a brand {_BRANDS}",
    "admin user disable": f"disable a user {_USERS}",
    "admin user enable": f"enable a user {_USERS}",
    "admin user role": f"change a role {_USERS}",
    "admin user sessions": f"end the sessions of a user {_USERS}",
    "admin user unbind": f"end a brand account {_BRANDS}",
    "cooperate complaints": "use `ipml data seller-events --kind complained`",
    "cooperate network list": "use `ipml cooperate network show`",
    "cooperate notice answer": "record it with `ipml enforce appeal holder-acted`, or in the portal",
    "cooperate notice list": f"see notices {_NOTICES}",
    "cooperate notice match": f"{_WORKER} notices`",
    "cooperate notice show": f"see a notice {_NOTICES}, {_API}: GET /v1/notices/REFERENCE",
    "cooperate notice waiting": f"see what waits in each tier {_NOTICES}",
    "cooperate notifier check": f"see proposed steps {_NOTIFIERS}",
    "cooperate notifier document": f"judge documents on the page of their notifier, listed {_NOTIFIERS}",
    "cooperate notifier lift": f"end a suspension {_NOTIFIERS}",
    "cooperate notifier list": f"see notifiers {_NOTIFIERS}",
    "cooperate notifier revoke": f"end an appointment {_NOTIFIERS}",
    "cooperate notifier show": f"see a notifier {_NOTIFIERS}",
    "cooperate notifier suspend": f"suspend a notifier {_NOTIFIERS}",
    "cooperate notifier tiers": "read the tiers in the cooperation policy (IPML_POLICY_COOPERATION)",
    "cooperate notifier warn": f"warn a notifier {_NOTIFIERS}",
    "cooperate referral list": f"see referrals {_REFERRALS}",
    "cooperate referral outcome": f"record an outcome {_REFERRALS}",
    "cooperate referral profiles": "read the recipients in the cooperation policy (IPML_POLICY_COOPERATION)",
    "cooperate referral receipt": f"record a receipt {_REFERRALS}",
    "cooperate referral verify": "use `ipml evidence verify`",
    "enforce appeal decide": f"decide an appeal {_APPEALS}",
    "enforce appeal list": f"see appeals {_APPEALS}",
    "enforce appeal run": f"{_WORKER} deadlines`",
    "enforce appeal show": f"see an appeal {_APPEALS}",
    "enforce automatic run": f"{_WORKER} automatic`",
    "enforce measure change": f"replace a measure {_CASE}",
    "enforce measure end": f"{_WORKER} ends`",
    "enforce measure explain": f"see the preview of a decision {_CASE}",
    "enforce measure lift": f"lift a measure {_CASE}",
    "enforce measure show": f"see a measure and its messages {_CASE}",
    "enforce penalty confirm": f"confirm a penalty {_SELLER}",
    "enforce penalty events": "use `ipml data seller-events --kind struck`",
    "enforce penalty lift": f"lift a penalty {_SELLER}",
    "enforce penalty show": f"see strikes and penalties {_SELLER}",
    "outbox answer": "send it by the HTTP API: POST /v1/measures/KEY/answer",
    "outbox dead": "see dead letters on the console's page Deliveries (/deliveries)",
    "outbox drop": "drop a dead letter on the console's page Deliveries (/deliveries)",
    "queue control add": "use `ipml queue control`, with the case",
    "queue control list": "use `ipml queue control`",
    "queue control remove": "use `ipml queue control --remove`, with the case",
    "queue minutes": "use `ipml queue reviewers --durations`",
    "queue pictures add": "use `ipml queue pictures`, with the folder",
    "queue pictures list": "use `ipml queue pictures`",
    "queue pictures remove": "use `ipml queue pictures --drop`",
    "queue remember": "use `ipml queue relistings --remember`",
    "queue simulate-policy": "use `ipml queue rerank --dry-run`",
    "seller holds": "use `ipml seller hold`, without a seller",
    "seller lists add": f"add a seller {_LISTS}, {_API}: POST /v1/lists",
    "seller lists remove": f"remove an entry {_LISTS}, {_API}: POST /v1/lists/ENTRY/removal",
    "seller lists show": f"see entries {_LISTS}, {_API}: GET /v1/lists",
    "seller release": "use `ipml seller hold --end`, with the seller",
    "seller sweep": "use `ipml seller erase --finish`",
}
"""Place of the work of each removed command or group, by the words after `ipml`."""


def find_removed(words: Sequence[str]) -> str | None:
    """Return the answer to a line of a removed command, given the words after `ipml`; None for other lines.

    >>> find_removed(["enforce", "penalty", "lift", "12"])
    '`ipml enforce penalty lift` was removed: lift a penalty on the page of the seller in the console.'
    >>> find_removed(["enforce", "penalty", "list"])
    """
    for count in range(2, 5):
        name = " ".join(words[:count])
        if name in REMOVED:
            return f"`ipml {name}` was removed: {REMOVED[name]}."
    return None
