"""Comments: notes on a case, appended, never changed, and erased with the seller; `@name` sends a message to a person.

They may name people, so they are encrypted with the seller's key. In a blind second review, users see only their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select

from ipml.errors import Conflict, UnstorableValue
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import find_case, note_event
from ipml.review.worklists.inbox import MessageKind, send
from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import read_keys, read_sellers
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import case_comments, users

LONGEST_COMMENT = 2_000


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a case; `text` is None once the seller is erased."""

    comment_id: int
    case_id: int
    author: str
    written_at: datetime
    text: str | None


def add_comment(connection: Connection, case_id: int, text: str, *, by: str, now: datetime | None = None) -> Comment:
    """Append a comment of 1 to 2,000 characters to a case in any state.

    Raises NotFound if there is no such case; Conflict if its listing was erased; UnstorableValue for an invalid text.
    """
    now, text = now or datetime.now(UTC), text.strip()
    check_text("comment", text, LONGEST_COMMENT)
    if not text:
        raise UnstorableValue("comment", "nothing", f"1 to {LONGEST_COMMENT} characters")
    row = find_case(connection, case_id, lock=True)
    if row.erased_at is not None:
        raise Conflict(f"case {case_id}", "its listing was erased", "Nothing is added to it any more.")
    pseudonyms, keys = read_sellers(connection, [row.seller_id], now=now)
    pseudonym = pseudonyms[row.seller_id]
    fields = {"case_id": case_id, "pseudonym": pseudonym, "author": by, "written_at": now}
    (number,) = append_rows(connection, case_comments, [{**fields, "encrypted": keys.encrypt(pseudonym, text)}])
    note_event(connection, by, "commented", case_id, now, comment=number)
    send(connection, _find_mentioned(connection, text, by), MessageKind.MENTION, (case_id, number), at=now)
    return Comment(number, case_id, by, now, text)


_MENTION = re.compile(r"(?<![A-Za-z0-9._@-])@([A-Za-z0-9][A-Za-z0-9._@-]{0,63})")


def _find_mentioned(connection: Connection, text: str, by: str) -> list[str]:
    """Return the active users whom a text mentions; a mention may be followed by a full stop."""
    written = _MENTION.findall(text)
    if not written:
        return []
    names = {*written, *(name.rstrip("._@-") for name in written)} - {by}
    are_staff = users.c.name.in_(names), users.c.is_active, users.c.role != "brand"
    return list(connection.scalars(select(users.c.name).where(*are_staff)))


_IS_ON_CASE = case_comments.c.case_id.in_(bindparam("numbers", expanding=True))
_ON_CASES = select(case_comments).where(_IS_ON_CASE).order_by(case_comments.c.comment_id)


def find_comments(connection: Connection, case_ids: Collection[int]) -> dict[int, list[Comment]]:
    """Return the comments on cases by number, oldest first; cases without any are missing."""
    rows = [row for some in in_batches(list(case_ids)) for row in connection.execute(_ON_CASES, {"numbers": some})]
    keys = read_keys(connection, {row.pseudonym for row in rows}) if rows else None
    found: dict[int, list[Comment]] = {}
    for row in rows:
        is_known = keys is not None and row.pseudonym in keys
        text = keys.decrypt(row.pseudonym, row.encrypted) if keys is not None and is_known else None
        found.setdefault(row.case_id, []).append(Comment(row.comment_id, row.case_id, row.author, row.written_at, text))
    return found
