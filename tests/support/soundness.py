"""Check that trail, decisions and rows of a database agree."""

from sqlalchemy import Connection

from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows


def check_sound(connection: Connection) -> None:
    """Assert that the trail is intact, and that nothing disagrees with it."""
    assert verify(connection).is_intact
    assert list(find_disagreements(connection)) == []
    assert check_rows(connection).problems == ()
