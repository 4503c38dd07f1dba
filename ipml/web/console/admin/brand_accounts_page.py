"""Brand accounts page: accounts of brands with their brands and notifiers, for admins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, Request, Response

from ipml.errors import Conflict, NotFound, Refused
from ipml.storage.database import writing
from ipml.web.accounts.brand_accounts import bind_brand, end_binding, list_bindings, list_unbound
from ipml.web.accounts.login import authorised
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from ipml.web.console.case_list import PathNumber
from ipml.web.responses import redirect, render

_Text = Annotated[str, Form(max_length=400)]


def show_brand_accounts(request: Request) -> Response:
    """Show brand accounts with their brands and notifiers."""
    return _render_accounts(request, {})


def bind_account(
    request: Request, name: _Text, brand: _Text = "", notifier: _Text = "", password: _Text = ""
) -> Response:
    """Bind a brand account to a brand and a notifier; with a password the account is created first."""
    typed = {"name": name, "brand": brand, "notifier": notifier}
    try:
        with authorised(request, writing) as (connection, user):
            if password:
                add_user(connection, name, password, Role.BRAND, request.app.state.cost, user.name)
            bind_brand(connection, name.strip(), brand.strip(), notifier.strip(), by=user.name)
    except (Conflict, NotFound, Refused) as error:
        return _render_accounts(request, typed, str(error))
    return redirect("/brand-accounts")


def end_account_binding(request: Request, binding_id: PathNumber) -> Response:
    """End the binding of an account to a brand."""
    with authorised(request, writing) as (connection, user):
        end_binding(connection, binding_id, by=user.name, now=datetime.now(UTC))
    return redirect("/brand-accounts")


def _render_accounts(request: Request, typed: Mapping[str, str], message: str = "") -> Response:
    with authorised(request) as (connection, _):
        bindings = list_bindings(connection)
        unbound = list_unbound(connection, bindings)
    fields = dict.fromkeys(("name", "brand", "notifier"), "") | dict(typed)
    context = {"bindings": bindings, "unbound": unbound, "said": fields, "message": message}
    return render(request, "brand_accounts.html", context, HTTPStatus.BAD_REQUEST if message else None)
