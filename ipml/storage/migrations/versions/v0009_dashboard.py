"""What the dashboard counts: cases in hand, decisions by moment."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

held = sa.text("holder IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_cases_lease_expires_at", "cases", ["lease_expires_at"], sqlite_where=held, postgresql_where=held
    )
    op.create_index("ix_decisions_decided_at_reviewer", "decisions", ["decided_at", "reviewer"])


def downgrade() -> None:
    op.drop_index("ix_decisions_decided_at_reviewer", "decisions")
    op.drop_index("ix_cases_lease_expires_at", "cases")
