"""The queue of cases: people take them one by one, and what they decide stays.

A case is "open", then "decided"; or "escalated" in between, which is for a lead. Who may do what is for the
caller to check. Each change and its row in the audit trail are one transaction.

Coming in, claiming, deciding and looking have files of their own; all of the queue is found here.
"""

from ipml.records import Reversal
from ipml.review.browsing import list_cases, seller_cases
from ipml.review.bulk import BulkDecision, BulkPreview, decide_bulk, preview_bulk
from ipml.review.cases import count_cases, get_case, history
from ipml.review.claims import claim, claim_ahead, release
from ipml.review.clusters.clusters import list_alike
from ipml.review.clusters.spread import Spread, SpreadPreview, decide_and_spread, preview_spread
from ipml.review.decisions import decide, list_decisions
from ipml.review.grounds import GROUNDS
from ipml.review.intake import Enqueued, enqueue
from ipml.review.quality.opinions import find_own_verdict
from ipml.review.quality.shown import shown_history, shown_state
from ipml.review.reversals import undo, undo_group

__all__ = [
    "GROUNDS",
    "BulkDecision",
    "BulkPreview",
    "Enqueued",
    "Reversal",
    "Spread",
    "SpreadPreview",
    "claim",
    "claim_ahead",
    "count_cases",
    "decide",
    "decide_and_spread",
    "decide_bulk",
    "enqueue",
    "find_own_verdict",
    "get_case",
    "history",
    "list_alike",
    "list_cases",
    "list_decisions",
    "preview_bulk",
    "preview_spread",
    "release",
    "seller_cases",
    "shown_history",
    "shown_state",
    "undo",
    "undo_group",
]
