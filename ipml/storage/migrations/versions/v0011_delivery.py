"""What the platform answers, and messages that people give up."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("measures", sa.Column("is_automatic", flag, nullable=False, server_default=sa.false()))
    op.add_column("measures", sa.Column("why", sa.Text))
    op.add_column("measures", sa.Column("replaced_by", identity))
    op.add_column("measures", sa.Column("refused_at", moment))
    op.add_column("measures", sa.Column("why_refused", sa.Text))
    op.add_column("outbox", sa.Column("dropped_by", sa.Text))
    op.add_column("outbox", sa.Column("dropped_at", moment))
    op.add_column("outbox", sa.Column("why_dropped", sa.Text))
    for name, column, condition in (
        ("ix_measures_asked", "imposed_at", "done_at IS NULL AND lifted_at IS NULL"),
        ("ix_measures_lifted", "lifted_at", "lifted_at IS NOT NULL AND undone_at IS NULL"),
        ("ix_measures_ending", "until", "until IS NOT NULL AND lifted_at IS NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "measures", [column], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "measure_messages",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("measure_id", identity, nullable=False, autoincrement=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", "measure_id", name="pk_measure_messages"),
        sa.CheckConstraint("effect IN ('imposed', 'lifted')", name=op.f("ck_measure_messages_effect")),
        sa.ForeignKeyConstraint(["measure_id"], ["measures.measure_id"], name="fk_measure_messages_measure_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_measure_messages_measure_id", "measure_messages", ["measure_id"])
    op.create_table(
        "platform_answers",
        sa.Column("answer_id", identity, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("said_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("told_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text),
        sa.PrimaryKeyConstraint("answer_id", name="pk_platform_answers"),
        sa.CheckConstraint(
            "status IN ('accepted', 'done', 'refused', 'failed')", name=op.f("ck_platform_answers_status")
        ),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_platform_answers_key", "platform_answers", ["key"])


def downgrade() -> None:
    op.drop_table("platform_answers")
    op.drop_table("measure_messages")
    for name in ("ix_measures_ending", "ix_measures_lifted", "ix_measures_asked"):
        op.drop_index(name, "measures")
    for table, column in (
        ("outbox", "why_dropped"),
        ("outbox", "dropped_at"),
        ("outbox", "dropped_by"),
        ("measures", "why_refused"),
        ("measures", "refused_at"),
        ("measures", "replaced_by"),
        ("measures", "why"),
        ("measures", "is_automatic"),
    ):
        op.drop_column(table, column)
