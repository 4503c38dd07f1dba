"""The currency of what was seized and of what strikes are about; and types of messages without blanks."""

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
    op.add_column("strikes", sa.Column("currency", sa.Text))
    op.execute(  # what a measure puts at stake was reckoned from the same price, in the same transaction
        "UPDATE strikes SET currency = (SELECT max(measure_stakes.currency) FROM measure_stakes "
        "JOIN measures ON measures.measure_id = measure_stakes.measure_id "
        "WHERE measures.decision_id = strikes.decision_id) WHERE value IS NOT NULL"
    )
    op.execute("UPDATE outbox SET kind = replace(replace(kind, ' ', '_'), '-', '_')")


def downgrade() -> None:
    op.drop_column("strikes", "currency")
    op.drop_column("clue_outcomes", "currency")
