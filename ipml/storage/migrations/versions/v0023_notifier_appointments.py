"""Who was appointed trusted flagger or authority, by whom, until when and on what ground."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    moment = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "notifier_appointments",
        sa.Column("appointment_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("until", moment),
        sa.Column("ground", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("appointment_id", name="pk_notifier_appointments"),
        sa.CheckConstraint(
            "kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')",
            name="ck_notifier_appointments_kind",
        ),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name="fk_notifier_appointments_notifier_id"
        ),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_appointments_notifier_id", "notifier_appointments", ["notifier_id"])


def downgrade() -> None:
    op.drop_table("notifier_appointments")
