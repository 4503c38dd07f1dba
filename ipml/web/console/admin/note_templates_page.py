"""Note templates page: texts that fill the note of a verdict, by ground; leads keep them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from ipml.errors import Conflict, NotFound, Refused, UnstorableValue
from ipml.review.worklists.note_templates import LONGEST_TEMPLATE, list_templates, remove_template, save_template
from ipml.storage.database import writing
from ipml.web.accounts.login import authorised
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render


class TemplateForm(BaseModel):
    """The form of a template; `template` is the number of one to change, or 0."""

    template: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    ground: Annotated[str, Field(max_length=40)] = ""
    text: Annotated[str, Field(max_length=10 * LONGEST_TEMPLATE)] = ""


def show_templates(request: Request) -> Response:
    """Show the templates, and a form for a new one."""
    return _render(request, TemplateForm())


def store_template(request: Request, form: Annotated[TemplateForm, Form()]) -> Response:
    """Add a template, or change one."""
    number = form.template or None
    try:
        with authorised(request, writing) as (connection, user):
            number = save_template(connection, form.ground, form.text, template_id=number, by=user.name)
    except (Conflict, NotFound, Refused, UnstorableValue) as error:
        return _render(request, form, str(error))
    return redirect(f"/note-templates#template-{number}")


def drop_template(request: Request, template_id: PathNumber) -> Response:
    """Remove a template."""
    with authorised(request, writing) as (connection, _):
        remove_template(connection, template_id)
    return redirect("/note-templates")


def _render(request: Request, typed: TemplateForm, message: str = "") -> Response:
    with authorised(request) as (connection, _):
        found = list_templates(connection)
    context = {"templates": found, "typed": typed, "longest": LONGEST_TEMPLATE, "message": message}
    return render(request, "note_templates.html", context)
