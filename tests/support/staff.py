"""Users for commands, one of each role, and their sessions."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.sessions import find_user, note_use
from ipml.web.accounts.users import PasswordCost, User, insert_user

OPERATOR = "olga"
PASSWORD = "correct horse battery"
CHEAP = PasswordCost(passes=1, memory_kib=8, lanes=1)
STAFF = {"vic": Role.VIEWER, "ana": Role.REVIEWER, "lea": Role.LEAD, "cleo": Role.LEAD, OPERATOR: Role.ADMIN}


def add_staff(engine: Engine) -> None:
    """Let them act; none has a password."""
    with writing(engine) as connection:
        for name, role in STAFF.items():
            insert_user(connection, name, "", role, "test", datetime(2020, 1, 1, tzinfo=UTC))


def use_session(engine: Engine, token: str, now: datetime | None = None) -> User | None:
    """Return whose session it is, as a page finds it, and let the session count as used."""
    with reading(engine) as connection:
        user, is_to_note = find_user(connection, token, now=now)
    if is_to_note:
        note_use(engine, token, now)
    return user
