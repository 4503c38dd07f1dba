"""The statement as the EU's transparency database takes it (Article 24(5) of the Digital Services Act)."""

from __future__ import annotations

from datetime import date
from typing import Any

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.statements.facts import LAST_DAY, Statement
from ipml.enforcement.statements.sentences import write_explanation, write_facts, write_law
from ipml.enforcement.statements.wording import load_words

# What is done, in the database's words. A warning restricts nothing and is not stated there: its seller gets a letter.
_DECISIONS: dict[MeasureKind | PenaltyKind, tuple[str, str]] = {
    MeasureKind.LABEL: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_LABELLED"),
    MeasureKind.DEMOTE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DEMOTED"),
    MeasureKind.PAUSE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DISABLED"),
    MeasureKind.PRICE_HOLD: ("decision_monetary", "DECISION_MONETARY_SUSPENSION"),
    MeasureKind.REMOVE_IN: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DISABLED"),
    MeasureKind.REMOVE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_REMOVED"),
    PenaltyKind.LIMIT: ("decision_provision", "DECISION_PROVISION_PARTIAL_SUSPENSION"),
    PenaltyKind.HOLD_PAYOUT: ("decision_monetary", "DECISION_MONETARY_SUSPENSION"),
    PenaltyKind.SUSPEND: ("decision_account", "DECISION_ACCOUNT_SUSPENDED"),
    PenaltyKind.CLOSE: ("decision_account", "DECISION_ACCOUNT_TERMINATED"),
}
_ENDS = {
    "decision_visibility": "end_date_visibility_restriction",
    "decision_monetary": "end_date_monetary_restriction",
    "decision_provision": "end_date_service_restriction",
    "decision_account": "end_date_account_restriction",
}
_SOURCES = {
    "own": "SOURCE_VOLUNTARY",
    "notice": "SOURCE_ARTICLE_16",
    "trusted flagger": "SOURCE_TRUSTED_FLAGGER",
    "other notification": "SOURCE_TYPE_OTHER_NOTIFICATION",
}
_AUTOMATIONS = {
    "fully": "AUTOMATED_DECISION_FULLY",
    "partially": "AUTOMATED_DECISION_PARTIALLY",
    "none": "AUTOMATED_DECISION_NOT_AUTOMATED",
}
# The countries the database knows: the EU and the EEA (app/Services/EuropeanCountriesService.php of its sources).
COUNTRIES = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI"),
        *("LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
_EARLIEST_MEASURE = date(2020, 1, 1)


def why_not_stated(statement: Statement) -> str | None:
    """Return why a statement does not go to the database, as a phrase; None where it does."""
    if statement.kind not in _DECISIONS:
        return "a warning restricts nothing"
    if statement.territories and not COUNTRIES & set(statement.territories):
        return "it holds outside the EU and the EEA only"
    if not _EARLIEST_MEASURE <= statement.applied_on <= LAST_DAY:
        return f"the database takes measures from {_EARLIEST_MEASURE} to {LAST_DAY} only"
    return None


def write_payload(statement: Statement) -> dict[str, Any] | None:
    """Return the fields of a statement for the database; None where it does not go there.

    An end later than the database can hold is told among the facts, and an unknown date of the listing as well: no date
    is bent until it fits.
    """
    if why_not_stated(statement):
        return None
    words = load_words("en")
    field, decision = _DECISIONS[statement.kind]
    payload: dict[str, Any] = {
        field: [decision] if field == "decision_visibility" else decision,
        "decision_ground": f"DECISION_GROUND_{'ILLEGAL' if statement.basis == 'illegal' else 'INCOMPATIBLE'}_CONTENT",
        "content_type": ["CONTENT_TYPE_PRODUCT"],
        "category": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
        "category_specification": ["KEYWORD_TRADEMARK_INFRINGEMENT"],
        "territorial_scope": sorted(COUNTRIES & set(statement.territories or COUNTRIES)),
        "content_date": statement.content_on.isoformat(),
        "application_date": statement.applied_on.isoformat(),
        "decision_facts": write_facts(statement, words),
        "source_type": _SOURCES[statement.source],
        "automated_detection": "Yes" if statement.is_detected else "No",
        "automated_decision": _AUTOMATIONS[statement.automation],
        "puid": statement.puid,
    }
    if statement.ends_on is not None and statement.ends_on <= LAST_DAY:
        payload[_ENDS[field]] = statement.ends_on.isoformat()
    law, explanation = write_law(statement, words), write_explanation(statement, words)
    if statement.basis == "illegal":
        return payload | {"illegal_content_legal_ground": law, "illegal_content_explanation": explanation}
    if statement.clause_url:
        payload["decision_ground_reference_url"] = statement.clause_url
    payload |= {"incompatible_content_ground": law, "incompatible_content_explanation": explanation}
    return payload | {"incompatible_content_illegal": "Yes"}
