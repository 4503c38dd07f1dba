"""What a review is worth, by when it must be made, and by what the queue is ranked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")

indexes = (("due_at", "minutes"), ("score_rank", "case_id"), ("value_rank", "case_id"), ("enqueued_at", "case_id"))


def upgrade() -> None:
    op.add_column("cases", sa.Column("value", real))
    op.add_column("cases", sa.Column("worth", sa.Text))
    op.add_column("cases", sa.Column("minutes", real))
    op.add_column("cases", sa.Column("due_at", moment))
    op.add_column("cases", sa.Column("score_rank", real, nullable=False, server_default=sa.text("0")))
    op.add_column("cases", sa.Column("value_rank", real, nullable=False, server_default=sa.text("0")))
    op.execute("UPDATE cases SET score_rank = rank")
    for columns in indexes:
        op.create_index(_name(columns), "cases", ["state", *columns])

    op.create_table(
        "rankings",
        sa.Column("ranking_id", identity, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("order", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("usual", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("ranking_id", name="pk_rankings"),
        sa.CheckConstraint("\"order\" IN ('score', 'value', 'fifo')", name=op.f("ck_rankings_order")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("rankings")
    # Without the order that was in force, the queue goes back to the only one that older releases know.
    op.execute("UPDATE cases SET rank = score_rank")
    for columns in indexes:
        op.drop_index(_name(columns), "cases")
    for column in ("value", "worth", "minutes", "due_at", "score_rank", "value_rank"):
        op.drop_column("cases", column)


def _name(columns: tuple[str, ...]) -> str:
    return "_".join(("ix_cases_state", *columns))
