"""Cases are found by their words, and filtered without reading the others."""

import json
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_FILTERS = ("seller_id", "brand", "category")
_COVERED = ("state", "rank", "case_id", "score_rank", "enqueued_at", "due_at", "exemplar")
_BATCH_SIZE = 1_000
_UNSEEN = ("Mn", "Me", "Cf", "Cc", "Cs")


def upgrade() -> None:
    op.add_column("cases", sa.Column("category", sa.Text))
    op.create_table(
        "case_texts",
        sa.Column("case_id", identity, nullable=False, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_texts"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_case_texts_case_id"),
        sqlite_strict=True,
    )
    _fill(op.get_bind())
    for column in _FILTERS:
        op.create_index(f"ix_cases_state_{column}_rank_case_id", "cases", ["state", column, "rank", "case_id"])
    op.create_index("ix_cases_in_order", "cases", _COVERED)
    op.drop_index("ix_cases_state_rank_case_id", "cases")
    op.create_index("ix_decisions_reviewer_decision_id", "decisions", ["reviewer", "decision_id"])


def downgrade() -> None:
    op.drop_index("ix_decisions_reviewer_decision_id", "decisions")
    op.create_index("ix_cases_state_rank_case_id", "cases", _COVERED[:3])
    op.drop_index("ix_cases_in_order", "cases")
    for column in reversed(_FILTERS):
        op.drop_index(f"ix_cases_state_{column}_rank_case_id", "cases")
    op.drop_table("case_texts")
    op.drop_column("cases", "category")


def _fill(connection: sa.Connection) -> None:
    """Give the cases there are a category and their words."""
    found = "SELECT case_id, listing_id, seller_id, brand, snapshot FROM cases"
    select = sa.text(f"{found} WHERE case_id > :last ORDER BY case_id LIMIT :most")
    insert = sa.text("INSERT INTO case_texts (case_id, text) VALUES (:case_id, :text)")
    update = sa.text("UPDATE cases SET category = :category WHERE case_id = :case_id")
    last = 0
    while rows := connection.execute(select, {"last": last, "most": _BATCH_SIZE}).all():
        last = rows[-1].case_id
        listings = [(row, json.loads(row.snapshot).get("listing", {})) for row in rows]
        connection.execute(
            insert, [{"case_id": row.case_id, "text": _words(row, listing)} for row, listing in listings]
        )
        named = [
            {"case_id": row.case_id, "category": listing["category"]}
            for row, listing in listings
            if "category" in listing
        ]
        if named:
            connection.execute(update, named)


def _words(row: sa.Row[Any], listing: dict[str, Any]) -> str:
    # As `ipml.review.search` did when this was written; a migration does not change with the code.
    said = [listing.get("title", "")[:1000], row.listing_id, row.seller_id, row.brand or ""]
    return "\n".join(map(_fold, said))


def _fold(text: str) -> str:
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) not in _UNSEEN)
    return " ".join(unicodedata.normalize("NFKC", "".join(letters).casefold()).split())
