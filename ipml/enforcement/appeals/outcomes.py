"""What became of an appeal: kept once, with its reasons sealed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from ipml.enforcement.appeals.appeal import Appeal
from ipml.errors import SellerErased
from ipml.storage import audit
from ipml.storage.pseudonyms import seal, unseal
from ipml.storage.tables import appeal_outcomes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an appeal ended; `why` is None where the seller was erased."""

    outcome: str
    decided_by: str
    decided_at: datetime
    why: str | None
    measure_kind: str | None = None


def keep_outcome(
    connection: Connection,
    appeal: Appeal,
    by: str,
    why: str,
    at: datetime,
    measure_kind: str | None = None,
    **payload: audit.Value,
) -> None:
    """Keep how an appeal ended, and note it in the audit trail."""
    sealed = ""
    with suppress(SellerErased):
        sealed = seal(connection, appeal.pseudonym, why)
    fields = {"appeal_id": appeal.appeal_id, "outcome": appeal.state, "decided_by": by, "decided_at": at}
    fields |= {"why": sealed, "measure_kind": measure_kind}
    connection.execute(insert(appeal_outcomes).values(fields))
    noted = {"outcome": appeal.state.value, "case": appeal.case_id, "decision": appeal.decision_id, **payload}
    audit.append(connection, by, f"appeal {appeal.state}", appeal.name, noted, at=at)


def find_outcome(connection: Connection, appeal: Appeal) -> Outcome | None:
    """Return how an appeal ended; None while it is pending."""
    query = select(appeal_outcomes).where(appeal_outcomes.c.appeal_id == appeal.appeal_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    why = None
    with suppress(SellerErased):
        why = unseal(connection, appeal.pseudonym, row.why) if row.why else None
    return Outcome(row.outcome, row.decided_by, row.decided_at, why, row.measure_kind)
