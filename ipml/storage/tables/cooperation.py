"""Cooperation tables: notices, and networks referred to authorities and rights holders, with their outcomes.

Texts about notifiers are encrypted with a key of their own, as with sellers, who appear as pseudonyms. A network is
stored as numbers and a digest of its members' pseudonyms, which identifies the same members again; its number counts
within one folder only.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, false, text

from ipml.records import Verdict
from ipml.storage.tables.columns import Flag, Identity, Moment, Real, metadata

_WAITS = text("settled_at IS NULL")
_REPEATS = text("repeats IS NOT NULL")

notifiers = Table(
    "notifiers",
    metadata,
    Column("notifier_id", Identity, primary_key=True),
    Column("address", Text, unique=True, doc="e-mail in small letters; empty once erased"),
    Column("pseudonym", Text, nullable=False, unique=True, doc="what everything else calls them"),
    Column("key", Text, doc="hexadecimal, as of a seller; empty once erased"),
    Column("kind", Text, nullable=False, doc="what they were taken for at first; appointments come before it"),
    Column("created_at", Moment, nullable=False, index=True),
    CheckConstraint("kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')", name="kind"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

notifier_appointments = Table(
    "notifier_appointments",
    metadata,
    Column("appointment_id", Identity, primary_key=True),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("kind", Text, doc="what they are from then on; empty where the one before was revoked"),
    Column("made_by", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("until", Moment, doc="when it ends by itself"),
    Column("ground", Text, nullable=False, doc="encrypted by the notifier's key"),
    CheckConstraint("kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')", name="kind"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

rights_documents = Table(
    "rights_documents",
    metadata,
    Column("document_id", Identity, primary_key=True),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("brand", Text, nullable=False),
    Column(
        "reference", Text, nullable=False, doc="such as the number of the trade mark, encrypted by the notifier's key"
    ),
    Column("filed_at", Moment, nullable=False),
    Column("checked_by", Text, doc="who has looked at it"),
    Column("checked_at", Moment),
    Column("is_accepted", Flag),
    Column("details", Text, doc="office, classes, file as JSON, by the notifier's key; empty if named in a notice"),
    Column("valid_until", Moment, doc="when the right ends, as far as it is known"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

rights_files = Table(
    "rights_files",
    metadata,
    Column("document_id", Identity, ForeignKey("rights_documents.document_id"), primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False, doc="base64, encrypted by the notifier's key; empty once erased"),
    sqlite_strict=True,
)

user_brands = Table(
    "user_brands",
    metadata,
    Column("binding_id", Identity, primary_key=True),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("brand", Text, nullable=False, doc="as listings have it"),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, doc="for whom they act"),
    Column("bound_by", Text, nullable=False),
    Column("bound_at", Moment, nullable=False),
    Column("ended_by", Text),
    Column("ended_at", Moment),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

seller_proposals = Table(
    "seller_proposals",
    metadata,
    Column("proposal_id", Identity, primary_key=True),
    Column("brand", Text, nullable=False, doc="for whose listings the seller is said to be authorised"),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, index=True, doc="of the seller"),
    Column("encrypted", Text, nullable=False, doc="the reason as JSON, encrypted with the seller's key"),
    Column("until", Moment, doc="when it is to end by itself"),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("outcome", Text, doc="empty while it waits"),
    Column("decided_by", Text),
    Column("decided_at", Moment),
    Column("why_declined", Text, doc="encrypted with the seller's key"),
    CheckConstraint("outcome IN ('listed', 'declined')", name="outcome"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

picture_proposals = Table(
    "picture_proposals",
    metadata,
    Column("proposal_id", Identity, primary_key=True),
    Column("brand", Text, nullable=False),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("digest", Text, nullable=False, index=True, doc="SHA-256 of the file"),
    Column("kind", Text, nullable=False, doc="what the goods are said to be"),
    Column("shows", Text, nullable=False, doc="what the brand says that it shows"),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", Moment, nullable=False),
    Column("outcome", Text, doc="empty while it waits"),
    Column("why_rejected", Text),
    Column("decided_by", Text),
    Column("decided_at", Moment),
    CheckConstraint("kind IN ('counterfeit', 'genuine')", name="kind"),
    CheckConstraint("outcome IN ('accepted', 'rejected')", name="outcome"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

notice_templates = Table(
    "notice_templates",
    metadata,
    Column("template_id", Identity, primary_key=True),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("brand", Text, nullable=False),
    Column("encrypted", Text, nullable=False, doc="name and text as JSON, encrypted with the notifier's key"),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Identity, primary_key=True),
    Column("reference", Text, nullable=False, unique=True, doc="what the notifier knows it by; not to be guessed"),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False, doc="a notice of counterfeits, or a consumer's complaint"),
    Column("brand", Text),
    Column("encrypted", Text, nullable=False, doc="data of the notifier, encrypted with their key"),
    Column("explanation", Text, nullable=False, doc="may name the seller: by the notifier's key; empty once erased"),
    Column("key", Text, doc="SHA-256 of the notifier's, so that a repeated request gives notice once"),
    Column("content_digest", Text, nullable=False, doc="keyed hash that identifies the same content"),
    Column("tier", Text, nullable=False, doc="of the notifier when it came"),
    Column("received_at", Moment, nullable=False),
    Column("is_suspended", Flag, nullable=False, server_default=false(), doc="its notifier was, when it came"),
    Column("settled_at", Moment, doc="when the last of its listings was decided on"),
    CheckConstraint("kind IN ('counterfeit', 'complaint')", name="kind"),
    UniqueConstraint("notifier_id", "key"),
    Index(None, "notifier_id", "content_digest"),
    Index(None, "tier", "received_at"),
    Index("ix_notices_waiting", "received_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
    Index("ix_notices_waiting_notifier", "notifier_id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

STATE_OF_VERDICT = {Verdict.COUNTERFEIT: "upheld", Verdict.GENUINE: "rejected", Verdict.CANNOT_TELL: "undecided"}
"""State of a notice's item after the verdict on its case."""

notice_items = Table(
    "notice_items",
    metadata,
    Column("item_id", Identity, primary_key=True),
    Column("notice_id", Identity, ForeignKey("notices.notice_id"), nullable=False),
    Column("position", Identity, nullable=False, doc="in the notice, from 1"),
    Column("noted_at", Moment, nullable=False, doc="when the notice came"),
    Column("listing_digest", Text, nullable=False, index=True, doc="SHA-256 of the listing's id; empty once erased"),
    Column(
        "location", Text, nullable=False, doc="encrypted by the seller's key once known, till then by the notifier's"
    ),
    Column("pseudonym", Text, index=True, doc="of the seller; empty while the listing is unknown"),
    Column("case_id", Identity, ForeignKey("cases.case_id"), index=True),
    Column("state", Text, nullable=False),
    Column("repeats", Identity, ForeignKey("notice_items.item_id"), doc="the notifier's earlier item on the same"),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), doc="that settled it"),
    Column("settled_at", Moment),
    Column("overturned_at", Moment, doc="when an appeal or a lead took that decision back"),
    Column("joined_at", Moment, doc="when its seller became known, where nobody knew the listing when the notice came"),
    UniqueConstraint("notice_id", "position"),
    CheckConstraint(
        "state IN ('unknown', 'waiting', 'upheld', 'rejected', 'undecided', 'not found', 'repeated')", name="state"
    ),
    Index(None, "state", "item_id"),
    Index(None, "repeats", sqlite_where=_REPEATS, postgresql_where=_REPEATS),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

notifier_steps = Table(
    "notifier_steps",
    metadata,
    Column("step_id", Identity, primary_key=True),
    Column("notifier_id", Identity, ForeignKey("notifiers.notifier_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("taken_by", Text, nullable=False),
    Column("taken_at", Moment, nullable=False),
    Column("until", Moment, doc="when a suspension ends by itself"),
    Column("why", Text, nullable=False, doc="encrypted by the notifier's key"),
    CheckConstraint("kind IN ('warn', 'suspend', 'lift')", name="kind"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


referrals = Table(
    "referrals",
    metadata,
    Column("referral_id", Identity, primary_key=True),
    Column("reference", Text, nullable=False, unique=True, doc="by which the recipient knows it; not to be guessed"),
    Column("network", Identity, nullable=False, doc="its number in the folder it was found in"),
    Column("members_digest", Text, nullable=False, index=True),
    Column("recipient", Text, nullable=False, doc="name of the profile"),
    Column("brand", Text, doc="of the rights holder, where a referral is of one brand"),
    Column("purpose", Text, nullable=False, doc="as the profile says it"),
    Column("built_by", Text, nullable=False),
    Column("built_at", Moment, nullable=False),
    Column("content_digest", Text, nullable=False, doc="of the payload, as in the audit trail"),
    Column("follows", Identity, ForeignKey("referrals.referral_id"), doc="the referral before to the same recipient"),
    Column("n_members", Identity, nullable=False),
    Column("n_confirmed", Identity, nullable=False, doc="listings found counterfeit"),
    Column("value_low", Real, doc="empty where nothing is known of the sales"),
    Column("value", Real),
    Column("value_high", Real),
    Column("currency", Text),
    Column("solvability", Real, nullable=False, doc="0-1, by the weights of that moment"),
    Column("effort", Real, nullable=False, doc="hours of an investigator"),
    Column("signs", Text, nullable=False, doc="numbers that speak for solvability, as JSON"),
    Column("tells_sellers", Flag, nullable=False, doc="whether a seller who asks may hear of it"),
    Column("received_by", Text, doc="who signed for it"),
    Column("received_at", Moment),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

disclosures = Table(
    "disclosures",
    metadata,
    Column("disclosure_id", Identity, primary_key=True),
    Column("referral_id", Identity, ForeignKey("referrals.referral_id"), nullable=False),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("name", Text, nullable=False, doc="what the package calls the seller"),
    Column("is_confirmed", Flag, nullable=False, doc="a listing of theirs was found counterfeit"),
    Column("disclosed_at", Moment, nullable=False),
    UniqueConstraint("referral_id", "pseudonym"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

referral_outcomes = Table(
    "referral_outcomes",
    metadata,
    Column("outcome_id", Identity, primary_key=True),
    Column("referral_id", Identity, ForeignKey("referrals.referral_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("amount", Real, doc="arrests, or the value of what was seized"),
    Column("why", Text, doc="of a dropped one: a word of a list, never a name"),
    Column("noted_by", Text, nullable=False),
    Column("noted_at", Moment, nullable=False),
    Column("currency", Text, doc="of the value of what was seized"),
    CheckConstraint("kind IN ('opened', 'arrests', 'seized', 'dropped')", name="kind"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
