"""Why a lead confirmed a penalty."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("penalties", sa.Column("why_confirmed", sa.Text))


def downgrade() -> None:
    op.drop_column("penalties", "why_confirmed")
