"""The queue of cases: people take them one by one, and what they decide stays.

A case is "open", then "decided"; or "escalated" in between, which is for a lead. Who may do what is for the
caller to check. Each change and its row in the audit trail are one transaction.

Coming in, claiming, deciding and looking have files of their own; all of the queue is found here.
"""

from ipml.review.cases import count_cases, get_case, history, list_cases, seller_cases
from ipml.review.claims import claim, claim_ahead, release
from ipml.review.decisions import decide, list_decisions
from ipml.review.grounds import GROUNDS
from ipml.review.intake import Enqueued, enqueue
from ipml.review.opinions import find_own_verdict
from ipml.review.shown import shown_history, shown_state

__all__ = [
    "GROUNDS",
    "Enqueued",
    "claim",
    "claim_ahead",
    "count_cases",
    "decide",
    "enqueue",
    "find_own_verdict",
    "get_case",
    "history",
    "list_cases",
    "list_decisions",
    "release",
    "seller_cases",
    "shown_history",
    "shown_state",
]
