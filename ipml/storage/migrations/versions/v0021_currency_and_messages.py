"""The currency of what was seized, that of the clue until now; and types of messages without blanks."""

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
    op.execute("UPDATE outbox SET kind = replace(replace(kind, ' ', '_'), '-', '_')")


def downgrade() -> None:
    op.drop_column("clue_outcomes", "currency")
