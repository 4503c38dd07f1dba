"""Queue: the public functions on cases, claims, decisions and groups; import them from here.

A case is "open", then "decided"; "escalated" cases are for a lead. Callers check permissions. Each change and its audit
event are one transaction.
"""

from ipml.records import Reversal
from ipml.review.arrivals.intake import Enqueued, enqueue
from ipml.review.cases import count_cases, get_case, history
from ipml.review.claims import claim, claim_ahead, find_out_of_reach, release, resume, show_case, shown_history
from ipml.review.decisions import GROUNDS, DecisionRequest, decide, list_decisions
from ipml.review.group_decisions import (
    BulkDecision,
    BulkPreview,
    BulkRequest,
    GroupDecision,
    SpreadPreview,
    decide_and_spread,
    decide_bulk,
    preview_bulk,
    preview_spread,
)
from ipml.review.quality.second_person import find_own_verdict
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo, undo_group

__all__ = [
    "GROUNDS",
    "BulkDecision",
    "BulkPreview",
    "BulkRequest",
    "DecisionRequest",
    "Enqueued",
    "GroupDecision",
    "Reversal",
    "ReviewContext",
    "SpreadPreview",
    "UndoRequest",
    "claim",
    "claim_ahead",
    "count_cases",
    "decide",
    "decide_and_spread",
    "decide_bulk",
    "enqueue",
    "find_out_of_reach",
    "find_own_verdict",
    "get_case",
    "history",
    "list_decisions",
    "preview_bulk",
    "preview_spread",
    "release",
    "resume",
    "show_case",
    "shown_history",
    "undo",
    "undo_group",
]
