"""One case for each listing that waits for a decision: of several that waited, the newest stays; draws are indexed."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
drawn = sa.text("drawn_at IS NOT NULL")
pending = sa.text("state IN ('open', 'escalated')")

OLD = "state IN ('open', 'decided', 'escalated')"
NEW = "state IN ('open', 'decided', 'escalated', 'superseded')"
FIELDS = ("seller_id", "title", "description", "brand", "category", "currency", "condition", "gtin", "image_hash")
SUPERSEDE = (
    "UPDATE cases SET state = 'superseded', holder = NULL, lease_expires_at = NULL WHERE case_id = :case_id",
    "UPDATE cases SET exemplar = NULL WHERE exemplar = :case_id AND state = 'open'",
    "UPDATE notice_items SET case_id = :newest WHERE case_id = :case_id AND state = 'waiting'",
    "UPDATE automatic_draws SET case_id = :newest WHERE case_id = :case_id "
    "AND NOT EXISTS (SELECT 1 FROM automatic_draws AS other WHERE other.case_id = :newest)",
    "UPDATE sift_cases SET case_id = :newest WHERE case_id = :case_id AND NOT EXISTS "
    "(SELECT 1 FROM sift_cases AS other WHERE other.case_id = :newest AND other.sift_id = sift_cases.sift_id)",
    "DELETE FROM sift_cases WHERE case_id = :case_id",
    "DELETE FROM automatic_draws WHERE case_id = :case_id",
)
"""What waits with a case waits with the newest of its listing from now on."""


def upgrade() -> None:
    op.add_column("cases", sa.Column("version", identity, nullable=False, server_default="1"))
    op.add_column("cases", sa.Column("content", sa.Text))
    op.add_column("cases", sa.Column("brand_read", sa.Text))
    op.add_column("cases", sa.Column("seen_at", moment))
    op.add_column("cases", sa.Column("drawn_at", moment))
    _change_states(OLD, NEW)
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE cases SET seen_at = coalesce(observed_at, enqueued_at)"))
    _count_versions(connection)
    _supersede(connection)
    of_case = "(SELECT drawn_at FROM automatic_draws WHERE automatic_draws.case_id = cases.case_id)"
    connection.execute(sa.text(f"UPDATE cases SET drawn_at = {of_case}"))  # noqa: S608 - a constant
    op.create_index("ix_cases_state_brand_read_case_id", "cases", ["state", "brand_read", "case_id"])
    columns = ["state", "drawn_at", "case_id"]
    op.create_index("ix_cases_state_drawn_at_case_id", "cases", columns, sqlite_where=drawn, postgresql_where=drawn)
    op.create_index(
        "ix_cases_pending", "cases", ["listing_id"], unique=True, sqlite_where=pending, postgresql_where=pending
    )


def downgrade() -> None:
    op.drop_index("ix_cases_pending", "cases")
    op.drop_index("ix_cases_state_drawn_at_case_id", "cases")
    op.drop_index("ix_cases_state_brand_read_case_id", "cases")
    op.get_bind().execute(sa.text("UPDATE cases SET state = 'open' WHERE state = 'superseded'"))
    _change_states(NEW, OLD)
    for column in ("drawn_at", "seen_at", "brand_read", "content", "version"):
        op.drop_column("cases", column)


def _change_states(before: str, after: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_cases_state"), "cases")
        op.create_check_constraint(op.f("ck_cases_state"), "cases", after)
        return
    # What rows look like stays, so that SQLite lets a check be changed where it stands (sqlite.org/lang_altertable).
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    change = "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'cases'"
    connection.execute(sa.text(change), {"before": before, "after": after})
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))
    connection.execute(sa.text("PRAGMA writable_schema = RESET"))


def _count_versions(connection: sa.Connection) -> None:
    """Give cases their brand and the digest of their content, and count the contents of each listing from 1."""
    known: dict[str, dict[tuple[str, float | None], int]] = {}
    after = 0
    query = sa.text(
        "SELECT case_id, listing_id, snapshot FROM cases WHERE case_id > :after AND erased_at IS NULL "
        "ORDER BY case_id LIMIT 1000"
    )
    write = sa.text(
        "UPDATE cases SET version = :version, content = :content, brand_read = :brand_read WHERE case_id = :case_id"
    )
    while rows := connection.execute(query, {"after": after}).all():
        changes: list[dict[str, Any]] = []
        for case_id, listing_id, snapshot in rows:
            scored = json.loads(snapshot)
            listing, usual = scored.get("listing", {}), scored.get("price_range") or {}
            brand = (listing.get("brand") or "").strip() or usual.get("brand", "").strip()
            content = _digest(listing)
            versions = known.setdefault(listing_id, {})
            version = versions.setdefault((content, listing.get("price")), len(versions) + 1)
            changes.append({"case_id": case_id, "version": version, "content": content, "brand_read": brand.casefold()})
        connection.execute(write, changes)
        after = rows[-1].case_id


def _digest(listing: dict[str, Any]) -> str:
    text = json.dumps({name: listing.get(name) for name in FIELDS}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _supersede(connection: sa.Connection) -> None:
    """Close the cases of listings that have a newer one, and say so in the audit trail."""
    query = sa.text(
        "SELECT case_id, newest FROM (SELECT case_id, state, max(case_id) OVER (PARTITION BY listing_id) AS newest "
        "FROM cases WHERE erased_at IS NULL) AS counted "
        "WHERE case_id < newest AND state IN ('open', 'escalated') ORDER BY case_id"
    )
    rows = connection.execute(query).all()
    if not rows:
        return
    for statement in SUPERSEDE:
        connection.execute(sa.text(statement), [{"case_id": row.case_id, "newest": row.newest} for row in rows])
    _note(connection, [(f"case:{row.case_id}", {"superseded_by": row.newest}) for row in rows])


def _note(connection: sa.Connection, entries: list[tuple[str, dict[str, int]]]) -> None:
    """Append to the audit trail as this release does, whatever later ones make of it."""
    last = connection.execute(sa.text("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")).first()
    sequence, previous = (last.sequence, last.hash) if last else (0, "0" * 64)
    at = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    write = sa.text(
        "INSERT INTO audit (sequence, at, actor, action, subject, payload, previous, hash) "
        "VALUES (:sequence, :at, 'ipml', 'superseded', :subject, :payload, :previous, :hash)"
    )
    for subject, said in entries:
        sequence, payload = sequence + 1, json.dumps(said, separators=(",", ":"))
        row = [sequence, at, "ipml", "superseded", subject, payload, previous]
        digest = hashlib.sha256(json.dumps(row, separators=(",", ":")).encode("ascii")).hexdigest()
        written = {"sequence": sequence, "at": at, "subject": subject, "payload": payload, "previous": previous}
        connection.execute(write, written | {"hash": digest})
        previous = digest
