"""Templates: portal page for the texts of notices that a brand reuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response

from ipml.cooperation.brands.notices import get_brand_notice
from ipml.cooperation.brands.templates import LONGEST_TEMPLATE_NAME, list_templates, remove_template, save_template
from ipml.cooperation.notices.notice import LONGEST_EXPLANATION
from ipml.errors import Conflict, Refused
from ipml.storage.database import writing
from ipml.web.portal.visitor import Number, visiting
from ipml.web.responses import redirect, render


def show_templates(request: Request, notice: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "") -> Response:
    """Show the visitor's templates; `notice` fills the form in with the text of that notice."""
    typed = {}
    if notice:
        with visiting(request) as (connection, visitor):
            file = get_brand_notice(connection, visitor.acting, notice)
            typed = {"brand": file.brand, "text": file.explanation or ""}
    return _render(request, typed)


def save(
    request: Request,
    brand: Annotated[str, Form(max_length=200)] = "",
    name: Annotated[str, Form(max_length=2000)] = "",
    text: Annotated[str, Form()] = "",
) -> Response:
    """Save a template under its name, in place of an earlier one of that name."""
    try:
        with visiting(request, writing) as (connection, visitor):
            binding, text = visitor.binding(brand), text.replace("\r\n", "\n")
            whose = binding.notifier_id, binding.brand
            save_template(connection, whose, name, text, by=visitor.name, now=datetime.now(UTC))
    except (Refused, Conflict) as error:
        return _render(request, {"brand": brand, "name": name, "text": text}, str(error))
    return redirect("/portal/templates")


def remove(request: Request, template_id: Number) -> Response:
    """Remove a template."""
    with visiting(request, writing) as (connection, visitor):
        remove_template(connection, visitor.acting, template_id)
    return redirect("/portal/templates")


def _render(request: Request, typed: Mapping[str, str], message: str = "") -> Response:
    with visiting(request) as (connection, visitor):
        templates = list_templates(connection, visitor.acting)
    context: dict[str, Any] = {"visitor": visitor, "templates": templates, "message": message}
    context |= {"said": {"brand": "", "name": "", "text": ""} | dict(typed)}
    context |= {"longest": LONGEST_EXPLANATION, "longest_name": LONGEST_TEMPLATE_NAME}
    return render(request, "portal/templates.html", context, HTTPStatus.BAD_REQUEST if message else None)
