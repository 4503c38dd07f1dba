"""With what odds a case was shown, and what came by without becoming one, as counts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.add_column("cases", sa.Column("odds", real))
    op.add_column("cases", sa.Column("lane", sa.Text, nullable=False, server_default="ranked"))
    op.add_column("cases", sa.Column("lot", real))
    op.create_index("ix_cases_state_lane_lot", "cases", ["state", "lane", "lot"])
    op.create_index("ix_cases_holder", "cases", ["holder"])
    op.add_column("decisions", sa.Column("odds", real))
    op.add_column("decisions", sa.Column("lane", sa.Text, nullable=False, server_default="ranked"))

    op.create_table(
        "seeds",
        sa.Column("seed_id", identity, nullable=False),
        sa.Column("seed", sa.Text, nullable=False),
        sa.Column("drawn_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("seed_id", name="pk_seeds"),
        sqlite_strict=True,
    )
    op.create_table(
        "sifts",
        sa.Column("sift_id", identity, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("file_digest", sa.Text, nullable=False),
        sa.Column("sifted_at", moment, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("seed_id", identity, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("listings", identity, nullable=False),
        sa.Column("sure", identity, nullable=False),
        sa.PrimaryKeyConstraint("sift_id", name="pk_sifts"),
        sa.UniqueConstraint("digest", name="uq_sifts_digest"),
        sa.ForeignKeyConstraint(["seed_id"], ["seeds.seed_id"], name="fk_sifts_seed_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sifts_file_digest", "sifts", ["file_digest"])
    op.create_table(
        "sift_strata",
        sa.Column("sift_id", identity, nullable=False),
        sa.Column("stratum", identity, nullable=False),
        sa.Column("first", identity, nullable=False),
        sa.Column("last", identity, nullable=False),
        sa.Column("listings", identity, nullable=False),
        sa.Column("shown", identity, nullable=False),
        sa.Column("odds", real, nullable=False),
        sa.Column("mean_score", real, nullable=False),
        sa.Column("highest_score", real),
        sa.Column("lowest_score", real),
        sa.PrimaryKeyConstraint("sift_id", "stratum", name="pk_sift_strata"),
        sa.ForeignKeyConstraint(["sift_id"], ["sifts.sift_id"], name="fk_sift_strata_sift_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "sift_cases",
        sa.Column("sift_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("stratum", identity, nullable=False),
        sa.Column("lot", real),
        sa.PrimaryKeyConstraint("sift_id", "case_id", name="pk_sift_cases"),
        sa.ForeignKeyConstraint(["sift_id"], ["sifts.sift_id"], name="fk_sift_cases_sift_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_sift_cases_case_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_sift_cases_case_id", "sift_cases", ["case_id"])


def downgrade() -> None:
    for table in ("sift_cases", "sift_strata", "sifts", "seeds"):
        op.drop_table(table)
    op.drop_index("ix_cases_holder", "cases")
    op.drop_index("ix_cases_state_lane_lot", "cases")
    for table, column in (
        ("decisions", "lane"),
        ("decisions", "odds"),
        ("cases", "lot"),
        ("cases", "lane"),
        ("cases", "odds"),
    ):
        op.drop_column(table, column)
