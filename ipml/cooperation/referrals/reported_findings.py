"""Reported findings: listings that a referral reported as counterfeit, and which of them were reversed.

Recipients act on findings, so a reversal must reach them. It is also noted in the trail of the case.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from ipml.records import Reversal, Verdict
from ipml.review.cases import subject_of
from ipml.review.reversals import is_last_verdict
from ipml.storage.audit_trail import audit
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, decisions, disclosures, referrals, seller_keys

REPORTED = "reported finding reversed"
"""Audit action: the case names a referral that reported the reversed finding."""


@dataclass(frozen=True, slots=True)
class ReversedFinding:
    """A listing that a referral reported as counterfeit and whose verdict was reversed."""

    pseudonym: str
    listing_id: str
    case_id: int


def find_found_out(connection: Connection, referral_id: int) -> list[str]:
    """Return the pseudonyms of sellers named in a referral with a listing found counterfeit."""
    found_out = disclosures.c.referral_id == referral_id, disclosures.c.is_confirmed
    return list(connection.scalars(select(disclosures.c.pseudonym).where(*found_out).order_by(disclosures.c.pseudonym)))


def find_reversed(connection: Connection, referral_id: int) -> list[ReversedFinding]:
    """Return the reversed findings of a referral in the order of cases, without erased ones."""
    terms = select(referrals.c.built_at, referrals.c.brand).where(referrals.c.referral_id == referral_id)
    built_at, brand = connection.execute(terms).one()
    reported = (
        select(seller_keys.c.pseudonym, cases.c.listing_id, cases.c.case_id)
        .join(cases, cases.c.seller_id == seller_keys.c.seller_id)
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .where(is_last_verdict(built_at), decisions.c.verdict == Verdict.COUNTERFEIT)
    )
    if brand is not None:
        reported = reported.where(func.lower(cases.c.brand) == brand.lower())
    findings: dict[str, ReversedFinding] = {}
    for some in in_batches(find_found_out(connection, referral_id)):
        for row in connection.execute(reported.where(seller_keys.c.pseudonym.in_(some))):
            findings[row.listing_id] = ReversedFinding(*row)
    standing = _find_counterfeit(connection, findings)
    return sorted(
        (finding for name, finding in findings.items() if name not in standing), key=lambda finding: finding.case_id
    )


def note_reversal(connection: Connection, reversal: Reversal) -> None:
    """Note in the trail of the case which referrals reported the finding that was reversed."""
    reported = (
        select(referrals.c.referral_id)
        .join(disclosures, disclosures.c.referral_id == referrals.c.referral_id)
        .join(seller_keys, seller_keys.c.pseudonym == disclosures.c.pseudonym)
        .join(cases, cases.c.seller_id == seller_keys.c.seller_id)
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .where(decisions.c.decision_id == reversal.decision_id, decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(disclosures.c.is_confirmed, referrals.c.built_at >= decisions.c.decided_at)
        .where(or_(referrals.c.brand.is_(None), func.lower(referrals.c.brand) == func.lower(cases.c.brand)))
        .order_by(referrals.c.referral_id)
    )
    subject, payload = subject_of(reversal.case_id), {"decision": reversal.decision_id}
    entries = [(subject, payload | {"referral": number}) for number in connection.scalars(reported)]
    audit.append_all(connection, reversal.reviewer, REPORTED, entries, at=reversal.reversed_at)


def _find_counterfeit(connection: Connection, listing_ids: Collection[str]) -> set[str]:
    standing = select(decisions.c.listing_id).where(is_last_verdict(), decisions.c.verdict == Verdict.COUNTERFEIT)
    return {
        listing_id
        for some in in_batches(sorted(listing_ids))
        for listing_id in connection.scalars(standing.where(decisions.c.listing_id.in_(some)))
    }
