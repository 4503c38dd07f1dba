"""Baseline: creates all tables of the first release from the frozen SQL beside this file, one file a dialect."""

import re
from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    for statement in _read_statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    sql = "".join(_read_statements(op.get_bind().dialect.name))
    for table in reversed(re.findall(r"CREATE TABLE (\w+)", sql)):
        op.drop_table(table)


def _read_statements(dialect: str) -> list[str]:
    sql = Path(__file__).with_name(f"v0001_baseline.{dialect}.sql").read_text(encoding="utf-8")
    return [statement for statement in sql.split(";\n") if statement.strip()]
