"""Templates of notices: texts that a brand reuses, kept for the notifier and brand of an account.

They are encrypted with the notifier's key, since such a text may name a seller, and are lost with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from ipml.cooperation.brands.notices import Acting
from ipml.cooperation.notices.notice import LONGEST_EXPLANATION
from ipml.cooperation.notifiers.notifier import decrypt_if_kept
from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.kit.canonical_json import canonical_json
from ipml.review.arrivals.snapshot import check_text
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import encrypt, get_notifier
from ipml.storage.tables import notice_templates

MOST_TEMPLATES = 50
"""Templates of one notifier and brand, at most."""
LONGEST_TEMPLATE_NAME = 80


@dataclass(frozen=True, slots=True)
class NoticeTemplate:
    """A named text of a brand's notices."""

    template_id: int
    notifier_id: int
    brand: str
    name: str
    text: str
    changed_by: str
    changed_at: datetime


def list_templates(connection: Connection, acting: Acting) -> list[NoticeTemplate]:
    """Return the templates of an account's notifiers and brands, by name."""
    templates = notice_templates.c
    query = select(notice_templates).where(tuple_(templates.notifier_id, templates.brand).in_(sorted(acting)))
    names = {number: get_notifier(connection, number).pseudonym for number in {number for number, _ in acting}}
    found = []
    for row in connection.execute(query):
        if (content := decrypt_if_kept(connection, names[row.notifier_id], row.encrypted)) is not None:
            fields = {name: getattr(row, name) for name in ("template_id", "notifier_id", "brand")}
            changed = {name: getattr(row, name) for name in ("changed_by", "changed_at")}
            found.append(NoticeTemplate(**fields, **json.loads(content), **changed))
    return sorted(found, key=lambda one: (one.name.casefold(), one.template_id))


def save_template(
    connection: Connection, whose: tuple[int, str], name: str, text: str, *, by: str, now: datetime
) -> None:
    """Save a text under a name, in place of the one that has the name.

    Raises UnstorableValue for a name or text that is missing or too long, Conflict if there are too many.
    """
    name, text = name.strip(), text.strip()
    for what, value, longest in (("name", name, LONGEST_TEMPLATE_NAME), ("text", text, LONGEST_EXPLANATION)):
        if not value:
            raise UnstorableValue(what, "nothing", "a text")
        check_text(what, value, longest)
    serialise(connection, Lock.ENQUEUE)
    known = list_templates(connection, [whose])
    notifier_id, brand = whose
    encrypted = encrypt(
        connection, get_notifier(connection, notifier_id).pseudonym, canonical_json({"name": name, "text": text})
    )
    fields: dict[str, Any] = {"encrypted": encrypted, "changed_by": by, "changed_at": now}
    if same := next((one for one in known if one.name == name), None):
        is_it = notice_templates.c.template_id == same.template_id
        connection.execute(update(notice_templates).where(is_it).values(fields))
        return
    if len(known) >= MOST_TEMPLATES:
        raise Conflict("templates", f"{len(known)} of {brand} are kept", "Remove one first.")
    connection.execute(insert(notice_templates).values(notifier_id=notifier_id, brand=brand, **fields))


def remove_template(connection: Connection, acting: Acting, template_id: int) -> None:
    """Remove a template; raises NotFound if it is not theirs, whether or not it exists."""
    if all(one.template_id != template_id for one in list_templates(connection, acting)):
        raise NotFound("template", template_id)
    connection.execute(delete(notice_templates).where(notice_templates.c.template_id == template_id))
