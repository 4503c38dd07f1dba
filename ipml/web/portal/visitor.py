"""Visitor: the user of the portal and their brands, found first in the transaction of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Path, Query, Request
from sqlalchemy import Connection, Engine

from ipml.cooperation.brands.listings import BrandListing
from ipml.cooperation.brands.notices import Acting, count_waiting
from ipml.errors import NotFound
from ipml.storage.database import reading
from ipml.web.accounts.brand_accounts import LONGEST_BRAND, Binding, list_bindings
from ipml.web.accounts.login import authorised, settings_of
from ipml.web.accounts.permissions import Role
from ipml.web.console.pictures import ShownPictures, find_copies

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Reference = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
BrandName = Annotated[str, Query(max_length=LONGEST_BRAND)]


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who acts for brands."""

    name: str
    bindings: tuple[Binding, ...]
    waiting: int = 0
    """Counter-notices that wait for their answer."""

    @property
    def brands(self) -> list[str]:
        """The brands, in order."""
        return [one.brand for one in self.bindings]

    @property
    def acting(self) -> Acting:
        """The notifier and brand pairs for which the person acts."""
        return [(one.notifier_id, one.brand) for one in self.bindings]

    def choose(self, brand: str) -> list[str]:
        """Return the requested brand, or all; raises NotFound for a brand of others."""
        return [self.binding(brand).brand] if brand else self.brands

    def binding(self, brand: str) -> Binding:
        """Return the binding to a brand, by default the first; raises NotFound for a brand of others."""
        found = next((one for one in self.bindings if brand in ("", one.brand)), None)
        if found is None:
            raise NotFound("brand of your account", brand)
        return found


def find_own_copies(
    request: Request, connection: Connection, listed: Sequence[BrandListing]
) -> dict[int, ShownPictures]:
    """Return stored pictures of listings only: an address elsewhere may name the seller."""
    addresses = {one.case_id: f"/portal/listings/{one.case_id}/pictures" for one in listed if one.case_id}
    return find_copies(connection, settings_of(request), addresses)


@contextmanager
def visiting(
    request: Request, opened: Callable[[Engine], AbstractContextManager[Connection]] = reading
) -> Iterator[tuple[Connection, Visitor]]:
    """Open the transaction of a request for a person who acts for at least one brand.

    Raises LoginNeeded, Forbidden, and NotFound for an account bound to no brand.
    """
    with authorised(request, opened) as (connection, user):
        bindings = list_bindings(connection, user.user_id) if user.role is Role.BRAND else []
        if not bindings:
            raise NotFound("brand for the account", user.name, "Ask the marketplace to bind it to your brand.")
        visitor = Visitor(user.name, tuple(bindings))
        yield connection, replace(visitor, waiting=count_waiting(connection, visitor.acting))
