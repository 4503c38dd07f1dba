"""The currency of what was seized: that of the clue, as it was asked for until now."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.add_column("clue_outcomes", sa.Column("currency", sa.Text))
    op.execute(
        "UPDATE clue_outcomes SET currency = (SELECT currency FROM clues WHERE clues.clue_id = clue_outcomes.clue_id) "
        "WHERE kind = 'seized'"
    )


def downgrade() -> None:
    op.drop_column("clue_outcomes", "currency")
