"""Note templates: short texts for notes, each for a ground or for any verdict; leads keep them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, update

from ipml.errors import Conflict, NotFound, Refused, UnstorableValue
from ipml.review.arrivals.snapshot import check_text
from ipml.review.decisions import GROUNDS
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import note_templates

LONGEST_TEMPLATE, MOST_TEMPLATES = 500, 50


@dataclass(frozen=True, slots=True)
class NoteTemplate:
    """A template, with the author and moment of its text; `ground` is a key of `GROUNDS`, or "" for any verdict."""

    template_id: int
    ground: str
    text: str
    changed_by: str
    changed_at: datetime


def list_templates(connection: Connection) -> list[NoteTemplate]:
    """Return the templates: those for any verdict first, then by ground in the order of the buttons, then by age."""
    places = {ground: place for place, ground in enumerate(GROUNDS)}
    found = [NoteTemplate(*row) for row in connection.execute(select(note_templates))]
    return sorted(found, key=lambda one: (places.get(one.ground, -1), one.template_id))


def save_template(connection: Connection, ground: str, text: str, *, template_id: int | None = None, by: str) -> int:
    """Add a template, or change one, and return its number.

    Raises UnstorableValue for an empty or long text; Refused if there is no such ground; NotFound if there is no such
    template; Conflict if there are 50 already.
    """
    text = text.strip()
    check_text("template", text, LONGEST_TEMPLATE)
    if not text:
        raise UnstorableValue("template", "no text", f"1 to {LONGEST_TEMPLATE} characters")
    if ground and ground not in GROUNDS:
        raise Refused("template", f"ground {ground!r}", f"one of {', '.join(GROUNDS)}, or none")
    columns = {"ground": ground, "text": text, "changed_by": by, "changed_at": datetime.now(UTC)}
    if template_id is not None:
        is_it = note_templates.c.template_id == template_id
        if connection.execute(update(note_templates).where(is_it).values(columns)).rowcount == 0:
            raise _missing(template_id)
        return template_id
    if len(list_templates(connection)) >= MOST_TEMPLATES:
        raise Conflict("note templates", f"there are {MOST_TEMPLATES} already", "Remove one that nobody needs.")
    (number,) = append_rows(connection, note_templates, [columns])
    return number


def remove_template(connection: Connection, template_id: int) -> None:
    """Remove a template; notes made with it stay. NotFound if there is none."""
    if connection.execute(delete(note_templates).where(note_templates.c.template_id == template_id)).rowcount == 0:
        raise _missing(template_id)


def _missing(template_id: int) -> NotFound:
    return NotFound("note template", template_id, "Somebody may have removed it.")
