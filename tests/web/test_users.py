"""Users: who may be added, what is kept of a password, who can log in."""

import pytest
from sqlalchemy import Engine, select
from support.staff import CHEAP, PASSWORD

from ipml.errors import Conflict, NotFound, Refused
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import users
from ipml.web.accounts.permissions import Role, parse_role
from ipml.web.accounts.users import add_user, check_password, disable_user, list_users


def test_only_a_hash_is_kept(engine: Engine) -> None:
    """The database holds an argon2id hash, and two users with one password have different ones."""
    with reading(engine) as connection:
        hashes = connection.scalars(select(users.c.password_hash)).all()
    assert all(kept.startswith("$argon2id$") and PASSWORD not in kept for kept in hashes)
    assert len(set(hashes)) == len(hashes)


def test_the_right_password_opens(engine: Engine) -> None:
    """Name and password give the user; anything else gives None."""
    with reading(engine) as connection:
        found = check_password(connection, "ana", PASSWORD, CHEAP)
    assert found is not None
    assert (found.name, found.role) == ("ana", Role.REVIEWER)
    with reading(engine) as connection:
        assert check_password(connection, "ana", PASSWORD + "x", CHEAP) is None
        assert check_password(connection, "ana", "", CHEAP) is None
        assert check_password(connection, "Ana", PASSWORD, CHEAP) is None


def test_an_unknown_name_opens_nothing(engine: Engine) -> None:
    """A name that nobody has is refused, whatever letters it is made of."""
    for name in ("nobody", "", "a\0b", "x" * 1000, "' OR 1=1 --", "аna"):
        with reading(engine) as connection:
            assert check_password(connection, name, PASSWORD, CHEAP) is None, name


def test_a_disabled_user_is_shut_out(engine: Engine) -> None:
    """Disabling ends logins, and what was done is in the audit trail without the name."""
    with writing(engine) as connection:
        disable_user(connection, "ana")
        assert check_password(connection, "ana", PASSWORD, CHEAP) is None
        user_id = next(user.user_id for user in list_users(connection) if user.name == "ana")
    with reading(engine) as connection:
        audit_events = [row.action for row in audit.list_rows(connection, f"user:{user_id}")]
    assert audit_events == ["user added", "user disabled"]


def test_what_cannot_be_a_user_is_refused(engine: Engine) -> None:
    """Names that are taken or could be mistaken, short passwords and unknown roles are named as facts."""
    with pytest.raises(Conflict, match="exists already"), writing(engine) as connection:
        add_user(connection, "ana", PASSWORD, Role.ADMIN, CHEAP)
    for name in ("", "two words", "аna", "-x", "a" * 65):
        with pytest.raises(Refused, match="user name"), writing(engine) as connection:
            add_user(connection, name, PASSWORD, Role.VIEWER, CHEAP)
    for password in ("short", "x" * 257):
        with pytest.raises(Refused, match="password: found"), writing(engine) as connection:
            add_user(connection, "new", password, Role.VIEWER, CHEAP)
    with pytest.raises(NotFound, match="No user"), writing(engine) as connection:
        disable_user(connection, "nobody")
    with pytest.raises(Refused, match="role: found"):
        parse_role("root")


def test_roles_are_an_order() -> None:
    """Each role includes itself and those before it, and none after it."""
    order = [Role.VIEWER, Role.REVIEWER, Role.LEAD, Role.ADMIN]
    for place, role in enumerate(order):
        assert [role.includes(least) for least in order] == [other <= place for other in range(4)]
