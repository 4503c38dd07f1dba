"""A second validator of statements, written from the rules file alone and apart from ipml's own.

Only the table of which field takes which list stands in both, as the file leaves that to its reader.

It says field by field why a statement is refused. Tests let it judge what ipml writes, and stand in for the database.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

RULES = json.loads(
    (Path(__file__).parents[2] / "ipml/enforcement/statements/rules_of_database.json").read_text(encoding="utf-8")
)
ENUM_NAMES = {
    "source_type": "SOURCE_TYPES",
    "content_type": "CONTENT_TYPES",
    "automated_decision": "AUTOMATED_DECISIONS",
    "automated_detection": "AUTOMATED_DETECTIONS",
    "decision_ground": "DECISION_GROUNDS",
    "decision_visibility": "DECISION_VISIBILITIES",
    "decision_monetary": "DECISION_MONETARIES",
    "decision_provision": "DECISION_PROVISIONS",
    "decision_account": "DECISION_ACCOUNTS",
    "account_type": "ACCOUNT_TYPES",
    "category": "STATEMENT_CATEGORIES",
    "category_addition": "STATEMENT_CATEGORIES",
    "category_specification": "KEYWORDS",
    "incompatible_content_illegal": "INCOMPATIBLE_CONTENT_ILLEGALS",
}


def judge(statement: dict[str, Any]) -> dict[str, str]:
    """Return the fields at fault, each with a word; empty where the statement is accepted."""
    bad: dict[str, str] = {}
    for name in RULES["required"]:
        if not statement.get(name):
            bad[name] = "required"
    if not any(statement.get(name) for name in RULES["at_least_one_of"]):
        bad["decision_visibility"] = "one decision at least"
    for name, value in statement.items():
        values = value if isinstance(value, list) else [value]
        if (name in RULES["arrays"]) != isinstance(value, list):
            bad[name] = "array or not"
        if name == "content_id":
            if not re.match(RULES["pattern"]["content_id.EAN-13"].replace("$", r"\Z"), str(value.get("EAN-13"))):
                bad[name] = "EAN"
        elif not all(isinstance(one, str) for one in values):
            bad[name] = "text"
        elif name in ENUM_NAMES and not set(values) <= set(RULES["enums"][ENUM_NAMES[name]]):
            bad[name] = "enum"
        elif name in RULES["max_length"] and len(value) > RULES["max_length"][name]:
            bad[name] = "too long"
        elif ("date" in name) and not _is_day(name, value):
            bad[name] = "date"
    if isinstance(statement.get("puid"), str) and not re.match(r"[a-zA-Z0-9_-]+\Z", statement["puid"]):
        bad["puid"] = "pattern"
    return bad | _conditions(statement)


def _conditions(statement: dict[str, Any]) -> dict[str, str]:
    bad = {}
    is_illegal = statement.get("decision_ground") == "DECISION_GROUND_ILLEGAL_CONTENT"
    is_incompatible = statement.get("decision_ground") == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    for name in RULES["required_if"]:
        if name.startswith("illegal") or name.startswith("incompatible"):
            needed = is_illegal if name.startswith("illegal") else is_incompatible
        else:
            found = statement.get(name.removesuffix("_other")) or []
            needed = any(one.endswith("_OTHER") for one in (found if isinstance(found, list) else [found]))
        if needed and not statement.get(name):
            bad[name] = "required here"
    for name in statement:
        if name.startswith("illegal_content_") and not is_illegal:
            bad[name] = "excluded"
        if name.startswith("incompatible_content_") and not is_incompatible:
            bad[name] = "excluded"
    if "source_identity" in statement and statement.get("source_type") == "SOURCE_VOLUNTARY":
        bad["source_identity"] = "excluded"
    return bad


def _is_day(name: str, value: str) -> bool:
    try:
        day = datetime.datetime.strptime(value, "%Y-%m-%d").date().isoformat()
    except ValueError:
        return False
    dates = RULES["dates"]
    low, high = dates[name] if name in dates else ("0001-01-01", dates["end_max"])
    return value == day and low <= day <= high
