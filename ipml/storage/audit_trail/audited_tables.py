"""Audited tables: declares every column of every table as audited or exempt.

A new table or column must be declared here, or a test fails: as audited, with the actions that may change it, or as
exempt, with the reason. `ipml.storage.audit_trail.row_digests` compares audited columns. Their order is part of the
stored digests: append new ones at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

Actions = Collection[str] | None
NEVER: Actions = ()
"""Actions that change a column that is never changed."""
ANY: Actions = None
"""Actions that change a column that any entry about its row may change."""


@dataclass(frozen=True, slots=True)
class Audited:
    """Declaration of an audited table.

    - `noun`: name of a row in subjects and payloads: "case" in "case:12".
    - `begun`: actions that create a row.
    - `columns`: digested columns, and the actions that may change them.
    - `exempt`: other columns, each with the reason.
    - `salt`: column that is digested together with the `salted` ones, which could be guessed from a digest.
    - `silent`: actions on such a subject that do not concern this row.
    - `part_of`: for rows without a number, the numbered table and the column that joins them; rows of one number are
      digested together under it.
    """

    noun: str
    begun: Collection[str]
    columns: Mapping[str, Actions]
    exempt: Mapping[str, str] = field(default_factory=dict)
    salt: str | None = None
    salted: Collection[str] = ()
    silent: Collection[str] = ()
    part_of: tuple[str, str] | None = None

    @property
    def actions(self) -> frozenset[str]:
        """All actions named here."""
        return frozenset({*self.begun, *(action for actions in self.columns.values() for action in actions or ())})


_ERASED = ("erased",)
_EXPIRED = ("expired", "erased")
_LISTING = ("rescored", "erased")
_ORDER = "orders the queue, and decides nothing; the rank is compared with score, match, value or arrival"
_LEASE = "who has opened it for some minutes"
_NUMBER = "names the row"
_OF_CASE = "is that of the case, with which it is compared"
_CALLERS_KEY = "of the request, and says nothing of what was decided"


def _never(*names: str) -> dict[str, Actions]:
    return dict.fromkeys(names, NEVER)


def _with(actions: Actions, *names: str) -> dict[str, Actions]:
    return dict.fromkeys(names, actions)


def _because(why: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, why)


_SETTLED = ("delivered", "given up", "retried", "dropped", "withdrawn", *_EXPIRED)
_LIFTED = ("lifted", "imposed", "expired", "erased")
_PENALTY_ENDED = (
    *("penalty lifted", "penalty taken back", "penalty over", "penalty dismissed"),
    *("penalty imposed", "penalty confirmed", "penalty proposed"),
)

_FILED, _CHECKED = ("rights filed again",), ("rights accepted", "rights rejected", "rights filed again")
_ITEM_JOINED = ("item joined", *_EXPIRED)
_ITEM_SETTLED = ("item joined", "item settled", "item open again")
_SAMPLE = "says in which sample a case is; what was found of it is a decision, which is compared"
_DERIVED = "made of others that are compared"

EXEMPT: dict[str, str] = {
    "audit": "is the trail itself",
    "automatic_decisions": _DERIVED,
    "automatic_draws": _SAMPLE,
    "bands": _DERIVED,
    "case_texts": _DERIVED,
    "changes": "the trail repeats each of them; for some days they say what was before, for undoing",
    "translations": "a machine made them, and nothing rests on them",
    "deadline_events": "the trail repeats each of them",
    "deadlines": "the trail repeats each of their events",
    "referrals": "what was handed out has its digest in the trail",
    "enforcement_policies": "are named by their digest",
    "erasures": "the trail repeats each of them",
    "jobs": "when they ran last and run next; what they do to other tables is compared there",
    "identities": "the trail holds a digest of each, and is compared with it",
    "listings": "what the marketplace says, and may change; what is decided on is a case, which is compared",
    "second_reviews": "says who is to look again, and when; what they find is a second verdict, which is compared",
    "picture_groups": "are made of files, and say nothing but what looks the same",
    "pictures": "say what was fetched; those that a decision was made on are in its evidence, which is compared",
    "platform_answers": "the trail repeats each of them",
    "portfolio_listings": "what a model thought of listings; what a case was scored by is in it, which is compared",
    "portfolios": _DERIVED,
    "rankings": "the trail repeats each of them",
    "seller_languages": "what listings say; the letter in it has its digest in the trail",
    "seller_events": "what the marketplace says; the history that a case was scored by is in it, which is compared",
    "screened_pictures": "say what was fetched; what became a case has its pictures, and its evidence, as any",
    "screening_days": "what a day of the worker cost",
    "seeds": "the trail holds a digest of each",
    "seller_keys": "each is compared with the pseudonym that was made with it",
    "sessions": "the trail holds a digest of each, and is compared with it",
    "sample_cases": _SAMPLE,
    "notice_templates": "texts that a brand reuses; a notice with one of them is audited itself",
    "rights_files": "the details of their document, which are audited, have the SHA-256 of each",
    "note_templates": "texts that people may put into a note; each decision has its note",
    "inbox_messages": "tells people of entries that the trail has; nothing is decided by it",
    "saved_views": "names for filters of the list; nothing is decided by them",
    "start_views": "with which of them a person's list begins",
    "spread_audits": "the trail repeats each of them",
    "stream_strata": "counts that grow with every listing; of which sample they are is noted, and it is compared",
    "tries": "failed logins, for some days",
    "user_sellers": "ids of sellers, which are digested nowhere as they could be guessed",
}
"""Tables without digests, each with the reason."""

AUDITED: dict[str, Audited] = {
    "cases": Audited(
        "case",
        ("enqueued",),
        _never("enqueued_at")
        | _with(("decided", "escalated", "reversed", "superseded", "closed", "erased"), "state")
        | _with(_LISTING, "snapshot", "score", "model_version", "observed_at")
        | _with(_LISTING, "listing_key", "listing_id", "seller_id", "brand", "category")
        | _with(_ERASED, "erased_at")
        | _never("version")
        | _with(_LISTING, "content", "brand_read"),
        _because(_NUMBER, "case_id")
        | _because(_LEASE, "holder", "token", "lease_expires_at")
        | _because(
            _ORDER, "rank", "score_rank", "value_rank", "value", "expected_value", "minutes", "due_at", "exemplar"
        )
        | _because("decisions keep it as it was", "sampling_probability", "lane", "random_order")
        | _because("a hint for the reviewer", "relisting_of", "match_kind", "match_precision", "seen_at")
        | _because("is that of the draw", "drawn_at")
        | _because("the trail repeats each change, and is compared with it", "assigned_to", "snoozed_until")
        | _because("made of others that are compared", "script", "queue_id")
        | _because("the trail repeats it", "successor"),
        salt="snapshot",
        salted=("listing_key", "listing_id", "seller_id", "brand", "category", "content", "brand_read"),
        silent=(
            *("claimed", "released", "deadline set", "noticed", "drawn", "control", "control no longer"),
            *("first verdict", "disagreed", "withdrawn", "still offered"),
            *("assigned", "assigned to nobody", "snoozed", "woken", "commented", "reported finding reversed"),
        ),
    ),
    "decisions": Audited(
        "decision",
        ("decided", "escalated"),
        _never(
            "case_id", "verdict", "ground", "reviewer", "decided_at", "token", "sampling_probability", "lane", "origin"
        )
        | _never("group_key", "spread_from")
        | _with(_ERASED, "note"),
        _because(_NUMBER, "decision_id") | _because(_OF_CASE, "listing_id") | _because(_CALLERS_KEY, "key"),
    ),
    "reversals": Audited(
        "reversal",
        ("reversed",),
        _never("decision_id", "reviewer", "reversed_at") | _with(_ERASED, "why"),
        _because(_NUMBER, "reversal_id"),
    ),
    "second_verdicts": Audited(
        "second_verdict",
        ("reviewed again", "first verdict", "disagreed"),
        _never("review_id", "case_id", "kind", "verdict", "ground", "reviewer", "decided_at", "token")
        | _with(_ERASED, "note")
        | _with(("withdrawn",), "withdrawn_at"),
        _because(_NUMBER, "verdict_id") | _because(_OF_CASE, "listing_id") | _because(_CALLERS_KEY, "key"),
    ),
    "case_comments": Audited(
        "comment",
        ("commented",),
        _never("case_id", "pseudonym", "author", "written_at", "encrypted"),
        _because(_NUMBER, "comment_id"),
    ),
    "control_cases": Audited(
        "control",
        ("control",),
        _never("case_id", "truth", "added_by", "added_at")
        | _with(_ERASED, "source")
        | _with(("control no longer", "erased"), "removed_at"),
        _because(_NUMBER, "control_id"),
    ),
    "evidence": Audited(
        "evidence",
        ("evidence kept",),
        _never("decision_id", "case_id", "pseudonym", "digest", "encrypted", "stored_at"),
        _because(_NUMBER, "evidence_id"),
    ),
    "measures": Audited(
        "measure",
        ("imposed",),
        _never("decision_id", "case_id", "pseudonym", "kind", "territories", "until", "policy_digest")
        | _never("imposed_by", "imposed_at", "listed_at", "sales_before", "is_automatic", "source", "is_detected")
        | _with(("answered", "imposed"), "done_at")
        | _with(("answered",), "undone_at")
        | _with(("lifted", "imposed"), "lifted_by", "lifted_at", "replaced_by")
        | _with(("answered", *_LIFTED), "refused_at", "why_refused")
        | _with(_LIFTED, "why_lifted", "why"),
        _because(_NUMBER, "measure_id"),
        silent=("stated", "told of the end"),
    ),
    "outbox": Audited(
        "message",
        ("put",),
        _never("key", "channel", "kind", "version", "subject", "pseudonym", "put_at")
        | _with(_SETTLED, "state", "settled_at", "dropped_by", "dropped_at", "why_dropped")
        | _with(_EXPIRED, "body"),
        _because(_NUMBER, "message_id")
        | _because(_LEASE, "holder", "lease_expires_at")
        | _because("counts attempts, and says what became of the last", "attempts", "next_try_at", "last_error"),
        silent=("answered",),
    ),
    "statements": Audited(
        "statement",
        ("stated",),
        _never("subject", "decision_id", "case_id", "pseudonym", "puid", "facts", "payload", "policy_digest")
        | _never("issued_at")
        | _with(_EXPIRED, "letter"),
        _because(_NUMBER, "statement_id"),
    ),
    "strikes": Audited(
        "strike",
        ("struck",),
        _never("decision_id", "case_id", "pseudonym", "ground", "category", "weight", "probability", "value")
        | _never("listings", "age_days", "made_with", "cluster", "same_as", "seen_at", "struck_at", "expires_at")
        | _never("policy_digest", "currency"),
        _because(_NUMBER, "strike_id"),
    ),
    "strikes_taken_back": Audited(
        "strike",
        ("strike taken back",),
        _never("by", "at", "why"),
        _because(_NUMBER, "strike_id"),
        silent=("struck",),
    ),
    "penalties": Audited(
        "penalty",
        ("penalty proposed", "penalty imposed"),
        _never("pseudonym", "strike_id", "kind", "rung", "weight", "listings", "age_days", "policy_digest", "why")
        | _never("proposed_at")
        | _with(ANY, "imposed_by", "imposed_at", "until", "ended_as", "ended_by", "ended_at", "why_ended")
        | _with(ANY, "why_confirmed"),
        _because(_NUMBER, "penalty_id"),
        silent=("stated", "told of the end"),
    ),
    "linked_accounts": Audited(
        "link",
        ("link recommended",),
        _never("pseudonym", "linked_to", "penalty_id", "kind", "weight", "evidence", "recommended_at")
        | _with(("link decided",), "outcome", "decided_by", "decided_at", "why"),
        _because(_NUMBER, "link_id"),
    ),
    "appeals": Audited(
        "appeal",
        ("appealed",),
        _never("subject", "case_id", "decision_id", "pseudonym", "kind", "profile", "key", "filed_at")
        | _with(ANY, "state")
        | _with(_EXPIRED, "text")
        | _with(("holder acted", *_EXPIRED), "reference"),
        _because(_NUMBER, "appeal_id") | _because(_LEASE, "holder", "lease_expires_at"),
        silent=("passed on",),
    ),
    "appeal_outcomes": Audited(
        "appeal",
        (
            *("appeal granted", "appeal measure lifted", "appeal partly granted"),
            *("appeal rejected", "appeal restored", "appeal withdrawn"),
        ),
        _never("outcome", "decided_by", "decided_at", "why", "measure_kind"),
        _because(_NUMBER, "appeal_id"),
    ),
    "users": Audited(
        "user",
        ("user added",),
        _never("name", "created_at")
        | _with(("role changed",), "role")
        | _with(("user disabled", "user enabled"), "is_active")
        | _with(("password changed",), "password_hash"),
        _because(_NUMBER, "user_id"),
        silent=("seller noted", "seller forgotten", "sessions ended", "user linked", "logged in"),
    ),
    "promises": Audited(
        "promise",
        ("promise given", "promise held", "promise withdrawn", "promise allowed"),
        _never("at", "brand", "event", "cause", "actor", "why", "policy_digest", "model_version", "threshold")
        | _never("promised", "bound", "reviews", "errors", "since"),
        _because(_NUMBER, "promise_id"),
    ),
    "legal_holds": Audited(
        "hold",
        ("held",),
        _never("pseudonym", "case_id", "encrypted", "placed_by", "placed_at", "until")
        | _with(("released from hold",), "released_by", "released_at"),
        _because(_NUMBER, "hold_id"),
    ),
    "reference_pictures": Audited(
        "reference_picture",
        ("picture added",),
        _never("digest", "kind", "brand", "source", "added_by", "added_at")
        | _with(("picture removed",), "removed_by", "removed_at"),
        _because(_NUMBER, "reference_id") | _because(_DERIVED, "group_id"),
    ),
    "review_queues": Audited(
        "review_queue",
        ("queue defined",),
        _with(("queue changed",), "name", "rule")
        | _with(("queue changed", "queue removed"), "changed_by", "changed_at")
        | _with(("queue removed", "queue changed"), "removed_at"),
        _because(_NUMBER, "queue_id") | _because("the trail repeats each move", "place"),
        silent=("queue moved",),
    ),
    "seller_list_entries": Audited(
        "list_entry",
        ("seller listed",),
        _never("kind", "pseudonym", "brand", "brand_read", "alias_of", "origin", "encrypted", "added_by", "added_at")
        | _never("until")
        | _with(("seller unlisted", "erased"), "removed_by", "removed_at", "why_removed"),
        _because(_NUMBER, "entry_id"),
    ),
    "notifier_appointments": Audited(
        "appointment",
        ("notifier appointed", "notifier appointment revoked"),
        _never("notifier_id", "kind", "made_by", "made_at", "until") | _with(_EXPIRED, "ground"),
        _because(_NUMBER, "appointment_id"),
    ),
    "notifier_steps": Audited(
        "step",
        ("notifier warned", "notifier suspended", "notifier lifted"),
        _never("notifier_id", "kind", "taken_by", "taken_at", "until") | _with(_EXPIRED, "why"),
        _because(_NUMBER, "step_id"),
    ),
    "measure_messages": Audited(
        "message",
        ("put",),
        _never("key", "measure_id", "effect"),
        silent=("answered", "delivered", "given up", "retried", "dropped", "withdrawn"),
        part_of=("outbox", "key"),
    ),
    "measure_stakes": Audited(
        "measure",
        ("stated",),
        _never("size_band", "age_band", "loss_a_day", "harm", "currency", "is_assumed", "stored_at"),
        _because(_NUMBER, "measure_id"),
        silent=("imposed", "answered", "lifted", "told of the end", *_EXPIRED),
    ),
    "notifiers": Audited(
        "notifier",
        ("notifier added",),
        _never("pseudonym", "kind", "created_at") | _with(_ERASED, "address", "key"),
        _because(_NUMBER, "notifier_id"),
        salt="key",
        salted=("address",),
    ),
    "notices": Audited(
        "notice",
        ("gave notice",),
        _never("reference", "notifier_id", "kind", "brand", "content_digest", "tier", "received_at", "is_suspended")
        | _with(_EXPIRED, "encrypted", "explanation", "key")
        | _with(("notice settled", "notice open again"), "settled_at"),
        _because(_NUMBER, "notice_id"),
        salt="encrypted",
        salted=("key",),
    ),
    "notice_items": Audited(
        "item",
        ("gave notice",),
        _never("notice_id", "position", "noted_at", "repeats")
        | _with(_ITEM_JOINED, "listing_digest", "location", "pseudonym")
        | _with((*_ITEM_JOINED, "item passed on"), "case_id")
        | _with((*_ITEM_SETTLED, "erased"), "state")
        | _with(_ITEM_SETTLED, "decision_id", "settled_at", "overturned_at"),
        _because(_NUMBER, "item_id") | _because("is the moment of the entry that joined it", "joined_at"),
        salt="location",
        salted=("listing_digest",),
    ),
    "rights_documents": Audited(
        "document",
        ("rights filed",),
        _never("notifier_id", "brand")
        | _with((*_FILED, "erased"), "reference")
        | _with(_FILED, "filed_at")
        | _with(_CHECKED, "checked_by", "checked_at", "is_accepted")
        | _with((*_FILED, "erased"), "details")
        | _never("valid_until"),
        _because(_NUMBER, "document_id"),
    ),
    "user_brands": Audited(
        "binding",
        ("brand bound",),
        _never("user_id", "brand", "notifier_id", "bound_by", "bound_at")
        | _with(("brand unbound",), "ended_by", "ended_at"),
        _because(_NUMBER, "binding_id"),
    ),
    "seller_proposals": Audited(
        "proposal",
        ("seller proposed",),
        _never("brand", "notifier_id", "pseudonym", "encrypted", "until", "proposed_by", "proposed_at")
        | _with(("proposal listed", "proposal declined"), "outcome", "decided_by", "decided_at")
        | _with(("proposal declined",), "why_declined"),
        _because(_NUMBER, "proposal_id"),
    ),
    "picture_proposals": Audited(
        "picture_proposal",
        ("picture proposed",),
        _never("brand", "notifier_id", "digest", "kind", "shows", "proposed_by", "proposed_at")
        | _with(("picture accepted", "picture rejected"), "outcome", "decided_by", "decided_at")
        | _with(("picture rejected",), "why_rejected"),
        _because(_NUMBER, "proposal_id"),
    ),
    "disclosures": Audited(
        "disclosure",
        ("disclosed referral",),
        _never("referral_id", "pseudonym", "name", "is_confirmed", "disclosed_at"),
        _because(_NUMBER, "disclosure_id"),
    ),
    "referral_outcomes": Audited(
        "outcome",
        ("noted outcome",),
        _never("referral_id", "kind", "amount", "why", "noted_by", "noted_at", "currency"),
        _because(_NUMBER, "outcome_id"),
    ),
    "samples": Audited(
        "sample",
        ("sampled",),
        _never("digest", "file_digest", "drawn_at", "model_version", "seed_id", "rule", "listings", "sure"),
        _because(_NUMBER, "sample_id"),
    ),
    "sample_strata": Audited(
        "sample",
        ("sampled",),
        _never(
            "stratum",
            "first",
            "last",
            "listings",
            "shown",
            "sampling_probability",
            "mean_score",
            "highest_score",
            "lowest_score",
        ),
        _because("is that of the sample, by whose number its strata are named", "sample_id"),
        part_of=("samples", "sample_id"),
    ),
}
