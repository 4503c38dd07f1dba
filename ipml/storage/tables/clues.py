"""Clues that were handed to authorities and rights holders, of whom they told, and what became of them.

Sellers stand here as pseudonyms. Of a network only numbers are kept, and a digest of the pseudonyms of its members:
the number of a network is that of one folder, the digest tells the same members again.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text, UniqueConstraint

from ipml.storage.tables.kinds import Flag, Identity, Moment, Real, metadata

clues = Table(
    "clues",
    metadata,
    Column("clue_id", Identity, primary_key=True),
    Column("reference", Text, nullable=False, unique=True, doc="by which the recipient knows it; not to be guessed"),
    Column("network", Identity, nullable=False, doc="its number in the folder it was found in"),
    Column("members_digest", Text, nullable=False, index=True),
    Column("recipient", Text, nullable=False, doc="name of the profile"),
    Column("brand", Text, doc="of the rights holder, where a clue is of one brand"),
    Column("purpose", Text, nullable=False, doc="as the profile says it"),
    Column("built_by", Text, nullable=False),
    Column("built_at", Moment, nullable=False),
    Column("content_digest", Text, nullable=False, doc="of the payload, as in the audit trail"),
    Column("follows", Identity, ForeignKey("clues.clue_id"), doc="the clue before to the same recipient"),
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
    Column("clue_id", Identity, ForeignKey("clues.clue_id"), nullable=False),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("name", Text, nullable=False, doc="what the package calls the seller"),
    Column("is_confirmed", Flag, nullable=False, doc="a listing of theirs was found counterfeit"),
    Column("disclosed_at", Moment, nullable=False),
    UniqueConstraint("clue_id", "pseudonym"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

clue_outcomes = Table(
    "clue_outcomes",
    metadata,
    Column("outcome_id", Identity, primary_key=True),
    Column("clue_id", Identity, ForeignKey("clues.clue_id"), nullable=False, index=True),
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
