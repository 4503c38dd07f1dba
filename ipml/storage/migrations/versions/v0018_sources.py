"""What a measure goes back to: the platform's own search, or a notice; and whether a model had found the listing."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("measures", sa.Column("source", sa.Text, nullable=False, server_default="own"))
    op.add_column("measures", sa.Column("is_detected", flag, nullable=False, server_default=sa.true()))


def downgrade() -> None:
    for column in ("is_detected", "source"):
        op.drop_column("measures", column)
