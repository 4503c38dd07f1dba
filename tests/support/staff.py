"""People who act at the command line: one of each role, and whoever runs the commands of a test."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from ipml.storage.database import writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import insert_user

OPERATOR = "olga"
STAFF = {"vic": Role.VIEWER, "ana": Role.REVIEWER, "lea": Role.LEAD, "cleo": Role.LEAD, OPERATOR: Role.ADMIN}


def add_staff(engine: Engine) -> None:
    """Let them act; none has a password."""
    with writing(engine) as connection:
        for name, role in STAFF.items():
            insert_user(connection, name, "", role, "test", datetime(2020, 1, 1, tzinfo=UTC))
